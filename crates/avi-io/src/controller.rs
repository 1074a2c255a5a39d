//! What the controller says about itself and about what we need of it.

use std::sync::Arc;

use ako_avi_types::network::{Hosts, Network, hosts, nearest, undecided, with_subnets};
use ako_avi_types::{ErrorClass, Failure, Kind, Ref};
use futures::future::try_join_all;
use futures::{join, try_join};
use serde_json::Value;

use crate::answer::unanswered;
use crate::borrowed::Borrowed;
use crate::call::Tenant;
use crate::client::AviClient;
use crate::reading::ListQuery;

/// The states in which a controller can be worked with.
/// Source: Avi REST API contract, §2.
const ACCEPTED_STATES: [&str; 3] = ["CLUSTER_UP_NO_HA", "CLUSTER_UP_HA_ACTIVE", "CLUSTER_UP_HA_COMPROMISED"];

/// Where a vCenter cloud has its management network.
const MANAGEMENT_NETWORK: &str = "/vcenter_configuration/management_network";

/// Where an NSX-T cloud has the type of its transport zone.
const TRANSPORT_ZONE: &str = "/nsxt_configuration/data_network_config/tz_type";

/// The types of clouds on which VIPs name a subnet by the cloud's own id.
const SUBNETS_BY_ID: [&str; 3] = ["CLOUD_AWS", "CLOUD_AZURE", "CLOUD_OPENSTACK"];

/// Of how many networks with one name the hosts are looked at.
const MOST_NAMESAKES: usize = 20;

/// How many alternatives an error names.
const NAMED: usize = 20;

/// What has to exist.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The tenant's name.
    pub tenant: Arc<str>,
    /// The cloud's name.
    pub cloud: Arc<str>,
    /// The networks that addresses come from.
    pub networks: Vec<WantedNetwork>,
    /// The VRF's name, if one is configured.
    pub vrf: Option<Arc<str>>,
    /// The name of the SE group: of several networks with one name, that is meant which its
    /// service engines can be in.
    pub se_group: Arc<str>,
}

/// A network that has to exist.
#[derive(Clone, Debug)]
pub struct WantedNetwork {
    /// How it is named.
    pub name: NetworkName,
    /// Subnets that it should have, as `<address>/<bits>`: they tell it from others of its name.
    pub cidrs: Vec<Arc<str>>,
}

/// How the configuration names a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkName {
    /// By its name.
    Name(Arc<str>),
    /// By its uuid.
    Uuid(Arc<str>),
}

/// What the controller says. Source: Avi REST API contract, §2 and §8.14.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerFacts {
    /// `cluster-…`.
    pub cluster_uuid: Arc<str>,
    /// `default_license_tier`, such as `ENTERPRISE`.
    pub licence_tier: Arc<str>,
    /// The controller's version, such as `30.2.1`.
    pub version: Arc<str>,
    /// The cloud's type, such as `CLOUD_VCENTER`.
    pub cloud_vtype: Arc<str>,
    /// The type of an NSX-T cloud's transport zone, such as `VLAN`.
    pub transport_zone: Option<Arc<str>>,
    /// The cloud's uuid.
    pub cloud_uuid: Arc<str>,
    /// The tenant that the cloud belongs to.
    pub cloud_tenant: Arc<str>,
    /// The name of the cloud's IPAM profile.
    pub ipam_profile: Option<Arc<str>>,
    /// The type of that profile, such as `IPAMDNS_TYPE_INTERNAL`, if it may be read.
    pub ipam_type: Option<Arc<str>>,
    /// The name of the cloud's DNS profile.
    pub dns_profile: Option<Arc<str>>,
    /// The DNS sub-domains of the cloud, as the controller spells and orders
    /// them.
    pub subdomains: Vec<Arc<str>>,
    /// The networks asked for, in that order.
    pub networks: Vec<Network>,
    /// The uuid of the management network of a vCenter cloud.
    pub management_network: Option<Arc<str>>,
    /// The node that leads the controller cluster, if it says.
    pub leader: Option<Leader>,
}

/// The leading node. If either changes, the controller has failed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// The node's name.
    pub node: Arc<str>,
    /// Since when it is up, as the controller spells it.
    pub up_since: Arc<str>,
}

/// What the cluster says about itself.
struct Cluster {
    uuid: Arc<str>,
    version: Arc<str>,
    licence_tier: Arc<str>,
    leader: Option<Leader>,
}

impl AviClient {
    /// Reads everything that work depends on.
    ///
    /// # Errors
    /// [`ErrorClass::Waiting`] with a text that names what is missing and what
    /// to do about it; otherwise the failure of the read.
    pub async fn facts(&self, wanted: &Wanted) -> Result<ControllerFacts, Failure> {
        // A controller that is not up answers the other reads with anything.
        let runtime = self.singleton("/api/cluster/runtime", wanted).await?;
        check_state(&runtime)?;
        self.check_tenant(wanted).await?;
        let (cluster, cloud) = try_join!(self.cluster(wanted, &runtime), self.cloud(wanted))?;
        let cloud_uuid = text(&cloud, "uuid").unwrap_or_default();
        let management = cloud.pointer(MANAGEMENT_NETWORK).and_then(Value::as_str);
        let management = management.and_then(|reference| Ref::parse(reference).uuid);
        let search = Search { client: self, wanted, cloud_uuid, management: management.as_ref() };
        let by_id = text(&cloud, "vtype").is_some_and(|vtype| SUBNETS_BY_ID.contains(&vtype));
        let networks = wanted.networks.iter().map(async |network| {
            if by_id { search.subnet(network).await } else { search.network(network, "vipNetworkList").await }
        });
        let reference = |field| text(&cloud, field).map(Ref::parse);
        let ipam_profile = reference("ipam_provider_ref").and_then(|r| r.name);
        let (subdomains, networks, (), ipam_type) = try_join!(
            self.subdomains(wanted, cloud_uuid),
            try_join_all(networks),
            self.check_vrf(wanted),
            self.ipam_type(wanted, ipam_profile.as_ref()),
        )?;
        let tenant = reference("tenant_ref").and_then(|r| r.name.or(r.uuid));
        Ok(ControllerFacts {
            cluster_uuid: cluster.uuid,
            licence_tier: cluster.licence_tier,
            version: cluster.version,
            cloud_vtype: text(&cloud, "vtype").unwrap_or_default().into(),
            transport_zone: cloud.pointer(TRANSPORT_ZONE).and_then(Value::as_str).map(Arc::from),
            cloud_uuid: cloud_uuid.into(),
            cloud_tenant: tenant.unwrap_or_else(|| "admin".into()),
            ipam_profile,
            ipam_type,
            dns_profile: reference("dns_provider_ref").and_then(|r| r.name),
            subdomains,
            networks,
            management_network: management,
            leader: cluster.leader,
        })
    }

    /// Finds the networks that nodes are in. Where a VRF is configured, they
    /// have to lie in it.
    ///
    /// # Errors
    /// [`ErrorClass::Waiting`] with a text that names what is missing and what
    /// to do about it; otherwise the failure of the read.
    pub async fn node_networks(
        &self,
        wanted: &Wanted,
        said: &ControllerFacts,
        names: &[NetworkName],
    ) -> Result<Vec<Network>, Failure> {
        let key = "nodeNetworkList";
        let search = Search {
            client: self,
            wanted,
            cloud_uuid: &said.cloud_uuid,
            management: said.management_network.as_ref(),
        };
        let networks: Vec<_> =
            names.iter().map(|name| WantedNetwork { name: name.clone(), cidrs: Vec::new() }).collect();
        let found = try_join_all(networks.iter().map(|network| search.network(network, key))).await?;
        for network in &found {
            if let (Some(own), Some(vrf)) = (&network.vrf, &wanted.vrf)
                && own != vrf
            {
                return Err(missing(format!(
                    "network \"{}\" is in VRF \"{own}\", not in \"{vrf}\": set {key} to networks of that VRF, \
                     or vrfName to the VRF of the network",
                    network.name
                )));
            }
        }
        Ok(found)
    }

    async fn cluster(&self, wanted: &Wanted, runtime: &Value) -> Result<Cluster, Failure> {
        let (cluster, initial, system) = join!(
            self.singleton("/api/cluster", wanted),
            self.singleton("/api/initial-data", wanted),
            self.singleton("/api/systemconfiguration", wanted),
        );
        let (initial, system) = (initial?, system?);
        // Reading `/api/cluster` takes a permission that the rest does not; the
        // runtime tells the uuid as well.
        let told = runtime.pointer("/node_info/cluster_uuid").and_then(Value::as_str).map(Arc::from);
        let uuid = match (cluster, told) {
            (Ok(cluster), told) => text(&cluster, "uuid").map(Arc::from).or(told),
            (Err(failure), Some(told)) if failure.class == ErrorClass::Denied => Some(told),
            (Err(failure), _) => return Err(failure),
        };
        let uuid = uuid.ok_or_else(|| missing("the controller does not tell its cluster's uuid".into()))?;
        let version = initial.pointer("/version/Version").and_then(Value::as_str);
        Ok(Cluster {
            uuid,
            version: version.unwrap_or_default().into(),
            licence_tier: text(&system, "default_license_tier").unwrap_or_default().into(),
            leader: leader(runtime),
        })
    }

    async fn check_tenant(&self, wanted: &Wanted) -> Result<(), Failure> {
        let tenant = Tenant::Named(wanted.tenant.clone());
        let unknown = match self.find(Kind::Tenant, &tenant, &wanted.tenant).await {
            Ok(found) => found.is_none(),
            // The controller refuses the tenant of the request itself.
            Err(failure) if failure.message.contains("does not exist!") => true,
            Err(failure) => return Err(failure),
        };
        if !unknown {
            return Ok(());
        }
        let others = self.names(Kind::Tenant, &Tenant::All, Vec::new()).await;
        let name = &wanted.tenant;
        Err(missing(format!(
            "tenant \"{name}\" does not exist on the controller: set tenantName to {others}"
        )))
    }

    async fn cloud(&self, wanted: &Wanted) -> Result<Value, Failure> {
        let filters = vec![("name".into(), wanted.cloud.to_string())];
        let mut clouds = self.shared(&wanted.tenant, Kind::Cloud, filters).await?;
        clouds.retain(|cloud| text(cloud, "name") == Some(&*wanted.cloud));
        if let Some(cloud) = clouds.pop().filter(|cloud| text(cloud, "uuid").is_some()) {
            return Ok(cloud);
        }
        let tenant = Tenant::Named(wanted.tenant.clone());
        let others = self.names(Kind::Cloud, &tenant, Vec::new()).await;
        let name = &wanted.cloud;
        Err(missing(format!("cloud \"{name}\" does not exist on the controller: set cloudName to {others}")))
    }

    async fn subdomains(&self, wanted: &Wanted, cloud_uuid: &str) -> Result<Vec<Arc<str>>, Failure> {
        let query = [("cloud_uuid".to_owned(), cloud_uuid.to_owned())];
        let tenant = Tenant::Named(wanted.tenant.clone());
        let body = self.get_json("/api/ipamdnsproviderprofiledomainlist", &query, &tenant).await?;
        let domains = body.get("domains").and_then(Value::as_array).into_iter().flatten();
        Ok(domains.filter_map(Value::as_str).map(Arc::from).collect())
    }

    async fn ipam_type(
        &self,
        wanted: &Wanted,
        profile: Option<&Arc<str>>,
    ) -> Result<Option<Arc<str>>, Failure> {
        let Some(name) = profile else { return Ok(None) };
        let filters = vec![("name".to_owned(), name.to_string())];
        let found = match self.shared(&wanted.tenant, Kind::IpamDnsProviderProfile, filters).await {
            Err(failure) if failure.class == ErrorClass::Denied => return Ok(None),
            found => found?,
        };
        let found = found.iter().find(|profile| text(profile, "name") == Some(&**name));
        Ok(found.and_then(|profile| text(profile, "type")).map(Arc::from))
    }

    async fn check_vrf(&self, wanted: &Wanted) -> Result<(), Failure> {
        let Some(name) = &wanted.vrf else { return Ok(()) };
        let mut filters = vec![("name".to_owned(), name.to_string())];
        filters.push(of_cloud(wanted));
        let found = self.shared(&wanted.tenant, Kind::VrfContext, filters).await?;
        if found.iter().any(|vrf| text(vrf, "name") == Some(&**name)) {
            return Ok(());
        }
        let tenant = Tenant::Named(wanted.tenant.clone());
        let others = self.names(Kind::VrfContext, &tenant, vec![of_cloud(wanted)]).await;
        let cloud = &wanted.cloud;
        Err(missing(format!("VRF \"{name}\" does not exist in cloud \"{cloud}\": set vrfName to {others}")))
    }

    /// Lists objects that tenants share with `admin`: a role may see them only
    /// there. Source: Avi REST API contract, §6.
    pub(crate) async fn shared(
        &self,
        tenant: &Arc<str>,
        kind: Kind,
        filters: Vec<(String, String)>,
    ) -> Result<Vec<Value>, Failure> {
        let query = ListQuery { kind, tenant: Tenant::Named(tenant.clone()), filters };
        match self.list(query.clone()).await {
            Err(failure) if failure.class == ErrorClass::Denied && &**tenant != "admin" => {
                self.list(ListQuery { tenant: Tenant::named("admin"), ..query }).await
            }
            result => result,
        }
    }

    /// "one of a, b, c", for an error. That they cannot be listed must not hide
    /// the error.
    async fn names(&self, kind: Kind, tenant: &Tenant, filters: Vec<(String, String)>) -> String {
        let listed = self.list(ListQuery { kind, tenant: tenant.clone(), filters }).await.unwrap_or_default();
        let mut names: Vec<_> = listed.iter().filter_map(|object| text(object, "name")).collect();
        names.sort_unstable();
        names.dedup();
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        match (names.is_empty(), more) {
            (true, _) => format!("an existing one or create it ({kind})"),
            (false, 0) => format!("one of {}", names.join(", ")),
            (false, more) => format!("one of {} and {more} more", names.join(", ")),
        }
    }

    async fn singleton(&self, path: &str, wanted: &Wanted) -> Result<Value, Failure> {
        // The tenant is not known to exist yet, and these belong to none.
        let own = Tenant::Named(wanted.tenant.clone());
        match self.get_json(path, &[], &Tenant::named("admin")).await {
            Err(failure) if failure.class == ErrorClass::Denied && &*wanted.tenant != "admin" => {
                self.get_json(path, &[], &own).await
            }
            result => result,
        }
    }
}

/// Finds networks of a cloud.
struct Search<'a> {
    client: &'a AviClient,
    wanted: &'a Wanted,
    cloud_uuid: &'a str,
    /// The uuid of the cloud's management network.
    management: Option<&'a Arc<str>>,
}

impl Search<'_> {
    /// The network that an entry of a key of the configuration means.
    async fn network(&self, network: &WantedNetwork, key: &str) -> Result<Network, Failure> {
        let (wanted, client) = (self.wanted, self.client);
        let (mut filters, field, value) = match &network.name {
            NetworkName::Name(name) => (vec![of_cloud(wanted)], "name", name),
            NetworkName::Uuid(uuid) => {
                (vec![("cloud_uuid".to_owned(), self.cloud_uuid.to_owned())], "uuid", uuid)
            }
        };
        filters.push((field.to_owned(), value.to_string()));
        // A name needs to be unique only in the VRF, if one is configured.
        let vrf = wanted.vrf.as_ref().filter(|_| matches!(network.name, NetworkName::Name(_)));
        let of_vrf = vrf.map(|vrf| ("vrf_context_ref.name".to_owned(), vrf.to_string()));
        filters.extend(of_vrf.clone());
        let mut found = client.shared(&wanted.tenant, Kind::Network, filters).await?;
        found.retain(|found| text(found, field) == Some(&**value));
        let found = with_subnets(found.iter().map(Network::read).collect(), &network.cidrs);
        let place = match vrf {
            Some(vrf) => format!("cloud \"{}\" and VRF \"{vrf}\"", wanted.cloud),
            None => format!("cloud \"{}\"", wanted.cloud),
        };
        if found.len() > 1 {
            let nearest = self.nearest(&found).await?;
            return nearest.ok_or_else(|| missing(undecided(&found, &place, key)));
        }
        let Some(found) = found.into_iter().next() else {
            let tenant = Tenant::Named(wanted.tenant.clone());
            let filters = std::iter::once(of_cloud(wanted)).chain(of_vrf).collect();
            let others = client.names(Kind::Network, &tenant, filters).await;
            return Err(missing(format!(
                "network \"{value}\" does not exist in {place}: set {key} to {others}"
            )));
        };
        Ok(found)
    }

    /// The network of a public cloud that an entry of `vipNetworkList` means. It is written
    /// as it is, and the controller, which need not know of it before, judges it then.
    async fn subnet(&self, network: &WantedNetwork) -> Result<Network, Failure> {
        let (NetworkName::Name(id) | NetworkName::Uuid(id)) = &network.name;
        let filters = vec![("cloud_uuid".to_owned(), self.cloud_uuid.to_owned())];
        let found = self.client.shared(&self.wanted.tenant, Kind::Network, filters).await?;
        let is_meant = |network: &&Value| ["uuid", "name"].iter().any(|f| text(network, f) == Some(&**id));
        let found = found.iter().find(is_meant).map(Network::read);
        Ok(found.unwrap_or_else(|| Network { name: id.clone(), ..Network::default() }))
    }

    /// The one of several networks that service engines can be in, if that singles out one.
    async fn nearest(&self, found: &[Network]) -> Result<Option<Network>, Failure> {
        let Some(management) = self.management_network().await?.filter(|_| found.len() <= MOST_NAMESAKES)
        else {
            return Ok(None);
        };
        let management = self.hosts(&management).await?;
        let hosts = try_join_all(found.iter().map(|network| self.hosts(&network.uuid))).await?;
        Ok(nearest(&found.iter().cloned().zip(hosts).collect::<Vec<_>>(), &management))
    }

    /// The network from which service engines are managed: that of their group, else that of
    /// the cloud.
    async fn management_network(&self) -> Result<Option<Arc<str>>, Failure> {
        let (tenant, cloud) = (self.wanted.tenant.clone(), self.wanted.cloud.clone());
        let place = Borrowed { tenant, cloud, ..Borrowed::default() };
        let group =
            self.client.find_borrowed(&place, Kind::ServiceEngineGroup, &self.wanted.se_group).await?;
        let own = group.as_ref().and_then(|group| text(group, "mgmt_network_ref"));
        let own = own.and_then(|reference| Ref::parse(reference).uuid);
        Ok(own.or_else(|| self.management.cloned()))
    }

    /// The hosts that a network is on; none if the controller does not say.
    async fn hosts(&self, uuid: &str) -> Result<Hosts, Failure> {
        let path = format!("/api/{}/{uuid}", Kind::VimgrNwRuntime);
        let tenant = Tenant::Named(self.wanted.tenant.clone());
        match self.client.get_json(&path, &[], &tenant).await {
            Ok(runtime) => Ok(hosts(&runtime)),
            Err(failure) if matches!(failure.status, Some(403 | 404)) => Ok(Hosts::new()),
            Err(failure) => Err(failure),
        }
    }
}

fn check_state(runtime: &Value) -> Result<(), Failure> {
    let state = runtime.pointer("/cluster_state/state").and_then(Value::as_str).unwrap_or("unknown");
    if ACCEPTED_STATES.contains(&state) {
        return Ok(());
    }
    let accepted = ACCEPTED_STATES.join(", ");
    Err(missing(format!("the controller cluster's state is {state}: wait until it is one of {accepted}")))
}

fn leader(runtime: &Value) -> Option<Leader> {
    let nodes = runtime.get("node_states")?.as_array()?;
    let leader = nodes.iter().find(|node| text(node, "role") == Some("CLUSTER_LEADER"))?;
    let field = |name| text(leader, name).unwrap_or_default().into();
    Some(Leader { node: field("name"), up_since: field("up_since") })
}

fn of_cloud(wanted: &Wanted) -> (String, String) {
    ("cloud_ref.name".to_owned(), wanted.cloud.to_string())
}

fn missing(message: String) -> Failure {
    unanswered(ErrorClass::Waiting, message)
}

fn text<'a>(body: &'a Value, field: &str) -> Option<&'a str> {
    body.get(field).and_then(Value::as_str)
}
