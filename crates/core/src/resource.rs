//! One Kubernetes object of any kind.

use crate::id::NamespacedName;

pub use crate::kinds::claim::Claim;
pub use crate::kinds::endpoint_slice::{Endpoint, EndpointSlice, SlicePort};
pub use crate::kinds::ingress::{Backend, Ingress, IngressPath, IngressRule, IngressTls, PathType};
pub use crate::kinds::ingress_class::IngressClass;
pub use crate::kinds::installation::Installation;
pub use crate::kinds::namespace::Namespace;
pub use crate::kinds::node::Node;
pub use crate::kinds::node_subnets::NodeSubnets;
pub use crate::kinds::pod::{NodePort, Pod};
pub use crate::kinds::port::{PortRef, Protocol};
pub use crate::kinds::published::{Published, PublishedAddress};
pub use crate::kinds::secret::Secret;
pub use crate::kinds::service::{Service, ServicePort, ServiceType, UnusedField};
pub use crate::kinds::table::{ResourceId, ResourceKind};

/// One object of any kind.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Resource {
    Namespace(Namespace),
    Node(Node),
    IngressClass(IngressClass),
    Secret(Secret),
    Service(Service),
    EndpointSlice(EndpointSlice),
    Ingress(Ingress),
    Pod(Pod),
    NodeSubnets(NodeSubnets),
    /// A ConfigMap with the configuration of an instance.
    Claim(Claim),
    /// A StatefulSet of an instance.
    Installation(Installation),
}

impl Resource {
    /// Its kind and name.
    pub fn id(&self) -> ResourceId {
        let (kind, name) = match self {
            Self::Namespace(x) => (ResourceKind::Namespace, NamespacedName::cluster(x.name.clone())),
            Self::Node(x) => (ResourceKind::Node, NamespacedName::cluster(x.name.clone())),
            Self::IngressClass(x) => (ResourceKind::IngressClass, NamespacedName::cluster(x.name.clone())),
            Self::Secret(x) => (ResourceKind::Secret, x.id.clone()),
            Self::Service(x) => (ResourceKind::Service, x.id.clone()),
            Self::EndpointSlice(x) => (ResourceKind::EndpointSlice, x.id.clone()),
            Self::Ingress(x) => (ResourceKind::Ingress, x.id.clone()),
            Self::Pod(x) => (ResourceKind::Pod, x.id.clone()),
            Self::NodeSubnets(x) => (x.kind, NamespacedName::cluster(x.name.clone())),
            Self::Claim(x) => {
                (ResourceKind::ConfigMap, NamespacedName::new(x.namespace.clone(), Claim::CONFIG_MAP))
            }
            Self::Installation(x) => {
                let name = NamespacedName::new(x.namespace.clone(), Installation::STATEFUL_SET);
                (ResourceKind::StatefulSet, name)
            }
        };
        ResourceId { kind, name }
    }
}
