//! AviInfraSettings. Source: Custom resources, §2.

use std::sync::Arc;

use crate::config::{NodeNetwork, ShardSize, VipNetwork};
use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::meta::ObjectMeta;
use crate::kinds::published::Published;

/// An AviInfraSetting: where what refers to it is placed. It is found by its name alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AviInfraSetting {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// What is wrong with it in itself, whatever else there is; such a setting has no effect.
    pub invalid: Option<Arc<str>>,
    /// `spec.network`
    pub network: Option<InfraNetwork>,
    /// `spec.seGroup.name`
    pub se_group: Option<Arc<str>>,
    /// `spec.l7Settings.shardSize`
    pub shard_size: Option<ShardSize>,
    /// `spec.nsxSettings.t1lr`
    pub t1lr: Option<Arc<str>>,
    /// What was published on the object.
    pub published: Published,
}

/// The networks of an [`AviInfraSetting`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InfraNetwork {
    /// `vipNetworks`
    pub vip_networks: Vec<VipNetwork>,
    /// `nodeNetworks`
    pub node_networks: Vec<NodeNetwork>,
    /// `enableRhi`; absent leaves it to the configuration.
    pub enable_rhi: Option<bool>,
    /// `enablePublicIP`; absent leaves it to the configuration.
    pub enable_public_ip: Option<bool>,
    /// `bgpPeerLabels`
    pub bgp_peer_labels: Vec<Arc<str>>,
    /// `listeners`
    pub listeners: Vec<InfraListener>,
}

/// A port of shared and of dedicated virtual services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InfraListener {
    /// `port`
    pub port: u16,
    /// `enableSSL`; absent means no.
    pub enable_ssl: Option<bool>,
    /// `enableHTTP2`; absent means no.
    pub enable_http2: Option<bool>,
}

impl Kept for AviInfraSetting {
    const HAS_STATUS: bool = true;

    fn id(&self) -> NamespacedName {
        self.id.clone()
    }

    fn meta(&self) -> Option<&ObjectMeta> {
        Some(&self.meta)
    }

    fn published(&self) -> Option<&Published> {
        Some(&self.published)
    }

    /// What was published on it changes nothing for what refers to it.
    fn looks_like(&self, other: &Self) -> bool {
        Self { published: other.published.clone(), ..self.clone() } == *other
    }
}
