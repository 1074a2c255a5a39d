//! Where pools are placed: the networks of their servers, on clouds that have to
//! be told. Source: L4 and network, B8; L7 objects, §4.2.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ako_avi_types::pool::{PlacementNetwork, Subnet};
use ako_avi_types::{IpAddress, Kind, Ref, go_json};
use ako_core::config::{NodeNetwork, split_cidr};
use serde::Serialize;

use crate::context::Context;

/// The placement of every pool.
pub(crate) fn networks(context: &Context) -> Vec<PlacementNetwork> {
    if !context.facts.cloud.places_pools() {
        return Vec::new();
    }
    let of = |network: &NodeNetwork| {
        let uuid = uuid(context, network);
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
    context.config.node_networks.iter().flat_map(of).collect()
}

/// The same as upstream's checksum of a pool spells it; an empty map instead of
/// none where there could be networks.
pub(crate) fn text(context: &Context) -> String {
    if !context.facts.cloud.places_pools() {
        return "null".to_owned();
    }
    let networks = context.config.node_networks.iter();
    let texts: BTreeMap<_, _> =
        networks.map(|network| (network.key(), NetworkText::of(context, network))).collect();
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
    fn of(context: &'a Context, network: &'a NodeNetwork) -> Self {
        let cidrs = Some(&*network.cidrs).filter(|cidrs| !cidrs.is_empty());
        Self { network_uuid: uuid(context, network), cidrs }
    }
}

/// The uuid that is configured, or that the controller has for the name.
fn uuid<'a>(context: &'a Context, network: &'a NodeNetwork) -> &'a Arc<str> {
    let found = network.uuid.is_empty().then(|| context.facts.node_networks.get(&network.name)).flatten();
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
