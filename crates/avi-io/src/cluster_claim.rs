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
use ako_elect::Moment;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::answer::unanswered;
use crate::body::{bytes, tenant_of};
use crate::call::{Call, Resource, Tenant, Verb};
use crate::client::AviClient;
use crate::clock::Clock;
use crate::observation::ScopeTenant;
use crate::permission::{Leave, before_sending, no_permit};

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
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) client: AviClient,
    pub(crate) clock: Clock,
    pub(crate) cluster: ClusterIdentity,
    /// The tenant of the configuration: whoever has the name there has it.
    pub(crate) home: Arc<str>,
    /// Where the operator may look.
    pub(crate) scope: ScopeTenant,
    pub(crate) known: Mutex<BTreeMap<Arc<str>, (ClaimedBy, Moment)>>,
    /// One question at a time: writes that begin together ask once.
    pub(crate) asking: tokio::sync::Mutex<()>,
    pub(crate) at_home: watch::Sender<Option<ClaimedBy>>,
}

impl std::fmt::Debug for ClusterClaim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterClaim").field("cluster", &self.inner.cluster).finish_non_exhaustive()
    }
}

/// A string group that claims the cluster's name.
pub(crate) struct Found {
    pub(crate) tenant: Arc<str>,
    pub(crate) uuid: Arc<str>,
    pub(crate) version: Option<String>,
    pub(crate) uid: Arc<str>,
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

    pub(crate) fn note(&self, tenant: &Arc<str>, by: &ClaimedBy) {
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

    pub(crate) fn body(&self, tenant: &str) -> Value {
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

    pub(crate) async fn send(
        &self,
        verb: Verb<'_>,
        target: String,
        tenant: &Arc<str>,
    ) -> Result<(), Failure> {
        let tenant = Tenant::Named(tenant.clone());
        let call = Call { verb, resource: Resource::StringGroup, target, tenant };
        self.inner.client.send(&call).await.map(drop)
    }

    /// What claims the name, wherever the operator may look.
    pub(crate) async fn everywhere(&self) -> Result<Vec<Found>, Failure> {
        let tenant = match &self.inner.scope {
            ScopeTenant::Own(name) => Tenant::Named(name.clone()),
            ScopeTenant::All => Tenant::All,
        };
        self.find(&tenant).await
    }

    pub(crate) fn forget(&self) {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
