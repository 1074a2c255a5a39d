//! Watches, statuses, configuration and events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_core::annotation::TENANT;
use ako_core::id::NamespacedName;
use ako_core::resource::{Published, PublishedAddress, Secret};
use ako_core::{Delta, Program, ResourceId, ResourceKind, Snapshot};
use ako_elect::{Moment, rehearsal};
use ako_kube_io::{
    About, Asker, ClusterWriter, ConfigEvent, ConfigSource, EventWriter, Occurrence, Outcome, Pace,
    SecretsOf, Severity, Source, SourceEvent, missing_rules, needed_rules,
};
use ako_sim_kube::{Cut, Options, SimKube};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch as signal};
use tokio::task::JoinSet;

pub(crate) fn sim() -> SimKube {
    SimKube::new(Options { seed: Some(1), ..Options::default() })
}

pub(crate) async fn apply(sim: &SimKube, object: Value) {
    ako_harness::cluster::apply(&sim.client(), &object).await.unwrap();
}

pub(crate) fn ingress(name: &str, host: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"ingressClassName": "avi", "rules": [{"host": host, "http": {"paths": [{
            "path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}},
        }]}}]},
    })
}

fn standby() -> Pace {
    Pace::idle(Arc::new(Moment::default))
}

/// The operator's watches, and what they told.
pub(crate) struct Watched {
    events: mpsc::Receiver<SourceEvent>,
    snapshot: Snapshot,
    pub(crate) resets: usize,
    _task: JoinSet<()>,
}

impl Watched {
    pub(crate) fn start(sim: &SimKube) -> Self {
        Self::of(sim, ResourceKind::always(), SecretsOf::All)
    }

    fn of(sim: &SimKube, kinds: BTreeSet<ResourceKind>, secrets: SecretsOf) -> Self {
        let (sender, events) = mpsc::channel(64);
        let mut task = JoinSet::new();
        let client = sim.client_as("admin-token", "operator/1");
        task.spawn(Source::run(client, signal::channel(kinds).1, secrets, sender, standby()));
        Self { events, snapshot: Snapshot::default(), resets: 0, _task: task }
    }

    /// Follows the watches until what they told is as wanted.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Snapshot) -> bool) {
        let end = tokio::time::Instant::now() + Duration::from_mins(20);
        while !wanted(&self.snapshot) {
            let event = tokio::time::timeout_at(end, self.events.recv()).await;
            if let SourceEvent::Delta(delta) = event.expect("it comes in time").expect("a source that runs") {
                self.resets += usize::from(matches!(delta, Delta::Reset(..)));
                self.snapshot.apply(delta);
            }
        }
    }
}

fn id(kind: ResourceKind, name: &str) -> ResourceId {
    ResourceId { kind, name: NamespacedName::new("default", name) }
}

pub(crate) fn has(name: &'static str) -> impl Fn(&Snapshot) -> bool {
    move |snapshot| snapshot.ingress(&NamespacedName::new("default", name)).is_some()
}

#[tokio::test(start_paused = true)]
async fn the_source_follows_the_cluster() {
    let sim = sim();
    apply(&sim, ingress("one", "one.example.com")).await;
    let mut watched = Watched::start(&sim);
    watched.until(has("one")).await;
    apply(&sim, ingress("two", "two.example.com")).await;
    watched.until(has("two")).await;
    // Many ends of watches later it still follows.
    tokio::time::sleep(Duration::from_hours(1)).await;
    let mut gone = ingress("one", "one.example.com");
    gone["$delete"] = true.into();
    apply(&sim, gone).await;
    watched.until(|snapshot| !has("one")(snapshot)).await;
    let begun = sim.requests().into_iter().filter(|request| request.verb == "watch").count();
    assert!(begun > ResourceKind::always().len() * 25, "{begun}");
}

/// Whose Secrets are watched follows from whether Routes are served.
#[tokio::test(start_paused = true)]
async fn where_routes_are_served_only_the_own_secrets_are_watched() {
    let sim = sim();
    for namespace in ["default", "kube-system"] {
        let metadata = json!({"name": "s", "namespace": namespace});
        let data = json!({"tls.crt": "YQ==", "tls.key": "YQ=="});
        apply(&sim, json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})).await;
    }
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "routes.route.openshift.io"},
        "spec": {
            "group": "route.openshift.io", "scope": "Namespaced",
            "names": {"kind": "Route", "plural": "routes", "singular": "route", "listKind": "RouteList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    let kinds = ResourceKind::always().into_iter().chain([ResourceKind::Route]).collect();
    let mut watched = Watched::of(&sim, kinds, SecretsOf::OneWithRoutes("default".into()));
    let in_namespaces = |snapshot: &Snapshot| {
        let has = |namespace: &str| snapshot.get::<Secret>(&NamespacedName::new(namespace, "s")).is_some();
        (has("default"), has("kube-system"))
    };
    watched.until(|snapshot| in_namespaces(snapshot) == (true, true)).await;
    apply(&sim, definition.clone()).await;
    watched.until(|snapshot| in_namespaces(snapshot) == (true, false)).await;
    let mut gone = definition;
    gone["$delete"] = true.into();
    apply(&sim, gone).await;
    watched.until(|snapshot| in_namespaces(snapshot) == (true, true)).await;
}

#[tokio::test(start_paused = true)]
async fn the_source_survives_partitions_and_compactions() {
    let sim = sim();
    let mut watched = Watched::start(&sim);
    apply(&sim, ingress("one", "one.example.com")).await;
    watched.until(has("one")).await;
    for cut in [Cut::Refuse, Cut::Silence] {
        sim.partition("operator", cut);
        apply(&sim, ingress("two", "two.example.com")).await;
        let mut gone = ingress("one", "one.example.com");
        gone["$delete"] = true.into();
        apply(&sim, gone).await;
        sim.compact();
        tokio::time::sleep(Duration::from_mins(3)).await;
        sim.heal("operator");
        watched.until(|snapshot| has("two")(snapshot) && !has("one")(snapshot)).await;
        apply(&sim, ingress("one", "one.example.com")).await;
        watched.until(has("one")).await;
        let mut gone = ingress("two", "two.example.com");
        gone["$delete"] = true.into();
        apply(&sim, gone).await;
        watched.until(|snapshot| !has("two")(snapshot)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn statuses_are_published() {
    let sim = sim();
    apply(&sim, ingress("one", "one.example.com")).await;
    let wanted = Published {
        addresses: vec![PublishedAddress { ip: "1.2.3.4".into(), hostname: "one.example.com".into() }],
        annotations: BTreeMap::from([(TENANT.into(), "admin".into())]),
        ..Published::default()
    };
    let permit = rehearsal::endless();
    let leads = signal::Sender::new(true);
    let clock = Arc::new(|| Moment::from_millis(0));
    let writer = ClusterWriter::new(
        sim.client(),
        clock,
        Arc::new(|| jiff::Timestamp::UNIX_EPOCH),
        leads.subscribe(),
        "ako-c1",
    );
    let object = id(ResourceKind::Ingress, "one");
    let outcome = writer.publish(&permit, &object, &wanted, &Published::default()).await.unwrap();
    assert_eq!(outcome, Outcome::Written { addresses: true, annotations: true });
    let stored = sim.get("networking.k8s.io", "ingresses", "default", "one").unwrap();
    assert_eq!(stored["status"]["loadBalancer"]["ingress"][0]["ip"], "1.2.3.4");
    assert_eq!(stored["metadata"]["annotations"][TENANT], "admin");
    let cleared = writer.publish(&permit, &object, &Published::default(), &wanted).await.unwrap();
    assert_eq!(cleared, Outcome::Written { addresses: true, annotations: true });
    let stored = sim.get("networking.k8s.io", "ingresses", "default", "one").unwrap();
    assert_eq!(stored["status"], json!({"loadBalancer": {}}));
}

#[tokio::test(start_paused = true)]
async fn configuration_and_events() {
    let sim = sim();
    let (sender, mut events) = mpsc::channel(8);
    let client = sim.client();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { ConfigSource::run(client, "default", sender, standby()).await });
    let mut first = Vec::new();
    while first.len() < 3 {
        first.push(events.recv().await.unwrap());
    }
    assert!(first.contains(&ConfigEvent::ConfigMapDeleted), "{first:?}");
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"clusterName": "c"},
        "metadata": {"name": "avi-k8s-config", "namespace": "default"}});
    apply(&sim, config).await;
    let data = BTreeMap::from([("clusterName".to_owned(), "c".to_owned())]);
    assert_eq!(events.recv().await.unwrap(), ConfigEvent::Data(data));

    apply(&sim, ingress("one", "one.example.com")).await;
    let time = "2024-01-01T00:00:00Z".parse().unwrap();
    let writer = EventWriter::new(sim.client(), None, Arc::new(move || time));
    writer.publish(Occurrence {
        about: About::Object(id(ResourceKind::Ingress, "one"), None),
        severity: Severity::Warning,
        reason: "Refused".into(),
        message: "no".into(),
    });
    tokio::select! {
        () = writer.run() => {}
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
    assert_eq!(writer.counts().sent, 1);
    let rules = needed_rules(Program::Operator, "default", &ResourceKind::ALL.into(), true);
    assert_eq!(missing_rules(&sim.client(), &Asker::Me, &rules).await.unwrap(), []);
}
