//! The connection to the Avi Controller.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ako_avi_io::{
    AviClient, Borrowed, Clock, ClusterClaim, ClusterIdentity, ControllerFacts, Credentials, Dial, Endpoint,
    NetworkName, Observer, Options, Scheme, Scope, ScopeTenant, Secret, Tenant, Tls, Wanted, WantedNetwork,
    Writer,
};
use ako_avi_types::{ErrorClass, Failure, Kind, Meta, Object, ObjectKey, Observed};
use ako_core::config::VipNetwork;
use ako_core::facts::{Answers, SharedTenants, check_cloud, has_tier1_vrf};
use ako_core::name::Names;
use ako_core::{CloudType, Config, Facts};
use ako_engine::Reading;
use ako_translate::Translator;
use tokio::sync::watch;
use tracing::warn;

use super::cluster_name::is_anothers;
use super::settings::Settings;
use super::state::{Startup, VERIFIED};

/// The client, and what is made of it.
pub(crate) struct Connection {
    /// The client.
    pub client: AviClient,
    /// The one door for writes.
    pub writer: Writer,
    /// The claim of the cluster to its name, if the cluster's uid is known.
    pub claim: Option<ClusterClaim>,
    clock: Clock,
    /// Whether something on the controller may be from before this instance became the
    /// primary one.
    had_another_role: AtomicBool,
}

/// Prepares a connection, by a way of its own if one is given; nothing is sent
/// yet, and nothing is written but while `leads` says that this process leads, and only where
/// the cluster with that uid has its name.
///
/// # Errors
/// If the controller's address or its certificate authority cannot be read.
pub(crate) fn connect(
    settings: &Settings,
    cluster_uid: Option<String>,
    clock: Clock,
    dialer: Option<Arc<dyn Dial>>,
    leads: watch::Receiver<bool>,
) -> anyhow::Result<Connection> {
    let config = &settings.config;
    let endpoint =
        Endpoint::parse(&config.controller_host)?.with_server_name(&config.controller_server_name)?;
    let tls = tls(&settings.credentials);
    if tls == Tls::Unverified && endpoint.scheme == Scheme::Https {
        warn!("the controller's certificate is {UNVERIFIED}");
    }
    let options = Options::new(endpoint, tls, credentials(&settings.credentials), clock.clone());
    let client = AviClient::new(Options { dialer, ..options })?;
    let claim = cluster_uid.map(|uid| {
        let cluster = ClusterIdentity { name: config.cluster_name.clone(), uid: uid.into() };
        ClusterClaim::new(client.clone(), clock.clone(), cluster, config.tenant.clone(), scope_tenant(config))
    });
    let writer = Writer::new(client.clone(), leads);
    let writer = match &claim {
        Some(claim) => writer.claiming(claim.clone()),
        None => writer,
    };
    Ok(Connection { client, writer, claim, clock, had_another_role: AtomicBool::new(true) })
}

/// Where the operator may look.
fn scope_tenant(config: &Config) -> ScopeTenant {
    if config.dedicated_tenant { ScopeTenant::Own(config.tenant.clone()) } else { ScopeTenant::All }
}

/// How the controller's certificate is judged: by the authority of the Secret.
/// Without one it is not, as in AKO.
fn tls(given: &ako_kube_io::Credentials) -> Tls {
    given.ca.clone().map_or(Tls::Unverified, |ca_pem| Tls::Verified { ca_pem })
}

/// What to log in with: a token if there is one.
pub(crate) fn credentials(given: &ako_kube_io::Credentials) -> Credentials {
    let secret = if given.token.is_empty() {
        Secret::Password(given.password.reveal().clone())
    } else {
        Secret::Token(given.token.reveal().clone())
    };
    Credentials { username: given.username.as_str().into(), secret }
}

/// What is said of one that is not, and the way out.
const UNVERIFIED: &str = "NOT verified: put certificateAuthorityData into Secret avi-secret";
/// What is said of a connection without TLS.
const PLAIN: &str = "none: controllerIP asks for plain text";

impl Connection {
    /// Says how the controller's certificate is judged from the start.
    pub(crate) fn show_tls(&self, given: &ako_kube_io::Credentials, startup: &Startup) {
        startup.set_tls(match (self.client.endpoint().scheme, &given.ca) {
            (Scheme::Http, _) => PLAIN,
            (Scheme::Https, Some(_)) => VERIFIED,
            (Scheme::Https, None) => UNVERIFIED,
        });
    }

    /// Takes over changed credentials: the next call logs in with them, and its
    /// connection is judged by their certificate authority. A connection that
    /// was verified stays so while the process runs: a key that got lost must
    /// not have the password sent to anybody.
    pub(crate) fn renew(&self, given: &ako_kube_io::Credentials, startup: &Startup) {
        self.client.set_credentials(credentials(given));
        let was_verified = startup.tls().0 == Some(VERIFIED);
        let problem = if given.ca.is_none() && was_verified {
            Some(
                "certificateAuthorityData is gone from Secret avi-secret; this takes effect after a restart"
                    .to_owned(),
            )
        } else {
            self.client.set_tls(tls(given)).err().map(|error| error.to_string())
        };
        match problem {
            None => self.show_tls(given, startup),
            Some(problem) if startup.set_tls_problem(&problem) => {
                warn!(problem, "the controller's certificate is judged as before");
            }
            Some(_) => {}
        }
    }

    /// A translator for a configuration and what the controller says.
    ///
    /// # Errors
    /// What is missing on the controller, or why it cannot be asked.
    pub(crate) async fn translator(&self, config: &Config) -> Result<Translator, Failure> {
        let wanted = Wanted {
            tenant: config.tenant.clone(),
            cloud: config.cloud_name.clone(),
            networks: config.vip_networks.iter().map(wanted_network).collect(),
            vrf: Some(config.vrf_name.clone()).filter(|vrf| !vrf.is_empty()),
            se_group: config.se_group.clone(),
        };
        let said = self.client.facts(&wanted).await?;
        let cloud = CloudType::parse(&said.cloud_vtype, said.transport_zone.as_deref());
        check_cloud(config, cloud).map_err(waiting)?;
        let answers = Answers {
            node_networks: self.node_networks(config, cloud, &wanted, &said).await?,
            tier1_vrf: self.tier1_vrf(config, cloud).await?,
            cluster_uuid: said.cluster_uuid,
            licence_tier: said.licence_tier,
            cloud,
            ipam_type: said.ipam_type,
            dns_domains: said.subdomains,
            vip_networks: said.networks,
        };
        let tenants = self.shared_tenants(&borrowed(config, cloud, &answers.vrf(config))).await?;
        Ok(Translator::new(config.clone(), Facts::of(config, &answers, tenants)))
    }

    /// The tenants of what is borrowed, as far as there is a need.
    async fn shared_tenants(&self, borrowed: &Borrowed) -> Result<SharedTenants, Failure> {
        let tenant_of = async |kind| match borrowed.names.get(&kind) {
            Some(name) => self.client.tenant_of_borrowed(borrowed, kind, name).await,
            None => Ok(Facts::SHARED_TENANT.into()),
        };
        let (vrf, se_group) =
            tokio::try_join!(tenant_of(Kind::VrfContext), tenant_of(Kind::ServiceEngineGroup))?;
        Ok(SharedTenants { vrf, se_group })
    }

    /// The uuids of the node networks that are given by name, on clouds where
    /// pools are placed.
    async fn node_networks(
        &self,
        config: &Config,
        cloud: CloudType,
        wanted: &Wanted,
        said: &ControllerFacts,
    ) -> Result<BTreeMap<Arc<str>, Arc<str>>, Failure> {
        let configured = if cloud.places_pools() { &*config.node_networks } else { &[] };
        let names: Vec<_> = configured.iter().map(|n| network_name(&n.name, &n.uuid)).collect();
        let found = self.client.node_networks(wanted, said, &names).await?;
        let by_name = configured.iter().zip(found).filter(|(network, _)| network.uuid.is_empty());
        Ok(by_name.map(|(network, found)| (network.name.clone(), found.uuid)).collect())
    }

    /// The VRF of our tier-1 router: its routes belong there, and children name it.
    async fn tier1_vrf(&self, config: &Config, cloud: CloudType) -> Result<Option<Arc<str>>, Failure> {
        if !has_tier1_vrf(config, cloud) {
            return Ok(None);
        }
        self.client.vrf_of_tier1(&borrowed(config, cloud, &"".into()), &config.tier1_router).await
    }

    /// Reads everything that is ours, and what holds a part of ours.
    ///
    /// # Errors
    /// If anything could not be read: half a reading says nothing about what is
    /// absent.
    pub(crate) async fn observe(&self, config: &Config, facts: &Facts) -> Result<Reading, Failure> {
        let started = (self.clock)();
        let former = config.former_owner().filter(|_| self.had_another_role.load(Ordering::Relaxed));
        let scope = Scope {
            kinds: config.program.written(),
            owners: [Some(config.owner()), former.clone()].into_iter().flatten().map(Into::into).collect(),
            cluster_name: config.cluster_name.clone(),
            name_prefix: Names::new(config).prefix().into(),
            cloud: config.cloud_name.clone(),
            tenant: scope_tenant(config),
            borrowed: borrowed(config, facts.cloud, &facts.vrf),
        };
        if let Some(claim) = &self.claim {
            claim.look().await?;
        }
        let mut observation = Observer::new(self.client.clone()).observe(&scope).await?;
        if let Some((kind, failure)) = observation.failed.pop() {
            let message = format!("the list of {kind} could not be read: {}", failure.message);
            return Err(Failure { message, ..failure });
        }
        for unreadable in &observation.unreadable {
            warn!(object = %unreadable.key, message = unreadable.message, "an object on the controller cannot be read");
        }
        // What is left of a former role goes, and does not come again.
        let is_left = observation.objects.iter().any(|(_, observed)| {
            former.as_deref().is_some_and(|former| observed.body.created_by().is_some_and(|o| **o == *former))
        });
        self.had_another_role.store(is_left, Ordering::Relaxed);
        Ok(Reading { started, objects: observation.objects })
    }

    /// Asks the controller for a sign of life, as cheaply as it can be asked.
    ///
    /// # Errors
    /// If it gives none.
    pub(crate) async fn probe(&self, config: &Config) -> Result<(), Failure> {
        let name = format!("{}probe", Names::new(config).prefix());
        let tenant = Tenant::Named(config.tenant.clone());
        self.client.find(Kind::VirtualService, &tenant, &name).await?;
        // It may be given back at any time.
        match &self.claim {
            Some(claim) if is_anothers(&claim.at_home()) => claim.look().await.map(drop),
            _ => Ok(()),
        }
    }

    /// The owners of the virtual services with these uuids, as far as they are there; an empty
    /// one where nobody is named.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub(crate) async fn owners(
        &self,
        tenant: &Arc<str>,
        uuids: &BTreeSet<Arc<str>>,
    ) -> Result<BTreeSet<Arc<str>>, Failure> {
        let tenant = Tenant::Named(tenant.clone());
        let mut owners = BTreeSet::new();
        for uuid in uuids {
            let path = format!("/api/{}/{uuid}", Kind::VirtualService);
            match self.client.get_json(&path, &[], &tenant).await {
                Ok(body) => {
                    let owner = body.get("created_by").and_then(serde_json::Value::as_str);
                    owners.insert(owner.unwrap_or_default().into());
                }
                Err(failure) if failure.status == Some(404) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(owners)
    }

    /// Reads one object of a cloud, whoever it belongs to.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) async fn read(&self, key: &ObjectKey, cloud: &Arc<str>) -> Result<Option<Observed>, Failure> {
        let found = if key.kind.is_borrowed() {
            let place = Borrowed { tenant: key.tenant.clone(), cloud: cloud.clone(), ..Borrowed::default() };
            self.client.find_borrowed(&place, key.kind, &key.name).await?
        } else {
            self.client.find(key.kind, &Tenant::Named(key.tenant.clone()), &key.name).await?
        };
        let Some(body) = found else { return Ok(None) };
        let text = |name: &str| body.get(name).and_then(serde_json::Value::as_str).map(Arc::from);
        let uuid = text("uuid").ok_or_else(|| unreadable(key, "it has no uuid"))?;
        let meta = Meta { uuid, last_modified: text("_last_modified") };
        let object = Object::read(key.kind, body).map_err(|error| unreadable(key, &error.to_string()))?;
        Ok(Some(Observed { meta, body: Arc::new(object) }))
    }
}

/// A VIP network, by what tells it from others of its name.
fn wanted_network(network: &VipNetwork) -> WantedNetwork {
    WantedNetwork { name: network_name(&network.name, &network.uuid), cidrs: network.cidrs() }
}

/// How a network is named that is given by name or by uuid.
fn network_name(name: &Arc<str>, uuid: &Arc<str>) -> NetworkName {
    if uuid.is_empty() { NetworkName::Name(name.clone()) } else { NetworkName::Uuid(uuid.clone()) }
}

/// What is borrowed, as far as there is a need: every instance labels its SE
/// group, and a primary one writes routes.
fn borrowed(config: &Config, cloud: CloudType, vrf: &Arc<str>) -> Borrowed {
    let mut names = BTreeMap::new();
    if config.needs_routes(cloud) {
        names.insert(Kind::ServiceEngineGroup, config.se_group.clone());
        if config.primary {
            names.insert(Kind::VrfContext, vrf.clone());
        }
    }
    let tier1_vrfs = names.contains_key(&Kind::VrfContext) && has_tier1_vrf(config, cloud);
    Borrowed { tenant: config.tenant.clone(), cloud: config.cloud_name.clone(), names, tier1_vrfs }
}

/// What has to be there, or be otherwise, before anything can be done.
fn waiting(message: String) -> Failure {
    Failure { class: ErrorClass::Waiting, status: None, message, retry_after_ms: None }
}

fn unreadable(key: &ObjectKey, why: &str) -> Failure {
    let message = format!("{key} cannot be read: {why}");
    Failure { class: ErrorClass::Retry, status: None, message, retry_after_ms: None }
}

#[cfg(test)]
mod tests {
    use ako_sim_avi::{Action, Fault, SimAvi};

    use ako_avi_types::Referred;

    use super::super::testing;
    use super::*;
    use crate::offline::Environment;

    /// Every kind that a rule may refer to, with the roles that are given to accounts.
    #[tokio::test]
    async fn what_rules_refer_to_is_looked_up_with_the_roles_that_accounts_are_given() {
        const KINDS: [Kind; 10] = [
            Kind::WafPolicy,
            Kind::SsoPolicy,
            Kind::AuthProfile,
            Kind::NetworkSecurityPolicy,
            Kind::TrafficCloneProfile,
            Kind::ApplicationProfile,
            Kind::AnalyticsProfile,
            Kind::HealthMonitor,
            Kind::HttpPolicySet,
            Kind::SslKeyAndCertificate,
        ];
        let sim = SimAvi::new(ako_sim_avi::Options::default());
        let name = "a & b/#1";
        let planted: serde_json::Map<_, _> = KINDS[..5]
            .iter()
            .map(|kind| {
                let body = serde_json::json!({"name": name, "tenant_ref": "/api/tenant?name=admin"});
                (kind.segment().to_owned(), serde_json::json!({format!("admin/{name}"): body}))
            })
            .collect();
        assert_eq!(sim.plant(&planted.into()), Vec::<String>::new());
        let roles = ako_avi_io::Place::ALL.map(|place| {
            let tenant = (place != ako_avi_io::Place::Everywhere).then_some("admin");
            ako_sim_avi::Role::read(&ako_avi_io::role::role(place), tenant).unwrap()
        });
        sim.set_roles(Some(roles.into()));
        let connection = testing::connection(&sim, testing::clock().1, watch::channel(false).1);
        let of_kind = |kind| Referred::named(kind, "admin", name);
        let group = Referred::named(Kind::ServiceEngineGroup, "admin", "Default-Group");
        let refused = [Kind::IcapProfile, Kind::SecurityPolicy, Kind::BotDetectionPolicy];
        let names = KINDS.into_iter().chain(refused).map(of_kind).chain([group.clone()]).collect();
        let looks: BTreeMap<_, _> =
            connection.client.look_up(names, "Default-Cloud").await.into_iter().collect();
        let is_found = |name: &Referred| looks[name].as_ref().map(Option::is_some).map_err(|f| f.class);
        for (at, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(is_found(&of_kind(kind)), Ok(at < 5), "{kind}");
        }
        assert_eq!(is_found(&group), Ok(true));
        for kind in refused {
            assert_eq!(
                is_found(&of_kind(kind)),
                Err(ErrorClass::Denied),
                "{kind}: what its privilege is called is not known"
            );
        }
    }

    #[tokio::test]
    async fn a_reading_that_lacks_a_kind_is_none() {
        let sim = SimAvi::new(ako_sim_avi::Options::default());
        let connection = testing::connection(&sim, testing::clock().1, watch::channel(false).1);
        let config = testing::settings().config;
        let facts = Environment::default().facts(&config).unwrap();
        connection.observe(&config, &facts).await.unwrap();
        for kind in Kind::WRITTEN {
            let refused = Action::Status { status: 500, body: "broken".into(), retry_after: None };
            sim.inject(Fault::new(refused).method("GET").kind(kind.segment()));
            let failure = connection.observe(&config, &facts).await.unwrap_err();
            assert!(
                failure.message.starts_with(&format!("the list of {kind} could not be read")),
                "{failure}"
            );
            sim.clear_faults();
        }
        connection.observe(&config, &facts).await.unwrap();
    }
}
