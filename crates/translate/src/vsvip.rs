//! VsVips: addresses and names. Source: L7 objects, §1.3, §4.2; L4 and
//! network, A7, B9.

use std::sync::Arc;

use ako_avi_types::pool::{PlacementNetwork, Subnet};
use ako_avi_types::vsvip::IpamNetworkSubnet;
use ako_avi_types::{DnsInfo, IpAddress, Kind, Ref, Vip, VsVip, go_json};
use ako_core::CloudType;
use ako_core::config::VipNetwork;

use crate::context::Context;

/// A VsVip with these names and, if one is asked for, this address.
pub(crate) fn build(
    context: &Context,
    name: &str,
    mut fqdns: Vec<Arc<str>>,
    fixed: Option<&Arc<str>>,
) -> VsVip {
    fqdns.sort();
    fqdns.dedup();
    let bgp_peer_labels = context.placement.bgp_peer_labels.clone();
    VsVip {
        name: name.into(),
        vsvip_cloud_config_cksum: Some(checksum(context, &fqdns, fixed, &bgp_peer_labels)),
        tenant_ref: Some(context.placement.tenant_ref.clone()),
        cloud_ref: Some(context.cloud_ref.clone()),
        vrf_context_ref: context.placement.vrf_ref.clone(),
        tier1_lr: context.placement.tier1.clone(),
        east_west_placement: false,
        dns_info: fqdns.into_iter().map(|fqdn| DnsInfo { fqdn }).collect(),
        vip: vips(context, fixed),
        bgp_peer_labels,
        markers: context.markers(Vec::new()),
    }
}

fn checksum(
    context: &Context,
    fqdns: &[Arc<str>],
    fixed: Option<&Arc<str>>,
    labels: &[Arc<str>],
) -> Arc<str> {
    let mut checksum = context.checksum();
    if !fqdns.is_empty() {
        checksum = checksum.text(&go_json::marshal(&fqdns));
    }
    if let Some(address) = fixed {
        checksum = checksum.text(address);
    }
    let mut networks: Vec<_> = context.placement.vip_networks.iter().map(network_text).collect();
    if !networks.is_empty() {
        networks.sort();
        checksum = checksum.text(&go_json::marshal(&networks));
    }
    if let Some(public_ip) = context.placement.public_ip {
        checksum = checksum.text(&public_ip.to_string());
    }
    if !labels.is_empty() {
        let mut labels = labels.to_vec();
        labels.sort();
        checksum = checksum.text(&go_json::marshal(&labels));
    }
    if let Some(router) = &context.placement.tier1 {
        checksum = checksum.text(router);
    }
    checksum.finish()
}

/// A network as upstream's checksum spells it: `name:cidr[:v6cidr][:uuid]`.
fn network_text(network: &VipNetwork) -> String {
    let mut text = format!("{}:{}", network.name, network.cidr);
    for part in [&network.v6cidr, &network.uuid] {
        if !part.is_empty() {
            text.push(':');
            text.push_str(part);
        }
    }
    text
}

fn vips(context: &Context, fixed: Option<&Arc<str>>) -> Vec<Vip> {
    if context.facts.cloud.vip_per_network() {
        let vip = |(network, id): (&VipNetwork, u32)| Vip {
            vip_id: id.to_string().into(),
            auto_allocate_ip: true,
            subnet_uuid: Some(network.name.clone()),
            auto_allocate_floating_ip: context.placement.public_ip,
            ..Vip::default()
        };
        return context.placement.vip_networks.iter().zip(1..).map(vip).collect();
    }
    let auto_allocate_floating_ip = context.placement.public_ip;
    let mut vip =
        Vip { vip_id: "0".into(), auto_allocate_ip: true, auto_allocate_floating_ip, ..Vip::default() };
    if let Some(subnet) = &context.placement.vpc_subnet {
        vip.subnet_uuid = Some(subnet.clone());
    } else if let Some(network) = context.placement.vip_networks.first() {
        vip.auto_allocate_ip_type = match (network.cidr.is_empty(), network.v6cidr.is_empty()) {
            (_, true) => None,
            (true, false) => Some("V6_ONLY".into()),
            (false, false) => Some("V4_V6".into()),
        };
        let ipam = ipam_network(network);
        if context.facts.cloud == CloudType::NsxTVlan
            && let (Some(network_ref), Some(subnet)) = (ipam.network_ref.clone(), ipam.subnet.clone())
        {
            vip.placement_networks = vec![PlacementNetwork { network_ref, subnet }];
        }
        vip.ipam_network_subnet = Some(ipam);
    }
    if let Some(address) = fixed {
        let ip = IpAddress::new(address.clone());
        if &*ip.family == "V6" {
            vip.ip6_address = Some(ip);
        } else {
            vip.ip_address = Some(ip);
        }
    }
    vec![vip]
}

fn ipam_network(network: &VipNetwork) -> IpamNetworkSubnet {
    let network_ref = if network.uuid.is_empty() {
        Ref::named(Kind::Network, network.name.clone())
    } else {
        Ref::by_uuid(Kind::Network, network.uuid.clone())
    };
    IpamNetworkSubnet {
        network_ref: Some(network_ref),
        subnet: subnet(&network.cidr),
        subnet6: subnet(&network.v6cidr),
    }
}

/// The address stays as it was written: upstream does not normalise it.
fn subnet(cidr: &str) -> Option<Subnet> {
    let (address, bits) = ako_core::config::split_cidr(cidr)?;
    Some(Subnet { ip_addr: IpAddress::new(address), mask: bits })
}
