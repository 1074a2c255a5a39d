//! The kinds of Kubernetes objects, by name.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::id::NamespacedName;
use crate::service_mode::ServiceMode;

/// The kinds that a [`crate::Snapshot`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum ResourceKind {
    Namespace,
    Node,
    IngressClass,
    Secret,
    Service,
    EndpointSlice,
    Ingress,
    /// Of NodePortLocal.
    Pod,
    /// Of Calico.
    BlockAffinity,
    /// Of OpenShift's SDN.
    HostSubnet,
    /// Of Cilium.
    CiliumNode,
    /// The configurations of all instances of the cluster.
    ConfigMap,
    /// The StatefulSets of all instances of the cluster.
    StatefulSet,
}

impl ResourceKind {
    /// All of them.
    pub const ALL: [ResourceKind; 13] = [
        Self::Namespace,
        Self::Node,
        Self::IngressClass,
        Self::Secret,
        Self::Service,
        Self::EndpointSlice,
        Self::Ingress,
        Self::Pod,
        Self::BlockAffinity,
        Self::HostSubnet,
        Self::CiliumNode,
        Self::ConfigMap,
        Self::StatefulSet,
    ];

    /// Those that every instance reads, whatever its configuration.
    pub const ALWAYS: [ResourceKind; 9] = [
        Self::Namespace,
        Self::Node,
        Self::IngressClass,
        Self::Secret,
        Self::Service,
        Self::EndpointSlice,
        Self::Ingress,
        Self::ConfigMap,
        Self::StatefulSet,
    ];

    /// The kinds that an instance of a configuration reads.
    pub fn read_with(config: &Config) -> BTreeSet<ResourceKind> {
        let mut kinds = BTreeSet::from(Self::ALWAYS);
        if config.service_mode == ServiceMode::NodePortLocal {
            kinds.insert(Self::Pod);
        }
        if config.primary && config.service_mode == ServiceMode::ClusterIp && !config.no_static_routes {
            kinds.extend(Self::of_subnets(config));
        }
        kinds
    }

    /// The kind of object in which the CNI says which subnets a node has, if
    /// it is one of its own. Source: L4 and network, B5.
    pub fn of_subnets(config: &Config) -> Option<ResourceKind> {
        match &*config.cni {
            "calico" => Some(Self::BlockAffinity),
            "openshift" => Some(Self::HostSubnet),
            "cilium" => Some(Self::CiliumNode),
            _ => None,
        }
    }

    /// Whether a CNI keeps the subnets of nodes in objects of this kind.
    pub fn tells_subnets(self) -> bool {
        matches!(self, Self::BlockAffinity | Self::HostSubnet | Self::CiliumNode)
    }

    /// The kind's name in Kubernetes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Node => "Node",
            Self::IngressClass => "IngressClass",
            Self::Secret => "Secret",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Ingress => "Ingress",
            Self::Pod => "Pod",
            Self::BlockAffinity => "BlockAffinity",
            Self::HostSubnet => "HostSubnet",
            Self::CiliumNode => "CiliumNode",
            Self::ConfigMap => "ConfigMap",
            Self::StatefulSet => "StatefulSet",
        }
    }
}

/// A kind and the name of one of its objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// The kind.
    pub kind: ResourceKind,
    /// The name.
    pub name: NamespacedName,
}

impl std::fmt::Display for ResourceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}
