//! Where objects are placed on the controller: their tenant, service engines and networks.
//! Source: L4 and network, B8, B9; L7 objects, §4.2.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ako_avi_types::pool::{PlacementNetwork, Subnet};
use ako_avi_types::{IpAddress, Kind, Ref, go_json};
use ako_core::config::{NodeNetwork, ShardSize, VipNetwork, split_cidr};
use ako_core::{Config, Facts};
use serde::Serialize;

/// Where the objects of a host, a Service or a front are placed. It is a value: whoever
/// translates for another tenant takes another one.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    /// The tenant that objects are made in.
    pub(crate) tenant: Arc<str>,
    pub(crate) tenant_ref: Ref,
    /// The service engines of virtual services.
    pub(crate) se_group: Arc<str>,
    pub(crate) se_group_ref: Ref,
    /// The VRF, or nothing where a tier-1 router takes its place.
    pub(crate) vrf_ref: Option<Ref>,
    /// The VRF, which children name in any case.
    pub(crate) child_vrf_ref: Ref,
    /// The tier-1 router, if there is one.
    pub(crate) tier1: Option<Arc<str>>,
    /// How many virtual services hosts share.
    pub(crate) shards: ShardSize,
    /// The networks that addresses come from, each with its uuid where its name is not enough.
    pub(crate) vip_networks: Vec<VipNetwork>,
    /// Whether routes to the VIPs are announced, and the labels of the peers that hear of them.
    pub(crate) rhi: bool,
    pub(crate) bgp_peer_labels: Vec<Arc<str>>,
    /// The networks of pools' servers, on clouds that have to be told.
    pub(crate) pool_networks: Vec<PlacementNetwork>,
    /// The same as upstream's checksum of a pool spells it.
    pub(crate) pool_networks_text: String,
}

impl Placement {
    /// The one that the configuration asks for.
    pub(crate) fn of_configuration(config: &Config, facts: &Facts) -> Self {
        let child_vrf_ref = Ref::named(Kind::VrfContext, facts.vrf.clone());
        let tier1 = Some(config.tier1_router.clone()).filter(|router| !router.is_empty());
        Self {
            tenant: config.tenant.clone(),
            tenant_ref: Ref::named(Kind::Tenant, config.tenant.clone()),
            se_group: config.se_group.clone(),
            se_group_ref: Ref::named(Kind::ServiceEngineGroup, config.se_group.clone()),
            vrf_ref: tier1.is_none().then(|| child_vrf_ref.clone()),
            child_vrf_ref,
            tier1,
            shards: config.shard_size,
            vip_networks: config.vip_networks.iter().map(|network| identified(network, facts)).collect(),
            rhi: config.rhi,
            bgp_peer_labels: if config.rhi { config.bgp_peer_labels.clone() } else { Vec::new() },
            pool_networks: pool_networks(config, facts),
            pool_networks_text: pool_networks_text(config, facts),
        }
    }

    /// The same in another tenant.
    pub(crate) fn in_tenant(&self, tenant: &Arc<str>) -> Self {
        let tenant_ref = Ref::named(Kind::Tenant, tenant.clone());
        Self { tenant: tenant.clone(), tenant_ref, ..self.clone() }
    }
}

/// A network with its uuid where others of its name exist. Source: L4 and network, B9.
fn identified(network: &VipNetwork, facts: &Facts) -> VipNetwork {
    let found = network.uuid.is_empty().then(|| facts.vip_networks.get(&network.name)).flatten();
    VipNetwork { uuid: found.unwrap_or(&network.uuid).clone(), ..network.clone() }
}

fn pool_networks(config: &Config, facts: &Facts) -> Vec<PlacementNetwork> {
    if !facts.cloud.places_pools() {
        return Vec::new();
    }
    let of = |network: &NodeNetwork| {
        let uuid = uuid(facts, network);
        let network_ref = if uuid.is_empty() {
            Ref::named(Kind::Network, network.name.clone())
        } else {
            Ref::by_uuid(Kind::Network, uuid.clone())
        };
        let subnets = network.cidrs.iter().filter_map(|cidr| subnet(cidr));
        subnets
            .map(move |subnet| PlacementNetwork { network_ref: network_ref.clone(), subnet })
            .collect::<Vec<_>>()
    };
    config.node_networks.iter().flat_map(of).collect()
}

/// An empty map instead of none where there could be networks.
fn pool_networks_text(config: &Config, facts: &Facts) -> String {
    if !facts.cloud.places_pools() {
        return "null".to_owned();
    }
    let networks = config.node_networks.iter();
    let texts: BTreeMap<_, _> =
        networks.map(|network| (network.key(), NetworkText::of(facts, network))).collect();
    go_json::marshal(&texts)
}

/// A network as upstream's checksum spells it.
#[derive(Serialize)]
struct NetworkText<'a> {
    #[serde(rename = "networkUUID")]
    network_uuid: &'a str,
    cidrs: Option<&'a [Arc<str>]>,
}

impl<'a> NetworkText<'a> {
    fn of(facts: &'a Facts, network: &'a NodeNetwork) -> Self {
        let cidrs = Some(&*network.cidrs).filter(|cidrs| !cidrs.is_empty());
        Self { network_uuid: uuid(facts, network), cidrs }
    }
}

/// The uuid that is configured, or that the controller has for the name.
fn uuid<'a>(facts: &'a Facts, network: &'a NodeNetwork) -> &'a Arc<str> {
    let found = network.uuid.is_empty().then(|| facts.node_networks.get(&network.name)).flatten();
    found.unwrap_or(&network.uuid)
}

/// The network that an address with a prefix is in.
fn subnet(cidr: &str) -> Option<Subnet> {
    let (address, mask) = split_cidr(cidr)?;
    let network = match address.parse().ok()? {
        IpAddr::V4(address) => {
            let bits = u32::MAX.checked_shl(32 - u32::from(mask)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & bits).into())
        }
        IpAddr::V6(address) => {
            let bits = u128::MAX.checked_shl(128 - u32::from(mask)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & bits).into())
        }
    };
    Some(Subnet { ip_addr: IpAddress::new(network.to_string()), mask })
}
