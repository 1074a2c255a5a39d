//! Holds back mass deletions that nobody is known to have asked for.

use std::collections::BTreeSet;

use ako_avi_types::ObjectKey;
use ako_core::config::GuardLimits;

/// Deletions that are held back: of objects, or of routes in a VRF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub count: usize,
    /// Of how many observed ones.
    pub of: usize,
    /// Some of the objects, for people; for routes, their VRF.
    pub examples: Vec<ObjectKey>,
}

/// How many examples are shown.
const EXAMPLES: usize = 10;

/// Decides on deletions that no watched edit explains: those that follow a
/// start, a new list, a change of configuration. A source that answers "there
/// is nothing" by mistake looks just like that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// Those that an edit explains, or somebody released.
    explained: BTreeSet<ObjectKey>,
    unexplained: BTreeSet<ObjectKey>,
    /// Those of the unexplained that another instance is expected to take over.
    expected: BTreeSet<ObjectKey>,
}

/// Whether so many of so many are too many to lose unexplained.
pub(crate) fn is_beyond(limits: GuardLimits, count: usize, of: usize) -> bool {
    count > limits.minimum && count * 100 > of * limits.share_percent
}

impl Guard {
    /// An edit was seen after which an object is no longer wanted.
    pub(crate) fn explain(&mut self, key: &ObjectKey) {
        self.clear(key);
        self.explained.insert(key.clone());
    }

    /// An object is to be deleted; or another instance is expected to take it
    /// over.
    pub(crate) fn condemn(&mut self, key: &ObjectKey, expected: bool) {
        if self.explained.contains(key) {
            return;
        }
        self.unexplained.insert(key.clone());
        if expected {
            self.expected.insert(key.clone());
        } else {
            self.expected.remove(key);
        }
    }

    /// An object is gone, or wanted again.
    pub(crate) fn clear(&mut self, key: &ObjectKey) {
        self.explained.remove(key);
        self.unexplained.remove(key);
        self.expected.remove(key);
    }

    /// Lets the present deletions pass; later ones are judged anew.
    pub(crate) fn release(&mut self) {
        self.explained.append(&mut self.unexplained);
        self.expected.clear();
    }

    pub(crate) fn is_suspect(&self, key: &ObjectKey) -> bool {
        self.unexplained.contains(key)
    }

    /// What is held, if anything is.
    ///
    /// What another instance is expected to take over holds all: it may serve
    /// by the rest until it does. `is_partial` says that something in the cluster could not be understood;
    /// what that asks for may be just what is to be deleted.
    pub(crate) fn held(&self, limits: GuardLimits, observed: usize, is_partial: bool) -> Option<Held> {
        let count = self.unexplained.len();
        (is_beyond(limits, count, observed) || !self.expected.is_empty() || (is_partial && count > 0)).then(
            || Held {
                count,
                of: observed,
                examples: self.unexplained.iter().take(EXAMPLES).cloned().collect(),
            },
        )
    }

    /// What another instance is expected to take over.
    pub(crate) fn expected(&self) -> &BTreeSet<ObjectKey> {
        &self.expected
    }

    /// How many deletions are known.
    pub(crate) fn len(&self) -> usize {
        self.explained.len() + self.unexplained.len()
    }

    /// All deletions that no edit explains.
    pub(crate) fn suspects(&self) -> impl Iterator<Item = &ObjectKey> {
        self.unexplained.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ako_avi_types::Kind;

    const LIMITS: GuardLimits = GuardLimits { minimum: 5, share_percent: 30 };

    fn guard(count: usize) -> Guard {
        let mut guard = Guard::default();
        for i in 0..count {
            guard.condemn(&ObjectKey::new(Kind::Pool, "admin", format!("p{i}")), false);
        }
        guard
    }

    #[test]
    fn both_limits_have_to_be_passed() {
        assert_eq!(guard(5).held(LIMITS, 6, false), None);
        assert_eq!(guard(30).held(LIMITS, 100, false), None);
        assert_eq!(guard(31).held(LIMITS, 100, false).map(|h| (h.count, h.of)), Some((31, 100)));
    }

    #[test]
    fn a_cluster_that_is_not_understood_explains_nothing() {
        assert!(guard(1).held(LIMITS, 1000, true).is_some());
        assert_eq!(guard(0).held(LIMITS, 1000, true), None);
    }

    #[test]
    fn explained_deletions_are_not_counted() {
        let mut guard = guard(5);
        for i in 0..50 {
            let key = ObjectKey::new(Kind::Pool, "admin", format!("edited{i}"));
            guard.explain(&key);
            guard.condemn(&key, false);
        }
        assert_eq!(guard.held(LIMITS, 60, false), None);
    }

    #[test]
    fn a_release_is_for_the_present_deletions() {
        let mut guard = guard(40);
        guard.release();
        assert_eq!(guard.held(LIMITS, 50, false), None);
        guard.condemn(&ObjectKey::new(Kind::Pool, "admin", "p7"), false);
        assert_eq!(guard.held(LIMITS, 50, false), None);
        for i in 0..40 {
            guard.condemn(&ObjectKey::new(Kind::Pool, "admin", format!("later{i}")), false);
        }
        assert_eq!(guard.held(LIMITS, 50, false).map(|h| h.count), Some(40));
    }

    #[test]
    fn nothing_is_remembered_of_what_is_gone() {
        let mut guard = guard(40);
        guard.release();
        for i in 0..40 {
            guard.clear(&ObjectKey::new(Kind::Pool, "admin", format!("p{i}")));
        }
        assert_eq!(guard.len(), 0);
    }
}
