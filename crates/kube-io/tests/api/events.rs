//! The event writer.

use std::sync::Arc;
use std::time::Duration;

use ako_core::id::NamespacedName;
use ako_core::{ResourceId, ResourceKind};
use ako_kube_io::{
    About, COMPONENT, EventCounts, EventWriter, Occurrence, QUEUE_LIMIT, REPEAT_WINDOW, Severity, own_pod,
};
use http::Method;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::fake::{Fake, FaultKind};

fn occurrence(message: &str, severity: Severity) -> Occurrence {
    let object = ResourceId { kind: ResourceKind::Service, name: NamespacedName::new("ns", "web") };
    Occurrence {
        about: About::Object(object, None),
        severity,
        reason: "Synced".into(),
        message: message.into(),
    }
}

fn writer(fake: &Fake) -> EventWriter {
    EventWriter::new(fake.client(), None, Arc::new(|| Timestamp::UNIX_EPOCH))
}

/// Lets the writer send what waits; answers the Events.
async fn sent(fake: &Fake, writer: &EventWriter) -> Vec<Value> {
    let _ = tokio::time::timeout(Duration::from_secs(100), writer.run()).await;
    let seen = fake.take_seen().into_iter().filter(|seen| seen.method == Method::POST);
    seen.map(|seen| seen.body).collect()
}

#[tokio::test(start_paused = true)]
async fn an_event_is_about_its_object() {
    let fake = Fake::new();
    fake.put("services", json!({"metadata": {"name": "web", "namespace": "ns", "uid": "u-1"}}));
    let writer = writer(&fake);
    writer.publish(occurrence("Added virtualservice x for web", Severity::Normal));
    let events = sent(&fake, &writer).await;
    assert_eq!(events.len(), 1);
    let expected =
        json!({"apiVersion": "v1", "kind": "Service", "namespace": "ns", "name": "web", "uid": "u-1"});
    assert_eq!(events[0]["involvedObject"], expected);
    assert_eq!(events[0]["source"]["component"], COMPONENT);
    assert_eq!((&events[0]["reason"], &events[0]["type"]), (&json!("Synced"), &json!("Normal")));
    assert_eq!(events[0]["count"], 1);
    assert_eq!(events[0]["firstTimestamp"], "1970-01-01T00:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn an_object_of_which_the_uid_is_known_is_not_asked_for() {
    let fake = Fake::new();
    let writer = writer(&fake);
    let plain = occurrence("a", Severity::Normal);
    let About::Object(object, _) = plain.about.clone() else { panic!("of an object") };
    writer.publish(Occurrence { about: About::Object(object, Some("u-1".into())), ..plain });
    let _ = tokio::time::timeout(Duration::from_secs(100), writer.run()).await;
    let seen = fake.take_seen();
    assert_eq!(seen.len(), 1, "one request: {seen:?}");
    assert_eq!(seen[0].body["involvedObject"]["uid"], "u-1");
}

/// The API server takes Events about objects without a namespace in `default`
/// only.
#[tokio::test(start_paused = true)]
async fn an_event_about_a_namespace_is_in_the_default_one() {
    let fake = Fake::new();
    fake.put("namespaces", json!({"metadata": {"name": "blue", "uid": "u-1"}}));
    let writer = writer(&fake);
    let object = ResourceId { kind: ResourceKind::Namespace, name: NamespacedName::cluster("blue") };
    writer.publish(Occurrence { about: About::Object(object, None), ..occurrence("a", Severity::Warning) });
    let events = sent(&fake, &writer).await;
    let expected = json!({"apiVersion": "v1", "kind": "Namespace", "name": "blue", "uid": "u-1"});
    assert_eq!(events[0]["involvedObject"], expected);
    assert_eq!(events[0]["metadata"]["namespace"], "default");
}

#[tokio::test(start_paused = true)]
async fn repeats_are_counted_and_told_with_the_next() {
    let fake = Fake::new();
    let writer = writer(&fake);
    (0..3).for_each(|_| writer.publish(occurrence("a", Severity::Warning)));
    assert_eq!(sent(&fake, &writer).await.len(), 1);
    tokio::time::advance(REPEAT_WINDOW).await;
    writer.publish(occurrence("a", Severity::Warning));
    assert_eq!(sent(&fake, &writer).await[0]["count"], 3);
    let expected = EventCounts { sent: 2, repeated: 2, ..EventCounts::default() };
    assert_eq!(writer.counts(), expected);
}

#[tokio::test(start_paused = true)]
async fn normal_events_can_be_switched_off() {
    let fake = Fake::new();
    let writer = writer(&fake);
    writer.set_normal_events(false);
    writer.publish(occurrence("a", Severity::Normal));
    writer.publish(occurrence("b", Severity::Warning));
    let events = sent(&fake, &writer).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["type"], "Warning");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_oldest() {
    let fake = Fake::new();
    let writer = writer(&fake);
    for number in 0..=QUEUE_LIMIT {
        writer.publish(occurrence(&number.to_string(), Severity::Warning));
    }
    assert_eq!((writer.counts().dropped, writer.counts().queued), (1, QUEUE_LIMIT as u64));
    // It was not said, so it may be said still.
    writer.publish(occurrence("0", Severity::Warning));
    assert_eq!(writer.counts().repeated, 0);
    let events = sent(&fake, &writer).await;
    assert_eq!(events[0]["message"], "2");
    assert_eq!(events.len(), QUEUE_LIMIT);
}

#[tokio::test(start_paused = true)]
async fn failures_hold_nothing_up() {
    let fake = Fake::new();
    let writer = writer(&fake);
    fake.fail(FaultKind::Silence, |seen| seen.method == Method::POST);
    fake.fail(FaultKind::Code(403), |seen| seen.method == Method::POST);
    for message in ["a", "b", "c"] {
        writer.publish(occurrence(message, Severity::Warning));
    }
    assert_eq!(sent(&fake, &writer).await.len(), 3);
    assert_eq!((writer.counts().failed, writer.counts().sent), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn the_operator_speaks_of_its_own_pod() {
    let fake = Fake::new();
    let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ako", "uid": "u-2",
        "controller": true});
    fake.put(
        "pods",
        json!({"metadata": {"name": "ako-0", "namespace": "avi", "uid": "u-1", "ownerReferences": [owner]}}),
    );
    let set = json!({"serviceName": "ako", "replicas": 2, "selector": {}, "template": {}});
    fake.put("statefulsets", json!({"metadata": {"name": "ako", "namespace": "avi"}, "spec": set}));
    let pod = own_pod(&fake.client(), "avi", "ako-0").await.unwrap();
    assert_eq!(ako_kube_io::replicas(&fake.client(), &pod).await.unwrap(), Some(2));

    let writer = EventWriter::new(fake.client(), Some(pod.reference), Arc::new(|| Timestamp::UNIX_EPOCH));
    writer.publish(Occurrence { about: About::OwnPod, ..occurrence("ready", Severity::Normal) });
    let events = sent(&fake, &writer).await;
    assert_eq!(events[0]["involvedObject"]["uid"], "u-1");
    assert_eq!(events[0]["metadata"]["namespace"], "avi");
}
