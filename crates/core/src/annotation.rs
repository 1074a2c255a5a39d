//! The annotations that are read from or written to Kubernetes objects.
//! Source: L7 objects, §5.2; L4 and network, A6.

/// Out: JSON object from host name to the virtual service's uuid.
pub const VS_UUID_MAP: &str = "ako.vmware.com/host-fqdn-vs-uuid-map";
/// Out: the controller cluster's uuid.
pub const CLUSTER_UUID: &str = "ako.vmware.com/controller-cluster-uuid";
/// Out on Ingresses and Services: the Avi tenant.
pub const TENANT: &str = "ako.vmware.com/tenant-name";
/// The three that are written together with a status.
pub const PUBLISHED: [&str; 3] = [VS_UUID_MAP, CLUSTER_UUID, TENANT];

/// In, Namespace, Service and Route: the AviInfraSetting that places what is made for it.
/// Source: Custom resources, §2.
pub const INFRA_SETTING: &str = "aviinfrasetting.ako.vmware.com/name";
/// In, IngressClass: whether it is the default class.
pub const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
/// On an Ingress without `spec.ingressClassName`: the name of its class, as it was given
/// before there were IngressClasses. Source: Kubernetes API, IngressSpec.
pub const INGRESS_CLASS: &str = "kubernetes.io/ingress.class";
/// In, Ingress: TLS with the default certificate.
pub const ENABLE_TLS: &str = "ako.vmware.com/enable-tls";
/// In, Ingress: TLS goes through to the pods.
pub const PASSTHROUGH: &str = "passthrough.ako.vmware.com/enabled";

/// In, Service: Services with the same value share a VIP.
pub const SHARED_VIP: &str = "ako.vmware.com/enable-shared-vip";
/// In, Service: the wanted address.
pub const LOAD_BALANCER_IP: &str = "ako.vmware.com/load-balancer-ip";
/// In, Service: the application profile's name.
pub const APPLICATION_PROFILE: &str = "ako.vmware.com/application-profile";
/// In, Service: `true` keeps traffic off.
pub const DISABLE_TRAFFIC: &str = "ako.vmware.com/disable-traffic";
/// In, Service: the host name.
pub const EXTERNAL_DNS: &str = "external-dns.alpha.kubernetes.io/hostname";
/// In, Service: the L4Rule that it goes by, `name` or `namespace/name`.
pub const L4_RULE: &str = "ako.vmware.com/l4rule";
/// In, Service: pod endpoints even in NodePort mode.
pub const SKIP_NODE_PORT: &str = "skipnodeport.ako.vmware.com/enabled";

/// In, Node: its IPv4 address according to Calico, with a mask.
pub const CALICO_IPV4: &str = "projectcalico.org/IPv4Address";
/// In, Node: its IPv6 address according to Calico, with a mask.
pub const CALICO_IPV6: &str = "projectcalico.org/IPv6Address";
/// In, Node: its addresses according to Antrea, separated by commas.
pub const ANTREA_ADDRESSES: &str = "node.antrea.io/transport-addresses";
/// In, Node: the pod CIDRs behind it, separated by commas.
pub const POD_CIDRS: &str = "ako.vmware.com/pod-cidrs";
/// In, Node: OVN-Kubernetes's subnets, as JSON.
pub const OVN_SUBNETS: &str = "k8s.ovn.org/node-subnets";

/// In, Pod: the node ports that lead to its ports, as JSON.
pub const NODE_PORT_LOCAL: &str = "nodeportlocal.antrea.io";
/// Out, Service: asks Antrea for node ports of its pods.
pub const NODE_PORT_LOCAL_ENABLED: &str = "nodeportlocal.antrea.io/enabled";

/// In, StatefulSet and Pod of the operator: it is one of this implementation.
pub const LEADERSHIP_NOTE: &str = "ako-rs.io/leadership";
/// Out, StatefulSet of the operator: how far `deleteConfig` is.
pub const REMOVAL: &str = "AviObjectDeletionStatus";
/// In and out, StatefulSet of an operator: the uuid of the controller that it is logged in to.
pub const CONTROLLER: &str = "ako-rs.io/controller";
/// In and out, StatefulSet of an operator: what it says of namespaces that change
/// hands, as JSON.
pub const HANDOVER: &str = "ako-rs.io/handover";
/// On a Service: who may connect. It has no effect, and is told.
/// Source: Kubernetes documentation, "Well-Known Labels, Annotations and Taints".
pub const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

/// On our CustomResourceDefinitions: the release that they are of.
pub const RELEASE: &str = "ako-rs.io/release";
