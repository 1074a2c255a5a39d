//! The status writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ako_core::annotation::{CLUSTER_UUID, NODE_PORT_LOCAL_ENABLED, REMOVAL, TENANT, VS_UUID_MAP};
use ako_core::id::NamespacedName;
use ako_core::resource::{Published, PublishedAddress};
use ako_core::secret::Redacted;
use ako_core::{ResourceId, ResourceKind};
use ako_elect::{Moment, Timing, WritePermit, rehearsal};
use ako_kube_io::{CONFLICT_RETRIES, ClusterWriter, ErrorClass, Outcome, PatchError, REQUEST_TIMEOUT};
use http::{Method, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::jiff::Timestamp;
use kube::client::ConfigExt as _;
use kube::{Client, Config};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::fake::{Fake, FaultKind, Seen};

const KEY: &str = "ns/web";
const PATH: &str = "/apis/networking.k8s.io/v1/namespaces/ns/ingresses/web";

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

/// A leader whose clock can be set.
struct Leader {
    clock: Arc<AtomicU64>,
    leads: watch::Sender<bool>,
}

impl Leader {
    fn new() -> Self {
        Self { clock: Arc::default(), leads: watch::Sender::new(true) }
    }

    fn writer(&self, client: Client) -> ClusterWriter {
        let clock = self.clock.clone();
        let now = Arc::new(move || Moment::from_millis(clock.load(Ordering::SeqCst)));
        ClusterWriter::new(client, now, Arc::new(|| Timestamp::UNIX_EPOCH), self.leads.subscribe(), "ako-c1")
    }
}

async fn publish(fake: &Fake, wanted: &Published, current: &Published) -> Result<Outcome, PatchError> {
    let leader = Leader::new();
    leader.writer(fake.client()).publish(&rehearsal::endless(), &ingress(), wanted, current).await
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
    assert!(seen.iter().all(|seen| seen.method == Method::PATCH && seen.query["fieldManager"] == "ako-rs"));
    assert_eq!(seen.len(), 1, "one request is enough");
    assert_eq!(seen[0].path, format!("{PATH}/status"));
    let addresses = json!([{"ip": "1.2.3.4", "hostname": "a.com"}, {"ip": "1.2.3.5"}]);
    let patch = json!({
        "metadata": {"annotations": {VS_UUID_MAP: "{}", CLUSTER_UUID: null, TENANT: "admin"}},
        "status": {"loadBalancer": {"ingress": addresses}},
    });
    assert_eq!(seen[0].body, patch);

    let outcome = publish(&fake, &Published::default(), &published()).await.unwrap();
    assert_eq!(outcome, Outcome::Written { addresses: true, annotations: true });
    assert_eq!(fake.take_seen().len(), 1);
    let object = fake.object("ingresses", KEY).unwrap();
    assert_eq!(object["metadata"]["annotations"], json!({"theirs": "x"}));
    assert_eq!(object["status"], json!({"conditions": ["theirs"], "loadBalancer": {}}));
}

/// Where the API server does not store annotations with a status, or refuses both together.
#[tokio::test(start_paused = true)]
async fn what_does_not_go_together_goes_one_after_the_other() {
    let leader = Leader::new();
    let fake = fake();
    fake.store_status_only();
    let (writer, permit) = (leader.writer(fake.client()), rehearsal::endless());
    let paths = |fake: &Fake| -> Vec<String> {
        fake.take_seen().into_iter().map(|seen| seen.path.trim_start_matches(PATH).to_owned()).collect()
    };
    writer.publish(&permit, &ingress(), &published(), &Published::default()).await.unwrap();
    assert_eq!(paths(&fake), ["/status", "", "/status"], "tried, and lost");
    let stored = fake.object("ingresses", KEY).unwrap();
    assert_eq!(stored["metadata"]["annotations"][TENANT], json!("admin"));
    assert_eq!(stored["status"]["loadBalancer"]["ingress"].as_array().map(Vec::len), Some(2));
    // By the annotations, addresses are known to be ours: they go after them, and come before.
    writer.publish(&permit, &ingress(), &Published::default(), &published()).await.unwrap();
    assert_eq!(paths(&fake), ["/status", ""]);
    writer.publish(&permit, &ingress(), &published(), &Published::default()).await.unwrap();
    assert_eq!(paths(&fake), ["", "/status"]);

    // A refusal may be about the status alone: it is no reason to do so ever after.
    let fake = self::fake();
    let writer = leader.writer(fake.client());
    fake.fail(FaultKind::Code(422), is_status);
    writer.publish(&permit, &ingress(), &published(), &Published::default()).await.unwrap();
    assert_eq!(paths(&fake), ["/status", "", "/status"]);
    writer.publish(&permit, &ingress(), &Published::default(), &published()).await.unwrap();
    assert_eq!(paths(&fake), ["/status"]);
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
    let annotations = fake.take_seen().remove(0).body["metadata"]["annotations"].clone();
    assert_eq!(annotations, json!({VS_UUID_MAP: "{}", CLUSTER_UUID: null, TENANT: "admin"}));
}

#[tokio::test(start_paused = true)]
async fn conflicts_are_repeated_a_bounded_number_of_times() {
    let (fake, begun) = (fake(), Instant::now());
    (0..CONFLICT_RETRIES).for_each(|_| fake.fail(FaultKind::Code(409), is_status));
    publish(&fake, &published(), &Published::default()).await.unwrap();
    assert_eq!(fake.take_seen().len(), CONFLICT_RETRIES as usize + 1);
    assert_eq!(begun.elapsed().as_millis(), 100 + 200 + 300, "less and less often");

    (0..=CONFLICT_RETRIES).for_each(|_| fake.fail(FaultKind::Code(409), is_status));
    let error = publish(&fake, &published(), &Published::default()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict);
}

/// Another instance may write at the same time: what the two leave is never an address
/// without the annotations that say whose it is.
#[tokio::test(start_paused = true)]
async fn two_that_write_at_a_time_leave_no_address_without_annotations() {
    let states = [published(), Published::default()];
    // What stands there, what each of the two has seen, which one publishes, which patch of
    // the one is on its way while the other one writes, and whether the API server stores
    // annotations with a status.
    for case in 0..64 {
        let bit = move |n: u32| (case >> n) & 1;
        let (start, seen, others_view) = (&states[bit(0)], &states[bit(1)], &states[bit(2)]);
        let (wanted, others) = (&states[bit(3)], &states[1 - bit(3)]);
        let fake = fake();
        let leader = Leader::new();
        let (writer, permit) = (leader.writer(fake.client()), rehearsal::endless());
        if bit(5) == 1 {
            fake.store_status_only();
            // It learns that.
            let all = [published(), Published::default()];
            writer.publish(&permit, &ingress(), &all[0], &all[1]).await.unwrap();
            writer.publish(&permit, &ingress(), &all[1], &all[0]).await.unwrap();
        }
        writer.publish(&permit, &ingress(), start, &Published::default()).await.unwrap();
        let (here, reached) = oneshot::channel();
        let (go_on, told) = oneshot::channel();
        fake.fail(FaultKind::Hold(here, told), move |seen| is_status(seen) == (bit(4) == 1));
        let (wanted, seen) = (wanted.clone(), seen.clone());
        let one = writer.clone();
        let mut one = tokio::spawn(async move {
            one.publish(&rehearsal::endless(), &ingress(), &wanted, &seen).await.is_ok()
        });
        tokio::select! {
            _ = reached => {
                let _ = writer.publish(&permit, &ingress(), others, others_view).await;
                let _ = go_on.send(());
                one.await.unwrap();
            }
            // There is nothing to be sent, or not that.
            ended = &mut one => { ended.unwrap(); }
        }
        let object = fake.object("ingresses", KEY).unwrap();
        let has_address = !object["status"]["loadBalancer"]["ingress"].is_null();
        let is_ours = !object["metadata"]["annotations"][VS_UUID_MAP].is_null();
        assert!(is_ours || !has_address, "case {case}: {object:#}");
    }
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
        // A refusal is about the status if it is refused by itself as well.
        (0..2).for_each(|_| fake.fail(FaultKind::Code(code), is_status));
        let error = publish(&fake, &published(), &Published::default()).await.unwrap_err();
        assert_eq!(error.class(), class, "{code}");
        assert_eq!(error.to_string(), "Ingress ns/web: the patch of the status failed");
    }
    let fake = fake();
    fake.fail(FaultKind::Silence, is_status);
    let error = publish(&fake, &published(), &Published::default()).await.unwrap_err();
    assert!(matches!(error, PatchError::Timeout { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Retry);
}

#[tokio::test(start_paused = true)]
async fn a_token_goes_into_the_secret_that_the_controller_is_logged_in_with() {
    let (fake, leader) = (Fake::new(), Leader::new());
    let writer = leader.writer(fake.client());
    let (permit, token) = (rehearsal::endless(), Redacted::new("t2"));
    assert!(!writer.store_token(&permit, "avi-system", &token).await.unwrap(), "there is no such Secret");
    fake.put("secrets", json!({"metadata": {"name": "avi-secret", "namespace": "avi-system"}}));
    assert!(writer.store_token(&permit, "avi-system", &token).await.unwrap());
    let seen = fake.take_seen().pop().unwrap();
    assert_eq!(seen.body, json!({"stringData": {"authtoken": "t2"}}));
    leader.leads.send_replace(false);
    let error = writer.store_token(&permit, "avi-system", &token).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fenced);
    fake.fail(FaultKind::Code(500), |_| true);
    leader.leads.send_replace(true);
    let error = writer.store_token(&permit, "avi-system", &token).await.unwrap_err();
    assert_eq!(error.to_string(), "Secret avi-system/avi-secret: the patch of the authtoken failed");
}

/// A permit that ends at 10 s.
fn ten_seconds() -> WritePermit {
    rehearsal::permit(Moment::from_millis(0), Timing::default()).expect("a permit")
}

/// What is to be written: the addresses, or the annotations.
fn parts() -> [Published; 2] {
    let all = published();
    [
        Published { addresses: all.addresses.clone(), ..Published::default() },
        Published { annotations: all.annotations, ..Published::default() },
    ]
}

#[tokio::test(start_paused = true)]
async fn nothing_is_patched_without_a_permit() {
    for wanted in parts() {
        let (fake, leader) = (fake(), Leader::new());
        let writer = leader.writer(fake.client());
        leader.clock.store(9_999, Ordering::SeqCst);
        writer.publish(&ten_seconds(), &ingress(), &wanted, &Published::default()).await.unwrap();
        assert_eq!(fake.take_seen().len(), 1);
        leader.clock.store(10_000, Ordering::SeqCst);
        let result = writer.publish(&ten_seconds(), &ingress(), &Published::default(), &wanted).await;
        assert_eq!(result.unwrap_err().class(), ErrorClass::Fenced);
        assert!(fake.take_seen().is_empty());
        let noted = writer.note(&ten_seconds(), "ns", REMOVAL, Some("Done")).await;
        assert_eq!(noted.unwrap_err().class(), ErrorClass::Fenced);
        assert!(fake.take_seen().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_patched_by_a_leader_that_hands_over() {
    for wanted in parts() {
        let (fake, leader) = (fake(), Leader::new());
        let writer = leader.writer(fake.client());
        leader.leads.send_replace(false);
        let result = writer.publish(&rehearsal::endless(), &ingress(), &wanted, &Published::default()).await;
        assert_eq!(result.unwrap_err().class(), ErrorClass::Fenced);
        assert!(fake.take_seen().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_permit_is_judged_again_before_a_patch_is_repeated() {
    let (fake, leader) = (fake(), Leader::new());
    let clock = leader.clock.clone();
    fake.fail(FaultKind::Code(409), move |seen| {
        clock.store(10_000, Ordering::SeqCst);
        is_status(seen)
    });
    let writer = leader.writer(fake.client());
    let result = writer.publish(&ten_seconds(), &ingress(), &published(), &Published::default()).await;
    assert_eq!(result.unwrap_err().class(), ErrorClass::Fenced);
    assert_eq!(fake.take_seen().len(), 1);
    assert!(REQUEST_TIMEOUT <= Duration::from_secs(10));
}

/// A client as in production as far as its connections go, and what happens when it
/// makes one.
fn client_of(listener: &TcpListener, dials: impl Fn() + Clone + Send + Sync + 'static) -> Client {
    let address = listener.local_addr().expect("an address");
    let dial = tower::service_fn(move |_: Uri| {
        dials();
        Box::pin(async move { std::io::Result::Ok(TokioIo::new(TcpStream::connect(address).await?)) })
    });
    let pool = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(dial);
    let config = Config::new(format!("http://{address}").parse().expect("an address"));
    Client::new(tower::ServiceBuilder::new().layer(config.base_uri_layer()).service(pool), "default")
}

/// Publishes addresses in a task of its own.
fn start(writer: ClusterWriter) -> JoinHandle<Result<Outcome, PatchError>> {
    let [addresses, _] = parts();
    tokio::spawn(async move {
        writer.publish(&ten_seconds(), &ingress(), &addresses, &Published::default()).await
    })
}

#[tokio::test]
async fn a_patch_whose_connection_is_ready_too_late_is_not_sent() {
    let (listener, leader) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Leader::new());
    let clock = leader.clock.clone();
    let client = client_of(&listener, move || clock.store(10_000, Ordering::SeqCst));
    let publishing = start(leader.writer(client));
    assert_eq!(publishing.await.unwrap().unwrap_err().class(), ErrorClass::Fenced);
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    // Whatever ends the connection: nothing came over it.
    let _ = stream.read_to_end(&mut bytes).await;
    assert_eq!(String::from_utf8(bytes).unwrap(), "");
}

#[tokio::test]
async fn a_patch_that_was_sent_is_waited_for_when_the_leader_hands_over() {
    let (listener, leader) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Leader::new());
    let publishing = start(leader.writer(client_of(&listener, || {})));
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = [0; 4096];
    assert_ne!(stream.read(&mut bytes).await.unwrap(), 0);
    leader.leads.send_replace(false);
    // Time for the task to give up what it should not.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    let outcome = publishing.await.unwrap().unwrap();
    assert_eq!(outcome, Outcome::Written { addresses: true, annotations: false });
}

#[tokio::test(start_paused = true)]
async fn a_patch_that_waits_for_a_connection_fails_when_the_leader_hands_over() {
    let (fake, leader) = (fake(), Leader::new());
    fake.fail(FaultKind::Silence, is_status);
    let writer = leader.writer(fake.client());
    let publishing = tokio::spawn(async move {
        writer.publish(&rehearsal::endless(), &ingress(), &published(), &Published::default()).await
    });
    while fake.take_seen().is_empty() {
        tokio::task::yield_now().await;
    }
    let before = Instant::now();
    leader.leads.send_replace(false);
    let error = publishing.await.unwrap().unwrap_err();
    assert_eq!((error.class(), before.elapsed().as_millis()), (ErrorClass::Fenced, 0));
}

#[tokio::test(start_paused = true)]
async fn other_kinds_are_refused() {
    let object = ResourceId { kind: ResourceKind::Node, name: NamespacedName::cluster("n") };
    let writer = Leader::new().writer(Fake::new().client());
    let result = writer.publish(&rehearsal::endless(), &object, &published(), &Published::default()).await;
    assert_eq!(result.unwrap_err().class(), ErrorClass::Bug);
}
