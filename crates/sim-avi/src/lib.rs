//! A strict Avi Controller simulator for tests and demonstrations.
//!
//! It answers the REST API as an Avi Controller 30.2.1 does, and refuses what that
//! refuses, with the same status and text. The rules follow the Avi REST API contract,
//! whose sections are cited as §1 to §14. A data plane carries traffic on this machine as
//! the objects say, if one is started ([`SimAvi::data_plane`]).
//!
//! Invariants:
//!
//! * An object is stored only if all its references lead to objects, and it stays as
//!   long as anything refers to it (the admin API alone may break this, as a broken
//!   Controller would).
//! * `_last_modified` grows with every write, over all objects.
//! * A request is executed at one instant: nothing is held while a reply is delayed.
//! * Nothing grows without bound: objects, sessions, tokens, faults, the journal,
//!   bodies and connections have limits.
//!
//! ```
//! use ako_sim_avi::{Fault, Action, Options, SimAvi};
//!
//! let sim = SimAvi::new(Options::default());
//! sim.inject(Fault::new(Action::DropAfter).method("POST").kind("pool").times(1));
//! assert_eq!(sim.dump(), serde_json::json!({}));
//! ```

mod admin;
mod call;
mod certificate;
mod clock;
mod cluster;
mod controller;
mod data_plane;
mod defaults;
mod dump;
mod fault;
mod front;
mod ipam;
mod journal;
mod kind;
mod listing;
mod reference;
mod refusal;
mod role;
mod seed;
mod sent;
mod server;
mod session;
mod store;
mod validation;
mod view;
mod virtual_service;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

pub use crate::data_plane::{
    Counters, DataPlane, DataPlaneOptions, DataPlaneStatus, Listener, Loopback, Traffic, Transport,
};
pub use crate::fault::{Action, Fault, Weather};
pub use crate::front::ConnectionDropped;
pub use crate::journal::{Change, RequestRecord, Stats};
pub use crate::role::Role;
pub use crate::seed::SeedError;
pub use crate::server::{Running, Tls};

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::controller::Controller;
use crate::fault::{Faults, Meter};
use crate::front::Front;
use crate::journal::Journal;
use crate::listing::Lists;
use crate::session::{Account, Gate};
use crate::store::{Fields, Object, Store};
use crate::write::{Configuration, Rules};

/// What a simulated Controller is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// The account that may log in.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Version of the Controller.
    pub version: String,
    /// Uuid of the cluster.
    pub cluster_uuid: String,
    /// Licence tier.
    pub licence: String,
    /// Sessions end when they are idle for this long (`api_idle_timeout`, §1.1).
    pub session_idle: Duration,
    /// Check fields and relations between objects (§8.15), and protect system objects.
    pub strict: bool,
    /// A host name belongs to one VsVip at most (an assumption of §8.15).
    pub unique_fqdn: bool,
    /// Objects at most.
    pub most_objects: usize,
    /// Requests in the journal; older ones are forgotten.
    pub journal: usize,
    /// The journal also has what each written object was before, and became.
    pub changes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            username: "admin".to_owned(),
            password: "admin".to_owned(),
            version: "30.2.1".to_owned(),
            cluster_uuid: "cluster-00000000".to_owned(),
            licence: "ENTERPRISE".to_owned(),
            session_idle: Duration::from_mins(15),
            strict: true,
            unique_fqdn: false,
            most_objects: 200_000,
            journal: 20_000,
            changes: false,
        }
    }
}

/// A simulated Controller. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct SimAvi {
    controller: Arc<Mutex<Controller>>,
    /// The revision of the store.
    changes: watch::Sender<u64>,
}

impl SimAvi {
    /// A fresh Controller (§11) with IPAM (100.64.0.10 – 100.64.255.246) and the
    /// domain `avi.internal`.
    pub fn new(options: Options) -> Self {
        let (sim, problems) = Self::seeded(&seed::fresh(), options);
        if !problems.is_empty() {
            tracing::error!(?problems, "the built-in seed is not consistent");
        }
        sim
    }

    /// A Controller that holds the objects of an environment in canonical form, and
    /// the tenant `admin`, but nothing else.
    pub fn with_environment(environment: &Value, options: Options) -> Result<Self, SeedError> {
        let (sim, problems) = Self::seeded(environment, options);
        if problems.is_empty() { Ok(sim) } else { Err(SeedError(problems)) }
    }

    fn seeded(environment: &Value, options: Options) -> (Self, Vec<String>) {
        let clock = Clock::start();
        let mut configuration = Configuration::default();
        let problems = seed::plant(&mut configuration, environment, &clock);
        let account = Account { username: options.username, password: options.password, roles: None };
        let (uuid, version, licence) = (options.cluster_uuid, options.version, options.licence);
        let controller = Controller {
            configuration,
            saved: None,
            lists: Lists::default(),
            gate: Gate::new(account, options.session_idle),
            cluster: Cluster { uuid, version, licence, started: clock::printed(clock.now()) },
            rules: Rules {
                strict: options.strict,
                unique_fqdn: options.unique_fqdn,
                most_objects: options.most_objects,
            },
            clock,
            faults: Faults::default(),
            weather: Weather::default(),
            meter: Meter::start(),
            journal: Journal::new(options.journal, options.changes),
            data_plane: Weak::new(),
        };
        let changes = watch::Sender::new(controller.configuration.store.revision());
        (Self { controller: Arc::new(Mutex::new(controller)), changes }, problems)
    }

    /// Runs something with the Controller. The lock is never held across an await.
    fn with<T>(&self, work: impl FnOnce(&mut Controller) -> T) -> T {
        // A panic elsewhere leaves the state as it was after the last whole call.
        let mut controller = self.controller.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = work(&mut controller);
        let revision = controller.configuration.store.revision();
        self.changes.send_if_modified(|known| std::mem::replace(known, revision) != revision);
        outcome
    }

    /// Changes whenever an object does.
    pub fn revision(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Tells when objects have changed.
    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Reads the store at one revision.
    fn objects<T>(&self, read: impl FnOnce(&Store) -> T) -> (T, u64) {
        self.with(|controller| {
            let store = &controller.configuration.store;
            (read(store), store.revision())
        })
    }

    /// Starts a data plane: virtual services listen on 127/8 and carry traffic until it is
    /// dropped. An error means that there is no tokio runtime, or no randomness for a key.
    ///
    /// The operational state of objects is that of the data plane that was started last.
    pub fn data_plane(&self, options: DataPlaneOptions) -> io::Result<DataPlane> {
        let started = DataPlane::start(self, options)?;
        self.with(|controller| controller.data_plane = Arc::downgrade(started.shared()));
        Ok(started)
    }

    /// The API and the admin API as a tower service; references say `https`.
    pub fn router(&self) -> Router {
        self.router_for(true)
    }

    fn router_for(&self, secure: bool) -> Router {
        let front = Front { sim: self.clone(), secure };
        admin::routes().fallback(front::answer).with_state(front)
    }

    /// Serves the API on a port; 0 chooses a free one.
    pub async fn serve(&self, address: SocketAddr, tls: Tls) -> io::Result<Running> {
        server::serve(self.router_for(tls != Tls::Off), address, tls).await
    }

    /// Serves the API on one stream, until it ends.
    pub async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        server::converse(stream, self.router_for(false)).await;
    }

    /// Adds objects in canonical form behind the operator's back; answers what could
    /// not be added. Only references are checked.
    pub fn plant(&self, objects: &Value) -> Vec<String> {
        self.with(|controller| {
            let clock = controller.clock;
            seed::plant(&mut controller.configuration, objects, &clock)
        })
    }

    /// The objects that an operator made, in canonical form.
    pub fn dump(&self) -> Value {
        self.with(|controller| dump::dump(&controller.configuration.store, false))
    }

    /// An object in full, with its version, as it is now.
    pub fn object(&self, uuid: &str) -> Option<Value> {
        self.with(|controller| {
            let object = controller.configuration.store.get(uuid)?;
            let mut fields = object.full.clone();
            fields.insert("_last_modified".to_owned(), object.modified.to_string().into());
            Some(Value::Object(fields))
        })
    }

    /// An object as it is in a dump: its type, its key and its canonical form.
    pub fn shown(&self, uuid: &str) -> Option<(&'static str, String, Value)> {
        self.with(|controller| {
            let store = &controller.configuration.store;
            let object = store.get(uuid)?;
            let (key, shown) = dump::entry(store, object);
            Some((object.kind.path, key, shown))
        })
    }

    /// The body of a request with its references in canonical form.
    pub fn by_name(&self, body: &Value) -> Value {
        let fields = body.as_object().cloned().unwrap_or_default();
        self.with(|controller| dump::by_name(&controller.configuration.store, fields))
    }

    /// The uuid of an object by its type, its tenant and its name.
    pub fn uuid(&self, kind: &str, tenant: &str, name: &str) -> Option<String> {
        self.with(|controller| Some(find(controller, kind, tenant, name)?.uuid.to_string()))
    }

    /// The first object of a type that has this name, in full, as it is now.
    pub fn named(&self, kind: &str, name: &str) -> Option<Value> {
        let kind = kind::find(kind)?;
        self.with(|controller| {
            let object = controller.configuration.store.named(kind, name).next()?;
            Some(Value::Object(object.full.clone()))
        })
    }

    /// All objects in canonical form.
    pub fn dump_all(&self) -> Value {
        self.with(|controller| dump::dump(&controller.configuration.store, true))
    }

    /// Counters since the start or the last [`Self::clear_requests`].
    pub fn stats(&self) -> Stats {
        self.with(|controller| Stats {
            objects: controller.configuration.store.len(),
            sessions: controller.gate.live(),
            ..controller.journal.stats()
        })
    }

    /// The journal of API requests.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.requests_since(0)
    }

    /// The journal after position `since`.
    pub fn requests_since(&self, since: u64) -> Vec<RequestRecord> {
        self.with(|controller| controller.journal.since(since))
    }

    /// Empties the journal and the counters.
    pub fn clear_requests(&self) {
        self.with(|controller| controller.journal.clear());
    }

    /// Adds a fault; `false` if there are too many already.
    pub fn inject(&self, fault: Fault) -> bool {
        self.with(|controller| controller.faults.inject(fault))
    }

    /// The faults that are still to come.
    pub fn faults(&self) -> Vec<Fault> {
        self.with(|controller| controller.faults.all().to_vec())
    }

    /// How often each fault was applied, by what it did to which method.
    pub fn faults_struck(&self) -> BTreeMap<String, u64> {
        self.with(|controller| controller.faults.struck().clone())
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.with(|controller| controller.faults.clear());
    }

    /// Latency, rate limit and upgrade mode.
    pub fn weather(&self) -> Weather {
        self.with(|controller| controller.weather)
    }

    /// Changes latency, rate limit and upgrade mode.
    pub fn set_weather(&self, weather: Weather) {
        self.with(|controller| controller.weather = weather);
    }

    /// Every API request takes this long.
    pub fn set_latency(&self, latency: Duration) {
        let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        self.with(|controller| controller.weather.latency_ms = latency_ms);
    }

    /// Changes the password of the account. Sessions go on.
    pub fn set_password(&self, password: &str) {
        self.with(|controller| controller.gate.set_password(password));
    }

    /// Gives the account roles, which are enforced from the next request on; without, it may do
    /// everything again.
    pub fn set_roles(&self, roles: Option<Vec<Role>>) {
        self.with(|controller| controller.gate.set_roles(roles));
    }

    /// Ends all sessions; their next requests are refused with 401.
    pub fn expire_sessions(&self) {
        self.with(|controller| controller.gate.end_all());
    }

    /// Remembers all objects and allocations, in place of an earlier snapshot.
    pub fn snapshot(&self) {
        self.with(|controller| controller.saved = Some(controller.configuration.clone()));
    }

    /// Returns to the last snapshot; `false` if there is none.
    pub fn restore(&self) -> bool {
        self.with(|controller| {
            let Some(mut saved) = controller.saved.clone() else { return false };
            saved.store.continue_from(&controller.configuration.store);
            controller.configuration = saved;
            controller.lists.forget();
            true
        })
    }

    /// Changes an object behind the operator's back: a JSON merge patch (RFC 7396),
    /// unchecked. `false` if there is no such object.
    pub fn edit(&self, kind: &str, tenant: &str, name: &str, changes: &Value) -> bool {
        self.with(|controller| {
            let Some(old) = find(controller, kind, tenant, name) else { return false };
            let patched = |fields: &Fields| {
                let mut value = Value::Object(fields.clone());
                merge(&mut value, changes);
                let mut fields = value.as_object().cloned().unwrap_or_default();
                // A dangling reference is what the caller asked for: it stays as written.
                let _ =
                    controller.configuration.resolve_known(&mut fields, &old.tenant, old.cloud.as_deref());
                fields
            };
            let (sent, full) = (patched(&old.sent), patched(&old.full));
            let name = full.get("name").and_then(Value::as_str).map_or_else(|| old.name.clone(), Arc::from);
            let modified = controller.configuration.store.stamp(controller.clock.micros());
            let object =
                Object { name, sent, full, modified, version: old.version + 1, ..Object::clone(&old) };
            let object = controller.configuration.store.put(object);
            controller.configuration.ipam.settle(&object.uuid, Some(&object.full));
            controller.configuration.ipam.adopt(&controller.configuration.store, &object);
            true
        })
    }

    /// Deletes an object behind the operator's back, referred to or not. `false` if
    /// there is no such object.
    pub fn remove(&self, kind: &str, tenant: &str, name: &str) -> bool {
        self.with(|controller| {
            let Some(object) = find(controller, kind, tenant, name) else { return false };
            controller.configuration.store.remove(&object.uuid);
            controller.configuration.ipam.settle(&object.uuid, None);
            true
        })
    }
}

/// An object by the names of its tenant and itself.
fn find(controller: &Controller, kind: &str, tenant: &str, name: &str) -> Option<Arc<Object>> {
    let store = &controller.configuration.store;
    let tenant = store.named(kind::find("tenant")?, tenant).next()?.uuid.clone();
    store.named(kind::find(kind)?, name).find(|object| object.tenant == tenant).cloned()
}

/// JSON merge patch, RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Fields::new());
    }
    let Value::Object(fields) = target else { return };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.as_str()).or_insert(Value::Null), change);
        }
    }
}
