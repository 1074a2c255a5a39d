//! VsVips: the addresses and DNS names of virtual services.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::{self, Body, named};
use crate::marker::Marker;
use crate::pool::{IpAddress, PlacementNetwork, Subnet};
use crate::reference::Ref;

/// `/api/vsvip`. Source: Avi REST API contract, §8.1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VsVip {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    /// Upstream's checksum, a decimal `u32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vsvip_cloud_config_cksum: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub cloud_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub vrf_context_ref: Option<Ref>,
    /// NSX-T tier-1 router, instead of a VRF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier1_lr: Option<Arc<str>>,
    /// Always false.
    #[serde(default)]
    pub east_west_placement: bool,
    /// The names. A set: kept sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_info: Vec<DnsInfo>,
    /// The addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vip: Vec<Vip>,
    /// The BGP peers that the addresses are announced to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bgp_peer_labels: Vec<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
}

impl Body for VsVip {
    /// Its owner is that of the virtual service that refers to it.
    const HAS_CREATED_BY: bool = false;
    const HAS_CLOUD: bool = true;

    named!();

    fn markers(&self) -> &[Marker] {
        &self.markers
    }

    fn checksum_mut(&mut self) -> Option<&mut Option<Arc<str>>> {
        Some(&mut self.vsvip_cloud_config_cksum)
    }

    fn normalise(&mut self) {
        self.dns_info.sort();
        self.bgp_peer_labels.sort();
    }

    fn keep(&mut self, old: &Self, _is_kept: &dyn Fn(&Ref) -> bool, is_kept_host: &dyn Fn(&str) -> bool) {
        let same = |a: &DnsInfo, b: &DnsInfo| a.fqdn == b.fqdn;
        body::keep(&mut self.dns_info, &old.dns_info, |name| is_kept_host(&name.fqdn), same);
    }

    fn keep_place(&mut self, old: &Self) {
        self.vrf_context_ref.clone_from(&old.vrf_context_ref);
        self.tier1_lr.clone_from(&old.tier1_lr);
        self.vip.clone_from(&old.vip);
        self.bgp_peer_labels.clone_from(&old.bgp_peer_labels);
    }

    fn keep_shape(&mut self, old: &Self, _is_ours: &dyn Fn(&Ref) -> bool) {
        self.vip.clone_from(&old.vip);
    }

    fn served_hosts(&self) -> BTreeSet<Arc<str>> {
        self.dns_info.iter().map(|name| name.fqdn.clone()).collect()
    }
}

/// One DNS name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DnsInfo {
    /// The fully qualified name.
    pub fqdn: Arc<str>,
}

/// One address, asked for or allocated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vip {
    /// `"0"`, or counting from `"1"` on clouds with one VIP a network.
    #[serde(default)]
    pub vip_id: Arc<str>,
    /// Whether the controller chooses; sent also with a fixed address.
    #[serde(default)]
    pub auto_allocate_ip: bool,
    /// `V4_ONLY`, `V6_ONLY` or `V4_V6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_allocate_ip_type: Option<Arc<str>>,
    /// Whether a public address is wanted as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_allocate_floating_ip: Option<bool>,
    /// The IPv4 address, fixed or allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<IpAddress>,
    /// The IPv6 address, fixed or allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip6_address: Option<IpAddress>,
    /// The public address, allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floating_ip: Option<IpAddress>,
    /// Where the controller allocates from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipam_network_subnet: Option<IpamNetworkSubnet>,
    /// Public clouds: the network by its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_uuid: Option<Arc<str>>,
    /// NSX-T VLAN: where the address is placed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placement_networks: Vec<PlacementNetwork>,
}

/// A network, and a part of it, to allocate an address from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpamNetworkSubnet {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub network_ref: Option<Ref>,
    /// The IPv4 subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Subnet>,
    /// The IPv6 subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet6: Option<Subnet>,
}

impl VsVip {
    /// The same with the addresses that another one has, and the labels under which they are
    /// announced; as it is if that one has no address yet.
    #[must_use]
    pub fn with_vips_of(&self, other: &Self) -> Self {
        if other.vip.is_empty() {
            return self.clone();
        }
        Self { vip: other.vip.clone(), bgp_peer_labels: other.bgp_peer_labels.clone(), ..self.clone() }
    }

    /// The addresses that are asked for and that another one does not have.
    pub fn addresses_unlike<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Arc<str>> {
        let addresses =
            |vsvip: &'a Self| vsvip.vip.iter().flat_map(|v| v.ip_address.iter().chain(&v.ip6_address));
        let differs = move |ip: &&IpAddress| !addresses(other).any(|held| held.addr == ip.addr);
        addresses(self).filter(differs).map(|ip| &ip.addr)
    }

    /// The addresses that clients use: the floating ones if there are any, else
    /// IPv4 before IPv6, in order of the VIPs.
    pub fn published_addresses(&self) -> Vec<Arc<str>> {
        let floating: Vec<_> = self.vip.iter().filter_map(|v| v.floating_ip.as_ref()).collect();
        let private = self.vip.iter().flat_map(|v| v.ip_address.iter().chain(&v.ip6_address));
        let chosen: Vec<_> = if floating.is_empty() { private.collect() } else { floating };
        chosen.into_iter().map(|ip| ip.addr.clone()).filter(|addr| !addr.is_empty()).collect()
    }
}
