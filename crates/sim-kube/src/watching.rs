//! Watches.
//!
//! A watch holds no queue: it reads the history of its collection from where it is.
//! Source: Kubernetes documentation, "Kubernetes API Concepts", "Efficient detection
//! of changes", "Watch bookmarks" and "Streaming lists".

mod silence;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::SimKube;
use crate::call::{Call, Form, Target};
use crate::cluster::{Cluster, Cut};
use crate::fault::{Action, Silence};
use crate::listing::{partial, revision};
use crate::resource::Resource;
use crate::selector::Selector;
use crate::status::{Cause, Granted, Refusal};
use crate::store::{Change, Stored};
use crate::table;

pub(crate) use silence::silence_ends;

/// How many changes are read at a time.
const BATCH: usize = 256;
/// How often a bookmark is sent, as in kube-apiserver.
const BOOKMARK_INTERVAL: Duration = Duration::from_mins(1);
/// How long before its end a watch sends a last bookmark.
const BEFORE_THE_END: Duration = Duration::from_secs(2);
/// How long a watch lasts that does not say; kube-apiserver takes 30 to 60 minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(30);
/// The longest that a watch may ask for.
const LONGEST: Duration = Duration::from_hours(24);

/// A watch that is being answered.
pub(crate) struct Watching {
    sim: SimKube,
    resource: Arc<Resource>,
    namespace: String,
    name: String,
    /// The name that the watch is about, of the object or by its field selector.
    about: String,
    selector: Selector,
    call: Call,
    user: String,
    position: u64,
    pending: VecDeque<Step>,
    bookmarks: bool,
    headed: bool,
    next_bookmark: Instant,
    deadline: Instant,
    wake: watch::Receiver<u64>,
    network: watch::Receiver<u64>,
    connected: u64,
    /// Nothing is sent at present.
    silent: Option<Silence>,
    ended: bool,
}

/// Bookmarks come every minute, and shortly before the end.
fn bookmark_after(now: Instant, deadline: Instant) -> Instant {
    let last = deadline.checked_sub(BEFORE_THE_END).filter(|last| *last > now);
    last.unwrap_or(deadline + BOOKMARK_INTERVAL).min(now + BOOKMARK_INTERVAL)
}

/// What a watch does next.
enum Step {
    Send(Bytes),
    Pause(Duration),
    Break,
    End,
}

impl Watching {
    /// Starts a watch. A version that is forgotten is refused by an event.
    pub(crate) fn start(
        sim: &SimKube,
        cluster: &mut Cluster,
        call: Call,
        target: &Target,
        user: &str,
    ) -> Granted<Self> {
        let resource = target.resource.clone();
        let selector = Selector::parse(&resource, call.query("labelSelector"), call.query("fieldSelector"))?;
        let since = revision(call.query("resourceVersion"))?;
        let initial = call.query("sendInitialEvents").to_owned();
        let rule = call.query("resourceVersionMatch");
        let bookmarks = call.flag("allowWatchBookmarks");
        if !initial.is_empty() && rule != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(Refusal::invalid_options(
                "ListOptions",
                &[Cause::forbidden("resourceVersionMatch", why)],
            ));
        }
        if initial.is_empty() && !rule.is_empty() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            let mut causes = vec![Cause::forbidden("resourceVersionMatch", why)];
            if rule != "NotOlderThan" {
                causes.push(Cause::unsupported("resourceVersionMatch", &rule.into(), &["NotOlderThan"]));
            }
            return Err(Refusal::invalid_options("ListOptions", &causes));
        }
        let current = cluster.store.revision();
        let now = Instant::now();
        let asked = call.number("timeoutSeconds").filter(|seconds| *seconds > 0).map(Duration::from_secs);
        let deadline = now + asked.unwrap_or(DEFAULT_TIMEOUT).min(LONGEST);
        let key = resource.key();
        let collection = cluster.store.collection_mut(&key);
        let mut watching = Self {
            sim: sim.clone(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            about: call.name(Some(target)).to_owned(),
            selector,
            user: user.to_owned(),
            position: since.max(1),
            pending: VecDeque::new(),
            bookmarks,
            headed: false,
            next_bookmark: bookmark_after(now, deadline),
            deadline,
            wake: collection.subscribe(),
            network: cluster.network.subscribe(),
            connected: cluster.network.ordered(),
            silent: None,
            ended: false,
            resource,
            call,
        };
        if since > current {
            let refusal = Refusal::too_new(since, current);
            watching.refuse(&refusal);
        } else if initial == "true" || (since == 0 && initial.is_empty()) {
            watching.send_initial(cluster, &key, current, initial == "true");
        } else if since == 0 {
            watching.position = current;
        }
        Ok(watching)
    }

    /// What there is, as if it had just been made.
    fn send_initial(
        &mut self,
        cluster: &mut Cluster,
        key: &crate::resource::Key,
        current: u64,
        marked: bool,
    ) {
        let objects: Vec<Arc<Stored>> = cluster
            .store
            .collection_mut(key)
            .range(&self.namespace, None)
            .map(|(_, stored)| stored.clone())
            .collect();
        for stored in &objects {
            if self.wants(stored) {
                self.event(cluster, "ADDED", stored);
            }
        }
        self.position = current;
        if marked && self.bookmarks {
            let line = self.bookmark(json!({"k8s.io/initial-events-end": "true"}));
            self.send(&line);
        }
    }

    fn wants(&self, stored: &Stored) -> bool {
        (self.namespace.is_empty() || stored.namespace() == self.namespace)
            && (self.name.is_empty() || stored.name() == self.name)
            && self.selector.selects(&stored.value)
    }

    /// The answer's body, which ends with the watch.
    pub(crate) fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        futures::stream::unfold(self, |mut watching| async move {
            let chunk = watching.next().await?;
            Some((chunk, watching))
        })
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            self.wait_while_silent().await;
            match self.pending.pop_front() {
                Some(Step::Send(chunk)) => return Some(Ok(chunk)),
                Some(Step::Pause(delay)) => tokio::time::sleep(delay).await,
                Some(Step::Break) => {
                    self.ended = true;
                    return Some(Err(io::Error::new(
                        io::ErrorKind::ConnectionReset,
                        "connection closed by a fault",
                    )));
                }
                Some(Step::End) => self.ended = true,
                None if self.ended => return None,
                None => self.advance().await,
            }
        }
    }

    /// Reads what happened, or waits until something does.
    async fn advance(&mut self) {
        self.wake.borrow_and_update();
        let sim = self.sim.clone();
        sim.with(|cluster| {
            if cluster.network.is_disconnected(self.connected, self.call.agent(), &self.user)
                || cluster.network.state(self.call.agent(), &self.user) == Some(Cut::Refuse)
            {
                self.pending.push_back(Step::Break);
            } else {
                self.pull(cluster);
            }
        });
        if !self.pending.is_empty() {
            return;
        }
        let marks = self.bookmarks;
        let ended = tokio::select! {
            biased;
            _ = self.network.changed() => false,
            woken = self.wake.changed() => woken.is_err(),
            () = tokio::time::sleep_until(self.deadline) => true,
            () = tokio::time::sleep_until(self.next_bookmark), if marks => {
                sim.with(|cluster| self.pull(cluster));
                let line = self.bookmark(Value::Null);
                self.send(&line);
                self.next_bookmark = bookmark_after(Instant::now(), self.deadline);
                false
            }
        };
        if ended {
            self.pending.push_back(Step::End);
        }
    }

    fn pull(&mut self, cluster: &mut Cluster) {
        let collection = cluster.store.collection_mut(&self.resource.key());
        let (compacted, progress) = (collection.compacted(), collection.progress());
        let Some(changes) = collection.changes_after(self.position, BATCH) else {
            let message = format!("too old resource version: {} ({})", self.position, compacted + 1);
            self.refuse(&Refusal::expired(message));
            return;
        };
        for change in &changes {
            self.position = change.revision;
            self.change(cluster, change);
        }
        if changes.len() < BATCH {
            // Bookmarks may say so: nothing of this kind happened since.
            self.position = self.position.max(progress);
        }
    }

    fn change(&mut self, cluster: &mut Cluster, change: &Change) {
        let before = change.old.as_ref().is_some_and(|old| self.wants(old));
        let after = !change.deleted && self.wants(&change.new);
        match (before, after) {
            (false, true) => self.event(cluster, "ADDED", &change.new),
            (true, true) => self.event(cluster, "MODIFIED", &change.new),
            (true, false) if change.deleted => self.event(cluster, "DELETED", &change.new),
            (true, false) => {
                let Some(old) = &change.old else { return };
                let mut last = old.value.clone();
                last["metadata"]["resourceVersion"] = change.revision.to_string().into();
                self.event(cluster, "DELETED", &Arc::new(Stored::new(last, change.revision)));
            }
            (false, false) => {}
        }
    }

    fn event(&mut self, cluster: &mut Cluster, kind: &str, stored: &Arc<Stored>) {
        let object = self.rendered(cluster, &Cluster::in_version(&self.resource, stored));
        let mut line = BytesMut::with_capacity(object.len() + 40);
        line.put_slice(b"{\"type\":\"");
        line.put_slice(kind.as_bytes());
        line.put_slice(b"\",\"object\":");
        line.put_slice(&object);
        line.put_slice(b"}\n");
        match cluster.faults.strike_event(self.subject(stored.name())) {
            Some(Action::DropEvent) => return,
            Some(Action::DuplicateEvent) => self.send(&line),
            Some(Action::DelayEvent { ms }) => self.pending.push_back(Step::Pause(Duration::from_millis(ms))),
            Some(Action::BreakWatch) => self.pending.push_back(Step::Break),
            _ => {}
        }
        self.send(&line);
    }

    fn rendered(&mut self, cluster: &Cluster, stored: &Arc<Stored>) -> Bytes {
        match self.call.form() {
            Form::Object => stored.json().clone(),
            Form::Metadata => Bytes::from(partial(&stored.value).to_string()),
            Form::Table => {
                let all = std::slice::from_ref(stored);
                let table = table::render(&self.resource, all, &self.call, cluster.clock.now(), !self.headed);
                self.headed = true;
                let metadata = json!({"resourceVersion": stored.value["metadata"]["resourceVersion"]});
                Bytes::from(table::with_metadata(table, metadata).to_string())
            }
        }
    }

    fn bookmark(&self, annotations: Value) -> Bytes {
        let mut metadata = json!({"resourceVersion": self.position.to_string()});
        if !annotations.is_null() {
            metadata["annotations"] = annotations;
        }
        let object = match self.call.form() {
            Form::Metadata => partial(&json!({ "metadata": metadata })),
            _ => json!({
                "kind": &*self.resource.kind,
                "apiVersion": self.resource.api_version(),
                "metadata": metadata,
            }),
        };
        Bytes::from(format!("{}\n", json!({"type": "BOOKMARK", "object": object})))
    }

    /// Adds to the chunk that is sent next.
    fn send(&mut self, line: &[u8]) {
        let mut chunk = match self.pending.pop_back() {
            Some(Step::Send(chunk)) => BytesMut::from(chunk),
            Some(other) => {
                self.pending.push_back(other);
                BytesMut::new()
            }
            None => BytesMut::new(),
        };
        chunk.put_slice(line);
        self.pending.push_back(Step::Send(chunk.freeze()));
    }

    /// Ends with an error, which is an event of its own.
    fn refuse(&mut self, refusal: &Refusal) {
        let line = format!("{}\n", json!({"type": "ERROR", "object": refusal.body()}));
        self.send(line.as_bytes());
        self.pending.push_back(Step::End);
    }
}
