//! The data plane: virtual services that listen on this machine and carry traffic.
//!
//! It serves only what is derived from the Avi objects, so that a wrong object shows as a
//! wrong answer. Addresses of VIPs and servers are loopback addresses here ([`Loopback`]): no
//! packet leaves the machine.
//!
//! Invariants:
//!
//! * Every request is answered by one [`plan::Plan`]; a new one never changes a request
//!   that is under way.
//! * The Controller's lock is held only while references to objects are taken.
//! * Whatever a client or server can make grow has a limit in [`limits`].

mod client_hello;
mod compile;
mod datagram;
mod forward;
mod host_table;
mod http;
mod http_policy;
mod identity;
mod limits;
mod listener;
mod loopback;
mod objects;
mod plan;
mod pool;
mod probe;
mod server_tls;
mod stream;
mod tasks;
mod traffic;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

pub use listener::Listener;
pub use loopback::Loopback;
pub use plan::Transport;
pub use traffic::{Counters, Traffic};

use crate::SimAvi;
use compile::{Memory, compile};
use identity::Identity;
use limits::RETRY;
use listener::Listeners;
use objects::Objects;
use plan::Plan;
use pool::{Pool, Target};
use tasks::{Task, Tasks};

/// What a data plane is like.
#[derive(Clone, Debug)]
pub struct DataPlaneOptions {
    /// Added to ports below 1024: with 8000, port 80 is served at 8080. If it is `None`,
    /// ports are served as they are, and with 8000 added where that is not permitted.
    pub port_offset: Option<u16>,
    /// A UDP session ends when client and server are silent for this long.
    pub udp_idle: Duration,
    /// Where the addresses of VIPs and servers are on this machine.
    pub loopback: Loopback,
}

impl Default for DataPlaneOptions {
    fn default() -> Self {
        Self { port_offset: None, udp_idle: Duration::from_secs(30), loopback: Loopback::fixed() }
    }
}

/// Where virtual services listen, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DataPlaneStatus {
    /// The sockets that are open.
    pub listeners: Vec<Listener>,
    /// What is not served as the objects say, one line each.
    pub problems: Vec<String>,
}

/// What the tasks of a data plane share.
#[derive(Debug)]
pub(crate) struct Shared {
    options: DataPlaneOptions,
    default_identity: Arc<Identity>,
    plan: watch::Sender<Arc<Plan>>,
    status: watch::Sender<Arc<DataPlaneStatus>>,
    /// The revision of the store that is served.
    served: watch::Sender<u64>,
    tasks: Tasks,
}

/// A running data plane. It stops, with all connections, when this is dropped.
#[derive(Debug)]
pub struct DataPlane {
    sim: SimAvi,
    shared: Arc<Shared>,
    _tasks: [Task; 2],
}

impl DataPlane {
    /// Starts to serve what a simulator holds. An error means that there is no tokio
    /// runtime, or no randomness for a key.
    pub(crate) fn start(sim: &SimAvi, options: DataPlaneOptions) -> io::Result<Self> {
        tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let default_identity = Arc::new(Identity::self_signed().map_err(io::Error::other)?);
        let shared = Arc::new(Shared {
            options,
            default_identity,
            plan: watch::Sender::default(),
            status: watch::Sender::default(),
            served: watch::Sender::default(),
            tasks: Tasks::default(),
        });
        let following = Task::spawn(follow(sim.clone(), shared.clone()));
        let probing = Task::spawn(probe::run(shared.plan.subscribe()));
        Ok(Self { sim: sim.clone(), shared, _tasks: [following, probing] })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Where virtual services listen.
    pub fn listeners(&self) -> Vec<Listener> {
        self.shared.status.borrow().listeners.clone()
    }

    /// What is not served as the objects say, one line each.
    pub fn problems(&self) -> Vec<String> {
        self.shared.status.borrow().problems.clone()
    }

    /// Listeners and problems, first as they are and then as they change.
    pub fn watch(&self) -> watch::Receiver<Arc<DataPlaneStatus>> {
        let mut status = self.shared.status.subscribe();
        status.mark_changed();
        status
    }

    /// Waits until all writes that were answered before this call have taken effect.
    pub async fn settled(&self) {
        let wanted = self.sim.revision();
        // The sender lives as long as `self`.
        let _ = self.shared.served.subscribe().wait_for(|served| *served >= wanted).await;
    }

    /// What virtual services and servers have had to do.
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        self.shared.tasks.end();
    }
}

/// Changes the plan when objects change, and tries again what could not be opened.
async fn follow(sim: SimAvi, shared: Arc<Shared>) {
    /// The least time between two plans: many changes make one.
    const PAUSE: Duration = Duration::from_millis(5);
    let mut changes = sim.changes();
    let mut memory = Memory::default();
    let mut listeners = Listeners::new(shared.clone());
    loop {
        let started = Instant::now();
        changes.mark_unchanged();
        let (objects, revision) = sim.objects(Objects::take);
        let plan = Arc::new(compile(&objects, &shared.options.loopback, &mut memory));
        drop(objects);
        listeners.follow(&plan).await;
        let mut problems = plan.problems.clone();
        problems.extend(listeners.problems.values().cloned());
        shared.plan.send_replace(plan);
        shared.announce(DataPlaneStatus { listeners: listeners.all(), problems });
        shared.served.send_replace(revision);
        // As long again as it took: following leaves half of the time to others.
        sleep(PAUSE.max(started.elapsed())).await;
        tokio::select! {
            more = changes.changed() => if more.is_err() { return },
            () = sleep(RETRY), if !listeners.is_complete() => {}
        }
    }
}

impl Shared {
    fn announce(&self, status: DataPlaneStatus) {
        let old = self.status.borrow().clone();
        for problem in status.problems.iter().filter(|problem| !old.problems.contains(problem)) {
            tracing::warn!("{problem}");
        }
        if *old != status {
            self.status.send_replace(Arc::new(status));
        }
    }

    pub(crate) fn status(&self) -> Arc<DataPlaneStatus> {
        self.status.borrow().clone()
    }

    pub(crate) fn counters(&self) -> Counters {
        let plan = self.plan.borrow().clone();
        let virtual_services =
            plan.virtual_services.values().map(|vs| (vs.label.to_string(), vs.meter.read())).collect();
        let of_pool = |pool: &Arc<Pool>| {
            let servers = pool.servers.iter();
            let servers: BTreeMap<_, _> =
                servers.map(|server| (server.label.clone(), server.state.meter.read())).collect();
            (pool.label.to_string(), servers)
        };
        Counters { virtual_services, servers: plan.pools.values().map(of_pool).collect() }
    }

    /// The `oper_status` of a virtual service or pool; `None` if it is not known yet.
    pub(crate) fn oper_state(&self, uuid: &str) -> Option<&'static str> {
        let plan = self.plan.borrow().clone();
        let state = |enabled, up| match (enabled, up) {
            (false, _) => "OPER_DISABLED",
            (true, true) => "OPER_UP",
            (true, false) => "OPER_DOWN",
        };
        if let Some(pool) = plan.pools.get(uuid) {
            return Some(state(pool.enabled, pool.is_up()));
        }
        let vs = plan.virtual_services.get(uuid)?;
        let is_up = |target: &Target| match target {
            Target::Pool(pool) => pool.is_up(),
            Target::Group(group) => group.members.iter().any(|member| member.pool.is_up()),
            Target::Missing => false,
        };
        // One that sends nothing to servers, such as a parent, needs none.
        let is_empty = |target: &&Target| matches!(target, Target::Group(group) if group.members.is_empty());
        let mut targets = vs.targets.iter().filter(|target| !is_empty(target)).peekable();
        Some(state(vs.enabled, targets.peek().is_none() || targets.any(is_up)))
    }
}
