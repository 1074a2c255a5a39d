//! Candidates for the leadership against the simulator, on paused time.

use std::sync::Arc;
use std::time::Duration;

use ako_core::Program;
use ako_elect::{Event, Moment, Timing};
use ako_harness::stateful_set;
use ako_kube_io::{Candidate, Handle, NOTE};
use ako_sim_kube::{Cut, Options, SimKube};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::operator::apply;

const NAMESPACE: &str = "avi-system";
/// Longer than any change of leadership takes.
const LONG: Duration = Duration::from_mins(2);

/// A cluster with a StatefulSet, whose pods are candidates.
struct Election {
    sim: SimKube,
    started: Instant,
    handles: Vec<Handle>,
    tasks: JoinSet<()>,
}

impl Election {
    async fn of(replicas: usize) -> Self {
        let sim = SimKube::new(Options { seed: Some(1), controllers: false, ..Options::default() });
        let mut election = Self { sim, started: Instant::now(), handles: Vec::new(), tasks: JoinSet::new() };
        election.scale(replicas).await;
        for number in 0..replicas {
            election.join(number).await;
        }
        election
    }

    async fn scale(&self, replicas: usize) {
        stateful_set::scale(&self.sim.client(), NAMESPACE, replicas).await.unwrap();
    }

    /// A pod appears and its process begins.
    async fn join(&mut self, number: usize) {
        let name = format!("ako-{number}");
        stateful_set::add_pod(&self.sim.client(), NAMESPACE, &name).await.unwrap();
        let started = self.started;
        let candidate = Candidate {
            program: Program::Operator,
            client: self.sim.client_as("admin-token", &name),
            namespace: NAMESPACE.to_owned(),
            pod: name.clone(),
            pod_uid: name,
            nonce: "n".to_owned(),
            timing: Timing::default(),
            clock: Arc::new(move || Moment::default() + started.elapsed()),
            wall: Arc::new(|| Timestamp::UNIX_EPOCH),
        };
        let (handle, run) = candidate.start();
        for event in [Event::Warm(true), Event::ControllerReachable(true)] {
            handle.events.send(event).await.unwrap();
        }
        self.handles.push(handle);
        self.tasks.spawn(run);
    }

    fn now(&self) -> Moment {
        Moment::default() + self.started.elapsed()
    }

    /// Those whose permit is valid.
    fn writers(&self) -> Vec<usize> {
        let valid = |handle: &Handle| {
            let permit = handle.standing.borrow().permit;
            permit.is_some_and(|permit| permit.remaining(self.now()).is_some())
        };
        (0..self.handles.len()).filter(|&number| valid(&self.handles[number])).collect()
    }

    /// Lets time pass until somebody else leads than before, and never two.
    async fn successor_of(&self, before: Option<usize>) -> usize {
        let deadline = Instant::now() + LONG;
        loop {
            let writers = self.writers();
            assert!(writers.len() <= 1, "two have the right to write: {writers:?}");
            match writers.first() {
                Some(&writer) if Some(writer) != before => return writer,
                _ => {}
            }
            assert!(Instant::now() < deadline, "nobody leads; writers: {writers:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The leader is asked to let go, and ends its writes as the operator does.
    /// Answers who leads within a second.
    async fn hand_over(&self, leader: usize, request: Event) -> usize {
        let asked = Instant::now();
        let handle = &self.handles[leader];
        assert!(*handle.leads.borrow(), "the leader may start writes");
        handle.events.send(request).await.unwrap();
        handle.standing.clone().wait_for(|standing| !standing.leads()).await.unwrap();
        assert!(!*handle.leads.borrow(), "no write may start any more");
        handle.events.send(Event::WritersDrained).await.unwrap();
        let successor = self.successor_of(Some(leader)).await;
        assert!(asked.elapsed() < Duration::from_secs(1), "handed over after {:?}", asked.elapsed());
        successor
    }

    /// Waits until something of an object is as wanted.
    async fn until(
        &self,
        (group, plural): (&str, &str),
        name: &str,
        wanted: impl Fn(Option<&Value>) -> bool,
    ) {
        let deadline = Instant::now() + LONG;
        loop {
            let found = self.sim.get(group, plural, NAMESPACE, name);
            if wanted(found.as_ref()) {
                return;
            }
            assert!(Instant::now() < deadline, "{plural}/{name} is {found:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

const LEASE: (&str, &str) = ("coordination.k8s.io", "leases");

#[tokio::test(start_paused = true)]
async fn one_that_is_told_to_end_hands_over_at_once() {
    let election = Election::of(3).await;
    let mut leader = election.successor_of(None).await;
    // At different points of everybody's period, of which 2 seconds are one.
    for pause in [20_100, 20_700, 21_300, 21_900] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        leader = election.hand_over(leader, Event::YieldRequested).await;
    }
    let (first, second) = (leader, election.hand_over(leader, Event::StopRequested).await);
    let mut standing = election.handles[first].standing.clone();
    standing.wait_for(|standing| standing.finished).await.unwrap();
    election
        .until(LEASE, "ako-lease-lock", |lease| {
            lease.is_some_and(|lease| {
                lease["spec"]["holderIdentity"]
                    .as_str()
                    .unwrap_or_default()
                    .starts_with(&format!("ako-{second}"))
            })
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cut_off_has_stopped_before_another_begins() {
    let election = Election::of(3).await;
    let first = election.successor_of(None).await;
    election.sim.partition(&format!("ako-{first}"), Cut::Silence);
    let second = election.successor_of(Some(first)).await;
    election.sim.heal(&format!("ako-{first}"));
    let mut standing = election.handles[first].standing.clone();
    standing.wait_for(|standing| standing.holder.pod() == format!("ako-{second}")).await.unwrap();
    assert_eq!(standing.borrow().role(), "standby");
    assert_eq!(election.writers(), [second]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_mended_and_one_replica_has_none() {
    let election = Election::of(2).await;
    let leader = election.successor_of(None).await;
    let held = |lease: Option<&Value>| {
        lease.is_some_and(|lease| {
            lease["spec"]["holderIdentity"].as_str().is_some_and(|holder| !holder.is_empty())
        })
    };
    election.until(LEASE, "ako-lease-lock", held).await;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "ako-lease-lock", "namespace": NAMESPACE}, "$delete": true});
    apply(&election.sim, lease).await;
    election.until(LEASE, "ako-lease-lock", held).await;
    assert_eq!(election.writers(), [leader]);
    election.scale(1).await;
    election.until(LEASE, "ako-lease-lock", |lease| lease.is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn a_note_that_was_refused_is_written_yet() {
    let mut election = Election::of(1).await;
    election.sim.partition("ako-1", Cut::Refuse);
    election.scale(2).await;
    election.join(1).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    election.sim.heal("ako-1");
    election
        .until(("", "pods"), "ako-1", |pod| {
            pod.is_some_and(|pod| pod["metadata"]["annotations"][NOTE] == "candidate")
        })
        .await;
}
