//! What the engine tells about itself.

use std::time::Duration;

use ako_avi_types::ObjectKey;
use ako_core::Snapshot;
use ako_elect::Moment;

use crate::agenda::Work;
use crate::controller::Controller;
use crate::desired::Desired;
use crate::engine::Engine;
use crate::guard::Held;

/// The most latencies kept between two looks.
const MOST_LATENCIES: usize = 4096;

/// What happened so far, for metrics and tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Units translated.
    pub translated: u64,
    /// Fronts assembled.
    pub assembled: u64,
    /// Writes that succeeded, by verb: create, update, delete.
    pub written: [u64; 3],
    /// Writes and readings that failed.
    pub failed: u64,
    /// The time from the first need to the last confirmation of each object
    /// that was written since the last look, in milliseconds.
    pub latencies_ms: Vec<u64>,
}

impl Counters {
    pub(crate) fn note_latency(&mut self, latency: Duration) {
        if self.latencies_ms.len() < MOST_LATENCIES {
            self.latencies_ms.push(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
        }
    }
}

/// An object that is not as it is wanted, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The object.
    pub key: ObjectKey,
    /// What it waits for.
    pub state: String,
    /// Since when.
    pub since: Moment,
    /// The last failure.
    pub failure: Option<String>,
    /// Whether the controller refused it.
    pub refused: bool,
    /// What asks for it.
    pub reason: Option<String>,
}

impl Engine {
    /// The cluster.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What is wanted.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What is there.
    pub fn controller(&self) -> &Controller {
        &self.controller
    }

    /// The deletions that are held back.
    pub fn held(&self) -> Option<Held> {
        self.guard.held(self.desired.translator().config().guard, self.controller.len())
    }

    /// The objects that are not as they are wanted, at most so many.
    pub fn pending(&self, most: usize) -> Vec<Pending> {
        let pending = |(key, work): (&ObjectKey, &Work)| Pending {
            key: key.clone(),
            state: work.phase().to_string(),
            since: work.since,
            failure: work.failure.as_ref().map(ToString::to_string),
            refused: work.refused,
            reason: self.desired.reason(key),
        };
        self.agenda.iter().take(most).map(pending).collect()
    }

    /// How many objects are not as they are wanted, and how many of them the
    /// controller refused.
    pub fn backlog(&self) -> (usize, usize) {
        (self.agenda.len(), self.agenda.iter().filter(|(_, work)| work.refused).count())
    }

    /// Statuses that are still to be written.
    pub fn unpublished(&self) -> usize {
        self.publisher.len()
    }

    /// The counters; latencies are handed out once.
    pub fn take_counters(&mut self) -> Counters {
        let latencies_ms = std::mem::take(&mut self.counters.latencies_ms);
        Counters { latencies_ms, ..self.counters.clone() }
    }

    /// What is wrong with the engine's books: always nothing, unless there is a
    /// mistake in this crate. For tests, and for an operator's diagnosis.
    pub fn inconsistencies(&self) -> Vec<String> {
        let mut found = self.agenda.inconsistencies();
        if self.is_translated() {
            found.extend(self.publisher.inconsistencies(&self.snapshot));
        }
        let is_over = |key: &&ObjectKey| !self.controller.contains(key) && !self.agenda.contains(key);
        let over = self.paces.keys().filter(is_over);
        found.extend(over.map(|key| format!("the pace of {key} is kept, which is gone")));
        if self.agenda.is_empty() && self.guard.len() > 0 {
            found.push(format!("the guard remembers {} deletions that are done", self.guard.len()));
        }
        found
    }
}
