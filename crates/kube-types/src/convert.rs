//! From a Kubernetes object to what the snapshot holds.

use ako_core::kinds::table::Selected;
use ako_core::resource::Published;
use ako_core::{Diagnostic, Resource, ResourceKind};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What became of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Converted {
    /// What the snapshot is to hold; `None` if the object is of no use to us:
    /// the snapshot must not hold an older version of it either.
    pub resource: Option<Resource>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

/// A type of the kind that it is called after.
pub trait OfKind {
    /// The kind.
    const KIND: ResourceKind;
}

/// A Kubernetes object that the snapshot can hold.
pub trait Convert: OfKind + kube::Resource<DynamicType = ()> {
    /// The annotations that are read; all others are dropped while decoding.
    const ANNOTATIONS: &'static [&'static str] = &[];

    /// Whether what is in it may be shown in error texts.
    const SECRET: bool = false;

    /// Converts it. Total: bad parts are left out and named.
    fn convert(self) -> Converted;

    /// What of its status is ours, as a merge patch makes it what is wanted; null for a kind
    /// on which nothing is published.
    fn status(_wanted: &Published, _current: &Published, _stamp: &Stamp<'_>) -> Value {
        Value::Null
    }
}

/// Who writes a status, and when.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// The owner of what is on the controller, `ako-<cluster>`.
    pub owner: &'a str,
    /// The time, for what has just become so.
    pub now: &'a str,
}

/// The merge patch that makes the status of an object of a kind what is wanted.
pub fn status_patch(kind: ResourceKind, wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
    macro_rules! of_each {
        ($($kind:ident $module:ident::$type:ident $group:literal $version:literal $plural:literal $scope:ident $selected:tt $readers:ident $read:tt;)*) => {
            match kind {
                $(ResourceKind::$kind => crate::$kind::status(wanted, current, stamp),)*
            }
        };
    }
    json!({ "status": ako_core::for_each_kind!(of_each) })
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
    let Some(known) = ResourceKind::ALL.into_iter().find(|known| known.as_str() == kind) else {
        return Ok(Converted::default());
    };
    let is_other = matches!(known.spec().selected, Selected::Named(read) if read != name);
    match known.spec().api_version() {
        _ if is_other => Ok(Converted::default()),
        read if read == api_version => by_kind(known, object, name),
        read if is_other_version(api_version, &read) => {
            Err(format!("{kind} {name}: version {api_version} is not read: write it as {read}"))
        }
        _ => Ok(Converted::default()),
    }
}

fn by_kind(kind: ResourceKind, object: &Value, name: &str) -> Result<Converted, String> {
    macro_rules! of_each {
        ($($kind:ident $module:ident::$type:ident $group:literal $version:literal $plural:literal $scope:ident $selected:tt $readers:ident $read:tt;)*) => {
            match kind {
                $(ResourceKind::$kind => typed::<crate::$kind>(object, name),)*
            }
        };
    }
    ako_core::for_each_kind!(of_each)
}

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
