//! The watch of one kind.
//!
//! kube's own watcher hides the bookmarks and the version that a watch has
//! reached, and these are what proves that nothing was missed; so the watch is
//! followed here, one request after the other.
//!
//! What proves that the watch shows everything up to a moment: a list that the
//! API server answers from etcd as it is then, and not from a cache that may lag
//! behind (`resourceVersion` unset), says which version the cluster is at; it is
//! limited to one object, as its version is all that counts. When the watch has
//! reached that version, by an event or by a bookmark, it has shown everything
//! until the list was asked for. The server sends a bookmark two seconds before
//! the end of each watch, so short watches make for fresh proofs. A version that is
//! below what the watch had reached already shows that etcd was set back.
//! Source: Kubernetes documentation, "Kubernetes API Concepts", "Efficient
//! detection of changes", "Watch bookmarks", "Resource versions".

mod unserved;

use std::fmt::Debug;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use ako_core::ResourceKind;
use ako_core::kinds::table::Selected;
use ako_elect::Moment;
use ako_kube_types::Convert;
use futures::StreamExt;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{DefaultBackoff, Event};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::error::{code_of, describe};
use crate::proof::{Demand, Feed, Proofs};
use crate::source_event::SourceEvent;
use crate::tracker::Tracker;
use unserved::Withheld;

/// How many objects a page of a list holds.
pub const PAGE_SIZE: u32 = 500;

/// How many Secrets a page of a list holds: each may have 1 MiB.
pub const SECRET_PAGE_SIZE: u32 = 100;

/// A watch that is to prove something soon ends after so many seconds, and has
/// its bookmark after one.
const SHORT_WATCH: Duration = Duration::from_secs(3);
/// The bookmark comes this long before the end of a watch.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// A list asked for this long before the end of a watch comes before its bookmark.
const LIST_BEFORE_END: Duration = Duration::from_secs(3);
/// A watch that has not ended this long after it should have is silent.
const SILENCE: Duration = Duration::from_secs(5);
/// How long the answer to a request may take: for a page of a list, for the
/// beginning of a watch, for the version of the cluster.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const BEGINS_WITHIN: Duration = Duration::from_secs(5);
/// After a list for a version that failed, or a list that was no use, the next one is
/// asked for this much later.
const LIST_AGAIN: Duration = Duration::from_secs(2);

/// Watches a kind until the receiver is gone.
pub(crate) async fn watch<K>(feed: Feed)
where
    K: Convert + DeserializeOwned + Clone + Debug + Send + Sync + 'static,
{
    let grants = feed.demand.borrow().grants;
    let mut watch = Watch::<K> {
        api: Api::all(feed.client.clone()),
        tracker: Tracker::new(K::KIND),
        trouble: None,
        backoff: DefaultBackoff::default(),
        version: None,
        proofs: Proofs::default(),
        hurry: false,
        grants,
        listed: None,
        served: None,
        namespace: None,
        feed,
    };
    loop {
        let interrupted = match (watch.reach().await, &watch.version) {
            (Err(closed), _) => Err(closed),
            (Ok(()), None) => watch.list().await,
            (Ok(()), Some(version)) => {
                let version = version.clone();
                watch.follow(&version).await
            }
        };
        let Err(mut interrupted) = interrupted else { continue };
        if matches!(interrupted, Interrupted::Failed { .. }) && watch.is_unserved().await {
            interrupted = Interrupted::Unserved;
        }
        let delay = match interrupted {
            Interrupted::Closed => return,
            Interrupted::Expired => {
                watch.version = None;
                // A server that finds every version too old is not listed in a loop.
                watch.listed.is_some_and(|at| at.elapsed() < LIST_AGAIN).then_some(LIST_AGAIN)
            }
            Interrupted::Unserved => {
                if watch.await_kind().await.is_err() {
                    return;
                }
                None
            }
            Interrupted::Failed { message, anew } => {
                if anew {
                    watch.version = None;
                }
                if watch.failed(message).await.is_err() {
                    return;
                }
                watch.backoff.next()
            }
        };
        if let Some(delay) = delay {
            sleep(delay).await;
        }
    }
}

/// Why a list or a watch did not end as it should.
enum Interrupted {
    /// Nobody listens any more.
    Closed,
    /// The version that the watch was to go on from is too old: a new list tells
    /// what happened, and that is no trouble.
    Expired,
    /// The API server does not have the kind, or is about to lose it.
    Unserved,
    /// Something else. `anew` says that only a new list tells what happened.
    Failed { message: String, anew: bool },
}

/// The answer to a list for the version of the cluster.
struct Looked {
    /// When it was asked for.
    asked: Moment,
    /// What the watch had reached then.
    reached: Option<u64>,
    /// The version, if there was an answer.
    found: Option<u64>,
}

type Look = Pin<Box<dyn Future<Output = Looked> + Send>>;

struct Watch<K> {
    api: Api<DeserializeGuard<K>>,
    feed: Feed,
    tracker: Tracker,
    trouble: Option<String>,
    backoff: DefaultBackoff,
    /// What the watch has reached; without it, everything is listed.
    version: Option<String>,
    proofs: Proofs,
    /// The next watch is a short one.
    hurry: bool,
    /// The last leadership that proofs were asked for.
    grants: u64,
    /// When everything was last listed.
    listed: Option<Instant>,
    /// Whether the API server has the kind, as far as that was told.
    served: Option<bool>,
    /// The only namespace whose objects are watched, if there is one.
    namespace: Option<Arc<str>>,
}

impl<K> Watch<K>
where
    K: Convert + DeserializeOwned + Clone + Debug + Send + Sync + 'static,
{
    /// Waits until it is known whose objects are to be watched; others than before are listed anew.
    async fn reach(&mut self) -> Result<(), Interrupted> {
        let namespace = tokio::select! {
            namespace = self.feed.reach.namespace(K::KIND) => namespace,
            () = self.feed.events.closed() => return Err(Interrupted::Closed),
        };
        if self.namespace != namespace {
            self.namespace = namespace;
            self.version = None;
        }
        Ok(())
    }

    /// Lists everything. Half a list is never handed on.
    async fn list(&mut self) -> Result<(), Interrupted> {
        let asked = (self.feed.clock)();
        self.tracker.step::<K>(Event::Init);
        let mut page = ListParams { field_selector: self.selector(), ..ListParams::default() };
        page.limit = Some(if K::KIND == ResourceKind::Secret { SECRET_PAGE_SIZE } else { PAGE_SIZE });
        let version = loop {
            let answer = timeout(ANSWER_WITHIN, self.api.list(&page)).await;
            let list = answer.map_err(|_| failed("list: no answer"))?.map_err(|error| list_failed(&error))?;
            for object in list.items {
                self.tracker.step(Event::InitApply(object));
            }
            page.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
            if page.continue_token.is_none() {
                break list.metadata.resource_version.unwrap_or_default();
            }
        };
        if self.served.is_none() {
            self.tell_served(true).await?;
        }
        let said = self.tracker.step::<K>(Event::InitDone);
        self.send(said).await?;
        self.recovered().await?;
        self.proofs.clear();
        self.listed = Some(Instant::now());
        self.version = Some(version).filter(|version| !version.is_empty());
        // Everything was read after it was asked for.
        self.send([SourceEvent::Proven { kind: K::KIND, at: asked }]).await
    }

    /// The objects that are watched, if not all are.
    fn selector(&self) -> Option<String> {
        let of_kind = match (self.feed.reach.only_type(K::KIND), K::KIND.spec().selected) {
            (Some(only), _) => Some(format!("type={only}")),
            (None, Selected::All) => None,
            (None, Selected::Named(name)) => Some(format!("metadata.name={name}")),
            (None, Selected::Fields(fields)) => Some(fields.to_owned()),
        };
        let of_namespace = self.namespace.as_ref().map(|namespace| format!("metadata.namespace={namespace}"));
        let parts: Vec<_> = of_kind.into_iter().chain(of_namespace).collect();
        (!parts.is_empty()).then(|| parts.join(","))
    }

    /// Follows one watch to its end.
    async fn follow(&mut self, version: &str) -> Result<(), Interrupted> {
        let demand = self.heed();
        if self.proofs.is_late((self.feed.clock)(), demand.period) {
            // No bookmark comes that is new enough: older servers send such only
            // where etcd reports its progress.
            self.proofs.clear();
            return Err(Interrupted::Expired);
        }
        let lasts = if std::mem::take(&mut self.hurry) { SHORT_WATCH } else { demand.period };
        let lasts = lasts.max(SHORT_WATCH);
        let mut parameters =
            WatchParams::default().timeout(u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX));
        parameters.field_selector = self.selector();
        let mut reach_changed = pin!(self.feed.reach.changed(K::KIND));
        let started = Instant::now();
        let answer = timeout(BEGINS_WITHIN, self.api.watch(&parameters, version)).await;
        let stream = answer.map_err(|_| failed("watch: no answer"))?.map_err(|error| watch_failed(&error))?;
        let mut stream = pin!(stream);
        let mut look: Option<Look> = self.proofs.is_asked().then(|| self.look());
        let mut look_at = started + lasts.saturating_sub(LIST_BEFORE_END);
        let mut withheld = Withheld::new();
        loop {
            tokio::select! {
                biased;
                item = stream.next() => match item {
                    Some(Ok(event)) if Self::withholds(&withheld, &event) => withheld.push(event)?,
                    Some(Ok(event)) => self.take(event).await?,
                    Some(Err(error)) => return Err(watch_failed(&error)),
                    None => return Ok(()),
                },
                looked = answered(&mut look) => {
                    look = None;
                    match looked.found {
                        // Etcd was restored from a backup: what the watch shows never was.
                        Some(found) if looked.reached.is_some_and(|reached| found < reached) => {
                            return Err(Interrupted::Expired);
                        }
                        Some(found) => {
                            self.proofs.expect(found, looked.asked);
                            self.reached(version_of(self.version.as_deref())).await?;
                        }
                        None => look_at = Instant::now() + LIST_AGAIN,
                    }
                }
                () = &mut reach_changed => return Ok(()),
                Ok(()) = self.feed.demand.changed() => {
                    self.heed();
                    if self.proofs.is_asked() {
                        let bookmark = started + lasts.saturating_sub(BOOKMARK_BEFORE_END);
                        let now = Instant::now();
                        if bookmark <= now || bookmark > now + SHORT_WATCH {
                            // The bookmark of a short watch comes sooner.
                            return Ok(());
                        }
                        self.hurry = false;
                        look = Some(self.look());
                    }
                }
                () = sleep_until(withheld.due()), if !withheld.is_empty() => {
                    self.hand_on(&mut withheld).await?;
                }
                () = sleep_until(look_at), if look.is_none() && self.feed.demand.borrow().leads => {
                    look_at += lasts;
                    look = Some(self.look());
                }
                () = sleep_until(started + lasts + SILENCE) => {
                    self.hurry = true;
                    return Err(failed("watch: silent, although it should have ended"));
                }
                () = self.feed.events.closed() => return Err(Interrupted::Closed),
            }
        }
    }

    /// Looks at what is needed. A leadership that began since the last look needs
    /// proofs of its own, and soon: nothing of before counts.
    fn heed(&mut self) -> Demand {
        let demand = *self.feed.demand.borrow_and_update();
        if demand.grants != self.grants {
            self.grants = demand.grants;
            self.proofs.ask();
            self.hurry = true;
        }
        demand
    }

    /// Hands an event on, and remembers what was reached by it.
    async fn take(&mut self, event: WatchEvent<DeserializeGuard<K>>) -> Result<(), Interrupted> {
        let (said, reached) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                let version = kube::Resource::meta(&object).resource_version.clone();
                (self.tracker.step(Event::Apply(object)), version)
            }
            WatchEvent::Deleted(object) => {
                let version = kube::Resource::meta(&object).resource_version.clone();
                (self.tracker.step(Event::Delete(object)), version)
            }
            WatchEvent::Bookmark(bookmark) => (Vec::new(), Some(bookmark.metadata.resource_version)),
            WatchEvent::Error(status) if status.code == 410 => return Err(Interrupted::Expired),
            WatchEvent::Error(status) => {
                return Err(failed(&format!("watch: {} ({})", status.message, status.code)));
            }
        };
        self.send(said).await?;
        self.recovered().await?;
        let Some(reached) = reached.filter(|version| !version.is_empty()) else { return Ok(()) };
        self.version = Some(reached);
        self.reached(version_of(self.version.as_deref())).await
    }

    /// The watch has shown everything up to a version.
    async fn reached(&mut self, version: Option<u64>) -> Result<(), Interrupted> {
        let proven = version.and_then(|version| self.proofs.reach(version));
        self.send(proven.map(|at| SourceEvent::Proven { kind: K::KIND, at })).await
    }

    /// Asks which version the cluster is at.
    fn look(&self) -> Look {
        let (api, asked, field_selector) = (self.api.clone(), (self.feed.clock)(), self.selector());
        let reached = version_of(self.version.as_deref());
        Box::pin(async move {
            let one = ListParams { limit: Some(1), field_selector, ..ListParams::default() };
            let answer = timeout(BEGINS_WITHIN, api.list_metadata(&one)).await;
            let found = match answer {
                Ok(Ok(list)) => version_of(list.metadata.resource_version.as_deref()),
                Ok(Err(error)) => {
                    tracing::debug!(kind = K::KIND.as_str(), "list for a version: {}", describe(&error));
                    None
                }
                Err(_) => None,
            };
            Looked { asked, reached, found }
        })
    }

    /// Something went wrong: said once, and again when it is something else.
    async fn failed(&mut self, message: String) -> Result<(), Interrupted> {
        // When it works again, that is to be known soon.
        self.hurry = true;
        if self.trouble.as_ref() == Some(&message) {
            return Ok(());
        }
        self.trouble = Some(message.clone());
        self.send([SourceEvent::Trouble { kind: K::KIND, message }]).await
    }

    /// The server said something: the watch works.
    async fn recovered(&mut self) -> Result<(), Interrupted> {
        self.backoff.reset();
        let was_in_trouble = self.trouble.take().is_some();
        self.send(was_in_trouble.then_some(SourceEvent::Recovered { kind: K::KIND })).await
    }

    async fn send(&self, said: impl IntoIterator<Item = SourceEvent>) -> Result<(), Interrupted> {
        for event in said {
            self.feed.events.send(event).await.map_err(|_| Interrupted::Closed)?;
        }
        Ok(())
    }
}

/// The answer, once there is one.
async fn answered(look: &mut Option<Look>) -> Looked {
    match look {
        Some(look) => look.await,
        None => std::future::pending().await,
    }
}

/// A version as a number: those of one kind can be compared, the larger one is
/// the newer. Another form is not understood, and proves nothing.
/// Source: Kubernetes documentation, "Kubernetes API Concepts", "Resource versions".
fn version_of(version: Option<&str>) -> Option<u64> {
    version?.parse().ok()
}

fn failed(message: &str) -> Interrupted {
    Interrupted::Failed { message: message.to_owned(), anew: false }
}

fn list_failed(error: &kube::Error) -> Interrupted {
    match code_of(error) {
        // The list was too slow for its own pages.
        Some(410) => Interrupted::Expired,
        _ => failed(&format!("list: {}", describe(error))),
    }
}

/// A line of the watch that cannot be read may be anything: only a new list tells
/// what happened.
fn watch_failed(error: &kube::Error) -> Interrupted {
    match (error, code_of(error)) {
        (_, Some(410)) => Interrupted::Expired,
        (kube::Error::SerdeError(_), _) => {
            Interrupted::Failed { message: format!("watch: {}", describe(error)), anew: true }
        }
        _ => failed(&format!("watch: {}", describe(error))),
    }
}
