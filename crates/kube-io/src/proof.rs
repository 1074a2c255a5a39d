//! What proves that a watch shows the cluster as it is.

use std::collections::VecDeque;
use std::time::Duration;

use ako_elect::Moment;
use kube::Client;
use tokio::sync::{mpsc, watch};

use crate::leadership::BootClock;
use crate::reach::Reach;
use crate::source_event::SourceEvent;

/// The most versions that a watch has still to reach. The newest one is what
/// counts; an older one is reached before.
const MOST_PENDING: usize = 4;

/// Whether proofs are needed, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// How many leaderships began: another number asks for proofs of now.
    pub grants: u64,
    /// The process leads: proofs are needed again and again.
    pub leads: bool,
    /// How often, then. As long lasts each watch.
    pub period: Duration,
}

impl Default for Demand {
    /// What there is before the configuration is known.
    fn default() -> Self {
        Self { grants: 0, leads: false, period: Duration::from_secs(10) }
    }
}

/// What a watch is given.
#[derive(Clone)]
pub(crate) struct Feed {
    pub(crate) client: Client,
    pub(crate) events: mpsc::Sender<SourceEvent>,
    pub(crate) demand: watch::Receiver<Demand>,
    pub(crate) clock: BootClock,
    pub(crate) reach: Reach,
}

/// Versions that the cluster had, each with the moment before that was asked, and
/// that the watch has not reached yet.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    pending: VecDeque<(u64, Moment)>,
    asked: bool,
}

impl Proofs {
    /// A proof is needed as soon as possible.
    pub(crate) fn ask(&mut self) {
        self.asked = true;
    }

    /// Whether one is needed that nobody looks for yet.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked
    }

    /// The cluster had a version after that moment.
    pub(crate) fn expect(&mut self, version: u64, asked: Moment) {
        self.asked = false;
        if self.pending.len() == MOST_PENDING {
            // The oldest one has waited longest, and the newest proves most.
            self.pending.remove(1);
        }
        self.pending.push_back((version, asked));
    }

    /// The watch has reached a version. Answers the newest moment that it shows
    /// everything of.
    pub(crate) fn reach(&mut self, reached: u64) -> Option<Moment> {
        let mut proven = None;
        while let Some((_, asked)) = self.pending.pop_front_if(|(version, _)| *version <= reached) {
            proven = Some(asked);
        }
        proven
    }

    /// Whether a version has been waited for in vain for two periods.
    pub(crate) fn is_late(&self, now: Moment, period: Duration) -> bool {
        self.pending.front().is_some_and(|(_, asked)| now.since(*asked) > period * 2)
    }

    /// Everything was listed, or is to be.
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
        self.asked = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    #[test]
    fn a_version_that_is_reached_proves_all_before_it() {
        let mut proofs = Proofs::default();
        proofs.expect(10, at(1));
        proofs.expect(20, at(2));
        proofs.expect(30, at(3));
        assert_eq!(proofs.reach(9), None);
        assert_eq!(proofs.reach(25), Some(at(2)));
        assert_eq!(proofs.reach(25), None);
        assert_eq!(proofs.reach(30), Some(at(3)));
    }

    #[test]
    fn what_is_waited_for_has_a_bound_and_keeps_the_oldest() {
        let mut proofs = Proofs::default();
        for number in 1..100 {
            proofs.expect(number, at(number));
        }
        assert_eq!(proofs.pending.len(), MOST_PENDING);
        assert!(!proofs.is_late(at(20), Duration::from_secs(10)));
        assert!(proofs.is_late(at(22), Duration::from_secs(10)));
        assert_eq!(proofs.reach(99), Some(at(99)));
    }
}
