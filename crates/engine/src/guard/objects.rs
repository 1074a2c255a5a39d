//! Holds back mass losses of objects that nobody is known to have asked for: deletions,
//! pools that lose most of their servers, shared objects that lose hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Kind, Object, ObjectKey};
use ako_core::config::GuardLimits;
use ako_elect::Moment;

use crate::inventory::{self, Inventory};

/// So long, what was let pass counts together with what comes later: four small
/// steps are one large one.
pub const WINDOW: Duration = Duration::from_mins(10);
/// The most losses that are remembered of that time.
const MOST_PASSED: usize = 10_000;

/// Decides on losses that no watched edit explains: those that follow a start, a
/// new list, a change of configuration. A source that answers "there is nothing"
/// by mistake looks just like that.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObjectGuard {
    /// Those that an edit explains.
    explained: BTreeSet<ObjectKey>,
    /// Losses that a person let pass.
    released: BTreeSet<ObjectKey>,
    /// Those that nothing explains, each with how much it loses: a deletion one,
    /// a shared object its hosts.
    unexplained: BTreeMap<ObjectKey, usize>,
    /// Those of the unexplained that another instance is expected to take over.
    expected: BTreeSet<ObjectKey>,
    /// Unexplained ones that were let pass lately, when, and how much.
    passed: BTreeMap<ObjectKey, (Moment, usize)>,
}

/// Whether so many of so many are too many to lose unexplained.
pub(crate) fn is_beyond(limits: GuardLimits, count: usize, of: usize) -> bool {
    count > limits.minimum && count * 100 > of * limits.share_percent
}

impl ObjectGuard {
    /// An edit was seen after which an object is not wanted any more, or with
    /// less.
    pub(crate) fn explain(&mut self, key: &ObjectKey) {
        self.clear(key);
        self.explained.insert(key.clone());
    }

    /// A list says something about an object: what an edit said before does not
    /// explain that.
    pub(crate) fn unexplain(&mut self, key: &ObjectKey) {
        self.explained.remove(key);
        self.released.remove(key);
    }

    /// An object is to be deleted, or loses that much; or another instance is
    /// expected to take it over.
    pub(crate) fn condemn(&mut self, key: &ObjectKey, loss: usize, expected: bool) {
        if expected {
            // Whatever explained it, it was before another instance had it.
            self.explained.remove(key);
        }
        if self.explained.contains(key) || self.released.contains(key) {
            return;
        }
        self.unexplained.insert(key.clone(), loss);
        if expected {
            self.expected.insert(key.clone());
        } else {
            self.expected.remove(key);
        }
    }

    /// An object is gone, or wanted as it is again.
    pub(crate) fn clear(&mut self, key: &ObjectKey) {
        self.explained.remove(key);
        self.released.remove(key);
        self.unexplained.remove(key);
        self.expected.remove(key);
    }

    /// A loss is carried out. It counts as long as the window lasts.
    pub(crate) fn let_pass(&mut self, key: &ObjectKey, now: Moment) {
        let Some(loss) = self.unexplained.get(key) else { return };
        self.passed.insert(key.clone(), (now, *loss));
        if self.passed.len() > MOST_PASSED {
            let oldest = self.passed.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
            oldest.map(|key| self.passed.remove(&key));
        }
    }

    /// Forgets what was let pass before the window.
    pub(crate) fn forget(&mut self, now: Moment) {
        self.passed.retain(|_, (at, _)| now.since(*at) < WINDOW);
    }

    /// Lets the present losses pass; later ones are judged anew.
    pub(crate) fn release(&mut self) {
        self.released.extend(std::mem::take(&mut self.unexplained).into_keys());
        self.expected.clear();
        // Whoever releases them has seen the ones before.
        self.passed.clear();
    }

    pub(crate) fn is_suspect(&self, key: &ObjectKey) -> bool {
        self.unexplained.contains_key(key)
    }

    /// Whether the unexplained losses are held back.
    ///
    /// What another instance is expected to take over holds all: it may serve
    /// by the rest until it does. `is_partial` says that something in the cluster
    /// could not be understood; what that asks for may be just what is to be
    /// deleted. `observed` is how many objects there are of each kind: many pools
    /// are too many, however many other objects there are.
    pub(crate) fn holds(
        &self,
        limits: GuardLimits,
        observed: &BTreeMap<Kind, usize>,
        is_partial: bool,
    ) -> bool {
        if self.unexplained.is_empty() {
            return false;
        }
        !self.expected.is_empty() || is_partial || self.are_too_many(limits, observed)
    }

    fn are_too_many(&self, limits: GuardLimits, observed: &BTreeMap<Kind, usize>) -> bool {
        let passed = self.passed.iter().filter(|(key, _)| !self.unexplained.contains_key(*key));
        let losses = passed.map(|(key, (_, loss))| (key, loss)).chain(&self.unexplained);
        let (mut by_kind, mut objects) = (BTreeMap::<Kind, usize>::new(), 0);
        for (key, loss) in losses {
            *by_kind.entry(key.kind).or_default() += loss;
            objects += 1;
        }
        let gone = self.passed.len();
        let all = observed.values().sum::<usize>() + gone;
        let of = |kind: &Kind| observed.get(kind).copied().unwrap_or(0) + gone;
        is_beyond(limits, objects, all)
            || by_kind.iter().any(|(kind, loss)| is_beyond(limits, *loss, of(kind)))
    }

    /// The body of an update without the losses that are held back; `None` if that changes
    /// nothing.
    ///
    /// A pool that is not deleted serves nobody once the shared pool group has
    /// forgotten it. So while deletions are held, updates of shared objects do not
    /// take away what belongs to the held ones.
    pub(crate) fn keep(
        &self,
        key: &ObjectKey,
        body: &Object,
        observed: &Object,
        inventory: &Inventory,
    ) -> Option<Arc<Object>> {
        let bodies = self.suspects().filter_map(|key| inventory.get(key)).map(|observed| &*observed.body);
        let hosts: BTreeSet<Arc<str>> = bodies.flat_map(Object::hostnames).cloned().collect();
        // Nothing must lose what is held back from deletion.
        let kept = body.keeping(
            observed,
            &|reference| inventory::target(key, reference).is_some_and(|target| self.is_suspect(&target)),
            &|host| hosts.contains(host),
        );
        let kept = if self.is_suspect(key) { kept.keeping_everything(observed)? } else { kept };
        (!kept.differences(observed).is_empty()).then(|| Arc::new(kept))
    }

    /// The losses that something explains.
    pub(crate) fn explained(&self) -> &BTreeSet<ObjectKey> {
        &self.explained
    }

    /// The keys of what is held.
    pub(crate) fn suspects(&self) -> impl ExactSizeIterator<Item = &ObjectKey> {
        self.unexplained.keys()
    }

    /// What another instance is expected to take over.
    pub(crate) fn expected(&self) -> &BTreeSet<ObjectKey> {
        &self.expected
    }

    /// How many losses are known.
    pub(crate) fn len(&self) -> usize {
        self.explained.len() + self.released.len() + self.unexplained.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GuardLimits = GuardLimits { minimum: 5, share_percent: 30 };

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(Kind::Pool, "admin", name)
    }

    fn at(minutes: u64) -> Moment {
        Moment::from_millis(minutes * 60_000)
    }

    fn guard(count: usize) -> ObjectGuard {
        let mut guard = ObjectGuard::default();
        for i in 0..count {
            guard.condemn(&key(&format!("p{i}")), 1, false);
        }
        guard
    }

    fn holds(guard: &ObjectGuard, pools: usize) -> bool {
        guard.holds(LIMITS, &BTreeMap::from([(Kind::Pool, pools)]), false)
    }

    #[test]
    fn both_limits_have_to_be_passed() {
        assert!(!holds(&guard(5), 6));
        assert!(!holds(&guard(30), 100));
        assert!(holds(&guard(31), 100));
    }

    #[test]
    fn a_kind_counts_by_itself() {
        let of = |others| BTreeMap::from([(Kind::Pool, 40), (Kind::VirtualService, others)]);
        assert!(guard(31).holds(LIMITS, &of(1000), false));
        assert!(!guard(10).holds(LIMITS, &of(1000), false));
    }

    #[test]
    fn a_shared_object_counts_by_its_hosts() {
        let mut guard = ObjectGuard::default();
        let vsvip = ObjectKey::new(Kind::VsVip, "admin", "v");
        guard.condemn(&vsvip, 5, false);
        let observed = BTreeMap::from([(Kind::VsVip, 8), (Kind::Pool, 1000)]);
        assert!(!guard.holds(LIMITS, &observed, false));
        guard.condemn(&vsvip, 6, false);
        assert!(guard.holds(LIMITS, &observed, false));
    }

    #[test]
    fn objects_of_all_kinds_count_together() {
        let kinds = [Kind::Pool, Kind::PoolGroup, Kind::VirtualService];
        let condemned = |each: usize| {
            let mut guard = ObjectGuard::default();
            for (kind, i) in kinds.into_iter().flat_map(|kind| (0..each).map(move |i| (kind, i))) {
                guard.condemn(&ObjectKey::new(kind, "admin", format!("o{i}")), 1, false);
            }
            guard.holds(LIMITS, &kinds.map(|kind| (kind, 12)).into(), false)
        };
        assert!(!condemned(3), "9 of 36");
        assert!(condemned(4), "12 of 36, though no kind loses more than five");
    }

    #[test]
    fn a_cluster_that_is_not_understood_explains_nothing() {
        let observed = BTreeMap::from([(Kind::Pool, 1000)]);
        assert!(guard(1).holds(LIMITS, &observed, true));
        assert!(!guard(0).holds(LIMITS, &observed, true));
    }

    #[test]
    fn explained_losses_are_not_counted() {
        let mut guard = guard(5);
        for i in 0..50 {
            let key = key(&format!("edited{i}"));
            guard.explain(&key);
            guard.condemn(&key, 1, false);
        }
        assert!(!holds(&guard, 60));
        for i in 0..50 {
            let key = key(&format!("edited{i}"));
            guard.unexplain(&key);
            guard.condemn(&key, 1, false);
        }
        assert!(holds(&guard, 60), "a list said so after the edit");
    }

    #[test]
    fn a_release_is_for_the_present_losses() {
        let mut guard = guard(40);
        guard.release();
        assert!(!holds(&guard, 50));
        guard.condemn(&key("p7"), 1, false);
        assert!(!holds(&guard, 50));
        for i in 0..40 {
            guard.condemn(&key(&format!("later{i}")), 1, false);
        }
        assert!(holds(&guard, 50));
        assert_eq!(guard.suspects().len(), 40);
    }

    #[test]
    fn small_steps_within_the_window_are_one_large_step() {
        let mut guard = ObjectGuard::default();
        let mut left = 60;
        for (step, minute) in [(0, 0), (1, 3)] {
            for i in 0..8 {
                guard.condemn(&key(&format!("p{step}-{i}")), 1, false);
            }
            assert!(!holds(&guard, left), "step {step}");
            for i in 0..8 {
                guard.let_pass(&key(&format!("p{step}-{i}")), at(minute));
                guard.clear(&key(&format!("p{step}-{i}")));
                left -= 1;
            }
        }
        for i in 0..4 {
            guard.condemn(&key(&format!("one more {i}")), 1, false);
        }
        guard.forget(at(6));
        assert!(holds(&guard, left), "20 of 60 in six minutes");
        guard.forget(at(13));
        assert!(!holds(&guard, left), "those of before are long past");
    }

    #[test]
    fn a_loss_that_is_tried_again_counts_once() {
        let mut guard = guard(4);
        for _ in 0..10 {
            guard.let_pass(&key("p0"), at(0));
        }
        assert!(!holds(&guard, 10));
    }

    #[test]
    fn what_was_let_pass_is_forgotten_after_the_window_and_the_oldest_when_there_are_too_many() {
        let mut guard = guard(3);
        for (name, minute) in [("p0", 1), ("p1", 0), ("p2", 2)] {
            guard.let_pass(&key(name), at(minute));
        }
        guard.forget(at(10));
        assert!(guard.passed.keys().eq([&key("p0"), &key("p2")]), "ten minutes are over for one");
        for i in 0..MOST_PASSED - 1 {
            guard.condemn(&key(&format!("later{i}")), 1, false);
            guard.let_pass(&key(&format!("later{i}")), at(3));
        }
        assert_eq!(guard.passed.len(), MOST_PASSED);
        assert!(!guard.passed.contains_key(&key("p0")) && guard.passed.contains_key(&key("p2")));
    }

    #[test]
    fn nothing_is_remembered_of_what_is_gone() {
        let mut guard = guard(40);
        guard.release();
        guard.condemn(&key("one more"), 1, false);
        assert_eq!(guard.len(), 41);
        guard.clear(&key("one more"));
        for i in 0..40 {
            guard.clear(&key(&format!("p{i}")));
        }
        assert_eq!(guard.len(), 0);
    }
}
