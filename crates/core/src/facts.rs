//! What the controller says about itself and about the cloud that we use.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cloud::CloudType;
use crate::config::{Config, ServiceMode};

/// Facts that translation depends on. They are read before the first
/// translation and refreshed with every full synchronisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `/api/cluster` `uuid`; goes into annotations.
    pub cluster_uuid: Arc<str>,
    /// Whether the licence is one of the ENTERPRISE tiers, which decides the
    /// network profile of TCP services.
    pub enterprise: bool,
    /// The cloud's type.
    pub cloud: CloudType,
    /// The VRF that our objects lie in. Source: L4 and network, B3.
    pub vrf: Arc<str>,
    /// The tenant of that VRF.
    pub vrf_tenant: Arc<str>,
    /// The tenant of the configured SE group.
    pub se_group_tenant: Arc<str>,
    /// The DNS sub-domains of the cloud, sorted, without a leading dot.
    pub subdomains: Vec<Arc<str>>,
    /// The uuids of the node networks that the configuration gives by name, on
    /// clouds where pools are placed.
    pub node_networks: BTreeMap<Arc<str>, Arc<str>>,
    /// Whether another system gives the addresses: the controller does not change them then.
    pub has_foreign_ipam: bool,
    /// The uuids of the VIP networks that the configuration gives by a name that others have
    /// as well. Source: L4 and network, B9.
    pub vip_networks: BTreeMap<Arc<str>, Arc<str>>,
}

impl Facts {
    /// Whether an IPAM profile of a type is of another system, which gives addresses once.
    /// Source: L4 and network, B1.
    pub fn is_foreign_ipam(profile_type: &str) -> bool {
        matches!(profile_type, "IPAMDNS_TYPE_INFOBLOX" | "IPAMDNS_TYPE_CUSTOM")
    }

    /// The tenant of VRFs and SE groups, unless it is known to be another one:
    /// the others see what it holds. Source: L4 and network, C.
    pub const SHARED_TENANT: &'static str = "admin";

    /// The sub-domain for generated names: the configured one if the cloud
    /// serves it, else the first.
    pub fn subdomain(&self, default_domain: &str) -> Option<&Arc<str>> {
        let wanted = default_domain.trim_start_matches('.');
        self.subdomains.iter().find(|s| &***s == wanted).or_else(|| self.subdomains.first())
    }
}

/// Whether the VRF is the one that NSX-T maps to our tier-1 router. Source: L4 and network, B3.
pub fn has_tier1_vrf(config: &Config, cloud: CloudType) -> bool {
    cloud == CloudType::NsxT
        && !config.tier1_router.is_empty()
        && config.service_mode == ServiceMode::ClusterIp
        && &*config.cni != "ncp"
}

/// Whether the configuration suits the cloud. Source: L4 and network, B2.
///
/// # Errors
/// What does not, and the way out.
pub fn check_cloud(config: &Config, cloud: CloudType) -> Result<(), String> {
    let name = &config.cloud_name;
    match (cloud, config.tier1_router.is_empty()) {
        (CloudType::NsxT, true) => Err(format!(
            "cloud \"{name}\" is of NSX-T with an overlay: set nsxtT1LR to the path of the tier-1 router that \
             virtual services shall be connected to"
        )),
        (CloudType::NsxT, false) | (_, true) => Ok(()),
        (CloudType::NsxTVlan, false) => Err(format!(
            "cloud \"{name}\" is of NSX-T with VLANs, which have no tier-1 router: remove nsxtT1LR"
        )),
        (_, false) => Err(format!("cloud \"{name}\" is not of NSX-T: remove nsxtT1LR, or correct cloudName")),
    }
}

/// The VRF that our objects lie in. Source: L4 and network, B3.
///
/// `network_vrf` is the VRF of the first VIP network, `tier1_vrf` the one that
/// NSX-T maps to our tier-1 router.
pub fn choose_vrf(
    config: &Config,
    cloud: CloudType,
    network_vrf: Option<&str>,
    tier1_vrf: Option<&str>,
) -> Arc<str> {
    let configured = Some(&*config.vrf_name).filter(|name| !name.is_empty());
    let chosen = match cloud {
        CloudType::OpenStack if &*config.tenant != "admin" => {
            return format!("{}-default", config.tenant).into();
        }
        cloud if cloud.is_public() => None,
        _ if config.service_mode == ServiceMode::NodePort => configured,
        CloudType::VCenter | CloudType::None if configured.is_some() => configured,
        cloud if tier1_vrf.is_some() && has_tier1_vrf(config, cloud) => tier1_vrf,
        _ => network_vrf,
    };
    chosen.unwrap_or("global").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_1_router_is_for_overlays_of_nsx_t() {
        let with = |router: &str| Config { tier1_router: router.into(), ..Config::default() };
        let all =
            [CloudType::VCenter, CloudType::None, CloudType::NsxTVlan, CloudType::Aws, CloudType::Other];
        for cloud in all {
            assert_eq!(check_cloud(&with(""), cloud), Ok(()));
            assert!(check_cloud(&with("/infra/tier-1s/t1"), cloud).unwrap_err().contains("remove nsxtT1LR"));
        }
        assert_eq!(check_cloud(&with("/infra/tier-1s/t1"), CloudType::NsxT), Ok(()));
        assert!(check_cloud(&with(""), CloudType::NsxT).unwrap_err().contains("set nsxtT1LR"));
    }
}
