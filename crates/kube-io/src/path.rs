//! Where the objects of a kind are in the API.

use ako_core::ResourceKind;
use ako_core::id::NamespacedName;
use ako_kube_types::{
    BlockAffinity, CiliumNode, ConfigMap, EndpointSlice, HostSubnet, Ingress, IngressClass, Namespace, Node,
    Pod, Secret, Service, StatefulSet,
};
use kube::Resource;

/// The path of the collection that an object is in.
pub(crate) fn collection(kind: ResourceKind, object: &NamespacedName) -> String {
    let namespace = Some(&*object.namespace).filter(|namespace| !namespace.is_empty());
    match kind {
        ResourceKind::Namespace => Namespace::url_path(&(), None),
        ResourceKind::Node => Node::url_path(&(), None),
        ResourceKind::IngressClass => IngressClass::url_path(&(), None),
        ResourceKind::Secret => Secret::url_path(&(), namespace),
        ResourceKind::Service => Service::url_path(&(), namespace),
        ResourceKind::EndpointSlice => EndpointSlice::url_path(&(), namespace),
        ResourceKind::Ingress => Ingress::url_path(&(), namespace),
        ResourceKind::Pod => Pod::url_path(&(), namespace),
        ResourceKind::BlockAffinity => BlockAffinity::url_path(&(), None),
        ResourceKind::HostSubnet => HostSubnet::url_path(&(), None),
        ResourceKind::CiliumNode => CiliumNode::url_path(&(), None),
        ResourceKind::ConfigMap => ConfigMap::url_path(&(), namespace),
        ResourceKind::StatefulSet => StatefulSet::url_path(&(), namespace),
    }
}

/// The `apiVersion` of a kind.
pub(crate) fn api_version(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Namespace
        | ResourceKind::Node
        | ResourceKind::Secret
        | ResourceKind::Service
        | ResourceKind::Pod
        | ResourceKind::ConfigMap => "v1",
        ResourceKind::StatefulSet => "apps/v1",
        ResourceKind::BlockAffinity => "crd.projectcalico.org/v1",
        ResourceKind::HostSubnet => "network.openshift.io/v1",
        ResourceKind::CiliumNode => "cilium.io/v2",
        ResourceKind::IngressClass | ResourceKind::Ingress => "networking.k8s.io/v1",
        ResourceKind::EndpointSlice => "discovery.k8s.io/v1",
    }
}
