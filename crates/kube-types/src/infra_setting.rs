//! AviInfraSetting, ako.vmware.com/v1beta1. Source: Custom resources, §2.

use ako_core::config::{NodeNetwork, ShardSize, VipNetwork, split_cidr};
use ako_core::kinds::infra_setting as kept;
use ako_core::resource::Published;
use ako_core::{NamespacedName, Resource, ResourceId, ResourceKind};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::convert::{Convert, Converted, Stamp};
use crate::metadata;
use crate::rule::{self, Checks, PORTS, Place, text, texts, words};

/// An AviInfraSetting, ako.vmware.com/v1beta1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct AviInfraSetting {
    #[serde(default, deserialize_with = "metadata::slim::<AviInfraSetting, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<rule::RuleStatus>,
}

const SHARD_SIZES: [(&str, ShardSize); 4] = [
    ("SMALL", ShardSize::Shared(1)),
    ("MEDIUM", ShardSize::Shared(4)),
    ("LARGE", ShardSize::Shared(8)),
    ("DEDICATED", ShardSize::Dedicated),
];

const LABELS_NEED_RHI: &str = "BGPPeerLabels cannot be set if EnableRhi is false.";
const A_LISTENER_WITH_SSL: &str = "One of the port in aviInfraSetting must have SSL enabled";

/// Where the virtual services and pools are placed of what refers to it: by an IngressClass, or by
/// annotation `aviinfrasetting.ako.vmware.com/name` of a Namespace, a Service or a Route. What it
/// leaves out is as it is configured for the operator.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    /// Networks, and how addresses are made known.
    network: Option<Network>,
    /// The service engine group.
    se_group: Option<SeGroup>,
    /// How hosts share virtual services.
    l7_settings: Option<L7Settings>,
    /// What is for NSX-T clouds.
    nsx_settings: Option<NsxSettings>,
}

/// Networks, and how addresses are made known.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([
    {"rule": "!has(self.listeners) || size(self.listeners) == 0 || \
              self.listeners.exists(listener, has(listener.enableSSL) && listener.enableSSL)",
        "message": A_LISTENER_WITH_SSL},
])))]
struct Network {
    /// The networks that addresses of virtual services are allocated from. Clouds other than AWS
    /// and Azure use the first one.
    vip_networks: Option<Vec<WireVipNetwork>>,
    /// The networks that the nodes are in.
    node_networks: Option<Vec<WireNodeNetwork>>,
    /// Whether the addresses of virtual services are advertised by BGP.
    enable_rhi: Option<bool>,
    /// Whether virtual services get a public address, on clouds that have such.
    #[serde(rename = "enablePublicIP")]
    enable_public_ip: Option<bool>,
    /// The BGP peers, by their labels, to which addresses are advertised. Only with enableRhi.
    bgp_peer_labels: Option<Vec<String>>,
    /// Ports of shared and dedicated virtual services. One of them has to have TLS.
    listeners: Option<Vec<Listener>>,
}

/// A network that addresses are allocated from, by its name or its uuid.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = json!([{"required": ["networkName"]}, {"required": ["networkUUID"]}])))]
struct WireVipNetwork {
    /// The name of the network on the Avi Controller.
    network_name: Option<String>,
    /// The uuid of the network: that on the Avi Controller, or that of a subnet on AWS and Azure.
    #[serde(rename = "networkUUID")]
    network_uuid: Option<String>,
    /// The IPv4 subnet of the network to use: address/bits.
    cidr: Option<String>,
    /// The IPv6 subnet of the network to use: address/bits.
    v6cidr: Option<String>,
}

/// A network that nodes are in, by its name or its uuid.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = json!([{"required": ["networkName"]}, {"required": ["networkUUID"]}])))]
struct WireNodeNetwork {
    /// The name of the network on the Avi Controller.
    network_name: Option<String>,
    /// The uuid of the network on the Avi Controller.
    #[serde(rename = "networkUUID")]
    network_uuid: Option<String>,
    /// The subnets of the network that nodes are in: address/bits.
    cidrs: Option<Vec<String>>,
}

/// A port of virtual services.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct Listener {
    /// Its number.
    #[schemars(required, range(min = 1, max = 65535))]
    port: Option<i64>,
    /// Whether it has TLS; it has not unless this is true.
    #[serde(rename = "enableSSL")]
    enable_ssl: Option<bool>,
    /// Whether it speaks HTTP/2; it does not unless this is true.
    #[serde(rename = "enableHTTP2")]
    enable_http2: Option<bool>,
}

/// The service engine group.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct SeGroup {
    /// Its name on the Avi Controller.
    #[schemars(required)]
    name: Option<String>,
}

/// How hosts share virtual services.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct L7Settings {
    /// How many virtual services hosts share: SMALL, one; MEDIUM, four; LARGE, eight; DEDICATED,
    /// each host has its own.
    #[schemars(required, extend("enum" = words(&SHARD_SIZES)))]
    shard_size: Option<String>,
}

/// What is for NSX-T clouds.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct NsxSettings {
    /// The path of the tier-1 router.
    #[schemars(required)]
    t1lr: Option<String>,
}

impl Convert for AviInfraSetting {
    fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
        rule::status(wanted, current, stamp.now)
    }

    fn convert(self) -> Converted {
        let id = NamespacedName::cluster(metadata::name(&self.metadata));
        let mut checks = Checks::of(ResourceId { kind: ResourceKind::AviInfraSetting, name: id.clone() });
        let setting = spec(self.spec.unwrap_or_default(), &mut checks);
        let (invalid, diagnostics) = checks.finish();
        let meta = metadata::kept(&self.metadata);
        let setting =
            kept::AviInfraSetting { id, meta, invalid, published: rule::published(self.status), ..setting };
        Converted { resource: Some(Resource::AviInfraSetting(setting)), diagnostics }
    }
}

fn spec(wire: Spec, checks: &mut Checks) -> kept::AviInfraSetting {
    let at = &mut checks.at("spec");
    kept::AviInfraSetting {
        network: wire.network.map(|wire| network(wire, &mut at.at("network"))),
        se_group: wire.se_group.map(|group| at.at("seGroup").required_text("name", group.name)),
        shard_size: wire.l7_settings.and_then(|settings| {
            let at = &mut at.at("l7Settings");
            let size = at.required("shardSize", settings.shard_size);
            at.one_of("shardSize", size, &SHARD_SIZES)
        }),
        t1lr: wire.nsx_settings.map(|settings| at.at("nsxSettings").required_text("t1lr", settings.t1lr)),
        ..kept::AviInfraSetting::default()
    }
}

fn network(wire: Network, at: &mut Place<'_>) -> kept::InfraNetwork {
    let bgp_peer_labels = texts(wire.bgp_peer_labels);
    if !bgp_peer_labels.is_empty() && wire.enable_rhi != Some(true) {
        at.say(LABELS_NEED_RHI);
    }
    let network = kept::InfraNetwork {
        vip_networks: at.each("vipNetworks", wire.vip_networks, vip_network),
        node_networks: at.each("nodeNetworks", wire.node_networks, node_network),
        enable_rhi: wire.enable_rhi,
        enable_public_ip: wire.enable_public_ip,
        bgp_peer_labels,
        listeners: at.each("listeners", wire.listeners, |listener, at| kept::InfraListener {
            port: at.required_number("port", listener.port, PORTS),
            enable_ssl: listener.enable_ssl,
            enable_http2: listener.enable_http2,
        }),
    };
    let has_ssl = |listener: &kept::InfraListener| listener.enable_ssl == Some(true);
    if !network.listeners.is_empty() && !network.listeners.iter().any(has_ssl) {
        at.say(A_LISTENER_WITH_SSL);
    }
    network
}

fn vip_network(wire: WireVipNetwork, at: &mut Place<'_>) -> VipNetwork {
    one_key(wire.network_name.as_ref(), wire.network_uuid.as_ref(), at);
    let text = |wire| text(wire).unwrap_or_default();
    let network = VipNetwork {
        name: text(wire.network_name),
        uuid: text(wire.network_uuid),
        cidr: text(wire.cidr),
        v6cidr: text(wire.v6cidr),
    };
    for (cidr, family, is_v4) in [(&network.cidr, "", true), (&network.v6cidr, "IPv6 ", false)] {
        if !cidr.is_empty() && is_v4_subnet(cidr) != Some(is_v4) {
            let name = network.key();
            at.say(format!(
                "invalid {family}CIDR configuration {cidr} detected for networkName {name} in vipNetworkList"
            ));
        }
    }
    network
}

fn node_network(wire: WireNodeNetwork, at: &mut Place<'_>) -> NodeNetwork {
    one_key(wire.network_name.as_ref(), wire.network_uuid.as_ref(), at);
    let network = NodeNetwork {
        name: text(wire.network_name).unwrap_or_default(),
        uuid: text(wire.network_uuid).unwrap_or_default(),
        cidrs: texts(wire.cidrs),
    };
    for cidr in network.cidrs.iter().filter(|cidr| is_v4_subnet(cidr).is_none()) {
        let name = network.key();
        at.say(format!(
            "invalid CIDR configuration {cidr} detected for networkName {name} in nodeNetworkList"
        ));
    }
    network
}

/// A network has a name or a uuid.
fn one_key(name: Option<&String>, uuid: Option<&String>, at: &mut Place<'_>) {
    match (name, uuid) {
        (None, None) => {
            at.required("networkName", None::<()>);
        }
        (Some(_), Some(_)) => at.say("a network is given by networkName or by networkUUID, and not by both"),
        _ => {}
    }
}

/// Whether a text is a subnet of IPv4, or of IPv6; `None` if it is neither.
fn is_v4_subnet(cidr: &str) -> Option<bool> {
    split_cidr(cidr).map(|(address, _)| !address.contains(':'))
}
