//! Pools: the servers that traffic is sent to.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::{Body, named, owned};
use crate::loss::Losses;
use crate::marker::Marker;
use crate::metadata::ServiceMetadata;
use crate::reference::Ref;

/// `/api/pool`. Source: Avi REST API contract, §8.2.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    /// Upstream's checksum of what it compares, a decimal `u32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_config_cksum: Option<Arc<str>>,
    /// The owner, `ako-<cluster>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub cloud_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub vrf_ref: Option<Ref>,
    /// NSX-T tier-1 router, instead of a VRF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier1_lr: Option<Arc<str>>,
    /// The link back to Kubernetes.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "ServiceMetadata::serialize_text",
        deserialize_with = "ServiceMetadata::deserialize_text"
    )]
    pub service_metadata: Option<ServiceMetadata>,
    /// Whether the host name is sent as TLS SNI to servers.
    #[serde(default)]
    pub sni_enabled: bool,
    /// How servers are spoken to in TLS; in plain text without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl_profile_ref: Option<Ref>,
    /// What the servers' certificates are verified with; they are not without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pki_profile_ref: Option<Ref>,
    /// Minutes in which a disabled server may finish its connections.
    #[serde(default)]
    pub graceful_disable_timeout: i32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub health_monitor_refs: Vec<Ref>,
    /// How one of the servers is chosen, where it is not left to the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lb_algorithm: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub lb_algorithm_hash: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub lb_algorithm_consistent_hash_hdr: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub application_persistence_profile_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub enable_http2: Option<bool>,
    /// What only L4Rules ask for, if one does.
    #[serde(flatten)]
    pub shaped: Option<Box<ShapedPool>>,
    /// A set: kept sorted by address and port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Server>,
    /// On vCenter and NSX-T VLAN clouds, the networks of the servers. A set: kept
    /// sorted by subnet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placement_networks: Vec<PlacementNetwork>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
}

/// The fields of a pool that only L4Rules ask for. Source: Custom resources, §5.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct ShapedPool {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_servers_up: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analytics_policy: Option<PoolAnalytics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_key_and_certificate_ref: Option<Ref>,
}

/// What a pool records of its servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct PoolAnalytics {
    pub enable_realtime_metrics: bool,
}

impl Body for Pool {
    const HAS_CLOUD: bool = true;

    named!();
    owned!();

    fn metadata(&self) -> Option<&ServiceMetadata> {
        self.service_metadata.as_ref()
    }

    fn checksum_mut(&mut self) -> Option<&mut Option<Arc<str>>> {
        Some(&mut self.cloud_config_cksum)
    }

    fn references(&self) -> Vec<&Ref> {
        self.pki_profile_ref.iter().collect()
    }

    fn normalise(&mut self) {
        self.servers.sort();
        if self.shaped.as_deref() == Some(&ShapedPool::default()) {
            self.shaped = None;
        }
        // Not by reference: those that are read tell more than ours.
        self.placement_networks
            .sort_by(|a, b| (&a.subnet, &a.network_ref.uuid).cmp(&(&b.subnet, &b.network_ref.uuid)));
        if let Some(metadata) = &mut self.service_metadata {
            metadata.normalise();
        }
    }

    fn keep_place(&mut self, old: &Self) {
        self.vrf_ref.clone_from(&old.vrf_ref);
        self.tier1_lr.clone_from(&old.tier1_lr);
        self.placement_networks.clone_from(&old.placement_networks);
    }

    fn keep_shape(&mut self, old: &Self, _is_ours: &dyn Fn(&Ref) -> bool) {
        self.sni_enabled = old.sni_enabled;
        self.ssl_profile_ref.clone_from(&old.ssl_profile_ref);
        self.pki_profile_ref.clone_from(&old.pki_profile_ref);
        self.health_monitor_refs.clone_from(&old.health_monitor_refs);
        self.lb_algorithm.clone_from(&old.lb_algorithm);
        self.lb_algorithm_hash.clone_from(&old.lb_algorithm_hash);
        self.lb_algorithm_consistent_hash_hdr.clone_from(&old.lb_algorithm_consistent_hash_hdr);
        self.application_persistence_profile_ref.clone_from(&old.application_persistence_profile_ref);
        self.enable_http2 = old.enable_http2;
        if let (Some(new), Some(old)) = (&mut self.service_metadata, &old.service_metadata) {
            new.crd_status.clone_from(&old.crd_status);
        }
    }

    fn keep_serving(&mut self, old: &Self) {
        let lost: Vec<Server> = old.serving().filter(|server| !self.serves(server)).cloned().collect();
        self.servers.retain(|server| !lost.iter().any(|lost| lost.is_at(server)));
        self.servers.extend(lost);
        self.servers.sort();
        if self.loses_tls_of(old) {
            self.sni_enabled = old.sni_enabled;
            self.ssl_profile_ref.clone_from(&old.ssl_profile_ref);
            self.pki_profile_ref.clone_from(&old.pki_profile_ref);
        }
    }

    fn count_losses(&self, old: &Self, losses: &mut Losses) {
        losses.of_servers = old.serving().count();
        losses.servers = old.serving().filter(|server| !self.serves(server)).count();
        losses.protections = usize::from(self.loses_tls_of(old));
    }
}

impl Pool {
    /// Whether it is enabled, as far as it says.
    pub fn enabled(&self) -> Option<bool> {
        self.shaped.as_ref()?.enabled
    }

    /// The servers that get new connections.
    fn serving(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(|server| server.enabled != Some(false))
    }

    /// Whether servers are spoken to in plain text that were spoken to in TLS.
    fn loses_tls_of(&self, old: &Self) -> bool {
        self.ssl_profile_ref.is_none() && old.ssl_profile_ref.is_some()
    }

    fn serves(&self, server: &Server) -> bool {
        self.serving().any(|other| other.is_at(server))
    }
}

impl Server {
    /// Whether it is at the same address and port as another one.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        self.ip.addr == other.ip.addr && self.port == other.port
    }
}

/// A member of a [`Pool`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Server {
    /// Its address.
    pub ip: IpAddress,
    /// Its port.
    #[serde(default)]
    pub port: u16,
    /// `address:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_uuid: Option<Arc<str>>,
    /// Whether new connections are sent to it; absent means yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The Node that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_node: Option<Arc<str>>,
}

/// An address with its family, `{"addr":"10.0.0.1","type":"V4"}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IpAddress {
    /// The address as text.
    pub addr: Arc<str>,
    /// `V4` or `V6`.
    #[serde(rename = "type", default)]
    pub family: Arc<str>,
}

/// A network in which a pool's or a VIP's addresses lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlacementNetwork {
    #[allow(missing_docs)]
    pub network_ref: Ref,
    /// Its subnet.
    pub subnet: Subnet,
}

/// `{"ip_addr":{…},"mask":24}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subnet {
    /// The network's address, as it was written.
    pub ip_addr: IpAddress,
    /// The length of its prefix.
    pub mask: u8,
}

impl IpAddress {
    /// From text; what holds a colon is IPv6.
    pub fn new(addr: impl Into<Arc<str>>) -> Self {
        let addr = addr.into();
        let family = if addr.contains(':') { "V6" } else { "V4" };
        Self { addr, family: family.into() }
    }
}
