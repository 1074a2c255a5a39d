//! Writing to objects of the cluster: addresses and annotations of Ingresses and
//! Services, and the few notes of the operator's own.
//! Source: L7 objects, "Status"; L4 and network, "Status"; configuration, §2.4.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ako_core::annotation::{NODE_PORT_LOCAL_ENABLED, PUBLISHED};
use ako_core::id::NamespacedName;
use ako_core::resource::{Hold, Published, PublishedAddress};
use ako_core::secret::Redacted;
use ako_core::{Installation, ResourceId, ResourceKind};
use ako_elect::WritePermit;
use ako_kube_types::{Stamp, status_patch};
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use kube::Client;
use kube::api::{Patch, PatchParams};
use kube::core::Request;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::config_source::CREDENTIALS_SECRET;
use crate::error::{ErrorClass, class_of, code_of, describe};
use crate::event::WallClock;
use crate::leadership::BootClock;
use crate::path;

/// How long a patch may take; less if the permit ends earlier.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a patch that met a conflict is repeated.
pub const CONFLICT_RETRIES: u32 = 3;

/// How long to wait before a patch is repeated, times the number of the repeat.
const CONFLICT_DELAY: Duration = Duration::from_millis(100);

/// How a time is written in a status. Source: Kubernetes API, `Time` of meta/v1.
const TIME: &str = "%Y-%m-%dT%H:%M:%SZ";

/// Our name in an object's `managedFields`.
const FIELD_MANAGER: &str = "ako-rs";

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was to be written, and nothing was.
    Unchanged,
    /// Something was written.
    Written {
        /// The addresses were.
        addresses: bool,
        /// The annotations were.
        annotations: bool,
    },
    /// The object no longer exists, so there is nothing to publish on.
    Gone,
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The permit has ended, or the leader hands over; the patch was not sent.
    #[error("{object}: not sent: the permit to write ran out, or this replica hands the leadership over")]
    Fenced {
        /// The object.
        object: ResourceId,
    },
    /// Nothing is published on objects of this kind.
    #[error("{object}: nothing is published on this kind")]
    Unsupported {
        /// The object.
        object: ResourceId,
    },
    /// There was no answer in time; whether the patch had its effect is not
    /// known.
    #[error("{object}: no answer to the patch of the {part}")]
    Timeout {
        /// The object.
        object: ResourceId,
        /// `status`, `finalizers`, `annotations` or `authtoken`.
        part: &'static str,
    },
    /// The patch failed.
    #[error("{object}: the patch of the {part} failed")]
    Request {
        /// The object.
        object: ResourceId,
        /// `status`, `finalizers`, `annotations` or `authtoken`.
        part: &'static str,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

impl PatchError {
    /// What to do about it: an ended permit is [`ErrorClass::Fenced`], a kind
    /// that nothing is published on [`ErrorClass::Bug`], no answer
    /// [`ErrorClass::Retry`]; of answers, 401 and 403 are
    /// [`ErrorClass::Auth`], 409 (after all repeats) [`ErrorClass::Conflict`],
    /// 408, 429 and 5xx [`ErrorClass::Retry`], others [`ErrorClass::Rejected`].
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Fenced { .. } => ErrorClass::Fenced,
            Self::Unsupported { .. } => ErrorClass::Bug,
            Self::Timeout { .. } => ErrorClass::Retry,
            Self::Request { source, .. } => class_of(source),
        }
    }

    /// In words, why the API server did not take it; empty if it did not say.
    pub fn cause(&self) -> String {
        match self {
            Self::Request { source, .. } => describe(source),
            _ => String::new(),
        }
    }
}

/// Writes to objects of the cluster. The only code that does, but for the election,
/// whose writes are what permits come from, and for Events.
///
/// A patch is sent under a permit and while this process leads; both are looked at
/// whenever the request goes on, and so when its connection is ready, immediately
/// before it is handed over. A patch that was not handed over is given up as soon
/// as the leader hands over.
///
/// What remains: a process that is frozen right after that look sends the patch
/// late, and so may the client if it is frozen while it repeats a request, because a
/// connection from its pool was closed or the API server was busy. Either can bring an
/// older status back; the watch shows it to the leader, who corrects it.
#[derive(Clone)]
pub struct ClusterWriter {
    client: Client,
    clock: BootClock,
    /// Whether this process leads and does not hand over.
    leads: watch::Receiver<bool>,
    /// What time of day it is, for what statuses say of that.
    wall: WallClock,
    /// The owner of what is on the controller, which statuses may name.
    owner: Arc<str>,
    /// The kinds of which the API server was seen not to store the annotations that came with a
    /// status.
    separately: Arc<Mutex<BTreeSet<ResourceKind>>>,
}

impl ClusterWriter {
    /// Writes with this client, while `leads` says that this process leads and does
    /// not hand over. Permits are judged by the clock.
    pub fn new(
        client: Client,
        clock: BootClock,
        wall: WallClock,
        leads: watch::Receiver<bool>,
        owner: impl Into<Arc<str>>,
    ) -> Self {
        Self { client, clock, leads, wall, owner: owner.into(), separately: Arc::default() }
    }

    /// Makes what is published on an object what is wanted. What
    /// is equal is not written; `current` is what the watch saw last.
    ///
    /// The annotations say that the addresses are ours. Of these kinds the API server stores
    /// both with one patch of the status. Where it does not, or refuses that, they go one after
    /// the other: the annotations come before the addresses and go after them, and the second
    /// patch is refused if the object has changed since the first. So neither one who ends in
    /// between nor two who write at a time leave addresses of which nobody knows whose they are.
    pub async fn publish(
        &self,
        permit: &WritePermit,
        object: &ResourceId,
        wanted: &Published,
        current: &Published,
    ) -> Result<Outcome, PatchError> {
        if !object.kind.has_status() {
            return Err(PatchError::Unsupported { object: object.clone() });
        }
        let writing = Writing { writer: self, permit, object };
        let now = (self.wall)().strftime(TIME).to_string();
        let stamp = Stamp { owner: &self.owner, now: &now };
        let patches = patches(object.kind, wanted, current, &stamp);
        let is_there = match &patches[..] {
            [] => return Ok(Outcome::Unchanged),
            // Finalizers are no part of a status.
            [(_, one), (_, other)] if wanted.hold.is_none() && !self.goes_separately(object.kind) => {
                match writing.patch_together(&together(one, other)).await? {
                    Together::Stored => true,
                    Together::Gone => false,
                    Together::Apart => writing.patch_all(patches).await?,
                }
            }
            _ => writing.patch_all(patches).await?,
        };
        if !is_there {
            return Ok(Outcome::Gone);
        }
        Ok(Outcome::Written {
            addresses: address_set(wanted) != address_set(current),
            annotations: annotations_patch(wanted, current, false).is_some(),
        })
    }
}

impl ClusterWriter {
    /// Whether annotations of a kind do not go together with its status.
    fn goes_separately(&self, kind: ResourceKind) -> bool {
        self.separately.lock().unwrap_or_else(PoisonError::into_inner).contains(&kind)
    }

    /// Writes annotations of a kind separately from now on. Answers whether that is news.
    fn go_separately(&self, kind: ResourceKind) -> bool {
        self.separately.lock().unwrap_or_else(PoisonError::into_inner).insert(kind)
    }

    /// Notes something in an annotation of the StatefulSet of the instance in a
    /// namespace; `None` takes the note away.
    pub async fn note(
        &self,
        permit: &WritePermit,
        namespace: &str,
        annotation: &str,
        value: Option<&str>,
    ) -> Result<(), PatchError> {
        let name = NamespacedName::new(namespace, Installation::STATEFUL_SET);
        let object = ResourceId { kind: ResourceKind::StatefulSet, name };
        let writing = Writing { writer: self, permit, object: &object };
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        writing.patch(Part::Annotations, &patch).await.map(|_| ())
    }

    /// Stores a new authentication token in the Secret of that namespace that the
    /// controller is logged in with. Answers whether there is such a Secret.
    pub async fn store_token(
        &self,
        permit: &WritePermit,
        namespace: &str,
        token: &Redacted,
    ) -> Result<bool, PatchError> {
        let name = NamespacedName::new(namespace, CREDENTIALS_SECRET);
        let secret = ResourceId { kind: ResourceKind::Secret, name };
        let writing = Writing { writer: self, permit, object: &secret };
        let patch = json!({"stringData": {"authtoken": token.reveal()}});
        writing.patch(Part::Token, &patch).await.map(|version| version.is_some())
    }
}

/// What is written to one object.
struct Writing<'a> {
    writer: &'a ClusterWriter,
    permit: &'a WritePermit,
    object: &'a ResourceId,
}

#[derive(Clone, Copy)]
enum Part {
    Status,
    Finalizers,
    Annotations,
    Token,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Finalizers => "finalizers",
            Self::Annotations => "annotations",
            Self::Token => "authtoken",
        }
    }
}

/// What became of a patch of a status with annotations.
enum Together {
    /// Both are stored.
    Stored,
    /// The object does not exist.
    Gone,
    /// The API server does not take both at a time.
    Apart,
}

impl Writing<'_> {
    /// Sends patches in their order, each for the version of the object after the one before.
    /// Answers whether the object exists.
    async fn patch_all(&self, patches: Vec<(Part, Value)>) -> Result<bool, PatchError> {
        let mut seen = None;
        for (part, patch) in patches {
            match self.patch(part, &at_version(patch, seen.as_deref())).await? {
                Some(answer) => seen = Some(answer.resource_version),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Sends a patch of the status that has annotations.
    async fn patch_together(&self, patch: &Value) -> Result<Together, PatchError> {
        match self.patch(Part::Status, patch).await {
            Ok(None) => Ok(Together::Gone),
            Ok(Some(patched)) if has_stored(&patched.annotations, patch) => Ok(Together::Stored),
            Ok(Some(_)) => {
                if self.writer.go_separately(self.object.kind) {
                    tracing::warn!(
                        object = %self.object,
                        "the API server does not store annotations with a status of this kind: from now on they are \
                         written separately, which takes two requests"
                    );
                }
                Ok(Together::Apart)
            }
            Err(PatchError::Request { source, .. }) if code_of(&source) == Some(422) => Ok(Together::Apart),
            Err(error) => Err(error),
        }
    }

    /// Sends a merge patch, again if it meets a conflict and is not for one version of the
    /// object only. Answers what the object has then; `None` if it does not exist.
    async fn patch(&self, part: Part, patch: &Value) -> Result<Option<PatchedMetadata>, PatchError> {
        tracing::debug!(object = %self.object, part = part.name(), "patching");
        let is_for_any = patch.pointer(VERSION).is_none();
        let mut repeats = 0;
        loop {
            let error = match self.patch_once(part, patch).await? {
                Ok(patched) => return Ok(Some(patched.metadata)),
                Err(error) => error,
            };
            match code_of(&error) {
                Some(404) => return Ok(None),
                Some(409) if is_for_any && repeats < CONFLICT_RETRIES => {
                    repeats += 1;
                    tokio::time::sleep(CONFLICT_DELAY * repeats).await;
                }
                _ => return Err(self.failed(part, error)),
            }
        }
    }

    /// Sends a merge patch under the permit. The inner result is the answer.
    async fn patch_once(&self, part: Part, patch: &Value) -> Result<kube::Result<Patched>, PatchError> {
        let name = &self.object.name;
        let request = Request::new(path::collection(self.object.kind, name));
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let request = match part {
            Part::Status => request.patch_subresource("status", &name.name, &params, &Patch::Merge(patch)),
            Part::Finalizers | Part::Annotations | Part::Token => {
                request.patch(&name.name, &params, &Patch::Merge(patch))
            }
        };
        let mut request = request.map_err(|error| self.failed(part, kube::Error::BuildRequest(error)))?;
        let handed_over = capture_connection(&mut request);
        let fenced = || PatchError::Fenced { object: self.object.clone() };
        let remaining = self.remaining().ok_or_else(fenced)?;
        let answer = self.writer.client.request::<Patched>(request);
        let answer = self.while_permitted(handed_over, answer);
        match tokio::time::timeout(REQUEST_TIMEOUT.min(remaining), answer).await {
            Ok(answer) => answer.ok_or_else(fenced),
            Err(_) => Err(PatchError::Timeout { object: self.object.clone(), part: part.name() }),
        }
    }

    /// How long a patch may take, or `None` if it must not be sent.
    fn remaining(&self) -> Option<Duration> {
        let leads = &self.writer.leads;
        // Where nobody tells it any more, nothing is sent.
        let leads = *leads.borrow() && leads.has_changed().is_ok();
        self.permit.remaining((self.writer.clock)()).filter(|_| leads)
    }

    /// Carries a request on while it may be sent, and to its end once it was handed
    /// over to a connection. `None` if it was not sent.
    ///
    /// The connection is made, or taken from the pool, while the request is polled,
    /// and takes the request in the same step: nothing comes between the look at
    /// the permit here and that.
    async fn while_permitted<T>(
        &self,
        handed_over: CaptureConnection,
        request: impl Future<Output = T>,
    ) -> Option<T> {
        let mut leads = self.writer.leads.clone();
        let mut withdrawn = pin!(async { drop(leads.wait_for(|leads| !leads).await) });
        let mut request = pin!(request);
        std::future::poll_fn(|cx| {
            let is_sent = handed_over.connection_metadata().is_some();
            if !is_sent && (withdrawn.as_mut().poll(cx).is_ready() || self.remaining().is_none()) {
                return Poll::Ready(None);
            }
            request.as_mut().poll(cx).map(Some)
        })
        .await
    }

    fn failed(&self, part: Part, source: kube::Error) -> PatchError {
        PatchError::Request { object: self.object.clone(), part: part.name(), source: Box::new(source) }
    }
}

/// What is read of the answer to a patch.
#[derive(Deserialize)]
struct Patched {
    #[serde(default)]
    metadata: PatchedMetadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PatchedMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Where a patch says which version of the object it is for.
const VERSION: &str = "/metadata/resourceVersion";

/// The patch for one version of the object, if one is known.
fn at_version(mut patch: Value, version: Option<&str>) -> Value {
    if let Some(version) = version.filter(|version| !version.is_empty()) {
        patch["metadata"]["resourceVersion"] = version.into();
    }
    patch
}

/// Both patches as one.
fn together(one: &Value, other: &Value) -> Value {
    let mut both = Map::new();
    for (part, fields) in [one, other].into_iter().filter_map(Value::as_object).flatten() {
        match (both.get_mut(part).and_then(Value::as_object_mut), fields.as_object()) {
            (Some(known), Some(fields)) => known.extend(fields.clone()),
            _ => drop(both.insert(part.clone(), fields.clone())),
        }
    }
    Value::Object(both)
}

/// Whether an object has the annotations that a patch wants, and not those that it removes.
fn has_stored(annotations: &BTreeMap<String, String>, patch: &Value) -> bool {
    let wanted = patch["metadata"]["annotations"].as_object().into_iter().flatten();
    wanted.into_iter().all(|(key, value)| annotations.get(key).map(String::as_str) == value.as_str())
}

/// The patches that make what is published what is wanted, in their order. Where addresses
/// change, the annotations are sent even if they were seen as they should be, as another
/// instance may have taken them away meanwhile; where they are cleared, so is the status
/// that was seen without them. Where others write to the same list of the status, the patches
/// are for the version of the object that this was seen in.
fn patches(
    kind: ResourceKind,
    wanted: &Published,
    current: &Published,
    stamp: &Stamp<'_>,
) -> Vec<(Part, Value)> {
    let differ = differ_in_status(wanted, current);
    let has_some = !wanted.annotations.is_empty() || !current.annotations.is_empty();
    let annotations = |all| annotations_patch(wanted, current, all).map(|patch| (Part::Annotations, patch));
    let status = || (Part::Status, status_patch(kind, wanted, current, stamp));
    let mut patches: Vec<_> = if wanted.addresses.is_empty() {
        let status = (differ || !current.annotations.is_empty()).then(status);
        status.into_iter().chain(annotations(false)).collect()
    } else {
        annotations(differ && has_some).into_iter().chain(differ.then(status)).collect()
    };
    // Before anything is told of it, it is held.
    if let Some(patch) = finalizers_patch(kind, wanted, current) {
        patches.insert(0, (Part::Finalizers, patch));
    }
    if let (Some(others), Some((_, first))) = (&current.others, patches.first_mut()) {
        *first = at_version(std::mem::take(first), Some(&others.version));
    }
    patches
}

/// The finalizers, with ours or without; `None` if they are as they are to be. The list is written
/// as a whole, so only to the version that it was seen in.
fn finalizers_patch(kind: ResourceKind, wanted: &Published, current: &Published) -> Option<Value> {
    let (wanted, current) = (wanted.hold.as_ref()?, current.hold.as_ref()?);
    if wanted.is_held == current.is_held {
        return None;
    }
    let others = current.others.iter().map(ToString::to_string);
    let all: Vec<_> = others.chain(wanted.is_held.then(|| Hold::finalizer(kind))).collect();
    let patch = json!({"metadata": {"finalizers": all}});
    Some(at_version(patch, Some(&current.version)))
}

/// Whether the statuses are not the same.
fn differ_in_status(one: &Published, other: &Published) -> bool {
    address_set(one) != address_set(other) || one.is_mixed != other.is_mixed || !one.tells_same(other)
}

fn address_set(published: &Published) -> BTreeSet<&PublishedAddress> {
    published.addresses.iter().collect()
}

/// Exactly the annotations that are ours, `null` removing one; `None` if they
/// are what they are to be, unless they are sent in any case. Those of a status go
/// together; a request for node ports goes by itself, and never touches them.
fn annotations_patch(wanted: &Published, current: &Published, in_any_case: bool) -> Option<Value> {
    let value = |text: Option<&Arc<str>>| text.map_or(Value::Null, |text| Value::from(&**text));
    let mut ours = Map::new();
    if in_any_case || PUBLISHED.iter().any(|&key| wanted.annotations.get(key) != current.annotations.get(key))
    {
        ours.extend(PUBLISHED.iter().map(|&key| (key.to_owned(), value(wanted.annotations.get(key)))));
    }
    if wanted.node_ports != current.node_ports {
        ours.insert(NODE_PORT_LOCAL_ENABLED.to_owned(), value(wanted.node_ports.as_ref()));
    }
    (!ours.is_empty()).then(|| json!({"metadata": {"annotations": ours}}))
}
