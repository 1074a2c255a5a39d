//! What happens in a run, drawn from its seed before it begins.

use std::fmt;
use std::time::Duration;

use ako_harness::Network;
use ako_sim_avi::{Action as AviAction, Fault as AviFault};
use ako_sim_kube::{Action as KubeAction, Cut, Fault as KubeFault};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use crate::setup::Setup;
use crate::workload::MOST;

/// How long changes and faults go on.
const FAULTS_FOR: Duration = Duration::from_mins(5);
/// The longest pause between two of them.
const LONGEST_PAUSE_MS: u64 = 8_000;

/// How often a namespace changes hands, where there are several instances.
const MOVES: f64 = 0.1;

/// Everything that a seed decides.
#[derive(Debug)]
pub struct Script {
    /// Which instances there are.
    pub setup: Setup,
    /// Whether hosts are virtual services of their own.
    pub evh: bool,
    /// How wrong each replica's clock runs, those of the first instance first.
    pub fast_ppm: Vec<i64>,
    /// What happens, in order.
    pub events: Vec<Event>,
}

/// A step, when and to whom it happens.
#[derive(Debug)]
pub struct Event {
    /// The time since the beginning.
    pub at: Duration,
    /// The number of the instance, for steps that are about one.
    pub instance: usize,
    /// What happens.
    pub step: Step,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// An Ingress appears or changes: its number, its path.
    Apply(usize, &'static str),
    /// An Ingress goes.
    Delete(usize),
    /// A Service has so many endpoints now.
    Endpoints(usize, usize),
    /// A process is killed.
    Kill(usize),
    /// A process is told to end.
    Stop(usize),
    /// A process starts, if its pod has none and is wanted.
    Start(usize),
    /// A pod is replaced by force; its process starts with a later step.
    Recreate(usize),
    /// The leader is asked to hand over.
    Yield(usize),
    /// A replica is frozen: its clock stands, nothing of it gets through.
    Freeze(usize),
    /// It goes on, and finds that time has passed.
    Thaw(usize),
    /// A replica and the API server do not reach each other.
    CutKube(usize, Cut),
    /// They do again.
    HealKube(usize),
    /// A replica and the controller do not reach each other.
    CutController(usize, Network),
    /// All watches break, and changes from before are forgotten.
    Forget,
    /// A request to the controller fails.
    Controller(AviFault),
    /// A request to the API server fails.
    Kube(KubeFault),
    /// Lists are answered as of now for a while, whatever changes.
    StaleLists,
    /// All sessions at the controller end.
    ExpireSessions,
    /// Calls to the controller take so long.
    Latency(Duration),
    /// Somebody changes a pool of ours on the controller.
    Edit,
    /// Somebody deletes a pool of ours on the controller.
    Remove,
    /// Somebody deletes the leadership record.
    DeleteRecord,
    /// Somebody empties it.
    ClearRecord,
    /// Somebody deletes the Lease.
    DeleteLease,
    /// The StatefulSet has so many replicas now.
    Scale(usize),
    /// A namespace belongs to this team now, or to nobody.
    Label(&'static str, Option<&'static str>),
}

impl Script {
    /// Nothing changes and nothing fails.
    pub fn empty(setup: Setup) -> Self {
        let fast_ppm = vec![0; setup.members().len() * setup.replicas()];
        Self { setup, evh: false, fast_ppm, events: Vec::new() }
    }

    /// What the seed decides. What it decides for one instance is drawn in the
    /// same order whatever there is for several.
    pub fn draw(setup: Setup, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let evh = rng.random_bool(0.3);
        let mut script = Self { evh, ..Self::empty(setup) };
        script.fast_ppm.fill_with(|| rng.random_range(-1_000..=1_000));
        let mut at = Duration::ZERO;
        while at < FAULTS_FOR {
            at += Duration::from_millis(rng.random_range(0..LONGEST_PAUSE_MS));
            let later = at + Duration::from_millis(rng.random_range(100..40_000));
            let instance = if setup == Setup::One { 0 } else { rng.random_range(0..setup.members().len()) };
            let (now, then) = if setup != Setup::One && rng.random_bool(MOVES) {
                (Step::draw_label(&mut rng, setup), None)
            } else {
                Step::draw(&mut rng, setup.replicas())
            };
            script.events.push(Event { at, instance, step: now });
            script.events.extend(then.map(|step| Event { at: later, instance, step }));
        }
        script.events.sort_by_key(|event| event.at);
        script
    }
}

impl Step {
    /// A namespace goes to one of the instances, or to nobody.
    fn draw_label(rng: &mut StdRng, setup: Setup) -> Self {
        let namespace = setup.moving()[rng.random_range(0..setup.moving().len())];
        let teams = setup.members();
        // The last one is nobody.
        let team = teams.get(rng.random_range(0..=teams.len())).and_then(|member| member.team);
        Self::Label(namespace, team)
    }

    /// Something, and what ends it later.
    fn draw(rng: &mut StdRng, replicas: usize) -> (Self, Option<Self>) {
        let replica = rng.random_range(0..replicas);
        let number = rng.random_range(0..MOST);
        let path = ["/", "/api", "/shop", "/v1"][rng.random_range(0..4)];
        match rng.random_range(0..100) {
            0..30 => (Self::Apply(number, path), None),
            30..36 => (Self::Delete(number), None),
            36..46 => (Self::Endpoints(number, rng.random_range(0..4)), None),
            46..51 => (Self::Kill(replica), Some(Self::Start(replica))),
            51..54 => (Self::Stop(replica), Some(Self::Start(replica))),
            54..56 => (Self::Recreate(replica), Some(Self::Start(replica))),
            56..58 => (Self::Yield(replica), None),
            58..61 => (Self::Freeze(replica), Some(Self::Thaw(replica))),
            61..67 => {
                let cut = if rng.random() { Cut::Refuse } else { Cut::Silence };
                (Self::CutKube(replica, cut), Some(Self::HealKube(replica)))
            }
            67..73 => {
                let network = if rng.random() { Network::Broken } else { Network::Silent };
                (Self::CutController(replica, network), Some(Self::CutController(replica, Network::Open)))
            }
            73..75 => (Self::Forget, None),
            75..84 => (Self::Controller(controller_fault(rng)), None),
            84..90 => (Self::Kube(kube_fault(rng, replicas)), None),
            90..91 => (Self::StaleLists, None),
            91..92 => (Self::ExpireSessions, None),
            92..93 => {
                let latency = Duration::from_millis(rng.random_range(100..3_000));
                (Self::Latency(latency), Some(Self::Latency(crate::world::LATENCY)))
            }
            93..94 => (Self::Edit, None),
            94..95 => (Self::Remove, None),
            95..96 => (Self::DeleteRecord, None),
            96..97 => (Self::ClearRecord, None),
            97..98 => (Self::DeleteLease, None),
            _ => (Self::Scale(rng.random_range(1..=replicas)), None),
        }
    }
}

fn controller_fault(rng: &mut StdRng) -> AviFault {
    let status = |status| AviAction::Status { status, body: Value::Null, retry_after: None };
    let action = match rng.random_range(0..8) {
        0 => status(503),
        1 => status(412),
        2 => AviAction::DropBefore,
        // After the commit: whether it happened, nobody was told.
        3 | 4 => AviAction::DropAfter,
        5 => AviAction::Delay { ms: rng.random_range(100..30_000) },
        6 => AviAction::Break,
        _ => AviAction::ExpireSession,
    };
    let mut fault = AviFault::new(action).skip(rng.random_range(0..4)).times(rng.random_range(1..4));
    if rng.random() {
        fault = fault.method(["GET", "POST", "PUT", "DELETE"][rng.random_range(0..4)]);
    }
    fault
}

fn kube_fault(rng: &mut StdRng, replicas: usize) -> KubeFault {
    let (action, resource) = match rng.random_range(0..8) {
        0 => (KubeAction::Status { code: 503, message: "busy".to_owned(), retry_after: None }, "configmaps"),
        1 => (KubeAction::DropAfter, "configmaps"),
        2 => (KubeAction::DropBefore, "leases"),
        3 => (KubeAction::Delay { ms: rng.random_range(100..12_000) }, "configmaps"),
        // An event is lost only with its watch: a server that loses one and goes on
        // breaks its promise, and no client can notice.
        4 => (KubeAction::BreakWatch, "ingresses"),
        5 => (KubeAction::DuplicateEvent, "endpointslices"),
        6 => (KubeAction::DelayEvent { ms: rng.random_range(100..20_000) }, "ingresses"),
        _ => (KubeAction::Break, "ingresses"),
    };
    let replica = format!("ako-{}", rng.random_range(0..replicas));
    KubeFault::new(action).resource(resource).client(&replica).times(rng.random_range(1..4))
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "evh {}, clocks {:?} ppm", self.evh, self.fast_ppm)?;
        for Event { at, instance, step } in &self.events {
            let whose = self.setup.members()[*instance].namespace;
            writeln!(f, "{:>9.3}  {whose}: {step:?}", at.as_secs_f64())?;
        }
        Ok(())
    }
}
