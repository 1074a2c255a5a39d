//! What the driver tells the engine when the leadership begins and ends.

use std::sync::atomic::{AtomicU64, Ordering};

use ako_core::resource::{Namespace, Protocol, Service, ServicePort, ServiceType};
use ako_core::{Delta, NamespacedName, Resource, ResourceKind};
use ako_elect::{Event as Election, Holder, Phase, Timing, rehearsal};
use ako_engine::Reading;
use ako_sim_avi::SimAvi;

use super::super::{clock, testing};
use super::*;
use crate::offline::Environment;

/// A driver whose cluster and controller are empty and known.
struct Driven {
    driver: Driver,
    now: Arc<AtomicU64>,
    /// The other ends: nothing is sent by a driver that lost them.
    _leads: watch::Sender<bool>,
    _told: mpsc::Receiver<Election>,
}

impl Driven {
    fn new() -> Self {
        let (now, boot) = testing::clock();
        let (leads, may_start) = watch::channel(true);
        let (events, told) = mpsc::channel(64);
        let standing = watch::channel(standing(Phase::Competing, 0)).1;
        let sim = SimAvi::new(ako_sim_avi::Options::default());
        let connection = Arc::new(testing::connection(&sim, boot.clone(), may_start.clone()));
        let config = testing::settings().config;
        let client = ako_sim_kube::SimKube::new(ako_sim_kube::Options::default()).client();
        let translator = Translator::new(config.clone(), Environment::default().facts(&config).unwrap());
        let parts = Parts {
            writer: ClusterWriter::new(
                client.clone(),
                boot.clone(),
                clock::wall_time(),
                may_start.clone(),
                "ako-c1",
            ),
            connection,
            events: EventWriter::new(client, None, clock::wall_time()),
            candidate: Handle { standing, leads: may_start, events, beside: watch::channel(Vec::new()).1 },
            clock: boot,
            wall: clock::wall_time(),
            observe: Arc::new(Notify::new()),
            startup: Startup::new("ako-0", "avi-system", clock::wall_time()),
            log: LogControl::default(),
            kinds: watch::channel(ResourceKind::read_with(&config)).0,
            demand: watch::Sender::default(),
        };
        let mut driver = Driver::new(parts, translator);
        for kind in ResourceKind::read_with(&config) {
            driver.source(SourceEvent::Delta(Delta::Reset(kind, Vec::new())));
        }
        let namespace = Namespace { name: "red".into(), ..Namespace::default() };
        driver.source(SourceEvent::Delta(Delta::Apply(Resource::Namespace(namespace))));
        let mut this = Self { driver, now, _leads: leads, _told: told };
        this.read_controller();
        this
    }

    fn turn(&mut self, phase: Phase, grants: u64) {
        self.driver.turn(standing(phase, grants));
    }

    /// The controller is read, beginning now; it is empty.
    fn read_controller(&mut self) {
        let observation = Reading { started: self.driver.now(), objects: Vec::new() };
        self.driver.take(Input::Engine(Event::Observed(observation)));
    }

    /// A Service appears. Answers how many requests follow from that.
    fn requests_for(&mut self, name: &str) -> usize {
        let before = self.driver.requests.len();
        let port = ServicePort {
            name: "http".into(),
            port: 80,
            target_port: None,
            protocol: Protocol::Tcp,
            node_port: None,
        };
        let service = Service {
            id: NamespacedName::new("red", name),
            service_type: ServiceType::LoadBalancer,
            ports: vec![port],
            ipv4: true,
            ..Service::default()
        };
        self.driver.source(SourceEvent::Delta(Delta::Apply(Resource::Service(service))));
        self.now.fetch_add(1_000, Ordering::SeqCst);
        self.driver.step(Event::Tick);
        self.driver.requests.len() - before
    }
}

fn standing(phase: Phase, grants: u64) -> Standing {
    let me = Holder::of("ako-0", "uid", "nonce");
    let permit = rehearsal::permit(Moment::default(), Timing::default());
    Standing {
        me: me.clone(),
        phase,
        grants,
        permit: permit.filter(|_| phase == Phase::Leading),
        holder: me,
        epoch: grants,
        since: None,
        heard: None,
        finished: false,
    }
}

#[tokio::test]
async fn a_standby_writes_nothing_and_a_leader_once_it_has_read_the_controller() {
    let mut driven = Driven::new();
    assert_eq!(driven.requests_for("one"), 0);
    driven.turn(Phase::Leading, 1);
    assert_eq!(driven.requests_for("two"), 0);
    driven.read_controller();
    assert_ne!(driven.driver.requests.len(), 0);
}

#[tokio::test]
async fn the_engine_stops_at_the_end_of_the_leadership() {
    for phase in [Phase::Draining, Phase::Competing] {
        let mut driven = Driven::new();
        driven.turn(Phase::Leading, 1);
        driven.read_controller();
        assert_ne!(driven.requests_for("one"), 0);
        driven.turn(phase, 1);
        assert_eq!(driven.requests_for("two"), 0, "{phase:?}");
    }
}

#[tokio::test]
async fn the_engine_stops_at_a_new_grant_until_the_controller_was_read() {
    let mut driven = Driven::new();
    driven.turn(Phase::Leading, 1);
    driven.read_controller();
    driven.turn(Phase::Leading, 2);
    assert_eq!(driven.requests_for("one"), 0);
    driven.read_controller();
    assert_ne!(driven.driver.requests.len(), 0);
}
