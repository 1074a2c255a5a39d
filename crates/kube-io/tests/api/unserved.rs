//! Kinds that the API server may lack.

use std::collections::BTreeSet;
use std::time::Duration;

use ako_core::{Delta, ResourceKind};
use ako_elect::Moment;
use ako_kube_io::{Demand, SecretsOf, Source, SourceEvent};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch as signal};
use tokio::task::JoinHandle;

use crate::fake::{Definition, Fake, FaultKind};
use crate::pace::{now, pace};

const KIND: ResourceKind = ResourceKind::BlockAffinity;
const COLLECTION: &str = "blockaffinities";

struct Watched {
    fake: Fake,
    events: mpsc::Receiver<SourceEvent>,
    task: JoinHandle<()>,
    _demand: signal::Sender<Demand>,
    _kinds: signal::Sender<BTreeSet<ResourceKind>>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watched {
    fn start(definition: Definition, names: &[&str]) -> Self {
        let fake = Fake::new();
        fake.define(definition);
        for name in names {
            fake.put(COLLECTION, affinity(name));
        }
        let (sender, events) = mpsc::channel(8);
        let kinds = signal::Sender::new(BTreeSet::from([KIND]));
        let demand = signal::Sender::new(Demand::default());
        let task = tokio::spawn(Source::run(
            fake.client(),
            kinds.subscribe(),
            SecretsOf::All,
            sender,
            pace(&demand),
        ));
        Self { fake, events, task, _demand: demand, _kinds: kinds }
    }

    async fn event(&mut self) -> SourceEvent {
        let event = tokio::time::timeout(Duration::from_secs(200), self.events.recv()).await;
        event.expect("an event").expect("a source that runs")
    }

    /// The next events, without proofs: so many.
    async fn said(&mut self, count: usize) -> Vec<String> {
        let mut said = Vec::new();
        while said.len() < count {
            said.extend(in_words(&self.event().await));
        }
        said
    }

    async fn proof(&mut self) -> Moment {
        loop {
            if let SourceEvent::Proven { at, .. } = self.event().await {
                return at;
            }
        }
    }
}

fn in_words(event: &SourceEvent) -> Option<String> {
    Some(match event {
        SourceEvent::Proven { .. } => return None,
        SourceEvent::Served { served, .. } => format!("served: {served}"),
        SourceEvent::Delta(Delta::Reset(_, listed)) => {
            let names: Vec<_> = listed.iter().map(|resource| resource.id().name.name.to_string()).collect();
            format!("list: {}", names.join(" "))
        }
        SourceEvent::Delta(Delta::Apply(resource)) => format!("applied: {}", resource.id().name.name),
        SourceEvent::Delta(Delta::Delete(id)) => format!("deleted: {}", id.name.name),
        SourceEvent::Trouble { message, .. } => format!("trouble: {message}"),
        SourceEvent::Recovered { .. } => "recovered".to_owned(),
        other => format!("{other:?}"),
    })
}

fn affinity(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"cidr": "10.1.0.0/26", "node": name, "state": "confirmed"}})
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_there_has_no_objects_and_is_watched_once_it_appears() {
    let mut watched = Watched::start(Definition::Absent, &[]);
    assert_eq!(watched.said(2).await, ["served: false", "list: "]);
    // That there are none is proven again and again.
    let first = watched.proof().await;
    let second = watched.proof().await;
    assert!(second > first && now().since(second) < Duration::from_secs(1));
    watched.fake.define(Definition::Established);
    watched.fake.put(COLLECTION, affinity("a"));
    assert_eq!(watched.said(2).await, ["served: true", "list: a"]);
    watched.fake.put(COLLECTION, affinity("b"));
    assert_eq!(watched.said(1).await, ["applied: b"]);
}

/// The API server deletes the objects one by one before it forgets the kind.
#[tokio::test(start_paused = true)]
async fn one_that_is_lost_is_lost_by_lists_and_not_by_deletions() {
    let mut watched = Watched::start(Definition::Established, &["a", "b"]);
    assert_eq!(watched.said(2).await, ["served: true", "list: a b"]);
    watched.fake.delete(COLLECTION, "", "a");
    watched.fake.define(Definition::Terminating);
    assert_eq!(watched.said(2).await, ["served: false", "list: b"]);
    watched.fake.delete(COLLECTION, "", "b");
    watched.fake.define(Definition::Absent);
    loop {
        // What is left is listed until the kind is gone.
        let said = watched.said(1).await.remove(0);
        if said == "list: " {
            break;
        }
        assert_eq!(said, "list: b");
    }
    watched.fake.define(Definition::Established);
    watched.fake.put(COLLECTION, affinity("c"));
    assert_eq!(watched.said(2).await, ["served: true", "list: c"]);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_of_one_that_stays_is_told_after_a_second_and_in_its_place() {
    let mut watched = Watched::start(Definition::Established, &["a", "b"]);
    assert_eq!(watched.said(2).await, ["served: true", "list: a b"]);
    let before = now();
    watched.fake.delete(COLLECTION, "", "a");
    watched.fake.put(COLLECTION, affinity("a"));
    watched.fake.delete(COLLECTION, "", "b");
    assert_eq!(watched.said(3).await, ["deleted: a", "applied: a", "deleted: b"]);
    assert!(now().since(before) < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn that_one_is_not_there_is_not_believed_without_the_discovery_document() {
    let fails_with = |code, watched: &Watched, path: &'static str| {
        watched.fake.fail(FaultKind::Code(code), move |seen| seen.path == path && !seen.is_watch());
    };
    let mut watched = Watched::start(Definition::Established, &["a"]);
    let list = "/apis/crd.projectcalico.org/v1/blockaffinities";
    // A 404 alone says nothing.
    fails_with(404, &watched, list);
    assert!(watched.said(1).await[0].starts_with("trouble: list: "));
    assert_eq!(watched.said(3).await, ["served: true", "list: a", "recovered"]);

    let mut watched = Watched::start(Definition::Absent, &[]);
    fails_with(503, &watched, "/apis");
    assert!(watched.said(1).await[0].starts_with("trouble: "));
    assert_eq!(watched.said(3).await, ["served: false", "list: ", "recovered"]);
}
