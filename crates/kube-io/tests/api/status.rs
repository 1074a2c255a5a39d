//! The status writer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ako_core::annotation::{CLUSTER_UUID, NODE_PORT_LOCAL_ENABLED, TENANT, VS_UUID_MAP};
use ako_core::id::NamespacedName;
use ako_core::resource::{Published, PublishedAddress};
use ako_core::{ResourceId, ResourceKind};
use ako_elect::{Moment, rehearsal};
use ako_kube_io::{CONFLICT_RETRIES, ErrorClass, Outcome, REQUEST_TIMEOUT, StatusError, StatusWriter};
use http::Method;
use serde_json::json;

use crate::fake::{Fake, FaultKind, Seen};

const KEY: &str = "ns/web";

fn ingress() -> ResourceId {
    ResourceId { kind: ResourceKind::Ingress, name: NamespacedName::new("ns", "web") }
}

fn fake() -> Fake {
    let fake = Fake::new();
    fake.put(
        "ingresses",
        json!({"metadata": {"name": "web", "namespace": "ns", "annotations": {"theirs": "x"}},
            "status": {"conditions": ["theirs"]}}),
    );
    fake
}

fn published() -> Published {
    let address = |ip: &str, host: &str| PublishedAddress { ip: ip.into(), hostname: host.into() };
    Published {
        addresses: vec![address("1.2.3.4", "a.com"), address("1.2.3.5", "")],
        annotations: [(VS_UUID_MAP.into(), "{}".into()), (TENANT.into(), "admin".into())].into(),
        ..Published::default()
    }
}

async fn publish(fake: &Fake, wanted: &Published, current: &Published) -> Result<Outcome, StatusError> {
    let permit = rehearsal::endless();
    let now = || Moment::from_millis(0);
    StatusWriter::new(fake.client()).publish(&permit, &now, &ingress(), wanted, current).await
}

fn is_status(seen: &Seen) -> bool {
    seen.path.ends_with("/status")
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_is_written_and_cleared() {
    let fake = fake();
    let outcome = publish(&fake, &published(), &Published::default()).await.unwrap();
    assert_eq!(outcome, Outcome::Written { addresses: true, annotations: true });
    let seen = fake.take_seen();
    assert!(seen.iter().all(|seen| seen.method == Method::PATCH));
    let path = "/apis/networking.k8s.io/v1/namespaces/ns/ingresses/web";
    assert_eq!(seen[0].path, format!("{path}/status"));
    let addresses = json!([{"ip": "1.2.3.4", "hostname": "a.com"}, {"ip": "1.2.3.5"}]);
    assert_eq!(seen[0].body, json!({"status": {"loadBalancer": {"ingress": addresses}}}));
    assert_eq!(seen[1].path, path);
    let annotations = json!({VS_UUID_MAP: "{}", CLUSTER_UUID: null, TENANT: "admin"});
    assert_eq!(seen[1].body, json!({"metadata": {"annotations": annotations}}));

    let outcome = publish(&fake, &Published::default(), &published()).await.unwrap();
    assert_eq!(outcome, Outcome::Written { addresses: true, annotations: true });
    let object = fake.object("ingresses", KEY).unwrap();
    assert_eq!(object["metadata"]["annotations"], json!({"theirs": "x"}));
    assert_eq!(object["status"], json!({"conditions": ["theirs"], "loadBalancer": {}}));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_for_what_is_equal() {
    let fake = fake();
    let mut current = published();
    current.addresses.reverse();
    assert_eq!(publish(&fake, &published(), &current).await.unwrap(), Outcome::Unchanged);
    assert!(fake.take_seen().is_empty());

    current.annotations.clear();
    let outcome = publish(&fake, &published(), &current).await.unwrap();
    assert_eq!(outcome, Outcome::Written { addresses: false, annotations: true });
    assert_eq!(fake.take_seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_node_ports_goes_by_itself() {
    let fake = fake();
    let asking = Published { node_ports: Some("true".into()), ..published() };
    for (wanted, current, value) in
        [(&asking, &published(), json!("true")), (&published(), &asking, json!(null))]
    {
        let outcome = publish(&fake, wanted, current).await.unwrap();
        assert_eq!(outcome, Outcome::Written { addresses: false, annotations: true });
        let seen = fake.take_seen();
        assert_eq!(seen.len(), 1);
        let annotations = json!({NODE_PORT_LOCAL_ENABLED: value});
        assert_eq!(seen[0].body, json!({"metadata": {"annotations": annotations}}));
    }
    assert_eq!(publish(&fake, &asking, &asking).await.unwrap(), Outcome::Unchanged);

    // And a status does not touch the request.
    publish(&fake, &asking, &Published { node_ports: Some("true".into()), ..Published::default() })
        .await
        .unwrap();
    let annotations = fake.take_seen().pop().unwrap().body["metadata"]["annotations"].clone();
    assert_eq!(annotations, json!({VS_UUID_MAP: "{}", CLUSTER_UUID: null, TENANT: "admin"}));
}

#[tokio::test(start_paused = true)]
async fn conflicts_are_repeated_a_bounded_number_of_times() {
    let fake = fake();
    (0..CONFLICT_RETRIES).for_each(|_| fake.fail(FaultKind::Code(409), is_status));
    publish(&fake, &published(), &Published::default()).await.unwrap();
    assert_eq!(fake.take_seen().len(), CONFLICT_RETRIES as usize + 2);

    (0..=CONFLICT_RETRIES).for_each(|_| fake.fail(FaultKind::Code(409), is_status));
    let error = publish(&fake, &published(), &Published::default()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_gone_is_no_error() {
    let outcome = publish(&Fake::new(), &published(), &Published::default()).await.unwrap();
    assert_eq!(outcome, Outcome::Gone);
}

#[tokio::test(start_paused = true)]
async fn errors_have_a_class() {
    for (code, class) in [(403, ErrorClass::Auth), (422, ErrorClass::Rejected), (500, ErrorClass::Retry)] {
        let fake = fake();
        fake.fail(FaultKind::Code(code), is_status);
        let error = publish(&fake, &published(), &Published::default()).await.unwrap_err();
        assert_eq!(error.class(), class, "{code}");
    }
    let fake = fake();
    fake.fail(FaultKind::Silence, is_status);
    let error = publish(&fake, &published(), &Published::default()).await.unwrap_err();
    assert!(matches!(error, StatusError::Timeout { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Retry);
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_read_before_each_request() {
    let fake = fake();
    let permit = rehearsal::endless();
    let reads = AtomicUsize::new(0);
    let now = || Moment::from_millis(reads.fetch_add(1, Ordering::Relaxed) as u64);
    let writer = StatusWriter::new(fake.client());
    fake.fail(FaultKind::Code(409), is_status);
    writer.publish(&permit, &now, &ingress(), &published(), &Published::default()).await.unwrap();
    assert_eq!(reads.load(Ordering::Relaxed), 3);
    assert!(REQUEST_TIMEOUT <= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn other_kinds_are_refused() {
    let permit = rehearsal::endless();
    let object = ResourceId { kind: ResourceKind::Node, name: NamespacedName::cluster("n") };
    let writer = StatusWriter::new(Fake::new().client());
    let now = || Moment::from_millis(0);
    let result = writer.publish(&permit, &now, &object, &published(), &Published::default()).await;
    assert_eq!(result.unwrap_err().class(), ErrorClass::Bug);
}
