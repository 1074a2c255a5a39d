//! What the controller says about itself and about the cloud that we use.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::network::{self, Network};

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

/// What the controller answers when it is asked for what is configured, or what a file holds in
/// its place. [`Facts`] follow from it.
#[derive(Clone, Debug)]
pub struct Answers {
    /// `/api/cluster` `uuid`.
    pub cluster_uuid: Arc<str>,
    /// `default_license_tier`, such as `ENTERPRISE`.
    pub licence_tier: Arc<str>,
    /// The type of the configured cloud.
    pub cloud: CloudType,
    /// The type of the cloud's IPAM profile, such as `IPAMDNS_TYPE_INTERNAL`, if there is one that
    /// may be read.
    pub ipam_type: Option<Arc<str>>,
    /// The domains of its DNS profile, as they are spelled there.
    pub dns_domains: Vec<Arc<str>>,
    /// The configured VIP networks that were found, in the order of the configuration.
    pub vip_networks: Vec<Network>,
    /// The uuids of the node networks that are configured by name, on clouds where pools are
    /// placed.
    pub node_networks: BTreeMap<Arc<str>, Arc<str>>,
    /// The VRF of the tier-1 router, where there is one ([`has_tier1_vrf`]).
    pub tier1_vrf: Option<Arc<str>>,
}

impl Default for Answers {
    /// Those of a controller with every feature and a No-access cloud that nothing is configured
    /// of.
    fn default() -> Self {
        Self {
            cluster_uuid: "cluster-00000000".into(),
            licence_tier: "ENTERPRISE".into(),
            cloud: CloudType::None,
            ipam_type: None,
            dns_domains: Vec::new(),
            vip_networks: Vec::new(),
            node_networks: BTreeMap::new(),
            tier1_vrf: None,
        }
    }
}

impl Answers {
    /// The VRF that our objects lie in.
    pub fn vrf(&self, config: &Config) -> Arc<str> {
        let network_vrf = self.vip_networks.first().and_then(|network| network.vrf.as_deref());
        choose_vrf(config, self.cloud, network_vrf, self.tier1_vrf.as_deref())
    }
}

/// The tenants of what instances share.
#[derive(Clone, Debug)]
pub struct SharedTenants {
    /// That of the VRF ([`Answers::vrf`]).
    pub vrf: Arc<str>,
    /// That of the configured SE group.
    pub se_group: Arc<str>,
}

impl Default for SharedTenants {
    /// Where they are on a controller that was not asked.
    fn default() -> Self {
        Self { vrf: Facts::SHARED_TENANT.into(), se_group: Facts::SHARED_TENANT.into() }
    }
}

impl Facts {
    /// What follows from a controller's answers.
    pub fn of(config: &Config, answers: &Answers, tenants: SharedTenants) -> Self {
        let domains = answers.dns_domains.iter();
        let mut subdomains: Vec<Arc<str>> = domains.map(|d| d.trim_start_matches('.').into()).collect();
        subdomains.sort();
        // Of another system, which gives an address once. Source: L4 and network, B1.
        let is_foreign = |kind: &str| matches!(kind, "IPAMDNS_TYPE_INFOBLOX" | "IPAMDNS_TYPE_CUSTOM");
        Self {
            cluster_uuid: answers.cluster_uuid.clone(),
            enterprise: matches!(&*answers.licence_tier, "ENTERPRISE" | "ENTERPRISE_WITH_CLOUD_SERVICES"),
            cloud: answers.cloud,
            vrf: answers.vrf(config),
            vrf_tenant: tenants.vrf,
            se_group_tenant: tenants.se_group,
            subdomains,
            node_networks: answers.node_networks.clone(),
            has_foreign_ipam: answers.ipam_type.as_deref().is_some_and(is_foreign),
            vip_networks: network::uuids_of_namesakes(&answers.vip_networks),
        }
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
        && !config.vpc_mode
        && config.service_mode == ServiceMode::ClusterIp
        && &*config.cni != "ncp"
}

/// Whether the configuration suits the cloud. Source: L4 and network, B2.
///
/// # Errors
/// What does not, and the way out.
pub fn check_cloud(config: &Config, cloud: CloudType) -> Result<(), String> {
    let name = &config.cloud_name;
    if config.vpc_mode && cloud != CloudType::NsxT {
        return Err(format!("cloud \"{name}\" has no VPCs: set vpcMode=false, or correct cloudName"));
    }
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
fn choose_vrf(
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

    fn network(name: &str, vrf: &str, has_namesakes: bool) -> Network {
        let uuid = format!("network-{vrf}").into();
        Network { name: name.into(), uuid, vrf: Some(vrf.into()), has_namesakes, ..Network::default() }
    }

    #[test]
    fn facts_follow_from_answers() {
        let config = Config::default();
        let of = |answers: &Answers| Facts::of(&config, answers, SharedTenants::default());
        let facts = of(&Answers::default());
        assert!(facts.enterprise && !facts.has_foreign_ipam && facts.vip_networks.is_empty());
        assert_eq!((&*facts.vrf, &*facts.vrf_tenant), ("global", "admin"));
        let answers = Answers {
            licence_tier: "ESSENTIALS".into(),
            ipam_type: Some("IPAMDNS_TYPE_INFOBLOX".into()),
            dns_domains: vec![".b.example.com".into(), "a.example.com".into()],
            vip_networks: vec![network("net", "red", true), network("other", "blue", false)],
            cloud: CloudType::VCenter,
            ..Answers::default()
        };
        let facts = of(&answers);
        assert!(!facts.enterprise && facts.has_foreign_ipam);
        assert_eq!(&*facts.vrf, "red");
        assert_eq!(facts.subdomains, ["a.example.com".into(), "b.example.com".into()]);
        assert_eq!(facts.vip_networks, BTreeMap::from([("net".into(), "network-red".into())]));
    }

    #[test]
    fn vpcs_are_for_overlays_of_nsx_t() {
        let router = "/orgs/o/projects/p/vpcs/v".into();
        let config = Config { vpc_mode: true, tier1_router: router, ..Config::default() };
        assert_eq!(check_cloud(&config, CloudType::NsxT), Ok(()));
        for cloud in [CloudType::VCenter, CloudType::NsxTVlan] {
            assert!(check_cloud(&config, cloud).unwrap_err().contains("set vpcMode=false"));
        }
        assert!(!has_tier1_vrf(&config, CloudType::NsxT), "its VRF is not one of a tier-1 router");
    }

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
