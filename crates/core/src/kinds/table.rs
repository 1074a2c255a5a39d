//! The kinds of Kubernetes objects that are read: one table, and what follows from it.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::id::NamespacedName;
use crate::program::Program;
use crate::service_mode::ServiceMode;

/// Calls a macro with the table of kinds. A row has: kind, the type of what is kept of it, group, version,
/// plural, scope, which of its objects are read ([`Selected`]), by which programs ([`Readers`]), and when
/// ([`Read`]).
///
/// This is the only place where these stand. A new kind is a row here, a file
/// beside this one with what is kept of it, and one in `kube-types` with how it is written.
#[macro_export]
macro_rules! for_each_kind {
    ($then:ident) => {
        $then! {
            Namespace namespace::Namespace "" "v1" "namespaces" Cluster All Both Always;
            Node node::Node "" "v1" "nodes" Cluster All Operator Always;
            IngressClass ingress_class::IngressClass "networking.k8s.io" "v1" "ingressclasses" Cluster All Operator Always;
            Secret secret::Secret "" "v1" "secrets" Namespaced (Fields(WITH_CERTIFICATES)) Both Always;
            Service service::Service "" "v1" "services" Namespaced All Operator Always;
            EndpointSlice endpoint_slice::EndpointSlice "discovery.k8s.io" "v1" "endpointslices" Namespaced All Operator Always;
            Ingress ingress::Ingress "networking.k8s.io" "v1" "ingresses" Namespaced All Operator Always;
            Route route::Route "route.openshift.io" "v1" "routes" Namespaced All Operator (IfServed(|_| true));
            Pod pod::Pod "" "v1" "pods" Namespaced All Operator (If(|c| c.service_mode == ServiceMode::NodePortLocal));
            BlockAffinity node_subnets::BlockAffinity "crd.projectcalico.org" "v1" "blockaffinities" Cluster All Operator (IfServed(|c| has_cni(c, "calico")));
            HostSubnet node_subnets::HostSubnet "network.openshift.io" "v1" "hostsubnets" Cluster All Operator (IfServed(|c| has_cni(c, "openshift")));
            CiliumNode node_subnets::CiliumNode "cilium.io" "v2" "ciliumnodes" Cluster All Operator (IfServed(|c| has_cni(c, "cilium")));
            AviInfraSetting infra_setting::AviInfraSetting "ako.vmware.com" "v1beta1" "aviinfrasettings" Cluster All Operator (IfServed(|_| true));
            HostRule host_rule::HostRule "ako.vmware.com" "v1beta1" "hostrules" Namespaced All Operator (IfServed(|_| true));
            HTTPRule http_rule::HttpRule "ako.vmware.com" "v1beta1" "httprules" Namespaced All Operator (IfServed(|_| true));
            L4Rule l4_rule::L4Rule "ako.vmware.com" "v1alpha2" "l4rules" Namespaced All Operator (IfServed(|_| true));
            L7Rule l7_rule::L7Rule "ako.vmware.com" "v1alpha2" "l7rules" Namespaced All Operator (IfServed(|_| true));
            SSORule sso_rule::SsoRule "ako.vmware.com" "v1alpha2" "ssorules" Namespaced All Operator (IfServed(|_| true));
            HealthMonitor health_monitor::HealthMonitor "ako.vmware.com" "v1alpha1" "healthmonitors" Namespaced All Both (IfServed(|c| c.crd_operator || is_crd_operator(c)));
            ApplicationProfile application_profile::ApplicationProfile "ako.vmware.com" "v1alpha1" "applicationprofiles" Namespaced All CrdOperator (IfServed(|_| true));
            PKIProfile pki_profile::PkiProfile "ako.vmware.com" "v1alpha1" "pkiprofiles" Namespaced All CrdOperator (IfServed(|_| true));
            RouteBackendExtension route_backend_extension::RouteBackendExtension "ako.vmware.com" "v1alpha1" "routebackendextensions" Namespaced All CrdOperator (IfServed(|_| true));
            ConfigMap claim::Claim "" "v1" "configmaps" Namespaced (Named(CONFIG_MAP)) Operator Always;
            StatefulSet installation::Installation "apps" "v1" "statefulsets" Namespaced (Named(STATEFUL_SET)) Operator Always;
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

/// The programs that read a kind. Source: Custom resources, §9.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Readers {
    Operator,
    CrdOperator,
    Both,
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
    /// The programs that read it.
    pub readers: Readers,
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
    ($($kind:ident $module:ident::$type:ident $group:literal $version:literal $plural:literal $scope:ident $selected:tt $readers:ident $read:tt;)*) => {
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
                        readers: Readers::$readers,
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

    /// Whether a program may read this kind, depending on its configuration.
    pub fn is_read_by(self, program: Program) -> bool {
        match self.spec().readers {
            Readers::Operator => program == Program::Operator,
            Readers::CrdOperator => program == Program::CrdOperator,
            Readers::Both => true,
        }
    }

    /// Whether a program writes statuses of this kind: what the CRD operator reads is its own.
    pub fn is_published_by(self, program: Program) -> bool {
        let is_of_crd_operator = self.is_read_by(Program::CrdOperator);
        self.has_status() && is_of_crd_operator == (program == Program::CrdOperator)
    }

    /// Those that every instance reads, whatever its configuration.
    pub fn always() -> BTreeSet<ResourceKind> {
        Self::ALL.into_iter().filter(|kind| matches!(kind.spec().read, Read::Always)).collect()
    }

    /// The kinds that an instance of a configuration reads.
    pub fn read_with(config: &Config) -> BTreeSet<ResourceKind> {
        let is_read = |kind: &Self| kind.is_read_by(config.program) && kind.spec().read.is_asked_for(config);
        Self::ALL.into_iter().filter(is_read).collect()
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

/// Whether it is the configuration of the program that makes objects of AKO's profiles.
fn is_crd_operator(config: &Config) -> bool {
    config.program == Program::CrdOperator
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
