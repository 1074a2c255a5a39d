//! Statuses that somebody else replaces after they were written.
//!
//! Another controller, or another instance that has not seen yet whose a namespace is, may
//! want something else on an object. Two that write over one another as fast as they see
//! it would keep the API server busy and tell readers now this and now that.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use ako_core::ResourceId;
use ako_core::resource::Published;
use ako_elect::Moment;

/// How long the second repeat of a write waits, doubled with each further one. The first
/// does not wait: somebody may have edited the object once.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How often the wait is doubled.
const MOST_DOUBLINGS: u32 = 6;
/// A write is no repeat of one that is longer ago.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);
/// After so many repeats in a row it is told.
const TOLD_AFTER: u32 = 3;

/// The last write of a status.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// Of what was written.
    digest: u64,
    at: Moment,
    /// How often the same had been written before, each time after somebody had undone it.
    repeats: u32,
}

/// What was written last on each object, and what waits because it was undone too often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overwritten {
    last: BTreeMap<ResourceId, Last>,
    by_age: BTreeSet<(Moment, ResourceId)>,
    paused: BTreeMap<ResourceId, Moment>,
    /// Those that were undone so often in a row that people have to know.
    often: BTreeSet<ResourceId>,
}

impl Overwritten {
    /// A status was written.
    pub(crate) fn wrote(&mut self, object: &ResourceId, wanted: &Published, now: Moment) {
        let digest = digest(wanted);
        let mut repeats = 0;
        if let Some(last) = self.last.get(object) {
            self.by_age.remove(&(last.at, object.clone()));
            if last.digest == digest {
                repeats = last.repeats.saturating_add(1);
            }
        }
        self.last.insert(object.clone(), Last { digest, at: now, repeats });
        self.by_age.insert((now, object.clone()));
        if repeats >= TOLD_AFTER {
            self.often.insert(object.clone());
        } else {
            self.often.remove(object);
        }
    }

    /// Whether a write has to wait, as somebody has undone the same one again and again.
    pub(crate) fn waits(&mut self, object: &ResourceId, wanted: &Published, now: Moment) -> bool {
        self.paused.remove(object);
        let Some(last) = self.last.get(object).filter(|last| last.digest == digest(wanted)) else {
            return false;
        };
        if last.repeats == 0 {
            return false;
        }
        let until = last.at + FIRST_WAIT * 2u32.pow((last.repeats - 1).min(MOST_DOUBLINGS));
        if until <= now {
            return false;
        }
        self.paused.insert(object.clone(), until);
        true
    }

    /// The objects that have waited long enough.
    pub(crate) fn wake(&mut self, now: Moment) -> Vec<ResourceId> {
        while let Some((at, old)) =
            self.by_age.first().filter(|(at, _)| now >= *at + FORGOTTEN_AFTER).cloned()
        {
            self.by_age.remove(&(at, old.clone()));
            self.last.remove(&old);
            self.often.remove(&old);
        }
        self.paused.extract_if(.., |_, until| *until <= now).map(|(object, _)| object).collect()
    }

    /// An object is as it should be, and nothing waits.
    pub(crate) fn is_as_wanted(&mut self, object: &ResourceId) {
        self.paused.remove(object);
    }

    /// An object is gone.
    pub(crate) fn remove(&mut self, object: &ResourceId) {
        self.paused.remove(object);
        self.often.remove(object);
        if let Some(last) = self.last.remove(object) {
            self.by_age.remove(&(last.at, object.clone()));
        }
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        let told = self.often.iter().filter_map(|object| self.last.get(object));
        let told = told.map(|last| last.at + FORGOTTEN_AFTER);
        self.paused.values().copied().chain(told).min()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.paused.len()
    }

    /// Those that were undone so often in a row that people have to know.
    pub(crate) fn often(&self) -> impl Iterator<Item = &ResourceId> {
        self.often.iter()
    }
}

fn digest(wanted: &Published) -> u64 {
    let mut hasher = DefaultHasher::new();
    let addresses: BTreeSet<_> = wanted.addresses.iter().collect();
    (addresses, &wanted.annotations).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ako_core::ResourceKind;
    use ako_core::id::NamespacedName;
    use ako_core::resource::PublishedAddress;

    fn at(address: &str) -> Published {
        let address = PublishedAddress { hostname: "".into(), ip: address.into() };
        Published { addresses: vec![address], ..Published::default() }
    }

    #[test]
    fn what_is_undone_again_and_again_is_written_less_and_less_often() {
        let object = ResourceId { kind: ResourceKind::Ingress, name: NamespacedName::new("red", "web") };
        let mut overwritten = Overwritten::default();
        let mut now = Moment::from_millis(0);
        let mut waits = Vec::new();
        for _ in 0..10 {
            let begin = now;
            while overwritten.waits(&object, &at("10.0.0.2"), now) {
                now = overwritten.deadline().unwrap();
                assert_eq!(overwritten.wake(now), std::slice::from_ref(&object));
            }
            waits.push(now.since(begin).as_secs());
            overwritten.wrote(&object, &at("10.0.0.2"), now);
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 64, 64]);
        assert_eq!(overwritten.often().count(), 1);
        // Another write is no repeat, nor is the same one much later.
        assert!(!overwritten.waits(&object, &at("10.0.0.3"), now));
        overwritten.wrote(&object, &at("10.0.0.3"), now);
        assert_eq!(overwritten.often().count(), 0);
        overwritten.wrote(&object, &at("10.0.0.3"), now);
        assert!(overwritten.waits(&object, &at("10.0.0.3"), now));
        overwritten.remove(&object);
        assert_eq!((overwritten.last.len(), overwritten.by_age.len(), overwritten.len()), (0, 0, 0));
        overwritten.wrote(&object, &at("10.0.0.3"), now);
        overwritten.wake(now + FORGOTTEN_AFTER);
        assert_eq!((overwritten.last.len(), overwritten.by_age.len()), (0, 0));
    }
}
