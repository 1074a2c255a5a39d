//! The kinds of Kubernetes objects that are read: one table, and what follows from it.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::id::NamespacedName;
use crate::service_mode::ServiceMode;

/// Calls a macro with the table of kinds. A row has: kind, the type of what is kept of it, group, version, plural, scope, which
/// of its objects are read ([`Selected`]), and when it is read ([`Read`]).
///
/// This is the only place where these stand. A new kind is a row here, a file
/// beside this one with what is kept of it, and one in `kube-types` with how it is written.
#[macro_export]
macro_rules! for_each_kind {
    ($then:ident) => {
        $then! {
            Namespace namespace::Namespace "" "v1" "namespaces" Cluster All Always;
            Node node::Node "" "v1" "nodes" Cluster All Always;
            IngressClass ingress_class::IngressClass "networking.k8s.io" "v1" "ingressclasses" Cluster All Always;
            Secret secret::Secret "" "v1" "secrets" Namespaced (Fields(WITH_CERTIFICATES)) Always;
            Service service::Service "" "v1" "services" Namespaced All Always;
            EndpointSlice endpoint_slice::EndpointSlice "discovery.k8s.io" "v1" "endpointslices" Namespaced All Always;
            Ingress ingress::Ingress "networking.k8s.io" "v1" "ingresses" Namespaced All Always;
            Route route::Route "route.openshift.io" "v1" "routes" Namespaced All (IfServed(|_| true));
            Pod pod::Pod "" "v1" "pods" Namespaced All (If(|c| c.service_mode == ServiceMode::NodePortLocal));
            BlockAffinity node_subnets::BlockAffinity "crd.projectcalico.org" "v1" "blockaffinities" Cluster All (IfServed(|c| has_cni(c, "calico")));
            HostSubnet node_subnets::HostSubnet "network.openshift.io" "v1" "hostsubnets" Cluster All (IfServed(|c| has_cni(c, "openshift")));
            CiliumNode node_subnets::CiliumNode "cilium.io" "v2" "ciliumnodes" Cluster All (IfServed(|c| has_cni(c, "cilium")));
            AviInfraSetting infra_setting::AviInfraSetting "ako.vmware.com" "v1beta1" "aviinfrasettings" Cluster All (IfServed(|_| true));
            HostRule host_rule::HostRule "ako.vmware.com" "v1beta1" "hostrules" Namespaced All (IfServed(|_| true));
            HTTPRule http_rule::HttpRule "ako.vmware.com" "v1beta1" "httprules" Namespaced All (IfServed(|_| true));
            L4Rule l4_rule::L4Rule "ako.vmware.com" "v1alpha2" "l4rules" Namespaced All (IfServed(|_| true));
            L7Rule l7_rule::L7Rule "ako.vmware.com" "v1alpha2" "l7rules" Namespaced All (IfServed(|_| true));
            SSORule sso_rule::SsoRule "ako.vmware.com" "v1alpha2" "ssorules" Namespaced All (IfServed(|_| true));
            HealthMonitor health_monitor::HealthMonitor "ako.vmware.com" "v1alpha1" "healthmonitors" Namespaced All (IfServed(|c| c.crd_operator));
            ConfigMap claim::Claim "" "v1" "configmaps" Namespaced (Named(CONFIG_MAP)) Always;
            StatefulSet installation::Installation "apps" "v1" "statefulsets" Namespaced (Named(STATEFUL_SET)) Always;
        }
    };
}

/// Helm's release records are most of the Secrets of many clusters.
/// Source: Configuration, lifecycle and HA, "Informers".
const WITH_CERTIFICATES: &str = "type!=helm.sh/release.v1";

/// The name of the ConfigMap that configures an instance.
pub(crate) const CONFIG_MAP: &str = "avi-k8s-config";
/// The name of the StatefulSet of an instance.
pub(crate) const STATEFUL_SET: &str = "ako";

/// Whether the objects of a kind are in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum KindScope {
    Cluster,
    Namespaced,
}

/// Which objects of a kind are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// All of them.
    All,
    /// Those of a name.
    Named(&'static str),
    /// Those that a field selector of the API selects.
    Fields(&'static str),
}

/// When a kind is read.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// Whatever the configuration.
    Always,
    /// With such a configuration.
    If(fn(&Config) -> bool),
    /// With such a configuration, and only where the API server has the kind: a custom
    /// resource. It may come and go at any time; where it is not served, there are no objects
    /// of it.
    IfServed(fn(&Config) -> bool),
}

impl Read {
    /// Whether an instance of a configuration asks for the kind.
    fn is_asked_for(self, config: &Config) -> bool {
        match self {
            Self::Always => true,
            Self::If(asks) | Self::IfServed(asks) => asks(config),
        }
    }
}

/// What is to be known of a kind. Source: Kubernetes API reference.
#[derive(Clone, Copy, Debug)]
pub struct KindSpec {
    /// Its name.
    pub name: &'static str,
    /// Its API group; empty for the core.
    pub group: &'static str,
    /// The version that is read.
    pub version: &'static str,
    /// Its name in paths and in RBAC rules.
    pub plural: &'static str,
    /// Whether its objects are in namespaces.
    pub scope: KindScope,
    /// Which of its objects are read.
    pub selected: Selected,
    /// When it is read.
    pub read: Read,
}

impl KindSpec {
    /// The name of the resource, as a CustomResourceDefinition has it:
    /// `blockaffinities.crd.projectcalico.org`.
    pub fn full_name(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.plural, self.group)
    }

    /// As `apiVersion` has it: `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!("{}/", self.group) };
        format!("{group}{}", self.version)
    }
}

macro_rules! kinds {
    ($($kind:ident $module:ident::$type:ident $group:literal $version:literal $plural:literal $scope:ident $selected:tt $read:tt;)*) => {
        /// The kinds that a [`crate::Snapshot`] holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum ResourceKind {
            $($kind,)*
        }

        impl ResourceKind {
            /// All of them.
            pub const ALL: [Self; [$(Self::$kind),*].len()] = [$(Self::$kind),*];

            /// What is to be known of it.
            pub const fn spec(self) -> &'static KindSpec {
                #[allow(unused_imports)]
                use {KindScope::*, Read::*, Selected::*};
                match self {
                    $(Self::$kind => &KindSpec {
                        name: stringify!($kind),
                        group: $group,
                        version: $version,
                        plural: $plural,
                        scope: $scope,
                        selected: $selected,
                        read: $read,
                    },)*
                }
            }
        }
    };
}
for_each_kind!(kinds);

impl ResourceKind {
    /// The kind's name in Kubernetes.
    pub const fn as_str(self) -> &'static str {
        self.spec().name
    }

    /// Those that every instance reads, whatever its configuration.
    pub fn always() -> BTreeSet<ResourceKind> {
        Self::ALL.into_iter().filter(|kind| matches!(kind.spec().read, Read::Always)).collect()
    }

    /// The kinds that an instance of a configuration reads.
    pub fn read_with(config: &Config) -> BTreeSet<ResourceKind> {
        Self::ALL.into_iter().filter(|kind| kind.spec().read.is_asked_for(config)).collect()
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

    /// Whether API servers may lack this kind: a custom resource.
    pub fn may_be_unserved(self) -> bool {
        matches!(self.spec().read, Read::IfServed(_))
    }

    /// Whether a CNI keeps the subnets of nodes in objects of this kind.
    pub fn tells_subnets(self) -> bool {
        matches!(self, Self::BlockAffinity | Self::HostSubnet | Self::CiliumNode)
    }
}

/// Whether routes are made of what a CNI says of nodes.
fn has_cni(config: &Config, cni: &str) -> bool {
    let makes_routes =
        config.primary && config.service_mode == ServiceMode::ClusterIp && !config.no_static_routes;
    makes_routes && &*config.cni == cni
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
