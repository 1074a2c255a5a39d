//! What happens in a run, drawn from its seed before it begins.

mod faults;
mod keys;
mod profiles;
mod rules;

use std::fmt;
use std::time::Duration;

use ako_harness::Network;
use ako_sim_kube::Cut;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::setup::Setup;
pub use crate::step::{Connection, Step};
use crate::workload::MOST;
pub use keys::takes_away;

/// How long changes and faults go on.
const FAULTS_FOR: Duration = Duration::from_mins(5);
/// The longest pause between two of them.
const LONGEST_PAUSE_MS: u64 = 8_000;

/// How often a namespace changes hands, where they do.
const MOVES: f64 = 0.1;
/// How often an instance selects something else instead.
const SELECTIONS: f64 = 0.15;
/// How many scripts have AKO's rules.
const HAS_RULES: f64 = 0.5;
/// How many are about OpenShift.
const IS_OPENSHIFT: f64 = 0.25;
/// How wrong a clock may run, in parts per million.
const WRONG_PPM: i64 = 10_000;

/// Everything that a seed decides.
#[derive(Debug)]
pub struct Script {
    /// Which instances there are.
    pub setup: Setup,
    /// Whether hosts are virtual services of their own.
    pub evh: bool,
    /// Whether static routes are written.
    pub routes: bool,
    /// Whether namespaces change hands.
    pub moves: bool,
    /// What else the API server serves.
    pub served: Served,
    /// How many objects the controller shows on a page, if that is less than usual.
    pub page_size: Option<usize>,
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

/// The kinds that not every API server serves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Served {
    /// AKO's rules, which change then.
    pub rules: bool,
    /// The Routes of OpenShift, by which hosts are claimed instead of by Ingresses.
    pub routes: bool,
}

impl Script {
    /// Nothing changes and nothing fails.
    pub fn empty(setup: Setup) -> Self {
        let fast_ppm = vec![0; setup.members().len() * setup.replicas()];
        Self {
            setup,
            evh: false,
            routes: false,
            moves: false,
            served: Served::default(),
            page_size: None,
            fast_ppm,
            events: Vec::new(),
        }
    }

    /// What the seed decides.
    pub fn draw(setup: Setup, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let evh = rng.random_bool(0.3);
        let routes = setup.is_one() && rng.random_bool(0.4);
        let moves = !setup.is_one() && rng.random();
        let page_size = rng.random_bool(0.3).then(|| rng.random_range(3..20));
        // Drawn apart, so that the rest of a seed is the same with rules and without.
        let mut apart = StdRng::seed_from_u64(!seed);
        let served = Served { rules: apart.random_bool(HAS_RULES), routes: apart.random_bool(IS_OPENSHIFT) };
        let mut script = Self { evh, routes, moves, served, page_size, ..Self::empty(setup) };
        script.fast_ppm.fill_with(|| rng.random_range(-WRONG_PPM..=WRONG_PPM));
        let mut at = Duration::ZERO;
        while at < FAULTS_FOR {
            at += Duration::from_millis(rng.random_range(0..LONGEST_PAUSE_MS));
            let later = a_moment_later(at, &mut rng);
            let instance = if setup.is_one() { 0 } else { rng.random_range(0..setup.members().len()) };
            let (now, then) = if moves && rng.random_bool(MOVES) {
                Step::draw_move(&mut rng, setup, instance)
            } else {
                Step::draw(&mut rng, &script, instance)
            };
            script.events.push(Event { at, instance, step: now });
            script.events.extend(then.map(|step| Event { at: later, instance, step }));
            if served.rules && apart.random_bool(rules::OFTEN) {
                script.events.push(Event { at, instance, step: rules::draw(&mut apart, setup) });
            }
        }
        let beside = profiles::draw(&script, seed);
        script.events.extend(beside);
        script.events.sort_by_key(|event| event.at);
        script
    }
}

/// When something ends that begins at a time.
fn a_moment_later(at: Duration, rng: &mut StdRng) -> Duration {
    at + Duration::from_millis(rng.random_range(100..40_000))
}

impl Step {
    /// Whether after it what nobody touched until then may have to go.
    pub fn may_take_away(&self) -> bool {
        match self {
            Self::Configure(key, _) => takes_away(key),
            Self::Remove(_)
            | Self::Edit(_)
            | Self::Select(_)
            | Self::RestoreController
            | Self::RestoreCluster
            | Self::SetBackCluster => true,
            _ => false,
        }
    }

    /// An instance selects something else for a while, or a namespace goes to another one.
    fn draw_move(rng: &mut StdRng, setup: Setup, instance: usize) -> (Self, Option<Self>) {
        if rng.random_bool(SELECTIONS) {
            let teams: Vec<_> = setup.members().iter().filter_map(|member| member.team).collect();
            let other = teams.get(rng.random_range(0..=teams.len())).copied().unwrap_or("nobody");
            let own = setup.members()[instance].team.unwrap_or(other);
            return (Self::Select(other), Some(Self::Select(own)));
        }
        (Self::draw_label(rng, setup), None)
    }

    /// A namespace goes to one of the instances, or to nobody.
    fn draw_label(rng: &mut StdRng, setup: Setup) -> Self {
        let namespace = setup.moving()[rng.random_range(0..setup.moving().len())];
        let teams = setup.members();
        // The last one is nobody.
        let team = teams.get(rng.random_range(0..=teams.len())).and_then(|member| member.team);
        Self::Label(namespace, team)
    }

    /// Something, and what ends it later.
    fn draw(rng: &mut StdRng, script: &Script, instance: usize) -> (Self, Option<Self>) {
        let replicas = script.setup.replicas();
        let replica = rng.random_range(0..replicas);
        let number = rng.random_range(0..MOST);
        let path = ["/", "/api", "/shop", "/v1"][rng.random_range(0..4)];
        match rng.random_range(0..161) {
            roll @ 100.. => Self::draw_more(rng, script, instance, replica, roll),
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
                (Self::CutKube(replica, Connection::Both, cut), Some(Self::HealKube(replica)))
            }
            67..73 => {
                let network = if rng.random() { Network::Broken } else { Network::Silent };
                (Self::CutController(replica, network), Some(Self::CutController(replica, Network::Open)))
            }
            73..75 => (Self::Forget, None),
            75..84 => (Self::Controller(faults::of_controller(rng)), None),
            84..90 => (Self::Kube(faults::of_requests(rng, script, (instance, replica))), None),
            90..91 => (Self::StaleLists, None),
            91..92 => (Self::ExpireSessions, None),
            92..93 => {
                let latency = Duration::from_millis(rng.random_range(100..3_000));
                (Self::Latency(latency), Some(Self::Latency(crate::world::LATENCY)))
            }
            93..94 => (Self::Edit(rng.random_range(0..1_000)), None),
            94..95 => (Self::Remove(rng.random_range(0..1_000)), None),
            95..96 => (Self::DeleteRecord, None),
            96..97 => (Self::ClearRecord, None),
            97..98 => (Self::DeleteLease, None),
            _ => (Self::Scale(rng.random_range(1..=replicas)), None),
        }
    }

    /// What is about one connection, about the configuration, or about everything.
    fn draw_more(
        rng: &mut StdRng,
        script: &Script,
        instance: usize,
        replica: usize,
        roll: u32,
    ) -> (Self, Option<Self>) {
        match roll {
            ..112 => (Self::Kube(faults::silence(rng, script, (instance, replica))), None),
            112..117 => (Self::Kube(faults::refusal(rng, script, (instance, replica))), None),
            117..120 => {
                let cut = if rng.random() { Cut::Refuse } else { Cut::Silence };
                let one = if rng.random() { Connection::Election } else { Connection::Cluster };
                (Self::CutKube(replica, one, cut), Some(Self::HealKube(replica)))
            }
            120..126 => keys::draw(rng, script.setup),
            126..132 => {
                let (kind, ports) = [("LoadBalancer", 1), ("LoadBalancer", 2), ("ClusterIP", 1), ("", 0)]
                    [rng.random_range(0..4)];
                (Self::Balance(rng.random_range(0..3), kind, ports), None)
            }
            132..134 => (Self::Certificate, None),
            134..135 => (Self::Password, None),
            135..140 if script.routes => {
                let subnet = rng.random_bool(0.7).then(|| rng.random_range(0..3));
                (Self::Node(rng.random_range(0..4), subnet), None)
            }
            135..143 => (Self::Edit(rng.random_range(0..1_000)), None),
            143..145 => (Self::Remove(rng.random_range(0..1_000)), None),
            145..148 => (Self::BackupController, Some(Self::RestoreController)),
            148..150 => (Self::Addresses(false), Some(Self::Addresses(true))),
            150..153 => (Self::Forge(true), Some(Self::Forge(false))),
            153..155 => (Self::Beside(true), Some(Self::Beside(false))),
            155 => (Self::LoseName, Some(Self::RegainName)),
            156..158 => (Self::TakeLease, None),
            // The whole instance is gone for a while.
            158 => (Self::Scale(0), Some(Self::Scale(script.setup.replicas()))),
            // What instances say of namespaces is of the time since.
            _ if script.moves => (Self::Forge(true), Some(Self::Forge(false))),
            159 => (Self::BackupCluster, Some(Self::RestoreCluster)),
            _ => (Self::BackupCluster, Some(Self::SetBackCluster)),
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { evh, routes, served, page_size, fast_ppm, .. } = self;
        writeln!(f, "evh {evh}, routes {routes}, {served:?}")?;
        writeln!(f, "pages of {page_size:?}, clocks {fast_ppm:?} ppm")?;
        for Event { at, instance, step } in &self.events {
            let whose = self.setup.members()[*instance].owner;
            writeln!(f, "{:>9.3}  {whose}: {step:?}", at.as_secs_f64())?;
        }
        Ok(())
    }
}
