//! Kubernetes objects, slimmed to what translation reads.
//!
//! Conversion from the API's JSON is at the edge (`kube-types`); from here on
//! every value is trusted.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::NamespacedName;
use crate::instance::{Claim, Installation};
use crate::secret::Redacted;

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

    /// Those that every instance reads; [`crate::Config::kinds`] tells the
    /// others.
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

/// A namespace with its labels and the annotations that steer us.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Namespace {
    /// Its name.
    pub name: Arc<str>,
    /// All labels.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Annotation [`crate::annotation::TENANT`], if not empty.
    pub tenant: Option<Arc<str>>,
}

/// A node: where NodePort traffic can be sent, and which pods are behind it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// `metadata.uid`: static routes are called after it.
    pub uid: Arc<str>,
    /// Creation time, seconds since the epoch.
    pub created: i64,
    /// All labels.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// `status.addresses` of type InternalIP, in order.
    pub internal_ips: Vec<Arc<str>>,
    /// The addresses that the CNI announces in annotations, masks stripped.
    pub cni_ips: Vec<Arc<str>>,
    /// `spec.podCIDRs`, else `spec.podCIDR`, as they are written.
    pub pod_cidrs: Vec<Arc<str>>,
    /// Annotation [`crate::annotation::POD_CIDRS`], taken apart; `None` if it is
    /// not there.
    pub annotated_cidrs: Option<Vec<Arc<str>>>,
    /// The default network in annotation
    /// [`crate::annotation::OVN_SUBNETS`]; `None` if it is not there.
    pub ovn_cidrs: Option<Vec<Arc<str>>>,
}

/// The subnets that a CNI gave to a node: one BlockAffinity, HostSubnet or
/// CiliumNode. Source: L4 and network, B5.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSubnets {
    /// Which of the three.
    pub kind: ResourceKind,
    /// The object's name.
    pub name: Arc<str>,
    /// The node's name.
    pub node: Arc<str>,
    /// The subnets, as they are written.
    pub cidrs: Vec<Arc<str>>,
}

/// A pod that NodePortLocal made reachable; others are not kept.
/// Source: L4 and network, B12.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    /// Its name.
    pub id: NamespacedName,
    /// All labels.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// `status.podIPs`, by which its endpoints are found.
    pub addresses: Vec<Arc<str>>,
    /// The names of its containers' ports.
    pub port_names: BTreeMap<Arc<str>, u16>,
    /// Annotation `nodeportlocal.antrea.io`.
    pub node_ports: Vec<NodePort>,
}

/// A port of a pod, and where it can be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodePort {
    /// The pod's port.
    pub pod_port: u16,
    /// Its protocol; `None` if Antrea does not say.
    pub protocol: Option<Protocol>,
    /// The node's address.
    pub node_ip: Arc<str>,
    /// The node's port.
    pub node_port: u16,
}

/// An IngressClass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IngressClass {
    /// Its name.
    pub name: Arc<str>,
    /// `spec.controller`.
    pub controller: Arc<str>,
    /// Whether Ingresses without a class belong to it.
    pub is_default: bool,
}

/// The parts of a Secret that a certificate is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secret {
    /// Its name.
    pub id: NamespacedName,
    /// `tls.crt`, PEM.
    pub certificate: Option<Arc<str>>,
    /// `tls.key`, PEM.
    pub key: Redacted,
    /// `alt.crt`, PEM: a second certificate for other clients.
    pub alternate_certificate: Option<Arc<str>>,
    /// `alt.key`, PEM.
    pub alternate_key: Redacted,
}

/// The type of a Service that we look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ServiceType {
    #[default]
    ClusterIp,
    NodePort,
    LoadBalancer,
    /// Of no use to us: a DNS alias.
    ExternalName,
}

/// The protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// `TCP`, `UDP` or `SCTP`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PortRef {
    Number(u16),
    Name(Arc<str>),
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePort {
    /// Its name, empty if it has none.
    pub name: Arc<str>,
    /// The Service's port.
    pub port: u16,
    /// The pods' port; absent means the same number.
    pub target_port: Option<PortRef>,
    /// Its protocol.
    pub protocol: Protocol,
    /// The nodes' port, if one is allocated.
    pub node_port: Option<u16>,
}

/// A field of a Service that asks for something and has no effect here. What becomes of
/// every field is in `docs/fields.md`.
#[derive(Clone, Debug, PartialEq)]
pub enum UnusedField {
    /// `spec.loadBalancerSourceRanges`, or the annotation of before there was that field.
    SourceRanges,
    /// `spec.sessionAffinity: ClientIP`.
    SessionAffinity,
    /// `spec.ports[].appProtocol`, of this port: another one than HTTP/1 in plain text.
    AppProtocol(u16, Arc<str>),
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// Its name.
    pub id: NamespacedName,
    /// Creation time, seconds since the epoch.
    pub created: i64,
    /// `spec.type`.
    pub service_type: ServiceType,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// `spec.loadBalancerClass`.
    pub class: Option<Arc<str>>,
    /// `spec.loadBalancerIP`, if not empty.
    pub load_balancer_ip: Option<Arc<str>>,
    /// `spec.ipFamilies`: whether IPv4 is among them (or none is given).
    pub ipv4: bool,
    /// Whether IPv6 is among them.
    pub ipv6: bool,
    /// `spec.externalTrafficPolicy` is `Local`.
    pub local_traffic_only: bool,
    /// `spec.selector`; empty if there is none.
    pub selector: BTreeMap<Arc<str>, Arc<str>>,
    /// What is asked for and has no effect.
    pub unused: Vec<UnusedField>,
    /// The annotations that steer us; others are dropped.
    pub annotations: BTreeMap<Arc<str>, Arc<str>>,
    /// What was published on the object.
    pub published: Published,
}

/// An endpoint of a slice. Only the first address counts, as in upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Its address.
    pub address: Arc<str>,
    /// `conditions.ready`; the API says that absent means ready.
    pub ready: bool,
    /// `conditions.terminating`.
    pub terminating: bool,
    /// The Node that it runs on.
    pub node: Option<Arc<str>>,
}

/// A port of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SlicePort {
    /// Its name, empty if it has none.
    pub name: Arc<str>,
    /// The number; absent means all ports, which is of no use to us.
    pub port: Option<u16>,
    /// Its protocol.
    pub protocol: Protocol,
}

/// An EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointSlice {
    /// Its name.
    pub id: NamespacedName,
    /// The Service that it belongs to, from label `kubernetes.io/service-name`.
    pub service: Option<NamespacedName>,
    /// `addressType` is `IPv6`.
    pub is_ipv6: bool,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Its ports.
    pub ports: Vec<SlicePort>,
}

/// How a path is to be matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum PathType {
    Exact,
    Prefix,
    #[default]
    ImplementationSpecific,
}

/// A Service and a port of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// The Service's name, in the Ingress's namespace.
    pub service: Arc<str>,
    /// Its port.
    pub port: PortRef,
}

/// One path of an [`IngressRule`].
#[derive(Clone, Debug, PartialEq)]
pub struct IngressPath {
    /// The path, possibly empty.
    pub path: Arc<str>,
    /// How it is matched.
    pub path_type: PathType,
    /// Where it leads; `None` for a resource backend, which is not supported.
    pub backend: Option<Backend>,
}

/// The paths of one host.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressRule {
    /// The host; absent means one generated from the Ingress's name.
    pub host: Option<Arc<str>>,
    /// Its paths; `None` if the rule has no `http` part.
    pub paths: Option<Vec<IngressPath>>,
}

/// Hosts and the Secret that holds their certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressTls {
    /// The hosts; none stands for all hosts of the Ingress.
    pub hosts: Vec<Arc<str>>,
    /// Whether it named more, which are no DNS names.
    pub has_bad_hosts: bool,
    /// The Secret's name, in the Ingress's namespace.
    pub secret: Arc<str>,
}

/// An Ingress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ingress {
    /// Its name.
    pub id: NamespacedName,
    /// Creation time, seconds since the epoch.
    pub created: i64,
    /// `spec.ingressClassName`, else annotation [`crate::annotation::INGRESS_CLASS`].
    pub class: Option<Arc<str>>,
    /// Annotation [`crate::annotation::ENABLE_TLS`].
    pub enable_tls: bool,
    /// Annotation [`crate::annotation::PASSTHROUGH`].
    pub passthrough: bool,
    /// `spec.rules`.
    pub rules: Vec<IngressRule>,
    /// `spec.tls`.
    pub tls: Vec<IngressTls>,
    /// Whether `spec.defaultBackend` is set, which has no effect.
    pub has_default_backend: bool,
    /// What was published on the object.
    pub published: Published,
}

/// What we wrote to an object, as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// `status.loadBalancer.ingress`.
    pub addresses: Vec<PublishedAddress>,
    /// Those of [`crate::annotation::PUBLISHED`] that are there.
    pub annotations: BTreeMap<Arc<str>, Arc<str>>,
    /// On Services, annotation [`crate::annotation::NODE_PORT_LOCAL_ENABLED`]
    /// if it is there. It may be somebody else's, and comes and goes by rules of
    /// its own.
    pub node_ports: Option<Arc<str>>,
}

impl Published {
    /// Whether no addresses were published, and nothing that goes with them.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.annotations.is_empty()
    }
}

/// One entry of `status.loadBalancer.ingress`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishedAddress {
    /// The host; empty if none.
    pub hostname: Arc<str>,
    /// The address.
    pub ip: Arc<str>,
}
