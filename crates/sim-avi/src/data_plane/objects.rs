//! The Avi objects that the data plane is made of, at one instant.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::kind;
use crate::reference;
use crate::store::{Object, Store};

/// The types of objects that traffic depends on.
const KINDS: &[&str] = &[
    "tenant",
    "virtualservice",
    "vsvip",
    "pool",
    "poolgroup",
    "httppolicyset",
    "l4policyset",
    "vsdatascriptset",
    "sslkeyandcertificate",
    "applicationprofile",
    "networkprofile",
    "healthmonitor",
    "pkiprofile",
];

/// Objects by uuid. Taking them holds the Controller's lock only for as long as it
/// takes to count references.
#[derive(Debug, Default)]
pub(super) struct Objects {
    by_uuid: HashMap<Arc<str>, Arc<Object>>,
    virtual_services: Vec<Arc<Object>>,
}

impl Objects {
    pub(super) fn take(store: &Store) -> Self {
        let of_kind = |path: &&str| kind::find(path).into_iter().flat_map(|kind| store.of_kind(kind));
        let virtual_services = of_kind(&"virtualservice").cloned().collect();
        let all = KINDS.iter().flat_map(of_kind);
        Self { by_uuid: all.map(|object| (object.uuid.clone(), object.clone())).collect(), virtual_services }
    }

    /// Virtual services in the order of creation.
    pub(super) fn virtual_services(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.virtual_services.iter()
    }

    /// The object that a reference means, if it is of that type.
    pub(super) fn referred(&self, kind: &str, reference: Option<&Value>) -> Option<&Arc<Object>> {
        let uuid = reference::uuid(reference?.as_str()?)?;
        self.by_uuid.get(uuid).filter(|object| object.kind.path == kind)
    }

    /// The object that a field refers to.
    pub(super) fn field(&self, kind: &str, fields: &Map<String, Value>, key: &str) -> Option<&Arc<Object>> {
        self.referred(kind, fields.get(key))
    }

    /// The objects that a list field refers to.
    pub(super) fn list<'a>(
        &'a self,
        kind: &'a str,
        fields: &'a Map<String, Value>,
        key: &str,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        list(fields.get(key)).filter_map(move |reference| self.referred(kind, Some(reference)))
    }

    /// What is attached by `[{"index": 11, <key>: <reference>}]`, by index.
    pub(super) fn attached(
        &self,
        object: &Object,
        list_key: &str,
        key: &str,
        kind: &str,
    ) -> Vec<&Arc<Object>> {
        let mut found = BTreeMap::new();
        for (position, entry) in list(object.full.get(list_key)).enumerate() {
            if let Some(target) = self.referred(kind, entry.get(key)) {
                found.insert((entry["index"].as_u64().unwrap_or_default(), position), target);
            }
        }
        found.into_values().collect()
    }

    /// The virtual services that have a parent, by its uuid.
    pub(super) fn children(&self) -> HashMap<&str, Vec<&Arc<Object>>> {
        let mut children: HashMap<&str, Vec<&Arc<Object>>> = HashMap::new();
        for object in &self.virtual_services {
            if let Some(parent) = reference::field(&object.full, "vh_parent_vs_ref") {
                children.entry(parent).or_default().push(object);
            }
        }
        children
    }

    /// `<tenant>/<name>`
    pub(super) fn label(&self, object: &Object) -> Arc<str> {
        let tenant = self.by_uuid.get(&object.tenant).map_or(&object.tenant, |tenant| &tenant.name);
        format!("{tenant}/{}", object.name).into()
    }
}

/// The elements of a list.
pub(super) fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// The texts of a list.
pub(super) fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    list(value).filter_map(Value::as_str)
}

/// A text; empty if there is none.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a flag is set; flags of which nothing is said are.
pub(super) fn is_on(value: Option<&Value>) -> bool {
    value.and_then(Value::as_bool).unwrap_or(true)
}

/// A port number.
pub(super) fn port(value: Option<&Value>) -> Option<u16> {
    value.and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok())
}

/// An address `{"addr": …, "type": "V4"}`.
pub(super) fn address(value: Option<&Value>) -> Option<IpAddr> {
    value?.get("addr")?.as_str()?.parse().ok()
}
