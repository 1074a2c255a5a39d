//! What a controller holds beforehand, from a file instead of a controller.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::network::{self, Hosts};
use ako_avi_types::{Brief, Kind, Network, ObjectKey, Ref, Referred};
use ako_core::config::VipNetwork;
use ako_core::facts::{Answers, SharedTenants, check_cloud, has_tier1_vrf};
use ako_core::{CloudType, Config, Facts, Look};
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
        if self.0.is_none() {
            return Ok(Facts::of(config, &Answers::default(), SharedTenants::default()));
        }
        let answers = self.answers(config)?;
        let tenant_of = |kind: Kind, name: &str| {
            let found = self.find(kind.segment(), name)?;
            Ref::parse(found["tenant_ref"].as_str()?).name
        };
        let unasked = SharedTenants::default();
        let tenants = SharedTenants {
            vrf: tenant_of(Kind::VrfContext, &answers.vrf(config)).unwrap_or(unasked.vrf),
            se_group: tenant_of(Kind::ServiceEngineGroup, &config.se_group).unwrap_or(unasked.se_group),
        };
        Ok(Facts::of(config, &answers, tenants))
    }

    /// What a controller with these objects would answer.
    fn answers(&self, config: &Config) -> anyhow::Result<Answers> {
        let cloud_object = self.find("cloud", &config.cloud_name).with_context(|| {
            format!("cloud {:?} is not there: set cloudName to one that is", &*config.cloud_name)
        })?;
        let transport_zone = cloud_object.pointer("/nsxt_configuration/data_network_config/tz_type");
        let transport_zone = transport_zone.and_then(Value::as_str);
        let cloud = CloudType::parse(cloud_object["vtype"].as_str().unwrap_or_default(), transport_zone);
        check_cloud(config, cloud).map_err(anyhow::Error::msg)?;
        let search = Search { environment: self, config, cloud: cloud_object };
        let vip_network = |n: &VipNetwork| search.network(&n.name, &n.uuid, &n.cidrs(), "vipNetworkList");
        let vip_networks = config.vip_networks.iter().map(vip_network).collect::<anyhow::Result<Vec<_>>>()?;
        let mut node_networks = BTreeMap::new();
        let named = config.node_networks.iter().filter(|network| network.uuid.is_empty());
        for network in named.filter(|_| cloud.places_pools()) {
            let found = search.network(&network.name, "", &[], "nodeNetworkList")?;
            node_networks.extend(found.map(|found| (network.name.clone(), found.uuid)));
        }
        let tier1_vrf =
            if has_tier1_vrf(config, cloud) { self.tier1_vrf(&config.tier1_router) } else { None };
        Ok(Answers {
            cloud,
            ipam_type: self.ipam_type(cloud_object),
            dns_domains: self.dns_domains(cloud_object),
            vip_networks: vip_networks.into_iter().flatten().collect(),
            node_networks,
            tier1_vrf,
            ..Answers::default()
        })
    }

    /// What a look at a controller with these objects tells; without objects, nobody does.
    pub(super) fn look(&self, referred: &Referred, cloud: &str) -> Look {
        let Some(objects) = &self.0 else { return Look::Unreadable("no controller is asked".into()) };
        let all = objects.get(referred.kind.segment()).and_then(Value::as_object);
        let is_meant = |object: &Value| {
            let its_cloud = object["cloud_ref"].as_str().and_then(|reference| Ref::parse(reference).name);
            referred.is(object) && its_cloud.is_none_or(|its| *its == *cloud)
        };
        let of_tenant = |tenant: &str| {
            let is_of = |key: &str| key.strip_prefix(tenant).is_some_and(|rest| rest.starts_with('/'));
            let own = all.into_iter().flatten().filter(|(key, _)| is_of(key));
            let found = own.filter(|(_, object)| is_meant(object)).map(|(_, object)| object.clone());
            Brief::of(&found.collect::<Vec<_>>())
        };
        let found = of_tenant(&referred.tenant).or_else(|| of_tenant(Facts::SHARED_TENANT));
        found.map_or(Look::Missing, Look::Found)
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
    fn tier1_vrf(&self, router: &str) -> Option<Arc<str>> {
        let vrfs = self.0.as_ref()?.get("vrfcontext")?.as_object()?.values();
        let is_of_router = |vrf: &&Value| {
            let mut attributes = vrf["attrs"].as_array().into_iter().flatten();
            attributes.any(|attribute| attribute["key"] == "tier1path" && attribute["value"] == router)
        };
        vrfs.filter(|_| !router.is_empty()).find(is_of_router)?["name"].as_str().map(Arc::from)
    }

    fn ipam_type(&self, cloud: &Value) -> Option<Arc<str>> {
        let profile = self.profile(cloud, "ipam_provider_ref")?;
        profile["type"].as_str().map(Arc::from)
    }

    fn dns_domains(&self, cloud: &Value) -> Vec<Arc<str>> {
        let profile = self.profile(cloud, "dns_provider_ref");
        let domains =
            profile.and_then(|profile| profile.pointer("/internal_profile/dns_service_domain")?.as_array());
        let names = domains.into_iter().flatten().filter_map(|domain| domain["domain_name"].as_str());
        names.map(Arc::from).collect()
    }

    /// The IPAM or DNS profile that a field of a cloud refers to.
    fn profile(&self, cloud: &Value, field: &str) -> Option<&Value> {
        let name = Ref::parse(cloud[field].as_str()?).name?;
        self.find(Kind::IpamDnsProviderProfile.segment(), &name)
    }

    fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.find_by(kind, "name", name)
    }

    fn find_by(&self, kind: &str, field: &str, value: &str) -> Option<&Value> {
        let objects = self.0.as_ref()?.get(kind)?.as_object()?;
        objects.values().find(|object| object[field].as_str() == Some(value))
    }
}

/// Finds networks, as the operator does on a controller.
struct Search<'a> {
    environment: &'a Environment,
    config: &'a Config,
    cloud: &'a Value,
}

impl Search<'_> {
    /// The network that an entry of a key of the configuration means, if it is there.
    ///
    /// # Errors
    /// If several are, and nothing says which one.
    fn network(
        &self,
        name: &str,
        uuid: &str,
        cidrs: &[Arc<str>],
        key: &str,
    ) -> anyhow::Result<Option<Network>> {
        let (field, value) = if uuid.is_empty() { ("name", name) } else { ("uuid", uuid) };
        let of_vrf = |network: &Network| {
            let is_named = !uuid.is_empty() || self.config.vrf_name.is_empty();
            is_named || network.vrf.as_ref() == Some(&self.config.vrf_name)
        };
        let found = self.environment.networks().filter(|network| network[field] == value).map(Network::read);
        let found = network::with_subnets(found.filter(of_vrf).collect(), cidrs);
        if found.len() <= 1 {
            return Ok(found.into_iter().next());
        }
        let hosts: Vec<_> = found.iter().map(|n| (n.clone(), self.hosts(&n.uuid))).collect();
        let management = self.management_network().map(|uuid| self.hosts(&uuid));
        let nearest = network::nearest(&hosts, &management.unwrap_or_default());
        let place = format!("cloud \"{}\"", self.config.cloud_name);
        nearest.map(Some).with_context(|| network::undecided(&found, &place, key))
    }

    /// The uuid of the network from which service engines are managed: that of their group,
    /// else that of the cloud.
    fn management_network(&self) -> Option<Arc<str>> {
        let group = self.environment.find(Kind::ServiceEngineGroup.segment(), &self.config.se_group);
        let own = group.and_then(|group| group["mgmt_network_ref"].as_str());
        let of_cloud = self.cloud.pointer("/vcenter_configuration/management_network");
        let reference = Ref::parse(own.or_else(|| of_cloud?.as_str())?);
        let named = |name: &str| self.environment.find("network", name)?["uuid"].as_str().map(Arc::from);
        reference.uuid.or_else(|| named(&reference.name?))
    }

    fn hosts(&self, network: &str) -> Hosts {
        let runtime = self.environment.find_by(Kind::VimgrNwRuntime.segment(), "uuid", network);
        runtime.map(network::hosts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn its_objects_answer_for_the_controller() {
        let network = |uuid: &str, cloud: &str| json!({"name": "n", "uuid": uuid, "cloud_ref": format!("/api/cloud?name={cloud}")});
        let environment = Environment::new(json!({
            "wafpolicy": {"admin/strict": {"name": "strict"}, "blue-2/own": {"name": "own"}},
            "network": {"admin/n": network("n-1", "other"), "admin/n-2": network("n-2", "mine")},
        }));
        let uuid = |referred: Referred| match environment.look(&referred, "mine") {
            Look::Found(brief) => Some(brief.uuid.to_string()),
            Look::Missing => None,
            other => panic!("{other:?}"),
        };
        let policy =
            |tenant: &str, name: &str| uuid(Referred::named(Kind::WafPolicy, tenant, name)).is_some();
        assert!(policy("admin", "strict") && policy("blue", "strict") && policy("blue-2", "own"));
        assert!(!policy("blue", "own") && !policy("admin", "Strict"));
        assert_eq!(uuid(Referred::named(Kind::Network, "blue", "n")).as_deref(), Some("n-2"));
        assert_eq!(uuid(Referred::with_uuid(Kind::Network, "blue", "n-2")).as_deref(), Some("n-2"));
        assert_eq!(uuid(Referred::named(Kind::SsoPolicy, "admin", "strict")), None);
        let unasked = Environment::default().look(&Referred::named(Kind::SsoPolicy, "admin", "x"), "mine");
        assert!(matches!(unasked, Look::Unreadable(_)));
    }
}
