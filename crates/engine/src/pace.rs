//! When an object may be written again that many changes lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ako_avi_types::ObjectKey;
use ako_elect::Moment;

use crate::backoff;
use crate::guard::has_routes;

/// Changes of what only infrastructure leads to come in bursts, as when nodes
/// start: they are waited for longer than others…
const LONG_QUIET: Duration = Duration::from_secs(1);
/// …but in all no longer than this.
const LONG_PATIENCE: Duration = Duration::from_secs(10);

/// When a shared object was last written.
#[derive(Clone, Copy, Debug)]
struct Pace {
    last: Moment,
    in_a_row: u32,
}

/// When the last changes began and ended that led to an object.
#[derive(Clone, Copy, Debug)]
struct Burst {
    first: Moment,
    last: Moment,
}

/// What is known of the objects that many changes lead to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paces {
    written: BTreeMap<ObjectKey, Pace>,
    /// Changes that an object waits for the end of.
    bursts: BTreeMap<ObjectKey, Burst>,
}

impl Paces {
    /// These objects are wanted differently. The routes in a VRF come from all nodes.
    pub(crate) fn changed(&mut self, keys: &BTreeSet<ObjectKey>, now: Moment) {
        for key in keys.iter().filter(|key| has_routes(key)) {
            self.bursts.entry(key.clone()).or_insert(Burst { first: now, last: now }).last = now;
        }
    }

    /// An object is being sent, or does not need it any more.
    pub(crate) fn end_burst(&mut self, key: &ObjectKey) {
        self.bursts.remove(key);
    }

    /// A shared object was written.
    pub(crate) fn written(&mut self, key: &ObjectKey, now: Moment) {
        let pace = self.written.entry(key.clone()).or_insert(Pace { last: now, in_a_row: 0 });
        let quiet = now.since(pace.last) > backoff::QUIET;
        pace.in_a_row = if quiet { 1 } else { pace.in_a_row.saturating_add(1) };
        pace.last = now;
    }

    /// An object is gone.
    pub(crate) fn forget(&mut self, key: &ObjectKey) {
        self.written.remove(key);
    }

    /// When an object may be written, if it has to wait.
    pub(crate) fn not_before(&self, key: &ObjectKey) -> Option<Moment> {
        let burst = self.bursts.get(key);
        let quiet = burst.map(|burst| (burst.last + LONG_QUIET).min(burst.first + LONG_PATIENCE));
        let rest = self.written.get(key).map(|pace| pace.last + backoff::pace(pace.in_a_row));
        rest.max(quiet)
    }

    /// The objects of which it is known when they were written.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.written.keys()
    }
}
