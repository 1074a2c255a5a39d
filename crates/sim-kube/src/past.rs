//! What the objects were a moment ago: for judges of a simulation, not for clients.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::resource::Key;
use crate::store::Stored;

/// Changes at most that are remembered with their times.
const MOST_CHANGES: usize = 20_000;

/// An object as it was stored. Clones are cheap.
#[derive(Clone, Debug)]
pub struct StoredObject(pub(crate) Arc<Stored>);

impl StoredObject {
    /// The same for clones of one stored object, and for no other.
    pub fn identity(&self) -> u64 {
        self.0.serial
    }
}

impl Deref for StoredObject {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0.value
    }
}

/// A change of an object, and when it happened.
#[derive(Clone, Debug)]
pub struct PastChange {
    /// When.
    pub at: Instant,
    /// The API group of the resource; empty for the core.
    pub group: Arc<str>,
    /// The plural name of the resource.
    pub plural: Arc<str>,
    /// `namespace/name`, or the name alone.
    pub path: String,
    /// The object before it; `None` if it was created.
    pub before: Option<StoredObject>,
    /// The object after it; `None` if it was deleted.
    pub after: Option<StoredObject>,
}

/// The changes of the last while, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// How long changes are remembered.
    keep: Duration,
    changes: VecDeque<PastChange>,
}

impl Past {
    /// Remembers changes for so long; for no time at all, none.
    pub(crate) fn keeping(keep: Duration) -> Self {
        Self { keep, changes: VecDeque::new() }
    }

    pub(crate) fn note(
        &mut self,
        key: &Key,
        path: &str,
        before: Option<&Arc<Stored>>,
        after: Option<&Arc<Stored>>,
    ) {
        if self.keep.is_zero() {
            return;
        }
        let at = Instant::now();
        while self.changes.len() >= MOST_CHANGES
            || self.changes.front().is_some_and(|change| at.duration_since(change.at) > self.keep)
        {
            self.changes.pop_front();
        }
        self.changes.push_back(PastChange {
            at,
            group: key.0.clone(),
            plural: key.1.clone(),
            path: path.to_owned(),
            before: before.cloned().map(StoredObject),
            after: after.cloned().map(StoredObject),
        });
    }

    pub(crate) fn since(&self, since: Instant) -> Vec<PastChange> {
        self.changes.iter().filter(|change| change.at >= since).cloned().collect()
    }
}
