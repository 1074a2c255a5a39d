//! Where objects are placed on the controller: their tenant, service engines and networks.
//! Source: L4 and network, B8, B9; L7 objects, §4.2.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ako_avi_types::pool::{PlacementNetwork, Subnet};
use ako_avi_types::{IpAddress, Kind, Ref, go_json};
use ako_core::config::{NodeNetwork, ShardSize, VipNetwork, split_cidr, vpc_of};
use ako_core::resource::{AviInfraSetting, InfraListener};
use ako_core::{Config, Facts};
use serde::Serialize;

use crate::contribution::PlacedBy;

/// The setting that something is placed by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen<'a> {
    pub(crate) setting: &'a Arc<AviInfraSetting>,
    /// Whether its name is in the names of what it places: unless a whole namespace has it.
    pub(crate) is_named: bool,
}

impl From<Chosen<'_>> for PlacedBy {
    fn from(chosen: Chosen<'_>) -> Self {
        Self { setting: chosen.setting.id.name.clone(), is_named: chosen.is_named }
    }
}

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
    /// The VRF and the SE group that children name, which follow their parents whatever they say.
    pub(crate) child_vrf_ref: Ref,
    pub(crate) child_se_group: Arc<str>,
    /// The tier-1 router, if there is one.
    pub(crate) tier1: Option<Arc<str>>,
    /// How many virtual services hosts share, and how many those do whose TLS goes through.
    pub(crate) shards: ShardSize,
    pub(crate) passthrough_shards: u32,
    /// The AviInfraSetting whose name is in the names of what it places, and what it is there.
    pub(crate) named: Option<Arc<str>>,
    pub(crate) infix: Arc<str>,
    /// The networks that addresses come from, each with its uuid where its name is not enough.
    pub(crate) vip_networks: Vec<VipNetwork>,
    /// What addresses are allocated from in a VPC, in the place of networks.
    pub(crate) vpc_subnet: Option<Arc<str>>,
    /// Whether VIPs get a public address, on clouds that have such.
    pub(crate) public_ip: Option<bool>,
    /// Whether routes to the VIPs are announced, and the labels of the peers that hear of them.
    pub(crate) rhi: bool,
    pub(crate) bgp_peer_labels: Vec<Arc<str>>,
    /// Whether a setting places it: then upstream's checksum of an EVH virtual service covers the
    /// announcement of routes.
    pub(crate) has_setting: bool,
    /// The ports of fronts and of virtual services that hosts have for themselves, beside theirs.
    pub(crate) listeners: Vec<InfraListener>,
    /// The networks of pools' servers, on clouds that have to be told.
    pub(crate) pool_networks: Vec<PlacementNetwork>,
    /// The same as upstream's checksum of a pool spells it.
    pub(crate) pool_networks_text: String,
}

impl Placement {
    /// The one that the configuration asks for.
    pub(crate) fn of_configuration(config: &Config, facts: &Facts) -> Self {
        let vpc_subnet = vpc_subnet(config, &config.tier1_router);
        let child_vrf_ref = Ref::named(Kind::VrfContext, facts.vrf.clone());
        let tier1 = Some(config.tier1_router.clone()).filter(|router| !router.is_empty());
        Self {
            tenant: config.tenant.clone(),
            tenant_ref: Ref::named(Kind::Tenant, config.tenant.clone()),
            se_group: config.se_group.clone(),
            se_group_ref: Ref::named(Kind::ServiceEngineGroup, config.se_group.clone()),
            vrf_ref: tier1.is_none().then(|| child_vrf_ref.clone()),
            child_vrf_ref,
            child_se_group: config.se_group.clone(),
            tier1,
            shards: config.shard_size,
            passthrough_shards: config.passthrough_shards,
            named: None,
            infix: Arc::default(),
            vip_networks: config.vip_networks.iter().map(|network| identified(network, facts)).collect(),
            vpc_subnet,
            public_ip: None,
            rhi: config.rhi,
            bgp_peer_labels: if config.rhi { config.bgp_peer_labels.clone() } else { Vec::new() },
            has_setting: false,
            listeners: Vec::new(),
            pool_networks: if facts.cloud.places_pools() {
                pool_networks(facts, &config.node_networks)
            } else {
                Vec::new()
            },
            pool_networks_text: if facts.cloud.places_pools() {
                pool_networks_text(facts, &config.node_networks)
            } else {
                "null".to_owned()
            },
        }
    }

    /// The same with what a setting says in its place. `is_named` says whether its name is in the
    /// names of objects, `uuid_of` what the uuid of a network is whose name may not tell it.
    /// Source: Custom resources, §2.
    pub(crate) fn by(
        &self,
        setting: &AviInfraSetting,
        is_named: bool,
        config: &Config,
        facts: &Facts,
        uuid_of: &dyn Fn(&Arc<str>) -> Option<Arc<str>>,
    ) -> Self {
        let mut placed = Self { has_setting: true, ..self.clone() };
        if is_named {
            placed.named = Some(setting.id.name.clone());
            placed.infix = format!("{}-", setting.id.name).into();
        }
        if let Some(group) = &setting.se_group {
            placed.se_group = group.clone();
            placed.se_group_ref = Ref::named(Kind::ServiceEngineGroup, group.clone());
        }
        if let Some(shards) = setting.shard_size {
            placed.shards = shards;
            if let ShardSize::Shared(size) = shards {
                placed.passthrough_shards = size;
            }
        }
        if let Some(router) = &setting.t1lr {
            placed.tier1 = Some(router.clone());
            placed.vpc_subnet = vpc_subnet(config, router);
            placed.vrf_ref = None;
        }
        let Some(network) = &setting.network else { return placed };
        if !network.vip_networks.is_empty() {
            placed.vip_networks = network.vip_networks.iter().map(|vip| identified(vip, facts)).collect();
        }
        if facts.cloud.is_public() {
            placed.public_ip = network.enable_public_ip;
        }
        placed.rhi = network.enable_rhi.unwrap_or(config.rhi);
        placed.bgp_peer_labels = match &*network.bgp_peer_labels {
            _ if !placed.rhi => Vec::new(),
            [] => config.bgp_peer_labels.clone(),
            labels => labels.to_vec(),
        };
        placed.listeners.clone_from(&network.listeners);
        if !network.node_networks.is_empty() {
            let known = |network: &NodeNetwork| {
                let found = network.uuid.is_empty().then(|| uuid_of(&network.name)).flatten();
                NodeNetwork { uuid: found.unwrap_or_else(|| network.uuid.clone()), ..network.clone() }
            };
            let known: Vec<_> = network.node_networks.iter().map(known).collect();
            if facts.cloud.places_pools_of_settings() {
                placed.pool_networks = pool_networks(facts, &known);
            }
            // Upstream's checksum covers them even where Avi is not told.
            placed.pool_networks_text = pool_networks_text(facts, &known);
        }
        placed
    }

    /// The same in another tenant.
    pub(crate) fn in_tenant(&self, tenant: &Arc<str>) -> Self {
        let tenant_ref = Ref::named(Kind::Tenant, tenant.clone());
        Self { tenant: tenant.clone(), tenant_ref, ..self.clone() }
    }
}

/// What addresses are allocated from in the VPC of a path, of which that is not told whether they
/// are public. Source: L4 and network, B9.
fn vpc_subnet(config: &Config, path: &str) -> Option<Arc<str>> {
    let (project, vpc) = Some(path).filter(|_| config.vpc_mode).and_then(vpc_of)?;
    Some(format!("{project}_AVISEPARATOR_{vpc}_AVISEPARATOR_").into())
}

/// A network with its uuid where others of its name exist. Source: L4 and network, B9.
fn identified(network: &VipNetwork, facts: &Facts) -> VipNetwork {
    let found = network.uuid.is_empty().then(|| facts.vip_networks.get(&network.name)).flatten();
    VipNetwork { uuid: found.unwrap_or(&network.uuid).clone(), ..network.clone() }
}

fn pool_networks(facts: &Facts, networks: &[NodeNetwork]) -> Vec<PlacementNetwork> {
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
    networks.iter().flat_map(of).collect()
}

/// An empty map instead of none where there could be networks.
fn pool_networks_text(facts: &Facts, networks: &[NodeNetwork]) -> String {
    let texts: BTreeMap<_, _> =
        networks.iter().map(|network| (network.key(), NetworkText::of(facts, network))).collect();
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
