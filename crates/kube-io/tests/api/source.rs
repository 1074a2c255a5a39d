//! The watches.

use std::time::Duration;

use ako_core::id::NamespacedName;
use ako_core::{Delta, Resource, ResourceKind, Snapshot};
use ako_elect::Moment;
use ako_kube_io::{Demand, SecretsOf, Source, SourceEvent};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch as signal};
use tokio::task::JoinHandle;

use crate::fake::{Fake, FaultKind, Seen};
use crate::pace::{now, pace};

/// Longer than any reconnect takes.
const PATIENCE: Duration = Duration::from_secs(200);

struct Watched {
    fake: Fake,
    events: mpsc::Receiver<SourceEvent>,
    task: JoinHandle<()>,
    demand: signal::Sender<Demand>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watched {
    fn start(fake: Fake) -> Self {
        let (sender, events) = mpsc::channel(8);
        let kinds = signal::channel(ResourceKind::always()).1;
        let demand = signal::Sender::new(Demand::default());
        let task = tokio::spawn(Source::run(fake.client(), kinds, SecretsOf::All, sender, pace(&demand)));
        Self { fake, events, task, demand }
    }

    /// The process leads from now on.
    fn lead(&self) {
        self.demand.send_modify(|demand| {
            demand.grants += 1;
            demand.leads = true;
        });
    }

    /// The next event about Services, without proofs.
    async fn next(&mut self) -> SourceEvent {
        loop {
            let event = self.next_of_any_sort().await;
            if !matches!(event, SourceEvent::Proven { .. }) {
                return event;
            }
        }
    }

    async fn next_of_any_sort(&mut self) -> SourceEvent {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
            let event = event.expect("an event").expect("a source that runs");
            if kind_of(&event) == ResourceKind::Service {
                return event;
            }
        }
    }

    /// The next proof of Services: how long ago the moment is that it is of.
    async fn next_proof(&mut self) -> Moment {
        loop {
            if let SourceEvent::Proven { at, .. } = self.next_of_any_sort().await {
                return at;
            }
        }
    }

    async fn next_reset(&mut self) -> Vec<String> {
        match self.next().await {
            SourceEvent::Delta(Delta::Reset(_, resources)) => resources.iter().map(name_of).collect(),
            other => panic!("not a list: {other:?}"),
        }
    }

    async fn next_trouble(&mut self) -> String {
        match self.next().await {
            SourceEvent::Trouble { message, .. } => message,
            other => panic!("no trouble: {other:?}"),
        }
    }

    async fn next_recovery(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, SourceEvent::Recovered { .. }), "{event:?}");
    }

    async fn next_apply(&mut self) -> String {
        match self.next().await {
            SourceEvent::Delta(Delta::Apply(resource)) => name_of(&resource),
            other => panic!("not an object: {other:?}"),
        }
    }
}

fn kind_of(event: &SourceEvent) -> ResourceKind {
    match event {
        SourceEvent::Delta(Delta::Apply(resource)) => resource.id().kind,
        SourceEvent::Delta(Delta::Delete(id)) | SourceEvent::Diagnostics(id, _) => id.kind,
        SourceEvent::Delta(Delta::Reset(kind, _))
        | SourceEvent::Undecodable { kind, .. }
        | SourceEvent::Trouble { kind, .. }
        | SourceEvent::Recovered { kind }
        | SourceEvent::Served { kind, .. }
        | SourceEvent::Proven { kind, .. } => *kind,
    }
}

fn name_of(resource: &Resource) -> String {
    resource.id().name.name.to_string()
}

fn service(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "ns"}, "spec": {"ports": [{"port": 80}]}})
}

fn broken(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "ns"}, "spec": {"ports": "none"}})
}

fn lists_services(seen: &Seen) -> bool {
    seen.path == "/api/v1/services" && !seen.is_watch()
}

fn watches_services(seen: &Seen) -> bool {
    seen.path == "/api/v1/services" && seen.is_watch()
}

fn with(names: &[&str]) -> Fake {
    let fake = Fake::new();
    for name in names {
        fake.put("services", service(name));
    }
    fake
}

#[tokio::test(start_paused = true)]
async fn every_kind_is_listed_whole() {
    let mut watched = Watched::start(Fake::new());
    let mut snapshot = Snapshot::default();
    while !snapshot.is_complete() {
        let event = tokio::time::timeout(PATIENCE, watched.events.recv()).await;
        if let SourceEvent::Delta(delta) = event.expect("an event").expect("a source that runs") {
            snapshot.apply(delta);
        }
    }
    let seen = watched.fake.take_seen();
    let secrets = seen.iter().find(|seen| seen.path == "/api/v1/secrets").expect("secrets are listed");
    assert_eq!(secrets.query["fieldSelector"], "type!=helm.sh/release.v1");
}

#[tokio::test(start_paused = true)]
async fn pages_make_one_list_and_changes_follow() {
    let fake = with(&["a", "b", "c", "d", "e"]);
    fake.page_limit(2);
    let mut watched = Watched::start(fake);
    assert_eq!(watched.next_reset().await, ["a", "b", "c", "d", "e"]);
    assert_eq!(watched.fake.take_seen().iter().filter(|seen| lists_services(seen)).count(), 3);
    watched.fake.put("services", service("f"));
    assert_eq!(watched.next_apply().await, "f");
    watched.fake.delete("services", "ns", "a");
    let SourceEvent::Delta(Delta::Delete(id)) = watched.next().await else { panic!("no deletion") };
    assert_eq!(id.name, NamespacedName::new("ns", "a"));
}

#[tokio::test(start_paused = true)]
async fn a_partial_list_is_never_sent() {
    let fake = with(&["a", "b", "c"]);
    fake.page_limit(2);
    fake.fail(FaultKind::Cut, |seen| lists_services(seen) && seen.query.contains_key("continue"));
    fake.fail(FaultKind::Code(500), |seen| lists_services(seen) && seen.query.contains_key("continue"));
    let mut watched = Watched::start(fake);
    assert!(watched.next_trouble().await.starts_with("list: "));
    assert_eq!(watched.next_trouble().await, "list: fault 500 (500)");
    assert_eq!(watched.next_reset().await, ["a", "b", "c"]);
    watched.next_recovery().await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_leads_to_a_new_list() {
    let mut watched = Watched::start(with(&["a", "b"]));
    assert_eq!(watched.next_reset().await, ["a", "b"]);
    // Everything happens while no watch is there to see it.
    watched.fake.cut_watches();
    watched.fake.delete("services", "ns", "a");
    watched.fake.put("services", service("c"));
    watched.fake.compact();
    assert_eq!(watched.next_reset().await, ["b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_may_be_answered_at_once() {
    let fake = with(&["a"]);
    fake.fail(FaultKind::Code(410), watches_services);
    let mut watched = Watched::start(fake);
    assert_eq!(watched.next_reset().await, ["a"]);
    assert_eq!(watched.next_reset().await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_resumed_watch_tells_that_it_works_before_anything_changes() {
    let mut watched = Watched::start(with(&["a"]));
    assert_eq!(watched.next_reset().await, ["a"]);
    for _ in 0..3 {
        watched.fake.fail(FaultKind::Code(503), watches_services);
    }
    watched.fake.cut_watches();
    assert_eq!(watched.next_trouble().await, "watch: fault 503 (503)");
    watched.next_recovery().await;
    watched.fake.put("services", service("b"));
    assert_eq!(watched.next_apply().await, "b");
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_renewed_for_ever_without_a_word() {
    let mut watched = Watched::start(with(&["a"]));
    assert_eq!(watched.next_reset().await, ["a"]);
    tokio::time::sleep(Duration::from_hours(1)).await;
    watched.fake.put("services", service("b"));
    assert_eq!(watched.next_apply().await, "b");
    // Nobody leads, so nothing has to be proven.
    assert_eq!(watched.fake.take_seen().iter().filter(|seen| lists_services(seen)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_object_keeps_its_old_version() {
    let mut watched = Watched::start(with(&["a", "b", "c"]));
    assert_eq!(watched.next_reset().await, ["a", "b", "c"]);
    watched.fake.put("services", broken("a"));
    let SourceEvent::Undecodable { name, message, .. } = watched.next().await else { panic!("decoded") };
    assert_eq!(name, NamespacedName::new("ns", "a"));
    assert!(message.starts_with("Service ns/a: "), "{message}");

    // Also when a new list holds it, which therefore comes in single steps.
    watched.fake.cut_watches();
    watched.fake.delete("services", "ns", "b");
    watched.fake.compact();
    assert!(matches!(watched.next().await, SourceEvent::Undecodable { .. }));
    assert_eq!(watched.next_apply().await, "c");
    let SourceEvent::Delta(Delta::Delete(id)) = watched.next().await else { panic!("no deletion") };
    assert_eq!(&*id.name.name, "b");
    watched.fake.put("services", service("a"));
    assert_eq!(watched.next_apply().await, "a");
}

#[tokio::test(start_paused = true)]
async fn findings_are_said_and_taken_back() {
    let bad = json!({"metadata": {"name": "a", "namespace": "ns"}, "spec": {"ports": [{"port": 0}]}});
    let fake = Fake::new();
    fake.put("services", bad.clone());
    let mut watched = Watched::start(fake);
    assert_eq!(watched.next_reset().await, ["a"]);
    let SourceEvent::Diagnostics(_, found) = watched.next().await else { panic!("no findings") };
    assert_eq!(found.len(), 1);
    watched.fake.put("services", service("a"));
    assert_eq!(watched.next_apply().await, "a");
    let SourceEvent::Diagnostics(id, found) = watched.next().await else { panic!("not taken back") };
    assert_eq!((&*id.name.name, found.len()), ("a", 0));

    // Also when the object vanishes unseen.
    watched.fake.put("services", bad);
    assert_eq!(watched.next_apply().await, "a");
    assert!(matches!(watched.next().await, SourceEvent::Diagnostics(..)));
    watched.fake.cut_watches();
    watched.fake.delete("services", "ns", "a");
    watched.fake.compact();
    assert!(watched.next_reset().await.is_empty());
    let SourceEvent::Diagnostics(_, found) = watched.next().await else { panic!("not taken back") };
    assert!(found.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_source_ends_with_its_receiver() {
    let mut watched = Watched::start(Fake::new());
    watched.events.close();
    while watched.events.recv().await.is_some() {}
    tokio::time::timeout(PATIENCE, &mut watched.task).await.expect("an end").expect("no panic");
}

/// The list that begins everything proves everything up to when it was asked for.
#[tokio::test(start_paused = true)]
async fn a_complete_list_is_a_proof() {
    let before = now();
    let mut watched = Watched::start(with(&["a"]));
    assert_eq!(watched.next_reset().await, ["a"]);
    let proven = watched.next_proof().await;
    assert!(proven >= before && proven <= now());
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_has_a_proof_within_seconds_though_nothing_changes() {
    let mut watched = Watched::start(with(&["a"]));
    watched.next_proof().await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    watched.fake.pass_time();
    let granted = now();
    watched.lead();
    let proven = watched.next_proof().await;
    assert!(proven >= granted);
    assert!(now().since(granted) <= Duration::from_secs(3), "{:?}", now().since(granted));
}

#[tokio::test(start_paused = true)]
async fn a_leader_is_never_without_a_fresh_proof_and_lists_nothing_for_it() {
    let mut watched = Watched::start(with(&["a"]));
    watched.next_proof().await;
    watched.lead();
    watched.next_proof().await;
    watched.fake.take_seen();
    let began = now();
    for _ in 0..60 {
        watched.fake.pass_time();
        let proven = watched.next_proof().await;
        assert!(now().since(proven) < Duration::from_secs(3), "{:?}", now().since(proven));
    }
    let lasted = now().since(began).as_secs();
    assert!((550..=650).contains(&lasted), "one in ten seconds: {lasted}");
    let seen = watched.fake.take_seen();
    let lists: Vec<_> = seen.iter().filter(|seen| lists_services(seen)).collect();
    assert!(lists.iter().all(|list| list.query["limit"] == "1"), "{lists:?}");
    // What the documentation says it costs.
    assert!((59..=62).contains(&lists.len()), "{}", lists.len());
    let requests = seen.iter().filter(|seen| watches_services(seen)).count();
    assert!((59..=62).contains(&requests), "{requests}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_watch_proves_nothing() {
    let mut watched = Watched::start(with(&["a"]));
    watched.next_proof().await;
    watched.fake.silence(true);
    watched.lead();
    // What is asked now shows a version that the watch has not reached.
    watched.fake.pass_time();
    assert!(watched.next_trouble().await.contains("silent"));
    watched.fake.silence(false);
    watched.next_recovery().await;
    let asked = now();
    let proven = watched.next_proof().await;
    assert!(proven <= now() && asked.since(proven) < Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_silent_is_in_trouble_until_it_says_something() {
    let mut watched = Watched::start(with(&["a"]));
    assert_eq!(watched.next_reset().await, ["a"]);
    watched.fake.silence(true);
    watched.fake.put("services", service("b"));
    assert!(watched.next_trouble().await.contains("silent"));
    // That a request is answered says nothing yet.
    tokio::time::sleep(Duration::from_mins(1)).await;
    watched.fake.silence(false);
    assert_eq!(watched.next_apply().await, "b");
    watched.next_recovery().await;
}

/// An API server whose cache is never told how far etcd is: the bookmarks stay
/// behind, and a new list proves what they cannot.
#[tokio::test(start_paused = true)]
async fn where_bookmarks_stay_behind_a_list_proves() {
    let mut watched = Watched::start(with(&["a"]));
    watched.next_proof().await;
    watched.fake.lag();
    watched.fake.pass_time();
    watched.lead();
    let granted = now();
    assert_eq!(watched.next_reset().await, ["a"]);
    let proven = watched.next_proof().await;
    assert!(proven >= granted);
}

/// What was seen before etcd was restored never was, however new its version is.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_set_back_is_listed_anew() {
    let fake = with(&["a", "b"]);
    for _ in 0..10 {
        fake.pass_time();
    }
    let mut watched = Watched::start(fake);
    assert_eq!(watched.next_reset().await, ["a", "b"]);
    watched.fake.set_back(5);
    watched.lead();
    assert_eq!(watched.next_reset().await, ["a", "b"]);
    watched.next_proof().await;
}
