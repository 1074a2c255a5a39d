//! The last writes, for people.

use std::collections::{BTreeMap, VecDeque};

use ako_avi_types::{Failure, ObjectKey, Operation};
use ako_elect::Moment;
use jiff::Timestamp;

/// How many writes are remembered.
const REMEMBERED: usize = 50;

/// One write.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// When it was sent.
    pub(crate) time: Timestamp,
    /// What was done, to which object.
    pub(crate) operation: String,
    /// What asked for it.
    pub(crate) reason: Option<String>,
    /// The controller's answer; empty while there is none.
    pub(crate) outcome: String,
    /// How long the answer took, in milliseconds.
    pub(crate) took_ms: Option<u64>,
}

/// The last writes, those under way included.
#[derive(Debug, Default)]
pub(crate) struct History {
    under_way: BTreeMap<ObjectKey, (Moment, Write)>,
    done: VecDeque<Write>,
}

impl History {
    /// A write is handed over.
    pub(crate) fn sent(
        &mut self,
        operation: &Operation,
        reason: Option<String>,
        time: Timestamp,
        now: Moment,
    ) {
        let write = Write {
            time,
            operation: operation.to_string(),
            reason,
            outcome: "under way".to_owned(),
            took_ms: None,
        };
        self.under_way.insert(operation.key.clone(), (now, write));
    }

    /// A write was answered.
    pub(crate) fn answered(&mut self, key: &ObjectKey, failure: Option<&Failure>, now: Moment) {
        let Some((since, mut write)) = self.under_way.remove(key) else { return };
        write.outcome = failure.map_or_else(|| "done".to_owned(), ToString::to_string);
        write.took_ms = u64::try_from(now.since(since).as_millis()).ok();
        self.done.push_front(write);
        self.done.truncate(REMEMBERED);
    }

    /// The writes, those under way first, then the newest.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &Write> {
        self.under_way.values().map(|(_, write)| write).chain(&self.done).take(REMEMBERED)
    }
}
