//! The metadata of an object, without what nobody reads.
//!
//! An object's `managedFields` and foreign annotations (above all kubectl's
//! copy of the whole object) are most of its size; they are dropped while
//! decoding.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_core::NamespacedName;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::ObjectMeta;
use serde::{Deserialize, Deserializer};

use crate::convert::Convert;

/// The namespace that an object of a file is in if it names none, as in kubectl.
const DEFAULT_NAMESPACE: &str = "default";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

/// Decodes the metadata of a kind without what nobody reads.
pub(crate) fn slim<'de, K: Convert, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let Some(wire) = Option::<Wire>::deserialize(deserializer)? else { return Ok(ObjectMeta::default()) };
    let annotations = wire.annotations.map(|mut all| {
        all.retain(|key, _| K::ANNOTATIONS.contains(&key.as_str()));
        all
    });
    Ok(ObjectMeta {
        name: wire.name,
        namespace: wire.namespace,
        uid: wire.uid,
        resource_version: wire.resource_version,
        creation_timestamp: wire.creation_timestamp,
        deletion_timestamp: wire.deletion_timestamp,
        finalizers: wire.finalizers,
        generation: wire.generation,
        labels: wire.labels,
        annotations,
        ..ObjectMeta::default()
    })
}

/// The name of an object of the cluster.
pub(crate) fn name(meta: &ObjectMeta) -> Arc<str> {
    meta.name.as_deref().unwrap_or_default().into()
}

/// The name of an object of a namespace.
pub(crate) fn namespaced_name(meta: &ObjectMeta) -> NamespacedName {
    let namespace = meta.namespace.as_deref().filter(|n| !n.is_empty()).unwrap_or(DEFAULT_NAMESPACE);
    NamespacedName::new(namespace, name(meta))
}

/// The creation time in seconds since the epoch; 0 if there is none.
pub(crate) fn created(meta: &ObjectMeta) -> i64 {
    meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second())
}

/// What is kept of the metadata beside the name.
pub(crate) fn kept(meta: &ObjectMeta) -> ako_core::resource::ObjectMeta {
    ako_core::resource::ObjectMeta {
        uid: meta.uid.as_deref().unwrap_or_default().into(),
        created: created(meta),
        generation: meta.generation.unwrap_or_default(),
        is_deleting: meta.deletion_timestamp.is_some(),
    }
}

/// All labels.
pub(crate) fn labels(meta: &ObjectMeta) -> BTreeMap<Arc<str>, Arc<str>> {
    pairs(meta.labels.as_ref())
}

/// A map of texts.
pub(crate) fn pairs(map: Option<&BTreeMap<String, String>>) -> BTreeMap<Arc<str>, Arc<str>> {
    map.into_iter().flatten().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
}

/// One annotation of a kind, if it is there.
pub(crate) fn annotation<'a, K: Convert>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    debug_assert!(K::ANNOTATIONS.contains(&key), "{key} is not kept when {} is decoded", K::KIND.as_str());
    meta.annotations.as_ref()?.get(key).map(String::as_str)
}

/// One annotation of a kind, if it is there and not empty.
pub(crate) fn filled<K: Convert>(meta: &ObjectMeta, key: &str) -> Option<Arc<str>> {
    annotation::<K>(meta, key).filter(|value| !value.is_empty()).map(Into::into)
}

/// Those of the named annotations that are there.
pub(crate) fn annotations<K: Convert>(meta: &ObjectMeta, keys: &[&str]) -> BTreeMap<Arc<str>, Arc<str>> {
    let present = keys.iter().filter_map(|key| annotation::<K>(meta, key).map(|value| (*key, value)));
    present.map(|(key, value)| (key.into(), value.into())).collect()
}
