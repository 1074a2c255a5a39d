//! The state machine: events in, effects out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Change, ErrorClass, Failure, Object, ObjectKey, Observed, Operation};
use ako_core::{Delta, Diagnostic, Key, Reason, ResourceId, Snapshot};
use ako_elect::Moment;
use ako_translate::{Translator, UnitKey};

use crate::backoff;
use crate::controller::Controller;
use crate::desired::{Changes, Desired};
use crate::event::{Effect, Event, Notice};
use crate::guard::{Guard, Held};
use crate::need::{self, Need};
use crate::publisher::Publisher;

/// After a change, more changes are waited for so long…
const QUIET: Duration = Duration::from_millis(10);
/// …but in all no longer than this.
const PATIENCE: Duration = Duration::from_millis(100);
/// The most writes under way at a time. The shell decides how many of them the
/// controller gets at once; this bounds the queue in front of it.
const MOST_WRITES: usize = 64;

/// How a write lies in the queue. What changed while running goes before what
/// there was to do at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Live,
    Backlog,
}

/// What is known about an object that needs something, or did.
#[derive(Clone, Debug)]
struct Work {
    lane: Lane,
    phase: Phase,
    /// Since when it needs something.
    since: Moment,
    /// Failures in a row.
    attempts: u32,
    failure: Option<Failure>,
    /// Whether the controller refused the body; others go on without it.
    refused: bool,
    /// Whether it has to be read before it is tried again.
    reread: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    /// Is about to be looked at.
    Idle,
    /// Waits for its turn.
    Queued,
    /// Is being written.
    Sending,
    /// Is being read.
    Reading,
    /// Waits for another object.
    After(ObjectKey),
    /// Waits for a time.
    Until(Moment),
    /// Is a deletion that the guard holds.
    Held,
}

/// When an object that many changes lead to was last written.
#[derive(Clone, Copy, Debug)]
struct Pace {
    last: Moment,
    in_a_row: u32,
}

/// The changes that were not looked at yet.
#[derive(Clone, Debug, Default)]
struct Touched {
    /// By single, watched edits.
    by_edit: BTreeSet<Key>,
    /// By complete lists.
    by_list: BTreeSet<Key>,
    first: Moment,
    last: Moment,
}

/// The engine. It owns the snapshot, what is wanted, what is there, and the
/// work in between; it never waits and never does anything itself.
#[derive(Debug)]
pub struct Engine {
    snapshot: Snapshot,
    desired: Desired,
    controller: Controller,
    guard: Guard,
    publisher: Publisher,
    touched: Option<Touched>,
    work: BTreeMap<ObjectKey, Work>,
    queue: BTreeSet<(Lane, ObjectKey)>,
    waiting: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    timers: BTreeSet<(Moment, ObjectKey)>,
    paces: BTreeMap<ObjectKey, Pace>,
    foreign: BTreeMap<ObjectKey, Arc<str>>,
    writing: bool,
    writes_under_way: usize,
    /// Whether the cluster was translated as a whole.
    translated: bool,
    /// Whether all objects of both sides were looked at: from then on only
    /// what changes is.
    begun: bool,
    was_held: bool,
    counters: Counters,
}

/// What happened so far, for metrics and tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Units translated.
    pub translated: u64,
    /// Fronts assembled.
    pub assembled: u64,
    /// Writes that succeeded, by verb: create, update, delete.
    pub written: [u64; 3],
    /// Writes that failed.
    pub failed: u64,
    /// The time from the first need to the last confirmation of each object
    /// that was written since the last look, in milliseconds.
    pub latencies_ms: Vec<u64>,
}

/// The most latencies kept between two looks.
const MOST_LATENCIES: usize = 4096;

/// An object that is not as it is wanted, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The object.
    pub key: ObjectKey,
    /// What it waits for.
    pub state: String,
    /// For how long.
    pub since: Moment,
    /// The last failure.
    pub failure: Option<String>,
    /// Whether the controller refused it.
    pub refused: bool,
    /// What asks for it.
    pub reason: Option<String>,
}

impl Engine {
    /// An engine that knows nothing of the cluster and of the controller yet.
    pub fn new(translator: Translator) -> Self {
        let mut snapshot = Snapshot::default();
        snapshot.set_subdomain(translator.subdomain());
        Self {
            snapshot,
            desired: Desired::new(translator),
            controller: Controller::default(),
            guard: Guard::default(),
            publisher: Publisher::default(),
            touched: None,
            work: BTreeMap::new(),
            queue: BTreeSet::new(),
            waiting: BTreeMap::new(),
            timers: BTreeSet::new(),
            paces: BTreeMap::new(),
            foreign: BTreeMap::new(),
            writing: false,
            writes_under_way: 0,
            translated: false,
            begun: false,
            was_held: false,
            counters: Counters::default(),
        }
    }

    /// Takes an event and answers what is to be done.
    pub fn step(&mut self, event: Event, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Cluster(delta) => self.cluster(delta, now),
            Event::Configured(translator) => self.configured(*translator, now, &mut effects),
            Event::Observed(observation) => {
                let changed = self.controller.replace(observation);
                self.publisher.extend(self.desired.bound().cloned().collect::<Vec<_>>());
                self.look(changed, now);
            }
            Event::Writing(writing) => self.writing = writing,
            Event::Sent(key, result) => self.sent(&key, result, now, &mut effects),
            Event::Read(key, result) => self.read(&key, result, now, &mut effects),
            Event::Published(object, result) => self.publisher.done(&object, &result, now, &mut effects),
            Event::ReleaseDeletions => self.release(now),
            Event::Tick => {}
        }
        self.settle(now, &mut effects);
        effects
    }

    /// When the engine wants to be woken, if nothing happens before.
    pub fn deadline(&self) -> Option<Moment> {
        let touched = self.touched.as_ref().filter(|_| self.snapshot.is_complete());
        let touched = touched.map(|t| (t.last + QUIET).min(t.first + PATIENCE));
        let timer = self.timers.first().map(|(at, _)| *at);
        [touched, timer, self.publisher.deadline()].into_iter().flatten().min()
    }

    /// Whether everything is known and as it is wanted: nothing to translate,
    /// to write or to publish.
    pub fn is_settled(&self) -> bool {
        self.is_synced() && self.touched.is_none() && self.work.is_empty() && self.publisher.is_idle()
    }

    /// Whether the cluster and the controller were read completely.
    pub fn is_synced(&self) -> bool {
        self.begun
    }

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
            state: work.phase.to_string(),
            since: work.since,
            failure: work.failure.as_ref().map(ToString::to_string),
            refused: work.refused,
            reason: self.desired.reason(key),
        };
        self.work.iter().take(most).map(pending).collect()
    }

    /// How many objects are not as they are wanted, and how many of them the
    /// controller refused.
    pub fn backlog(&self) -> (usize, usize) {
        (self.work.len(), self.work.values().filter(|w| w.refused).count())
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

    fn cluster(&mut self, delta: Delta, now: Moment) {
        let is_edit = !matches!(delta, Delta::Reset(..));
        let keys = self.snapshot.apply(delta);
        if keys.is_empty() {
            return;
        }
        let touched = self.touched.get_or_insert_with(|| Touched { first: now, ..Touched::default() });
        touched.last = now;
        if is_edit { touched.by_edit.extend(keys) } else { touched.by_list.extend(keys) }
    }

    fn configured(&mut self, translator: Translator, now: Moment, effects: &mut Vec<Effect>) {
        self.snapshot.set_subdomain(translator.subdomain());
        let changes = self.desired.reconfigure(translator, &self.snapshot);
        let resources: Vec<_> = self.desired.bound().cloned().collect();
        self.publisher.extend(resources);
        self.changed(changes, false, now, effects);
    }

    fn release(&mut self, now: Moment) {
        self.guard.release();
        let keys = self.guard.suspects().cloned().collect();
        self.look(keys, now);
    }

    /// Everything that follows from an event without another one.
    fn settle(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.translate(now, effects);
        self.begin(now);
        if self.was_held && self.held().is_none() {
            self.look(self.guard.suspects().cloned().collect(), now);
        }
        self.was_held = self.held().is_some();
        while let Some((at, key)) = self.timers.first().cloned().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, key.clone()));
            match self.work.get_mut(&key).filter(|w| w.phase == Phase::Until(at)) {
                Some(work) if work.reread => self.read_again(&key, effects),
                Some(work) => {
                    work.phase = Phase::Idle;
                    self.look(BTreeSet::from([key]), now);
                }
                None => {}
            }
        }
        if self.writing && self.is_synced() {
            self.send(now, effects);
            self.publisher.emit(now, &self.desired, &self.controller, &self.snapshot, effects);
        }
    }

    /// Looks at every object of both sides, once both are known.
    fn begin(&mut self, now: Moment) {
        if self.begun || !self.translated || !self.controller.is_complete() {
            return;
        }
        self.begun = true;
        let wanted = self.desired.objects().map(|(key, _)| key);
        let all = wanted.chain(self.controller.keys()).cloned().collect();
        self.look_in(Lane::Backlog, all, now);
    }

    /// Translates what was touched, once the cluster is known and quiet.
    fn translate(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let due = |t: &Touched| now >= t.last + QUIET || now >= t.first + PATIENCE;
        if !self.snapshot.is_complete() || !(self.touched.as_ref().is_some_and(due) || !self.translated) {
            return;
        }
        let touched = self.touched.take().unwrap_or_default();
        let lists = self.desired.update(&self.snapshot, &touched.by_list);
        self.changed(lists, false, now, effects);
        let edits = self.desired.update(&self.snapshot, &touched.by_edit);
        self.changed(edits, true, now, effects);
        let resources = touched.by_list.iter().chain(&touched.by_edit).filter_map(resource_of);
        self.publisher.extend(resources);
        self.translated = true;
    }

    fn changed(&mut self, changes: Changes, by_edit: bool, now: Moment, effects: &mut Vec<Effect>) {
        self.counters.translated += changes.translated as u64;
        self.counters.assembled += changes.assembled as u64;
        for key in &changes.objects {
            // A new body may be accepted where the old one was not.
            if let Some(work) = self.work.get_mut(key) {
                work.refused = false;
                work.attempts = 0;
            }
            if self.desired.get(key).is_some() {
                self.guard.clear(key);
            } else if by_edit {
                self.guard.explain(key);
            }
        }
        self.publisher.extend(changes.resources);
        for unit in &changes.diagnosed {
            self.tell_all(unit, effects);
        }
        self.look(changes.objects, now);
    }

    fn tell_all(&self, unit: &UnitKey, effects: &mut Vec<Effect>) {
        for Diagnostic { object, reason, message } in self.desired.diagnostics_of(unit) {
            effects.push(Effect::Tell(Notice {
                object: object.clone(),
                warning: true,
                reason: reason.as_str(),
                message: message.clone(),
            }));
        }
    }

    /// Finds out what objects need, and what those need that wait for them.
    fn look(&mut self, keys: BTreeSet<ObjectKey>, now: Moment) {
        self.look_in(Lane::Live, keys, now);
    }

    fn look_in(&mut self, lane: Lane, keys: BTreeSet<ObjectKey>, now: Moment) {
        if !self.begun {
            // Everything is looked at when both sides are known.
            return;
        }
        let mut left = keys;
        while let Some(key) = left.pop_first() {
            let busy =
                self.work.get(&key).is_some_and(|w| matches!(w.phase, Phase::Sending | Phase::Reading));
            if busy {
                continue;
            }
            let before = self.work.get(&key).is_some_and(|w| w.refused);
            self.decide(lane, &key, now);
            let after = self.work.get(&key).is_some_and(|w| w.refused);
            if before != after {
                left.extend(self.waiting.remove(&key).unwrap_or_default());
            }
        }
    }

    fn decide(&mut self, lane: Lane, key: &ObjectKey, now: Moment) {
        let refused = |target: &ObjectKey| self.work.get(target).is_some_and(|w| w.refused);
        let need = need::of(key, &self.desired, &mut self.controller, &refused);
        self.unqueue(key);
        if self.desired.get(key).is_none() && need != Need::Nothing {
            self.guard.condemn(key);
        }
        match need {
            Need::Nothing => {
                self.guard.clear(key);
                self.finish(key, now);
            }
            Need::After(other) => {
                self.waiting.entry(other.clone()).or_default().insert(key.clone());
                self.put(lane, key, Phase::After(other), now);
            }
            Need::Ready(_) => {
                let phase = self.turn(key, now);
                self.put(lane, key, phase, now);
            }
        }
    }

    /// When it is an object's turn.
    fn turn(&self, key: &ObjectKey, now: Moment) -> Phase {
        if let Some(Work { phase: Phase::Until(at), attempts, .. }) = self.work.get(key)
            && *attempts > 0
            && *at > now
        {
            return Phase::Until(*at);
        }
        let rest = self.paces.get(key).map(|pace| pace.last + backoff::pace(pace.in_a_row));
        match rest.filter(|at| *at > now) {
            Some(at) => Phase::Until(at),
            None => Phase::Queued,
        }
    }

    fn put(&mut self, lane: Lane, key: &ObjectKey, phase: Phase, now: Moment) {
        let work = self.work.entry(key.clone()).or_insert(Work {
            lane,
            phase: Phase::Queued,
            since: now,
            attempts: 0,
            failure: None,
            refused: false,
            reread: false,
        });
        match &phase {
            Phase::Queued => {
                self.queue.insert((work.lane, key.clone()));
            }
            Phase::Until(at) => {
                self.timers.insert((*at, key.clone()));
            }
            _ => {}
        }
        work.phase = phase;
    }

    fn unqueue(&mut self, key: &ObjectKey) {
        let Some(work) = self.work.get(key) else { return };
        match &work.phase {
            Phase::Queued => {
                self.queue.remove(&(work.lane, key.clone()));
            }
            Phase::Until(at) => {
                self.timers.remove(&(*at, key.clone()));
            }
            Phase::After(other) => {
                let other = other.clone();
                if let Some(set) = self.waiting.get_mut(&other) {
                    set.remove(key);
                    if set.is_empty() {
                        self.waiting.remove(&other);
                    }
                }
            }
            Phase::Idle | Phase::Sending | Phase::Reading | Phase::Held => {}
        }
    }

    /// An object needs nothing more.
    fn finish(&mut self, key: &ObjectKey, now: Moment) {
        self.foreign.remove(key);
        if let Some(work) = self.work.remove(key)
            && self.counters.latencies_ms.len() < MOST_LATENCIES
        {
            let waited = now.since(work.since).as_millis();
            self.counters.latencies_ms.push(u64::try_from(waited).unwrap_or(u64::MAX));
        }
    }

    /// Sends what is queued, as far as there is room.
    fn send(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        while self.writes_under_way < MOST_WRITES {
            let Some((lane, key)) = self.queue.pop_first() else { return };
            let refused = |target: &ObjectKey| self.work.get(target).is_some_and(|w| w.refused);
            // Much may have changed since it was queued.
            match need::of(&key, &self.desired, &mut self.controller, &refused) {
                Need::Ready(operation) if self.is_held(&operation) => self.put(lane, &key, Phase::Held, now),
                Need::Ready(operation) => {
                    self.put(lane, &key, Phase::Sending, now);
                    self.writes_under_way += 1;
                    effects.push(Effect::Send(operation));
                }
                _ => self.decide(lane, &key, now),
            }
        }
    }

    /// Whether the guard holds an operation. Asked at the last moment: only
    /// then is it known how many deletions there are in all.
    fn is_held(&self, operation: &Operation) -> bool {
        matches!(operation.change, Change::Delete(_))
            && self.guard.is_suspect(&operation.key)
            && self.held().is_some()
    }

    fn sent(
        &mut self,
        key: &ObjectKey,
        result: Result<Option<Observed>, Failure>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        self.writes_under_way = self.writes_under_way.saturating_sub(1);
        match result {
            Ok(observed) => {
                let verb = match (&observed, self.controller.contains(key)) {
                    (None, _) => 2,
                    (Some(_), true) => 1,
                    (Some(_), false) => 0,
                };
                self.counters.written[verb] += 1;
                self.note_pace(key, now);
                self.became(key, observed, now);
            }
            Err(failure) => self.failed(key, failure, now, effects),
        }
    }

    fn read(
        &mut self,
        key: &ObjectKey,
        result: Result<Option<Observed>, Failure>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        match result {
            Ok(Some(observed)) if !self.is_owned(&observed.body) => {
                self.not_owned(key, &observed.body, now, effects)
            }
            Ok(observed) => {
                let attempts = self.work.get(key).map_or(0, |w| w.attempts);
                self.became(key, observed, now);
                // The reading was no success yet.
                if let Some(work) = self.work.get_mut(key) {
                    work.attempts = attempts;
                }
            }
            Err(failure) => self.failed(key, failure, now, effects),
        }
    }

    /// An object is as it was answered; what waited for that goes on.
    fn became(&mut self, key: &ObjectKey, observed: Option<Observed>, now: Moment) {
        let old_targets = self.targets(key);
        self.controller.set(key, observed, now);
        if let Some(work) = self.work.get_mut(key) {
            work.phase = Phase::Idle;
            work.attempts = 0;
            work.failure = None;
            work.refused = false;
            work.reread = false;
        }
        let mut affected = BTreeSet::from([key.clone()]);
        affected.extend(self.waiting.remove(key).unwrap_or_default());
        // Those that it no longer refers to may be deleted now.
        let unwanted = old_targets.into_iter().filter(|target| self.desired.get(target).is_none());
        affected.extend(unwanted);
        self.publisher.look_again(std::iter::once(key), &self.desired);
        self.look(affected, now);
    }

    fn targets(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        self.controller.get(key).map(|o| crate::controller::targets(key, &o.body)).unwrap_or_default()
    }

    fn failed(&mut self, key: &ObjectKey, failure: Failure, now: Moment, effects: &mut Vec<Effect>) {
        self.counters.failed += 1;
        let Some(work) = self.work.get_mut(key) else { return };
        if failure.class == ErrorClass::NoPermit {
            work.phase = Phase::Idle;
            self.look(BTreeSet::from([key.clone()]), now);
            return;
        }
        work.attempts = work.attempts.saturating_add(1);
        let verdict = backoff::after(key, &failure, work.attempts);
        let was_refused = work.refused;
        let first = work.failure.as_ref().map(|f| &f.message) != Some(&failure.message);
        work.refused = verdict.refused;
        work.failure = Some(failure.clone());
        work.reread = verdict.read;
        work.phase = Phase::Until(now + verdict.wait);
        self.timers.insert((now + verdict.wait, key.clone()));
        if verdict.refused && first {
            self.tell_refused(key, &failure, effects);
        }
        if verdict.read && verdict.wait.is_zero() {
            self.read_again(key, effects);
        }
        if verdict.refused && !was_refused {
            let others = self.waiting.remove(key).unwrap_or_default();
            self.look(others, now);
        }
    }

    /// Reads an object whose state is not known; if a reference was missing,
    /// also what it refers to.
    fn read_again(&mut self, key: &ObjectKey, effects: &mut Vec<Effect>) {
        let mut keys = vec![key.clone()];
        let failure = self.work.get(key).and_then(|work| work.failure.as_ref());
        if failure.is_some_and(|failure| failure.class == ErrorClass::Gone)
            && let Some(wanted) = self.desired.get(key)
        {
            keys.extend(crate::controller::targets(key, wanted));
        }
        for key in keys {
            let reading =
                self.work.get(&key).is_some_and(|w| matches!(w.phase, Phase::Sending | Phase::Reading));
            if !reading {
                self.unqueue(&key);
                if let Some(work) = self.work.get_mut(&key) {
                    work.phase = Phase::Reading;
                }
                effects.push(Effect::Read(key));
            }
        }
    }

    fn is_owned(&self, body: &Object) -> bool {
        let translator = self.desired.translator();
        match body.created_by() {
            Some(owner) => **owner == *translator.config().owner(),
            // A VsVip tells its cluster only.
            None => body.markers().first().is_some_and(|marker| {
                &*marker.key == "clustername" && marker.values == [translator.config().cluster_name.clone()]
            }),
        }
    }

    /// An object with our name belongs to somebody else: it is left alone.
    fn not_owned(&mut self, key: &ObjectKey, body: &Object, now: Moment, effects: &mut Vec<Effect>) {
        let owner: Arc<str> = body.created_by().cloned().unwrap_or_else(|| "somebody else".into());
        let message =
            format!("an object of that name belongs to {owner}; remove or rename it on the controller");
        self.foreign.insert(key.clone(), owner);
        let failure = Failure { class: ErrorClass::Rejected, status: None, message, retry_after_ms: None };
        self.failed(key, failure, now, effects);
    }

    fn tell_refused(&self, key: &ObjectKey, failure: &Failure, effects: &mut Vec<Effect>) {
        let reason =
            if self.foreign.contains_key(key) { Reason::NotOwned } else { Reason::ControllerRefused };
        for object in self.desired.resources_of(key) {
            effects.push(Effect::Tell(Notice {
                object,
                warning: true,
                reason: reason.as_str(),
                message: format!("the Avi Controller refuses {key}: {failure}").into(),
            }));
        }
    }

    fn note_pace(&mut self, key: &ObjectKey, now: Moment) {
        if !self.desired.is_shared(key) {
            return;
        }
        let pace = self.paces.entry(key.clone()).or_insert(Pace { last: now, in_a_row: 0 });
        let quiet = now.since(pace.last) > backoff::QUIET;
        pace.in_a_row = if quiet { 1 } else { pace.in_a_row.saturating_add(1) };
        pace.last = now;
    }
}

/// The object on which a status may stand that a key is about.
fn resource_of(key: &Key) -> Option<ResourceId> {
    use ako_core::ResourceKind;
    let (kind, name) = match key {
        Key::Ingress(name) => (ResourceKind::Ingress, name),
        Key::Service(name) => (ResourceKind::Service, name),
        _ => return None,
    };
    Some(ResourceId { kind, name: name.clone() })
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Idle | Self::Queued => f.write_str("queued"),
            Self::Sending => f.write_str("being written"),
            Self::Reading => f.write_str("being read"),
            Self::After(key) => write!(f, "waits for {key}"),
            Self::Until(_) => f.write_str("waits to be tried again"),
            Self::Held => f.write_str("deletion held by the guard"),
        }
    }
}
