//! Which Kubernetes cluster has its name on the controller.
//!
//! Names, markers and owners of all objects follow from `clusterName`, so two clusters of
//! one name on one controller could not tell their objects apart, and would delete each
//! other's. So a cluster claims its name: with a string group `ako-cluster-<clusterName>` in
//! each tenant that it writes to, before the first write there. It holds the uid of the
//! cluster's namespace `kube-system`, and has neither owner nor markers, so that AKO and
//! whoever else counts what an operator owns do not see it. Names are unique in a tenant, so
//! of two clusters that claim at a time the controller lets one through.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ako_avi_types::{ErrorClass, Failure};
use ako_elect::{Moment, WritePermit};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::answer::unanswered;
use crate::call::{Call, Resource, Tenant, Verb, segment};
use crate::client::{AviClient, Clock};
use crate::observation::{ScopeTenant, tenant_of};
use crate::permission::{Leave, before_sending, no_permit};
use crate::writer::{Writer, bytes};

/// After so long a claim is read again before the next write: it may have been moved.
pub const CLAIM_COUNTS_FOR: Duration = Duration::from_secs(30);

/// The key of the uid in the string group.
const KEY: &str = "kube-system";

/// A Kubernetes cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// `clusterName`, which all names on the controller begin with.
    pub name: Arc<str>,
    /// The uid of its namespace `kube-system`, which no other cluster has but a copy of
    /// this one.
    pub uid: Arc<str>,
}

/// Whom a cluster's name belongs to in a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimedBy {
    /// Nobody has claimed it.
    Nobody,
    /// This cluster.
    Us,
    /// The cluster with this uid.
    Another(Arc<str>),
    /// Not known: the role of the operator's user does not allow string groups.
    NotAllowed(Arc<str>),
}

/// The claim of a cluster to its name. Clones share what is known of it.
#[derive(Clone)]
pub struct ClusterClaim {
    inner: Arc<Inner>,
}

struct Inner {
    client: AviClient,
    clock: Clock,
    cluster: ClusterIdentity,
    /// The tenant of the configuration: whoever has the name there has it.
    home: Arc<str>,
    /// Where the operator may look.
    scope: ScopeTenant,
    known: Mutex<BTreeMap<Arc<str>, (ClaimedBy, Moment)>>,
    /// One question at a time: writes that begin together ask once.
    asking: tokio::sync::Mutex<()>,
    at_home: watch::Sender<Option<ClaimedBy>>,
}

impl std::fmt::Debug for ClusterClaim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterClaim").field("cluster", &self.inner.cluster).finish_non_exhaustive()
    }
}

/// A string group that claims the cluster's name.
struct Found {
    tenant: Arc<str>,
    uuid: Arc<str>,
    version: Option<String>,
    uid: Arc<str>,
}

impl ClusterClaim {
    /// The claim of a cluster that writes to the tenant `home` first of all.
    pub fn new(
        client: AviClient,
        clock: Clock,
        cluster: ClusterIdentity,
        home: Arc<str>,
        scope: ScopeTenant,
    ) -> Self {
        let (known, asking) = (Mutex::default(), tokio::sync::Mutex::default());
        let at_home = watch::Sender::new(None);
        Self { inner: Arc::new(Inner { client, clock, cluster, home, scope, known, asking, at_home }) }
    }

    /// The cluster whose claim this is.
    pub fn cluster(&self) -> &ClusterIdentity {
        &self.inner.cluster
    }

    /// The name of the string group.
    pub fn group(&self) -> String {
        format!("ako-cluster-{}", self.inner.cluster.name)
    }

    /// Whom the name belongs to in the tenant of the configuration, now and in future.
    pub fn at_home(&self) -> watch::Receiver<Option<ClaimedBy>> {
        self.inner.at_home.subscribe()
    }

    /// Looks whom the name belongs to in the tenant of the configuration. Claims nothing.
    ///
    /// # Errors
    /// If the controller does not say.
    pub async fn look(&self) -> Result<ClaimedBy, Failure> {
        let _turn = self.inner.asking.lock().await;
        let home = self.inner.home.clone();
        let by = self.read(&home).await?;
        self.note(&home, &by);
        Ok(by)
    }

    /// The same in words, with the way out where it is another's.
    pub fn says(&self, by: &ClaimedBy) -> Option<String> {
        let ClusterIdentity { name, uid } = &self.inner.cluster;
        let group = self.group();
        match by {
            ClaimedBy::Nobody | ClaimedBy::Us => None,
            ClaimedBy::Another(other) => Some(format!(
                "the name {name} belongs to another Kubernetes cluster on this controller, so this instance writes \
                 nothing: string group {group} in tenant {} holds {other}, and the uid of namespace kube-system is {uid} \
                 here. Set another clusterName in ConfigMap avi-k8s-config; or, if that cluster is gone, run \
                 `ako take-cluster-name --from {other}` in the leader's pod",
                self.inner.home
            )),
            ClaimedBy::NotAllowed(why) => Some(format!(
                "whether another Kubernetes cluster has the name {name} on this controller is not known: the role of \
                 the operator's user does not allow string groups ({why})"
            )),
        }
    }

    /// Holds the name in a tenant, or fails: nothing may be written there then.
    pub(crate) async fn hold(&self, tenant: &Arc<str>, leave: Leave<'_>) -> Result<(), Failure> {
        if self.is_held(tenant) {
            return Ok(());
        }
        let turn = async { Ok(self.inner.asking.lock().await) };
        let _turn = before_sending(Some(leave), turn, no_permit).await?;
        if self.is_held(tenant) {
            return Ok(());
        }
        let asked = async {
            match self.read(tenant).await? {
                ClaimedBy::Nobody => self.claim(tenant, leave).await,
                by => Ok(by),
            }
        };
        let by = before_sending(Some(leave), asked, no_permit).await.map_err(not_sent)?;
        self.note(tenant, &by);
        match by {
            ClaimedBy::Another(_) if *tenant == self.inner.home => {
                Err(unanswered(ErrorClass::NoPermit, self.says(&by).unwrap_or_default()))
            }
            ClaimedBy::Another(other) => {
                let (name, group) = (&self.inner.cluster.name, self.group());
                let message = format!(
                    "the name {name} belongs to another Kubernetes cluster in tenant {tenant}: string group {group} \
                     holds {other}"
                );
                Err(unanswered(ErrorClass::Waiting, message))
            }
            _ => Ok(()),
        }
    }

    fn is_held(&self, tenant: &str) -> bool {
        let now = (self.inner.clock)();
        let known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(tenant).is_some_and(|(by, at)| {
            matches!(by, ClaimedBy::Us | ClaimedBy::NotAllowed(_)) && now.since(*at) < CLAIM_COUNTS_FOR
        })
    }

    fn note(&self, tenant: &Arc<str>, by: &ClaimedBy) {
        let now = (self.inner.clock)();
        let mut known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(tenant.clone(), (by.clone(), now));
        if *tenant == self.inner.home {
            self.inner.at_home.send_if_modified(|known| known.replace(by.clone()).as_ref() != Some(by));
        }
    }

    async fn read(&self, tenant: &Arc<str>) -> Result<ClaimedBy, Failure> {
        let found = match self.find(&Tenant::Named(tenant.clone())).await {
            Ok(found) => found,
            Err(failure) if failure.class == ErrorClass::Denied => {
                return Ok(ClaimedBy::NotAllowed(failure.message.as_str().into()));
            }
            Err(failure) => return Err(failure),
        };
        let uid = found.into_iter().find(|found| found.tenant == *tenant).map(|found| found.uid);
        Ok(match uid {
            None => ClaimedBy::Nobody,
            Some(uid) if uid == self.inner.cluster.uid => ClaimedBy::Us,
            Some(uid) => ClaimedBy::Another(uid),
        })
    }

    async fn claim(&self, tenant: &Arc<str>, leave: Leave<'_>) -> Result<ClaimedBy, Failure> {
        let verb = Verb::Post(leave, bytes(&self.body(tenant)));
        match self.send(verb, Resource::StringGroup.path(), tenant).await {
            Ok(()) => Ok(ClaimedBy::Us),
            Err(failure) if failure.class == ErrorClass::Denied => {
                Ok(ClaimedBy::NotAllowed(failure.message.as_str().into()))
            }
            // Somebody was faster; this cluster itself, perhaps, whose answer was lost.
            Err(failure) if failure.class == ErrorClass::Conflict => self.read(tenant).await,
            Err(failure) => Err(failure),
        }
    }

    fn body(&self, tenant: &str) -> Value {
        let ClusterIdentity { name, uid } = &self.inner.cluster;
        json!({
            "name": self.group(),
            "description": format!("Claims the name {name} for the Kubernetes cluster whose namespace kube-system has this uid."),
            "tenant_ref": format!("/api/tenant/?name={tenant}"),
            "type": "SG_TYPE_KEYVAL",
            "kv": [{"key": KEY, "value": uid}],
        })
    }

    async fn find(&self, tenant: &Tenant) -> Result<Vec<Found>, Failure> {
        let group = self.group();
        let filters = vec![("name".to_owned(), group.clone())];
        let given = if let Tenant::Named(name) = tenant { Some(name.clone()) } else { None };
        let read = |body: Value| {
            let text = |field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
            if text("name")? != group {
                return None;
            }
            let pairs = body.get("kv").and_then(Value::as_array).into_iter().flatten();
            let value = pairs.filter(|pair| pair["key"] == KEY).find_map(|pair| pair["value"].as_str());
            Some(Found {
                tenant: tenant_of(&body).or_else(|| given.clone())?,
                uuid: text("uuid")?.into(),
                version: text("_last_modified"),
                uid: value.unwrap_or("unknown").into(),
            })
        };
        let found = self.inner.client.list_resource(Resource::StringGroup, tenant, &filters, read).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn send(&self, verb: Verb<'_>, target: String, tenant: &Arc<str>) -> Result<(), Failure> {
        let tenant = Tenant::Named(tenant.clone());
        let call = Call { verb, resource: Resource::StringGroup, target, tenant };
        self.inner.client.send(&call).await.map(drop)
    }

    /// What claims the name, wherever the operator may look.
    async fn everywhere(&self) -> Result<Vec<Found>, Failure> {
        let tenant = match &self.inner.scope {
            ScopeTenant::Own(name) => Tenant::Named(name.clone()),
            ScopeTenant::All => Tenant::All,
        };
        self.find(&tenant).await
    }

    fn forget(&self) {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Writer {
    /// Takes the cluster's name from another cluster, which is gone, in all tenants.
    ///
    /// # Errors
    /// [`ErrorClass::Conflict`] if that one does not have it; otherwise as
    /// [`Writer::send`].
    pub async fn take_cluster_name(&self, permit: &WritePermit, from: &str) -> Result<(), Failure> {
        let Some(claim) = &self.claim else { return Ok(()) };
        let _turn = claim.inner.asking.lock().await;
        let theirs: Vec<_> =
            claim.everywhere().await?.into_iter().filter(|found| *found.uid == *from).collect();
        if theirs.is_empty() {
            let message = format!("no string group {} holds {from:?}", claim.group());
            return Err(unanswered(ErrorClass::Conflict, message));
        }
        for found in theirs {
            let mut body = claim.body(&found.tenant);
            body["_last_modified"] = json!(found.version);
            let leave = Leave::new(permit, &self.leads);
            let target = format!("{}/{}", Resource::StringGroup.path(), segment(&found.uuid));
            claim.send(Verb::Put(leave, bytes(&body)), target, &found.tenant).await?;
            claim.note(&found.tenant, &ClaimedBy::Us);
        }
        Ok(())
    }

    /// Gives the cluster's name up, in all tenants.
    ///
    /// # Errors
    /// As [`Writer::send`].
    pub async fn give_cluster_name_up(&self, permit: &WritePermit) -> Result<(), Failure> {
        let Some(claim) = &self.claim else { return Ok(()) };
        let _turn = claim.inner.asking.lock().await;
        let uid = &claim.inner.cluster.uid;
        let ours = claim.everywhere().await?.into_iter().filter(|found| found.uid == *uid);
        claim.forget();
        for found in ours {
            let leave = Leave::new(permit, &self.leads);
            let target = format!("{}/{}", Resource::StringGroup.path(), segment(&found.uuid));
            match claim.send(Verb::Delete(leave), target, &found.tenant).await {
                Err(failure) if failure.class != ErrorClass::Gone => return Err(failure),
                _ => {}
            }
        }
        claim.note(&claim.inner.home, &ClaimedBy::Nobody);
        Ok(())
    }
}

/// The write that was to follow was not sent, whatever became of the claim.
fn not_sent(failure: Failure) -> Failure {
    let class = if failure.class == ErrorClass::Unknown { ErrorClass::Retry } else { failure.class };
    let message = format!("the cluster's name on the controller could not be looked up: {}", failure.message);
    match class {
        ErrorClass::NoPermit => failure,
        _ => Failure { class, message, ..failure },
    }
}
