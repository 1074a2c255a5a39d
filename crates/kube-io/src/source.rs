//! The cluster as a stream of changes.

use std::collections::BTreeSet;
use std::time::Duration;

use ako_core::ResourceKind;
use kube::Client;
use tokio::sync::{mpsc, watch as signal};
use tokio::task::JoinSet;

use crate::authority::watch_installations;
use crate::leadership::BootClock;
use crate::proof::{Demand, Feed};
use crate::reach::{Reach, SecretsOf};
use crate::source_event::SourceEvent;
use crate::watch::watch;

/// How long a watch that ended unexpectedly is left alone.
const RESTART_DELAY: Duration = Duration::from_secs(5);

/// When proofs are needed, and what they are timed by.
#[derive(Clone)]
pub struct Pace {
    /// Whether the process leads.
    pub demand: signal::Receiver<Demand>,
    /// The clock that permits are judged by.
    pub clock: BootClock,
}

impl Pace {
    /// For a process that never leads.
    pub fn idle(clock: BootClock) -> Self {
        Self { demand: signal::channel(Demand::default()).1, clock }
    }
}

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pace").field("demand", &*self.demand.borrow()).finish_non_exhaustive()
    }
}

/// One watch for each kind that the configuration asks for.
///
/// They survive everything that an API server does: errors, disconnects,
/// restarts and expired versions are followed by reconnects and, where changes
/// were missed, by a new complete list.
#[derive(Debug)]
pub struct Source(());

impl Source {
    /// Watches, and sends what it sees, until the receiver is gone. The
    /// channel's bound is the only buffer: a slow receiver slows the watches
    /// down. Kinds that are added later are watched from then on; a watch once
    /// begun goes on. Dropping the future ends all watches.
    ///
    /// While the process leads, each kind is proven once in a period, and at once
    /// when it begins to lead.
    pub async fn run(
        client: Client,
        mut kinds: signal::Receiver<BTreeSet<ResourceKind>>,
        secrets: SecretsOf,
        events: mpsc::Sender<SourceEvent>,
        pace: Pace,
    ) {
        let Pace { demand, clock } = pace;
        let feed = Feed { client, events: events.clone(), demand, clock, reach: Reach::new(secrets) };
        let (mut tasks, mut begun) = (JoinSet::new(), BTreeSet::new());
        loop {
            for kind in kinds.borrow_and_update().difference(&begun.clone()).copied() {
                tasks.spawn(supervise(kind, feed.clone()));
                begun.insert(kind);
            }
            tokio::select! {
                changed = kinds.changed() => {
                    if changed.is_err() {
                        // Nobody adds any more.
                        events.closed().await;
                        return;
                    }
                }
                () = events.closed() => return,
            }
        }
    }
}

/// Keeps a kind's watch going, whatever happens inside of it.
async fn supervise(kind: ResourceKind, feed: Feed) {
    loop {
        let mut task = JoinSet::new();
        start(&mut task, kind, feed.clone());
        let Some(Err(error)) = task.join_next().await else { return };
        tracing::error!(kind = kind.as_str(), "a watch ended unexpectedly: {error}");
        let message = "the watch ended unexpectedly and is started again".to_owned();
        if feed.events.send(SourceEvent::Trouble { kind, message }).await.is_err() {
            return;
        }
        tokio::time::sleep(RESTART_DELAY).await;
    }
}

fn start(task: &mut JoinSet<()>, kind: ResourceKind, feed: Feed) {
    macro_rules! watch_each {
        ($($kind:ident $module:ident::$type:ident $group:literal $version:literal $plural:literal $scope:ident $selected:tt $readers:ident $read:tt;)*) => {
            match kind {
                $(ResourceKind::$kind => task.spawn(watch::<ako_kube_types::$kind>(feed)),)*
            }
        };
    }
    if kind == ResourceKind::StatefulSet {
        task.spawn(watch_installations(feed));
    } else {
        ako_core::for_each_kind!(watch_each);
    }
}
