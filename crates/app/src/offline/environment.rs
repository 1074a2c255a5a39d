//! What a controller holds beforehand, from a file instead of a controller.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::{Kind, ObjectKey, Ref};
use ako_core::facts::{CloudType, choose_vrf};
use ako_core::{Config, Facts};
use anyhow::Context as _;
use serde_json::Value;

/// Objects of a controller in canonical form, or nothing: then a No-access
/// cloud without DNS domains is assumed.
#[derive(Clone, Debug, Default)]
pub struct Environment(Option<Value>);

impl Environment {
    /// From the content of a file.
    pub fn new(objects: Value) -> Self {
        Self(Some(objects))
    }

    /// What translation has to know about the controller.
    ///
    /// # Errors
    /// If the configured cloud is not among the objects.
    pub fn facts(&self, config: &Config) -> anyhow::Result<Facts> {
        let mut facts = Facts {
            cluster_uuid: "cluster-00000000".into(),
            enterprise: true,
            cloud: CloudType::None,
            vrf: choose_vrf(config, CloudType::None, None, None),
            vrf_tenant: Facts::SHARED_TENANT.into(),
            se_group_tenant: Facts::SHARED_TENANT.into(),
            subdomains: Vec::new(),
            node_networks: BTreeMap::new(),
        };
        if self.0.is_none() {
            return Ok(facts);
        }
        let cloud = self.find("cloud", &config.cloud_name).with_context(|| {
            format!("cloud {:?} is not there: set cloudName to one that is", &*config.cloud_name)
        })?;
        let transport_zone = cloud.pointer("/nsxt_configuration/data_network_config/tz_type");
        let transport_zone = transport_zone.and_then(Value::as_str);
        facts.cloud = CloudType::parse(cloud["vtype"].as_str().unwrap_or_default(), transport_zone);
        let first = config.vip_networks.first();
        let network = first.and_then(|network| self.find("network", &network.name));
        let network_vrf =
            network.and_then(|n| n["vrf_context_ref"].as_str()).map(Ref::parse).and_then(|r| r.name);
        let tier1_vrf = self.tier1_vrf(&config.tier1_router);
        facts.vrf = choose_vrf(config, facts.cloud, network_vrf.as_deref(), tier1_vrf);
        facts.subdomains = self.subdomains(cloud);
        if facts.cloud.places_pools() {
            let given_by_name = config.node_networks.iter().filter(|network| network.uuid.is_empty());
            let uuid =
                |name: &Arc<str>| Some((name.clone(), self.only_network(name)?["uuid"].as_str()?.into()));
            facts.node_networks = given_by_name.filter_map(|network| uuid(&network.name)).collect();
        }
        let tenant_of = |kind: Kind, name: &str| {
            let found = self.find(kind.segment(), name)?;
            Ref::parse(found["tenant_ref"].as_str()?).name
        };
        if let Some(tenant) = tenant_of(Kind::VrfContext, &facts.vrf) {
            facts.vrf_tenant = tenant;
        }
        if let Some(tenant) = tenant_of(Kind::ServiceEngineGroup, &config.se_group) {
            facts.se_group_tenant = tenant;
        }
        Ok(facts)
    }

    /// The object of a key as it is beforehand.
    pub(super) fn object(&self, key: &ObjectKey) -> Option<&Value> {
        self.0.as_ref()?.get(key.kind.segment())?.get(format!("{}/{}", key.tenant, key.name))
    }

    /// The network of a name, if there is one.
    fn only_network(&self, name: &str) -> Option<&Value> {
        let mut named = self.networks().filter(|network| network["name"] == name);
        named.next().filter(|_| named.next().is_none())
    }

    fn networks(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().filter_map(|objects| objects.get("network")?.as_object()).flat_map(|all| all.values())
    }

    /// A reference in canonical form: to a network by its name, if no other one is called so.
    pub(super) fn canonical(&self, reference: &str) -> Option<String> {
        let uuid = reference.strip_prefix("/api/network/")?;
        let name = self.networks().find(|network| network["uuid"] == uuid)?["name"].as_str()?;
        self.only_network(name).map(|_| format!("/api/network?name={name}"))
    }

    /// The VRF that NSX-T has for a tier-1 router.
    fn tier1_vrf(&self, router: &str) -> Option<&str> {
        let vrfs = self.0.as_ref()?.get("vrfcontext")?.as_object()?.values();
        let is_of_router = |vrf: &&Value| {
            let mut attributes = vrf["attrs"].as_array().into_iter().flatten();
            attributes.any(|attribute| attribute["key"] == "tier1path" && attribute["value"] == router)
        };
        vrfs.filter(|_| !router.is_empty()).find(is_of_router)?["name"].as_str()
    }

    fn subdomains(&self, cloud: &Value) -> Vec<Arc<str>> {
        let provider = cloud["dns_provider_ref"].as_str().map(Ref::parse).and_then(|r| r.name);
        let profile = provider.and_then(|name| self.find("ipamdnsproviderprofile", &name));
        let domains = profile.and_then(|p| p.pointer("/internal_profile/dns_service_domain")?.as_array());
        let names = domains.into_iter().flatten().filter_map(|domain| domain["domain_name"].as_str());
        let mut names: Vec<Arc<str>> = names.map(|name| name.trim_start_matches('.').into()).collect();
        names.sort();
        names
    }

    fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        let objects = self.0.as_ref()?.get(kind)?.as_object()?;
        objects.values().find(|object| object["name"].as_str() == Some(name))
    }
}
