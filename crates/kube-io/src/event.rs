//! Events: what users see in `kubectl describe`.
//! Source: Configuration, lifecycle and HA, "Events"; Kubernetes API
//! reference, Event core/v1.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ako_core::ResourceId;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::core::{ObjectMeta, PartialObjectMeta, Request};
use kube::{Api, Client};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::describe;
use crate::path;
use crate::recent::Recent;

/// Who we are in Events, as upstream.
pub const COMPONENT: &str = "avi-kubernetes-operator";

/// How many Events wait to be sent; the oldest is dropped, and counted.
pub const QUEUE_LIMIT: usize = 1000;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The least time between two Events: 20 a second at most.
const SEND_INTERVAL: Duration = Duration::from_millis(50);

/// How many bytes an Event's message may have.
const MESSAGE_LIMIT: usize = 1024;

/// Tells the time of day.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Whether an Event is good or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Can be switched off.
    Normal,
    /// Is always sent.
    Warning,
}

/// What an Event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// An object of the cluster, and its uid. One of which that is not known is asked for
    /// first.
    Object(ResourceId, Option<Arc<str>>),
    /// The operator.
    OwnPod,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// What it is about.
    pub about: About,
    /// Good or bad.
    pub severity: Severity,
    /// The Event's reason: one word in CamelCase.
    pub reason: Arc<str>,
    /// A sentence. Holds no secrets.
    pub message: Arc<str>,
}

/// What became of all occurrences so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Sent.
    pub sent: u64,
    /// Not sent, since the same was sent less than
    /// [`REPEAT_WINDOW`](crate::REPEAT_WINDOW) ago.
    pub repeated: u64,
    /// Dropped, since the queue was full or our own pod is not known.
    pub dropped: u64,
    /// Refused by the API server, or not answered. Not sent again: Events are
    /// for people, who have the log as well.
    pub failed: u64,
    /// Waiting to be sent.
    pub queued: u64,
}

/// Sends Events in the background.
#[derive(Clone)]
pub struct EventWriter {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    own_pod: Option<ObjectReference>,
    now: WallClock,
    normal: AtomicBool,
    queue: Mutex<Queue>,
    filled: Notify,
    sent: AtomicU64,
    failed: AtomicU64,
}

struct Queue {
    waiting: VecDeque<(Occurrence, u32)>,
    recent: Recent<Occurrence>,
    repeated: u64,
    dropped: u64,
}

impl EventWriter {
    /// Sends with this client. Events about the operator need the reference to
    /// its pod; without it they are dropped.
    pub fn new(client: Client, own_pod: Option<ObjectReference>, now: WallClock) -> Self {
        let queue = Queue { waiting: VecDeque::new(), recent: Recent::new(), repeated: 0, dropped: 0 };
        let shared = Shared {
            client,
            own_pod,
            now,
            normal: AtomicBool::new(true),
            queue: Mutex::new(queue),
            filled: Notify::new(),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Whether normal Events are sent: ConfigMap key `enableEvents`.
    pub fn set_normal_events(&self, enabled: bool) {
        self.shared.normal.store(enabled, Ordering::Relaxed);
    }

    /// Has an Event sent, unless it was sent recently. Never waits.
    pub fn publish(&self, mut occurrence: Occurrence) {
        if occurrence.severity == Severity::Normal && !self.shared.normal.load(Ordering::Relaxed) {
            return;
        }
        if occurrence.about == About::OwnPod && self.shared.own_pod.is_none() {
            self.shared.queue().dropped += 1;
            return;
        }
        if occurrence.message.len() > MESSAGE_LIMIT {
            let end = (0..=MESSAGE_LIMIT).rev().find(|&end| occurrence.message.is_char_boundary(end));
            occurrence.message = occurrence.message[..end.unwrap_or(0)].into();
        }
        let mut queue = self.shared.queue();
        match queue.recent.admit(&occurrence, Instant::now()) {
            None => queue.repeated += 1,
            Some(unsaid) => {
                queue.waiting.push_back((occurrence, unsaid));
                if queue.waiting.len() > QUEUE_LIMIT
                    && let Some((oldest, _)) = queue.waiting.pop_front()
                {
                    queue.recent.forget(&oldest);
                    queue.dropped += 1;
                }
                self.shared.filled.notify_one();
            }
        }
    }

    /// What became of all occurrences so far.
    pub fn counts(&self) -> EventCounts {
        let queue = self.shared.queue();
        EventCounts {
            sent: self.shared.sent.load(Ordering::Relaxed),
            repeated: queue.repeated,
            dropped: queue.dropped,
            failed: self.shared.failed.load(Ordering::Relaxed),
            queued: u64::try_from(queue.waiting.len()).unwrap_or(u64::MAX),
        }
    }

    /// Sends what is published, one after the other, for ever. To be run once.
    pub async fn run(&self) {
        loop {
            let next = self.shared.queue().waiting.pop_front();
            let Some((occurrence, unsaid)) = next else {
                self.shared.filled.notified().await;
                continue;
            };
            match tokio::time::timeout(REQUEST_TIMEOUT, self.shared.send(&occurrence, unsaid)).await {
                Ok(Ok(())) => self.shared.sent.fetch_add(1, Ordering::Relaxed),
                Ok(Err(error)) => {
                    tracing::debug!(reason = &*occurrence.reason, "event not sent: {}", describe(&error));
                    self.shared.failed.fetch_add(1, Ordering::Relaxed)
                }
                Err(_) => self.shared.failed.fetch_add(1, Ordering::Relaxed),
            };
            tokio::time::sleep(SEND_INTERVAL).await;
        }
    }
}

impl Shared {
    /// The queue is consistent between any two statements, so a panic
    /// elsewhere does not spoil it.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, occurrence: &Occurrence, unsaid: u32) -> kube::Result<()> {
        let Some(involved) = self.reference(&occurrence.about).await else { return Ok(()) };
        let namespace = involved.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let now = Time((self.now)());
        let event = Event {
            metadata: ObjectMeta {
                generate_name: involved.name.as_ref().map(|name| format!("{name}.")),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            involved_object: involved,
            reason: Some(occurrence.reason.to_string()),
            message: Some(occurrence.message.to_string()),
            type_: Some(match occurrence.severity {
                Severity::Normal => "Normal".to_owned(),
                Severity::Warning => "Warning".to_owned(),
            }),
            source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: None }),
            reporting_component: Some(COMPONENT.to_owned()),
            count: Some(i32::try_from(unsaid).unwrap_or(i32::MAX).saturating_add(1)),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            ..Event::default()
        };
        Api::<Event>::namespaced(self.client.clone(), &namespace)
            .create(&PostParams::default(), &event)
            .await?;
        Ok(())
    }

    /// `kubectl describe` finds Events by the object's uid.
    async fn reference(&self, about: &About) -> Option<ObjectReference> {
        let (object, uid) = match about {
            About::Object(object, Some(uid)) => (object, Some(uid.to_string())),
            About::Object(object, None) => (object, self.uid(object).await),
            About::OwnPod => return self.own_pod.clone(),
        };
        let namespace = Some(object.name.namespace.to_string()).filter(|namespace| !namespace.is_empty());
        Some(ObjectReference {
            api_version: Some(object.kind.spec().api_version()),
            kind: Some(object.kind.as_str().to_owned()),
            name: Some(object.name.name.to_string()),
            namespace,
            uid,
            ..ObjectReference::default()
        })
    }

    /// The object's uid; an Event about one that is gone does without.
    async fn uid(&self, object: &ResourceId) -> Option<String> {
        let request = Request::new(path::collection(object.kind, &object.name));
        let request = request.get_metadata(&object.name.name, &kube::api::GetParams::default()).ok()?;
        let answer = self.client.request::<PartialObjectMeta>(request).await.ok()?;
        answer.metadata.uid
    }
}
