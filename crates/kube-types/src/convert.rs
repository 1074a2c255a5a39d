//! From a Kubernetes object to what the snapshot holds.

use ako_core::{Claim, Diagnostic, Installation, Resource, ResourceKind};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    BlockAffinity, CiliumNode, ConfigMap, EndpointSlice, HostSubnet, Ingress, IngressClass, Namespace, Node,
    Pod, Secret, Service, StatefulSet,
};

/// What became of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Converted {
    /// What the snapshot is to hold; `None` if the object is of no use to us:
    /// the snapshot must not hold an older version of it either.
    pub resource: Option<Resource>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

/// A Kubernetes object that the snapshot can hold.
pub trait Convert: kube::Resource<DynamicType = ()> {
    /// The kind that it becomes.
    const KIND: ResourceKind;

    /// Whether what is in it may be shown in error texts.
    const SECRET: bool = false;

    /// Converts it. Total: bad parts are left out and named.
    fn convert(self) -> Converted;
}

/// Converts an object of a JSON or YAML file. Objects of kinds that we do not
/// read give no resource.
///
/// # Errors
///
/// If the object has no kind, no version, no name, or not the form of its kind.
pub fn from_json(object: &Value) -> Result<Converted, String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    if kind.is_empty() {
        return Err("an object without kind".to_owned());
    }
    if api_version.is_empty() {
        return Err(format!("{kind} {name} without apiVersion"));
    }
    match (api_version, kind) {
        ("v1", "Namespace") => typed::<Namespace>(object, name),
        ("v1", "Node") => typed::<Node>(object, name),
        ("v1", "Secret") => typed::<Secret>(object, name),
        ("v1", "Service") => typed::<Service>(object, name),
        ("networking.k8s.io/v1", "Ingress") => typed::<Ingress>(object, name),
        ("networking.k8s.io/v1", "IngressClass") => typed::<IngressClass>(object, name),
        ("discovery.k8s.io/v1", "EndpointSlice") => typed::<EndpointSlice>(object, name),
        ("v1", "Pod") => typed::<Pod>(object, name),
        ("crd.projectcalico.org/v1", "BlockAffinity") => typed::<BlockAffinity>(object, name),
        ("network.openshift.io/v1", "HostSubnet") => typed::<HostSubnet>(object, name),
        ("cilium.io/v2", "CiliumNode") => typed::<CiliumNode>(object, name),
        ("v1", "ConfigMap") if name == Claim::CONFIG_MAP => typed::<ConfigMap>(object, name),
        ("apps/v1", "StatefulSet") if name == Installation::STATEFUL_SET => {
            typed::<StatefulSet>(object, name)
        }
        _ => match READ.iter().find(|(_, read)| *read == kind) {
            Some((version, _)) if is_other_version(api_version, version) => {
                Err(format!("{kind} {name}: version {api_version} is not read: write it as {version}"))
            }
            _ => Ok(Converted::default()),
        },
    }
}

/// The kinds of which other versions may be found in files, and the version that is read.
const READ: [(&str, &str); 3] = [
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "IngressClass"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
];

/// Whether a version is an older one of the same kind: Ingresses came from another group.
fn is_other_version(version: &str, read: &str) -> bool {
    let group = |version: &str| version.split_once('/').map(|(group, _)| group.to_owned());
    version != read && (group(version) == group(read) || group(version).as_deref() == Some("extensions"))
}

fn typed<K: Convert + DeserializeOwned>(object: &Value, name: &str) -> Result<Converted, String> {
    let kind = K::KIND.as_str();
    if name.is_empty() {
        return Err(format!("{kind} without metadata.name"));
    }
    let decoded = K::deserialize(object);
    decoded.map(Convert::convert).map_err(|error| undecodable::<K>(name, &error.to_string()))
}

/// What to say about an object that does not have the form of its kind. The
/// decoder's text quotes the object, which must not happen to a Secret.
pub fn undecodable<K: Convert>(name: &str, error: &str) -> String {
    let kind = K::KIND.as_str();
    if K::SECRET {
        format!("{kind} {name} does not have the form of a {kind}")
    } else {
        format!("{kind} {name}: {error}")
    }
}
