//! An in-memory Kubernetes API server for tests and demonstrations.
//!
//! It answers the Kubernetes API as kube-apiserver 1.36 does, for the kinds that the
//! operator and its demonstrations use, and for custom resources. What differs is in the
//! README of this crate.
//!
//! Invariants:
//!
//! * One counter numbers all changes; a watch delivers every change once and in order,
//!   unless a fault says otherwise.
//! * A request is executed at one instant: nothing is held while an answer is delayed.
//! * Time is tokio's: with a paused runtime nothing waits.
//! * Nothing grows without bound: objects, histories, faults, the journal, bodies and
//!   connections have limits.
//!
//! ```
//! use ako_sim_kube::{Options, SimKube};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sim = SimKube::new(Options::default());
//! let version = sim.client().apiserver_version().await?;
//! assert_eq!(version.git_version, "v1.36.3");
//! # Ok(()) }
//! ```

mod addresses;
mod apply;
mod auth;
mod call;
mod clock;
mod cluster;
mod controllers;
mod custom;
mod discovery;
mod fault;
mod front;
mod journal;
mod kinds;
mod listing;
mod past;
mod patch;
mod protobuf;
mod resource;
mod schema;
mod selector;
mod server;
mod snapshot;
mod status;
mod store;
mod syntax;
mod table;
mod watching;
mod write;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub use crate::auth::{Account, Authorization};
pub use crate::cluster::Cut;
pub use crate::fault::{Action, Fault};
pub use crate::front::ConnectionDropped;
pub use crate::journal::RequestRecord;
pub use crate::past::{PastChange, StoredObject};
pub use crate::server::{Running, Tls};
pub use crate::snapshot::Snapshot;

use crate::addresses::Addresses;
use crate::clock::Clock;
use crate::cluster::{Cluster, Ids, Network};
use crate::fault::Faults;
use crate::journal::Journal;
use crate::resource::Registry;
use crate::store::Store;

/// Namespaces that are there from the beginning.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// What a simulated API server is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who is known by which token. The first one is the user of [`SimKube::client`].
    pub accounts: Vec<Account>,
    /// Whether permissions are looked at.
    pub authorization: Authorization,
    /// Whether namespaces end, StatefulSets get Pods and Pods run: what controllers and
    /// kubelets do. Without it there is an API server alone.
    pub controllers: bool,
    /// Makes uids and generated names repeatable.
    pub seed: Option<u64>,
    /// The time at the start; the machine's if it is not given.
    pub epoch: Option<Timestamp>,
    /// Objects at most.
    pub most_objects: usize,
    /// Changes of each kind that are remembered; watches from before are refused.
    pub most_changes: usize,
    /// Requests in the journal; older ones are forgotten.
    pub journal: usize,
    /// How long changes are remembered with their times, for
    /// [`SimKube::changes_since`].
    pub remember: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accounts: vec![Account::admin()],
            authorization: Authorization::AlwaysAllow,
            controllers: true,
            seed: None,
            epoch: None,
            most_objects: 200_000,
            most_changes: 100_000,
            journal: 20_000,
            remember: Duration::ZERO,
        }
    }
}

/// A simulated API server. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct SimKube {
    cluster: Arc<Mutex<Cluster>>,
}

impl SimKube {
    /// A cluster with its four namespaces and the Service `kubernetes`.
    pub fn new(options: Options) -> Self {
        let mut cluster = Cluster {
            store: Store::new(options.most_changes, options.remember),
            registry: Registry::built_in(),
            clock: Clock::start(options.epoch),
            ids: Ids::new(options.seed),
            addresses: Addresses::default(),
            faults: Faults::default(),
            journal: Journal::new(options.journal),
            network: Network::new(),
            accounts: options.accounts,
            authorization: options.authorization,
            controllers: options.controllers,
            work: VecDeque::new(),
            most_objects: options.most_objects,
            latency: Duration::ZERO,
        };
        begin(&mut cluster);
        Self { cluster: Arc::new(Mutex::new(cluster)) }
    }

    /// Runs something with the cluster. The lock is never held across an await.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Cluster) -> T) -> T {
        // A panic elsewhere leaves the state as it was after the last whole call.
        work(&mut self.cluster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The API as a tower service.
    pub fn router(&self) -> Router {
        Router::new().fallback(front::answer).with_state(self.clone())
    }

    /// A client of the first account, in process: no sockets.
    pub fn client(&self) -> kube::Client {
        let token = self.with(|cluster| cluster.accounts.first().map(|account| account.token.clone()));
        self.client_as(&token.unwrap_or_default(), "sim-kube-client")
    }

    /// A client with a token and a user agent, in process.
    pub fn client_as(&self, token: &str, agent: &str) -> kube::Client {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| !token.is_empty());
        let agent = HeaderValue::from_str(agent).ok();
        let router = self.router();
        let service = tower::service_fn(move |mut request: http::Request<kube::client::Body>| {
            let is_write = !matches!(*request.method(), http::Method::GET | http::Method::HEAD);
            let headers = request.headers_mut();
            if let Some(bearer) = &bearer {
                headers.entry(AUTHORIZATION).or_insert_with(|| bearer.clone());
            }
            if let Some(agent) = &agent {
                headers.entry(USER_AGENT).or_insert_with(|| agent.clone());
            }
            let answer = router.clone().oneshot(request);
            async move { if is_write { carried_out(answer).await } else { answer.await } }
        });
        kube::Client::new(service, "default")
    }

    /// Serves the API on a port; 0 chooses a free one.
    pub async fn serve(&self, address: SocketAddr, tls: Tls) -> io::Result<Running> {
        let token = self.with(|cluster| cluster.accounts.first().map(|account| account.token.clone()));
        server::serve(self.router(), address, tls, token.unwrap_or_default()).await
    }

    /// The number of the last change: the `resourceVersion` of a list.
    pub fn revision(&self) -> u64 {
        self.with(|cluster| cluster.store.revision())
    }

    /// An object as it is stored, by the group and the plural name of its resource; the
    /// namespace is empty for cluster-scoped kinds.
    pub fn get(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = (group.into(), plural.into());
        self.with(|cluster| cluster.store.get(&key, namespace, name).map(|stored| stored.value.clone()))
    }

    /// The journal of requests.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.requests_since(0)
    }

    /// The journal after position `since`.
    pub fn requests_since(&self, since: u64) -> Vec<RequestRecord> {
        self.with(|cluster| cluster.journal.since(since))
    }

    /// Empties the journal.
    pub fn clear_requests(&self) {
        self.with(|cluster| cluster.journal.clear());
    }

    /// Adds a fault; `false` if there are too many already.
    pub fn inject(&self, fault: Fault) -> bool {
        self.with(|cluster| {
            // Whoever waits looks whether it is about them.
            cluster.network.announce();
            cluster.faults.inject(fault)
        })
    }

    /// The faults that are still to come.
    pub fn faults(&self) -> Vec<Fault> {
        self.with(|cluster| cluster.faults.all().cloned().collect())
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.with(|cluster| {
            cluster.faults.clear();
            cluster.network.announce();
        });
    }

    /// How often each fault was applied, by what it did to which requests.
    pub fn faults_struck(&self) -> BTreeMap<String, u64> {
        self.with(|cluster| cluster.faults.struck().clone())
    }

    /// Every request takes this long.
    pub fn set_latency(&self, latency: Duration) {
        self.with(|cluster| cluster.latency = latency);
    }

    /// Cuts a client off: a part of its user agent, or its user name.
    pub fn partition(&self, client: &str, cut: Cut) {
        self.with(|cluster| cluster.network.partition(client, cut));
    }

    /// Ends a client's partition.
    pub fn heal(&self, client: &str) {
        self.with(|cluster| cluster.network.heal(client));
    }

    /// Breaks the watches that a client has now.
    pub fn disconnect(&self, client: &str) {
        self.with(|cluster| cluster.network.disconnect(client));
    }

    /// Forgets all changes so far, as etcd does when it is compacted: lists and watches
    /// from an earlier version are answered with 410.
    pub fn compact(&self) {
        self.with(|cluster| cluster.store.compact());
    }
}

/// What a fresh cluster holds.
/// Carries a request out to its end, though whoever sent it may not wait for that: it is
/// on its way.
async fn carried_out<T: Send + 'static>(request: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(request).await {
        Ok(answer) => answer,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and with it whoever waits.
            Err(_) => std::future::pending().await,
        },
    }
}

fn begin(cluster: &mut Cluster) {
    let mut objects: Vec<(&str, Value)> = NAMESPACES
        .iter()
        .map(|name| {
            let labels = json!({"kubernetes.io/metadata.name": name});
            let metadata = json!({"name": name, "labels": labels});
            ("namespaces", json!({"kind": "Namespace", "apiVersion": "v1", "metadata": metadata, "spec": {}}))
        })
        .collect();
    objects.push((
        "services",
        json!({
            "kind": "Service",
            "apiVersion": "v1",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"component": "apiserver", "provider": "kubernetes"},
            },
            "spec": {
                "clusterIP": "10.96.0.1",
                "clusterIPs": ["10.96.0.1"],
                "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack",
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
                "sessionAffinity": "None",
                "internalTrafficPolicy": "Cluster",
                "type": "ClusterIP",
            },
        }),
    ));
    for (plural, object) in objects {
        let inserted = cluster.built_in("", plural).map(|resource| cluster.insert(&resource, object, false));
        if let Some(Err(refusal)) = inserted {
            tracing::error!(message = refusal.message, "the first objects are not valid");
        }
    }
    cluster.run_controllers();
}
