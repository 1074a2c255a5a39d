//! What there is still to do, and what each of it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ako_avi_types::{ErrorClass, Failure, Object, ObjectKey};
use ako_elect::Moment;

/// How a write lies in the queue. What changed while running goes before what
/// there was to do at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Live,
    Backlog,
}

/// What an object waits for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// Somebody is about to look at it.
    Idle,
    /// Its turn.
    Queued,
    /// The answer to its write: of this body, or its deletion.
    Sending(Option<Arc<Object>>),
    /// The answer to its reading.
    Reading,
    /// Another object.
    After(ObjectKey),
    /// A time.
    Until(Moment),
    /// The guard.
    Held,
    /// A proof that what is known of the cluster is not old.
    Unproven,
}

/// What is known about an object that needs something.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    lane: Lane,
    stage: Stage,
    /// Since when it needs something.
    pub(crate) since: Moment,
    /// Failures in a row.
    pub(crate) attempts: u32,
    /// The last failure.
    pub(crate) failure: Option<Failure>,
    /// What its readers were told last about a refusal.
    pub(crate) told: Option<String>,
    /// Whether the controller does not take it as it is; others go on without.
    pub(crate) refused: bool,
    /// Whether it has to be read before anything else is decided.
    pub(crate) reread: bool,
    /// Whether it is wanted differently since its write was sent.
    pub(crate) outdated: bool,
}

impl Work {
    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Whether the controller is known not to take it: what became of it is not in doubt, and there
    /// was more than another one in its place. That one has been read since, and is written next.
    pub(crate) fn is_known_refused(&self) -> bool {
        let is_in_the_way =
            self.failure.as_ref().is_some_and(|failure| failure.class == ErrorClass::Conflict);
        self.refused && !self.reread && !is_in_the_way
    }
}

/// All work.
///
/// Every object in it stands in exactly the index that its stage names, so
/// whatever it waits for finds it: the queue, the timers, the objects that wait
/// for another one, the held ones. The stage is changed here and nowhere else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agenda {
    works: BTreeMap<ObjectKey, Work>,
    queue: BTreeSet<(Lane, ObjectKey)>,
    timers: BTreeSet<(Moment, ObjectKey)>,
    waiting: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    held: BTreeSet<ObjectKey>,
    unproven: BTreeSet<ObjectKey>,
    sending: usize,
    /// Those that go on without an object that was refused, until it is there.
    /// They need not be in the agenda themselves.
    without: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
}

impl Agenda {
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Work> {
        self.works.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &ObjectKey) -> Option<&mut Work> {
        self.works.get_mut(key)
    }

    pub(crate) fn contains(&self, key: &ObjectKey) -> bool {
        self.works.contains_key(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Work)> {
        self.works.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.works.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.works.is_empty()
    }

    /// How many writes are under way.
    pub(crate) fn sending(&self) -> usize {
        self.sending
    }

    pub(crate) fn is_refused(&self, key: &ObjectKey) -> bool {
        self.works.get(key).is_some_and(|work| work.refused)
    }

    /// The same, if it is known to be so.
    pub(crate) fn is_known_refused(&self, key: &ObjectKey) -> bool {
        self.works.get(key).is_some_and(Work::is_known_refused)
    }

    /// Everything that something is to be done about.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.works.keys()
    }

    /// Whether an answer about an object is under way.
    pub(crate) fn is_in_flight(&self, key: &ObjectKey) -> bool {
        self.works.get(key).is_some_and(|work| matches!(work.stage, Stage::Sending(_) | Stage::Reading))
    }

    /// Whether the deletion of an object is under way.
    pub(crate) fn is_leaving(&self, key: &ObjectKey) -> bool {
        self.works.get(key).is_some_and(|work| work.stage == Stage::Sending(None))
    }

    /// Whether nothing can be decided about an object before it is known what
    /// became of it.
    pub(crate) fn is_in_doubt(&self, key: &ObjectKey) -> bool {
        self.is_in_flight(key) || self.works.get(key).is_some_and(|work| work.reread)
    }

    /// The objects of which that is so.
    pub(crate) fn in_doubt(&self) -> BTreeSet<ObjectKey> {
        self.works.keys().filter(|key| self.is_in_doubt(key)).cloned().collect()
    }

    /// The first timer.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Makes an object wait for something; new work begins with it.
    pub(crate) fn put(&mut self, lane: Lane, key: &ObjectKey, stage: Stage, now: Moment) {
        self.unlink(key);
        let work = self.works.entry(key.clone()).or_insert(Work {
            lane,
            stage: Stage::Idle,
            since: now,
            attempts: 0,
            failure: None,
            told: None,
            refused: false,
            reread: false,
            outdated: false,
        });
        match &stage {
            Stage::Queued => _ = self.queue.insert((work.lane, key.clone())),
            Stage::Until(at) => _ = self.timers.insert((*at, key.clone())),
            Stage::After(other) => {
                _ = self.waiting.entry(other.clone()).or_default().insert(key.clone());
            }
            Stage::Held => _ = self.held.insert(key.clone()),
            Stage::Unproven => _ = self.unproven.insert(key.clone()),
            Stage::Sending(_) => self.sending += 1,
            Stage::Idle | Stage::Reading => {}
        }
        work.stage = stage;
    }

    /// An object needs nothing more.
    pub(crate) fn remove(&mut self, key: &ObjectKey) {
        self.unlink(key);
        self.works.remove(key);
    }

    /// Moves an object, and what it waits for, in front of the backlog.
    pub(crate) fn promote(&mut self, key: &ObjectKey) {
        let mut next = Some(key.clone());
        while let Some(key) = next.take() {
            let Some(work) = self.works.get_mut(&key).filter(|work| work.lane == Lane::Backlog) else {
                return;
            };
            work.lane = Lane::Live;
            match &work.stage {
                Stage::Queued => {
                    self.queue.remove(&(Lane::Backlog, key.clone()));
                    self.queue.insert((Lane::Live, key));
                }
                Stage::After(other) => next = Some(other.clone()),
                _ => {}
            }
        }
    }

    /// Remembers that an object goes on without another one.
    pub(crate) fn go_on_without(&mut self, key: &ObjectKey, other: &ObjectKey) {
        self.without.entry(other.clone()).or_default().insert(key.clone());
    }

    /// Takes those out that wait for an object, or went on without it. They
    /// have to be looked at.
    #[must_use]
    pub(crate) fn wake(&mut self, key: &ObjectKey) -> BTreeSet<ObjectKey> {
        let mut woken = self.waiting.remove(key).unwrap_or_default();
        for waiter in &woken {
            if let Some(work) = self.works.get_mut(waiter) {
                work.stage = Stage::Idle;
            }
        }
        woken.extend(self.without.remove(key).unwrap_or_default());
        woken
    }

    /// Takes the first object out whose time has come.
    pub(crate) fn next_due(&mut self, now: Moment) -> Option<ObjectKey> {
        let (_, key) = self.timers.first().filter(|(at, _)| *at <= now)?.clone();
        self.unlink(&key);
        Some(key)
    }

    /// Takes the first object out of the queue.
    pub(crate) fn next_queued(&mut self) -> Option<ObjectKey> {
        let (_, key) = self.queue.first()?.clone();
        self.unlink(&key);
        Some(key)
    }

    /// Those that the guard holds.
    pub(crate) fn held(&self) -> &BTreeSet<ObjectKey> {
        &self.held
    }

    /// Those that wait for proofs.
    pub(crate) fn unproven(&self) -> &BTreeSet<ObjectKey> {
        &self.unproven
    }

    fn unlink(&mut self, key: &ObjectKey) {
        let Some(work) = self.works.get_mut(key) else { return };
        match std::mem::replace(&mut work.stage, Stage::Idle) {
            Stage::Queued => _ = self.queue.remove(&(work.lane, key.clone())),
            Stage::Until(at) => _ = self.timers.remove(&(at, key.clone())),
            Stage::After(other) => {
                if let Some(set) = self.waiting.get_mut(&other) {
                    set.remove(key);
                    if set.is_empty() {
                        self.waiting.remove(&other);
                    }
                }
            }
            Stage::Held => _ = self.held.remove(key),
            Stage::Unproven => _ = self.unproven.remove(key),
            Stage::Sending(_) => self.sending -= 1,
            Stage::Idle | Stage::Reading => {}
        }
    }

    /// What is wrong with the books between two steps: nothing, unless there is
    /// a mistake in this crate.
    pub(crate) fn inconsistencies(&self, is_frozen: &dyn Fn(&ObjectKey) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        let mut indexed =
            [self.queue.len(), self.timers.len(), self.held.len(), self.sending, self.unproven.len()];
        let mut waiting: usize = self.waiting.values().map(BTreeSet::len).sum();
        for (key, work) in &self.works {
            let is_reachable = match &work.stage {
                Stage::Idle => false,
                Stage::Queued => take_one(&mut indexed[0]) && self.queue.contains(&(work.lane, key.clone())),
                Stage::Until(at) => take_one(&mut indexed[1]) && self.timers.contains(&(*at, key.clone())),
                Stage::Held => take_one(&mut indexed[2]) && self.held.contains(key),
                Stage::Sending(_) => take_one(&mut indexed[3]),
                Stage::Unproven => take_one(&mut indexed[4]) && self.unproven.contains(key),
                Stage::Reading => true,
                Stage::After(other) => {
                    take_one(&mut waiting)
                        && self.waiting.get(other).is_some_and(|set| set.contains(key))
                        // What stays as it is for now is looked at when it does not any more.
                        && (self.works.contains_key(other) || is_frozen(other))
                }
            };
            if !is_reachable {
                found.push(format!("nothing will wake {key}, which {}", work.stage));
            }
        }
        if indexed != [0; 5] || waiting != 0 {
            let names = "queue, timers, held, sending, unproven";
            found.push(format!("left behind: {names} {indexed:?}, waiting {waiting}"));
        }
        let orphans = self.without.keys().filter(|key| !self.works.contains_key(*key));
        found.extend(orphans.map(|key| format!("others go on without {key}, which needs nothing")));
        found
    }
}

fn take_one(left: &mut usize) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("is to be looked at"),
            Self::Queued => f.write_str("queued"),
            Self::Sending(_) => f.write_str("being written"),
            Self::Reading => f.write_str("being read"),
            Self::After(key) => write!(f, "waits for {key}"),
            Self::Until(_) => f.write_str("waits to be tried again"),
            Self::Held => f.write_str("held by the deletion guard"),
            Self::Unproven => f.write_str("waits until the state of the cluster is confirmed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ako_avi_types::Kind;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(Kind::Pool, "admin", name)
    }

    fn at(ms: u64) -> Moment {
        Moment::from_millis(ms)
    }

    #[test]
    fn a_new_stage_leaves_nothing_of_the_old_one_behind() {
        let mut agenda = Agenda::default();
        let stages = [
            Stage::Queued,
            Stage::Until(at(5)),
            Stage::After(key("b")),
            Stage::Held,
            Stage::Unproven,
            Stage::Sending(None),
            Stage::Reading,
            Stage::Until(at(7)),
        ];
        agenda.put(Lane::Live, &key("b"), Stage::Queued, at(0));
        for stage in stages {
            agenda.put(Lane::Live, &key("a"), stage, at(0));
            assert_eq!(agenda.inconsistencies(&|_| false), Vec::<String>::new());
        }
        agenda.remove(&key("a"));
        assert_eq!(agenda.deadline(), None);
        assert_eq!(agenda.inconsistencies(&|_| false), Vec::<String>::new());
    }

    #[test]
    fn what_changed_while_running_goes_before_the_backlog() {
        let mut agenda = Agenda::default();
        agenda.put(Lane::Backlog, &key("a"), Stage::Queued, at(0));
        agenda.put(Lane::Backlog, &key("b"), Stage::Queued, at(0));
        agenda.put(Lane::Backlog, &key("c"), Stage::After(key("b")), at(0));
        agenda.promote(&key("c"));
        assert_eq!(agenda.next_queued(), Some(key("b")));
        assert_eq!(agenda.next_queued(), Some(key("a")));
    }

    #[test]
    fn what_nobody_will_wake_is_found() {
        let mut agenda = Agenda::default();
        agenda.put(Lane::Live, &key("a"), Stage::After(key("nobody")), at(0));
        assert_eq!(agenda.inconsistencies(&|_| false).len(), 1);
    }

    #[test]
    fn a_mistake_in_any_index_is_found() {
        type Mistake = (Stage, fn(&mut Agenda));
        let mistakes: [Mistake; 8] = [
            (Stage::Queued, |a| a.queue = [(Lane::Live, key("other"))].into()),
            (Stage::Queued, |a| a.queue.clear()),
            (Stage::Until(at(5)), |a| a.timers = [(at(6), key("a"))].into()),
            (Stage::Held, |a| a.held = [key("other")].into()),
            (Stage::Unproven, |a| a.unproven = [key("other")].into()),
            (Stage::Sending(None), |a| a.sending = 0),
            (Stage::Reading, |a| a.held = [key("a")].into()),
            (Stage::Reading, |a| a.waiting = [(key("other"), [key("a")].into())].into()),
        ];
        for (stage, mistake) in mistakes {
            let mut agenda = Agenda::default();
            agenda.put(Lane::Live, &key("a"), stage.clone(), at(0));
            mistake(&mut agenda);
            assert_eq!(
                agenda.inconsistencies(&|_| false).len(),
                1,
                "{stage}: {:?}",
                agenda.inconsistencies(&|_| false)
            );
        }
        let mut agenda = Agenda::default();
        agenda.put(Lane::Live, &key("a"), Stage::After(key("b")), at(0));
        agenda.put(Lane::Live, &key("b"), Stage::Queued, at(0));
        agenda.waiting = [(key("b"), [key("other")].into())].into();
        assert_eq!(agenda.inconsistencies(&|_| false).len(), 1);
        assert_eq!(agenda.len(), 2);
    }
}
