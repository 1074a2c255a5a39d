//! Where the objects of a kind are in the API.

use ako_core::ResourceKind;
use ako_core::id::NamespacedName;
use ako_core::kinds::table::KindScope;
use kube::Resource as _;
use kube::core::{ApiResource, DynamicObject};

/// The path of the collection that an object is in.
pub(crate) fn collection(kind: ResourceKind, object: &NamespacedName) -> String {
    let spec = kind.spec();
    let resource = ApiResource {
        group: spec.group.to_owned(),
        version: spec.version.to_owned(),
        api_version: spec.api_version(),
        kind: spec.name.to_owned(),
        plural: spec.plural.to_owned(),
    };
    let namespace =
        (spec.scope == KindScope::Namespaced && !object.namespace.is_empty()).then_some(&*object.namespace);
    DynamicObject::url_path(&resource, namespace)
}
