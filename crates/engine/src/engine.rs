//! The state machine: events in, effects out.

mod caution;
mod explain;
mod findings;
mod handover;
mod looks;
mod losses;
mod outcome;
mod report;
mod suspects;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Change, Object, ObjectKey, Operation};
use ako_core::handover::Word;
use ako_core::{Delta, Diagnostic, Key, ResourceId, Snapshot};
use ako_elect::Moment;
use ako_translate::{Translator, UnitKey};

use crate::agenda::{Agenda, Lane, Stage};
use crate::belief::Belief;
use crate::counters::Counters;
use crate::desired::{Changes, Desired};
use crate::event::{Effect, Event, Notice};
use crate::guard::Guards;
use crate::inventory::Inventory;
use crate::lookups::Lookups;
use crate::need::{self, Need};
use crate::pace::Paces;
use crate::policy::Policy;
use crate::publisher::Publisher;
use crate::source::Source;
use crate::territory::{Looked, Passed, Territory};
use crate::trial::Trials;
use crate::unserved::Unserved;
use crate::verdict::Verdict;
use crate::voice::Voice;

pub use explain::{Explained, ExplainedObject, Explanation, RuleVerdict, Subject};
pub use looks::Awaited;
pub use report::{Pending, VirtualServiceReport};

/// After a change, more changes are waited for so long…
const QUIET: Duration = Duration::from_millis(10);
/// …but in all no longer than this.
const PATIENCE: Duration = Duration::from_millis(100);
/// The most writes under way at a time. The shell decides how many of them the
/// controller gets at once; this bounds the queue in front of it.
const MOST_WRITES: usize = 64;

/// What a change comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A complete list, or what is like one.
    List,
    /// A single, watched edit.
    Edit,
    /// Another instance says that it has taken a namespace over.
    Word,
}

impl Cause {
    fn of(is_edit: bool) -> Self {
        if is_edit { Self::Edit } else { Self::List }
    }
}

/// The changes that were not looked at yet.
#[derive(Clone, Debug, Default)]
struct Touched {
    /// By single, watched edits.
    by_edit: BTreeSet<Key>,
    /// By complete lists.
    by_list: BTreeSet<Key>,
    /// By the word of other instances.
    by_word: BTreeSet<Key>,
    first: Moment,
    last: Moment,
}

impl Touched {
    fn keys(&self) -> impl Iterator<Item = &Key> {
        self.by_edit.iter().chain(&self.by_list).chain(&self.by_word)
    }

    fn contains(&self, key: &Key) -> bool {
        self.by_edit.contains(key) || self.by_list.contains(key) || self.by_word.contains(key)
    }

    /// Whether a namespace may have another owner, or be handed over.
    fn is_about_owners(&self) -> bool {
        self.keys().any(is_about_owners)
    }

    /// The objects whose status has to be looked at again. Who asks for a namespace decides
    /// who takes away what stands in it, even where nothing changes that is wanted.
    fn statuses(&self, snapshot: &Snapshot) -> BTreeSet<ResourceId> {
        let mut statuses: BTreeSet<_> = self.keys().filter_map(resource_of).collect();
        if self.is_about_owners() {
            let all = self.contains(&Key::Instances);
            let is_touched = |id: &ResourceId| all || self.contains(&Key::namespace(&id.name.namespace));
            statuses.extend(snapshot.published().filter(is_touched));
        }
        statuses
    }
}

fn is_about_owners(key: &Key) -> bool {
    matches!(key, Key::Instances | Key::Handover) || key.as_namespace().is_some()
}

/// The engine. It owns the snapshot, what is wanted, what is there, and the
/// work in between; it never waits and never does anything itself.
#[derive(Debug)]
pub struct Engine {
    /// What the configuration says that counts.
    pub(crate) policy: Policy,
    pub(crate) snapshot: Snapshot,
    pub(crate) desired: Desired,
    pub(crate) inventory: Inventory,
    pub(crate) guards: Guards,
    pub(crate) publisher: Publisher,
    pub(crate) agenda: Agenda,
    pub(crate) paces: Paces,
    pub(crate) counters: Counters,
    /// Whose the namespaces are.
    pub(crate) territory: Territory,
    /// What is said of those that change hands.
    pub(crate) voice: Voice,
    /// Borrowed objects that a reading looked for and did not find.
    pub(crate) missing: BTreeSet<ObjectKey>,
    /// VsVips that have another address than is asked for, and keep it.
    pub(crate) kept_addresses: BTreeSet<ObjectKey>,
    /// What somebody disabled on the controller, and stays so.
    pub(crate) disabled: BTreeSet<ObjectKey>,
    /// What was told last of borrowed objects.
    told: BTreeSet<Diagnostic>,
    touched: Option<Touched>,
    /// A configuration that needs kinds which were not listed yet.
    pub(crate) pending: Option<Translator>,
    /// What is found out about shared objects that the controller refuses.
    pub(crate) trials: Trials,
    /// Objects of the cluster that cannot be understood, until they can.
    pub(crate) unreadable: BTreeSet<ResourceId>,
    /// Kinds that the API server lacks.
    pub(crate) unserved: Unserved,
    /// What is asked of the controller by name.
    pub(crate) lookups: Lookups,
    /// What is believed of the cluster.
    pub(crate) belief: Belief,
    writing: bool,
    /// Whether the cluster was translated as a whole.
    translated: bool,
    /// Whether all objects of both sides were looked at: from then on only
    /// what changes is.
    begun: bool,
}

impl Engine {
    /// An engine that knows nothing of the cluster and of the controller yet.
    pub fn new(translator: Translator) -> Self {
        let mut snapshot = Snapshot::default();
        let policy = Policy::of(translator.config());
        snapshot.act_by(translator.config(), translator.subdomain());
        snapshot.act_on(&translator.facts().cluster_uuid);
        let bound = policy.bound;
        Self {
            policy,
            snapshot,
            desired: Desired::new(translator),
            inventory: Inventory::default(),
            guards: Guards::default(),
            publisher: Publisher::default(),
            agenda: Agenda::default(),
            paces: Paces::default(),
            counters: Counters::default(),
            territory: Territory::default(),
            voice: Voice::default(),
            missing: BTreeSet::new(),
            kept_addresses: BTreeSet::new(),
            disabled: BTreeSet::new(),
            told: BTreeSet::new(),
            touched: None,
            pending: None,
            trials: Trials::default(),
            unreadable: BTreeSet::new(),
            unserved: Unserved::default(),
            lookups: Lookups::default(),
            belief: Belief::new(bound),
            writing: false,
            translated: false,
            begun: false,
        }
    }

    /// Takes an event and answers what is to be done.
    pub fn step(&mut self, event: Event, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Cluster(delta) => self.cluster(delta, now),
            Event::Configured(translator) => self.configured(*translator, now, &mut effects),
            Event::Observed(observation) => {
                let handed_over = self.territory.observed(observation.started);
                let snapshot = &self.snapshot;
                let is_ours = |namespace: &str| snapshot.serves(namespace);
                let mut affected = self.inventory.replace_where(observation, &is_ours);
                let woken: Vec<_> = affected.iter().flat_map(|key| self.agenda.wake(key)).collect();
                affected.extend(woken);
                self.publisher.extend(self.desired.subjects().cloned());
                self.publisher.look_for_owners_again();
                self.note_missing();
                self.lookups.ask_again();
                self.touch(handed_over, Cause::Word, now);
                self.look(affected, now);
            }
            Event::Writing(writing) => self.writing = writing,
            Event::Sent(key, result) => self.sent(&key, result, now, &mut effects),
            Event::Read(key, result) => self.read(&key, result, now, &mut effects),
            Event::Published(object, result) => self.publisher.done(&object, &result, now, &mut effects),
            Event::OwnersFound(object, owners) => {
                self.publisher.owners_found(object, owners, &self.policy);
            }
            Event::LookedUp(answers) => self.looked_up(answers, now),
            Event::Unreadable(resource) => {
                self.unreadable.insert(resource);
            }
            Event::Served(kind, served) => {
                self.unserved.tell(kind, served, self.snapshot.count(kind));
                let touched = self.snapshot.serve(kind, served);
                self.touch(touched, Cause::List, now);
            }
            Event::Outdated(kind, outdated) => self.territory.outdated(kind, outdated, now),
            Event::Leads(leadership) => {
                self.belief.lead(leadership.as_ref().map(|leadership| leadership.since));
                if leadership.is_some() {
                    self.territory.lead();
                    // What was heard before it led explains nothing any more.
                    self.look(self.guards.explained().clone(), now);
                }
                if self.voice.lead(leadership.map(|leadership| leadership.name)) {
                    self.territory.says(&Word::default());
                }
            }
            Event::Said(_) => self.voice.answered(now),
            Event::Proven(source, at) => self.belief.hear(source, at),
            Event::ReleaseDeletions(digest) => self.release(&digest),
            Event::Tick => {}
        }
        self.settle(now, &mut effects);
        effects
    }

    /// When the engine wants to be woken, if nothing happens before.
    pub fn deadline(&self) -> Option<Moment> {
        let touched = self.touched.as_ref().filter(|_| self.snapshot.is_complete());
        let touched = touched.map(|t| (t.last + QUIET).min(t.first + PATIENCE));
        let own = [self.agenda.deadline(), self.publisher.deadline(), self.territory.deadline()];
        let others = [touched, self.voice.deadline(), self.next_retry(), self.lookups.deadline()];
        own.into_iter().chain(others).flatten().min()
    }

    /// Whether everything is known and as it is wanted: nothing to translate,
    /// to write or to publish.
    pub fn is_settled(&self) -> bool {
        let is_known = self.is_synced() && self.touched.is_none() && !self.lookups.waits();
        is_known && self.agenda.is_empty() && self.publisher.is_idle()
    }

    /// Whether nothing is left to be done of a removal of everything: no other instance
    /// has still to take over what this one served.
    pub fn has_removed_everything(&self) -> bool {
        self.is_settled() && self.territory.departures().next().is_none()
    }

    /// Whether the cluster and the controller were read completely.
    pub fn is_synced(&self) -> bool {
        self.begun
    }

    /// Whether all changes of the cluster were looked at.
    pub(crate) fn is_translated(&self) -> bool {
        self.translated && self.touched.is_none()
    }

    fn cluster(&mut self, delta: Delta, now: Moment) {
        let is_edit = !matches!(delta, Delta::Reset(..));
        match &delta {
            Delta::Apply(resource) => {
                self.unreadable.remove(&resource.id());
            }
            Delta::Delete(id) => {
                self.unreadable.remove(id);
            }
            // One that the list lacks may be there and not be understood: if it is
            // gone, that is told.
            Delta::Reset(kind, resources) => {
                self.belief.doubt(Source::Kind(*kind));
                for resource in resources {
                    self.unreadable.remove(&resource.id());
                }
            }
        }
        let keys = self.snapshot.apply(delta);
        self.touch(keys, Cause::of(is_edit), now);
    }

    /// Remembers that keys have to be looked at.
    fn touch(&mut self, keys: BTreeSet<Key>, cause: Cause, now: Moment) {
        if keys.is_empty() {
            return;
        }
        let touched = self.touched.get_or_insert_with(|| Touched { first: now, ..Touched::default() });
        touched.last = now;
        match cause {
            Cause::List => touched.by_list.extend(keys),
            Cause::Edit => touched.by_edit.extend(keys),
            Cause::Word => touched.by_word.extend(keys),
        }
    }

    /// Another configuration counts when everything is known that it needs.
    fn configured(&mut self, translator: Translator, now: Moment, effects: &mut Vec<Effect>) {
        let mut touched = self.snapshot.act_by(translator.config(), translator.subdomain());
        touched.extend(self.snapshot.act_on(&translator.facts().cluster_uuid));
        self.touch(touched, Cause::List, now);
        let policy = Policy::of(translator.config());
        self.belief.set_bound(policy.bound);
        if !self.snapshot.is_complete() {
            self.pending = Some(translator);
            return;
        }
        self.pending = None;
        self.look_at_territory(now);
        let is_about_removal = policy.removing != self.policy.removing;
        self.policy = policy;
        if is_about_removal {
            // With `deleteConfig` other namespaces stay as they are than without.
            self.freeze(now);
        }
        self.look(self.disabled.clone(), now);
        if self.translated && translator.translates_like(self.desired.translator()) {
            self.desired.replace_translator(translator);
            return;
        }
        let changes = self.desired.reconfigure(translator, &self.snapshot);
        self.publisher.extend(self.desired.subjects().cloned());
        self.changed(changes, Cause::List, now, effects);
        self.look_at_unproven(now);
    }

    /// Everything that follows from an event without another one.
    fn settle(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.translate(now, effects);
        self.ask(now, effects);
        if self.is_translated() && self.pending.is_none() {
            let has_taken_over = self.territory.translated();
            if self.belief.translated(now) || has_taken_over {
                self.look_at_unproven(now);
            }
        }
        self.begin(now);
        self.guards.forget(now);
        self.look_at_held(now);
        let is_known = self.is_translated() && !self.lookups.waits();
        if self.begun && is_known && !self.guards.has_suspects() {
            self.unserved.nothing_is_held();
        }
        while let Some(key) = self.agenda.next_due(now) {
            if self.agenda.get(&key).is_some_and(|work| work.reread) {
                self.read_again(&key, now, effects);
            } else {
                self.look(BTreeSet::from([key]), now);
            }
        }
        self.go_on_with_trials(now, effects);
        self.publisher.wake(now);
        if self.voice.wake(now) {
            self.territory.says(&Word::default());
        }
        self.tell_of_findings(effects);
        if self.writing && self.begun && self.barred().is_none() {
            self.send(now, effects);
            self.publish(now, effects);
            self.say(now, effects);
        }
    }

    /// What the guard held and does not hold any more is looked at.
    fn look_at_held(&mut self, now: Moment) {
        let holding = self.holding();
        if !holding.concerns_statuses() {
            self.publisher.wake_waiting();
        }
        let held = self.agenda.held().iter();
        let released: BTreeSet<_> = held.filter(|key| !holding.concerns(key)).cloned().collect();
        self.look(released, now);
    }

    /// What waited for proofs is looked at.
    fn look_at_unproven(&mut self, now: Moment) {
        self.publisher.wake_waiting();
        let unproven = self.agenda.unproven().clone();
        self.look(unproven, now);
    }

    /// Looks at every object of both sides, once both are known.
    fn begin(&mut self, now: Moment) {
        let is_known = self.translated && self.inventory.is_complete() && !self.awaits_answers();
        if self.begun || !is_known {
            return;
        }
        self.begun = true;
        self.note_missing();
        let wanted = self.desired.objects().map(|(key, _)| key);
        let all = wanted.chain(self.inventory.keys()).cloned().collect();
        self.look_in(Lane::Backlog, all, now);
    }

    /// Translates what was touched, once the cluster is known and quiet.
    fn translate(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let Passed { by_edit, by_list, observe } = self.territory.pass(&mut self.snapshot, now);
        if observe {
            effects.push(Effect::Observe);
        }
        // What stayed as it was goes on doing so until it is translated: what was wanted
        // of it before is out of date.
        self.touch(by_edit, Cause::Edit, now);
        self.touch(by_list, Cause::List, now);
        let is_due = |t: &Touched| now >= t.last + QUIET || now >= t.first + PATIENCE;
        // The first translation waits for nothing but the cluster.
        let is_time = !self.translated || self.pending.is_some() || self.touched.as_ref().is_some_and(is_due);
        if !is_time || !self.snapshot.is_complete() {
            return;
        }
        if let Some(translator) = self.pending.take() {
            self.configured(translator, now, effects);
        }
        self.look_at_territory(now);
        let mut touched = self.touched.take().unwrap_or_default();
        if !self.translated {
            touched.by_list.extend(UnitKey::STANDING.map(|unit| unit.own_key()));
        }
        // Lists first: what a list and an edit both lead to is not explained by
        // the edit, as that may have been about something else.
        let lists = self.desired.update(&self.snapshot, &touched.by_list);
        self.changed(lists, Cause::List, now, effects);
        let words = self.desired.update(&self.snapshot, &touched.by_word);
        let shares_names = |key: &Key| key.as_namespace().is_some_and(|name| self.shares_names(name));
        // Where there are no names in common, nothing can have been taken over by them.
        let cause = if touched.by_word.iter().any(shares_names) { Cause::Word } else { Cause::Edit };
        self.changed(words, cause, now, effects);
        let edits = self.desired.update(&self.snapshot, &touched.by_edit);
        self.changed(edits, Cause::Edit, now, effects);
        self.publisher.changed(touched.statuses(&self.snapshot), &self.snapshot);
        self.translated = true;
        // What nobody asks for any more, nobody will take over.
        self.look(self.guards.expected().clone(), now);
    }

    /// Finds out which namespaces changed hands, if any can have.
    fn look_at_territory(&mut self, now: Moment) {
        if self.translated && !self.touched.as_ref().is_some_and(Touched::is_about_owners) {
            return;
        }
        let margin = self.policy.margin;
        let by_list = self.touched.as_ref().is_some_and(|t| t.by_list.iter().any(is_about_owners));
        let Looked { touched, given_away } = self.territory.look(&mut self.snapshot, margin, now);
        self.territory.note_under_way(&given_away, &self.agenda.in_doubt());
        self.inventory.leave(&given_away);
        if !given_away.is_empty() {
            // What explained a removal was said before another instance had the namespace.
            self.look(self.guards.explained().clone(), now);
        }
        self.inventory.share(self.snapshot.may_share_controller());
        self.touch(touched, Cause::of(!by_list), now);
        self.freeze(now);
        self.look_at_unproven(now);
    }

    /// Keeps what is to stay as it is from being translated and written; what
    /// need not stay any longer is looked at again.
    fn freeze(&mut self, now: Moment) {
        let mut affected = self.desired.freeze(&self.territory.frozen(self.policy.removing));
        // Whose what is held may have become known, too.
        affected.extend(self.agenda.held().iter().cloned());
        self.look(affected, now);
    }

    /// Takes over what a change of the cluster or of the configuration comes to.
    pub(crate) fn changed(
        &mut self,
        mut changes: Changes,
        cause: Cause,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        // That everything goes is what `deleteConfig` says.
        let by_edit = cause == Cause::Edit || self.policy.removing;
        self.note_names(by_edit);
        let news = self.inventory.leave_alone(self.desired.left_alone());
        let mut affected = self.inventory.connected(&news.objects);
        // Those that are to have the names, and those that have them.
        for host in &news.hosts {
            affected.extend(self.desired.vsvips_named(host).cloned());
            affected.extend(self.inventory.vsvips_named(host).cloned());
        }
        changes.objects.extend(news.objects);
        // Before both sides are known, there is nothing to be lost, and one write for
        // everything.
        for key in &changes.objects {
            if (by_edit || cause == Cause::Word && self.is_named_after_us(key)) && self.begun {
                self.guards.explain(key);
            } else {
                self.guards.unexplain(key);
            }
        }
        self.guards.note(&changes.objects, &self.desired, by_edit && self.begun);
        if self.begun {
            self.paces.changed(&changes.objects, now);
        }
        self.want(changes, now, effects);
        self.look(affected, now);
    }

    /// Looks at what is wanted differently, whatever that comes from.
    pub(crate) fn want(&mut self, changes: Changes, now: Moment, effects: &mut Vec<Effect>) {
        self.counters.translated += changes.translated as u64;
        self.counters.assembled += changes.assembled as u64;
        self.note_names(false);
        for key in &changes.objects {
            // A new body may be accepted where the old one was not.
            if let Some(work) = self.agenda.get_mut(key) {
                work.outdated = true;
                if work.refused && !work.reread {
                    work.attempts = 0;
                }
            }
        }
        self.publisher.extend(changes.resources);
        for finding in changes.found {
            effects.push(Effect::Tell(Notice::from(finding)));
        }
        let keys: Vec<_> = changes.objects.iter().cloned().collect();
        self.look(changes.objects, now);
        self.read_newly_borrowed(&keys, now, effects);
        for key in &keys {
            self.agenda.promote(key);
        }
    }

    /// Reads what comes to be borrowed, and was not there yet when everything was read last.
    fn read_newly_borrowed(&mut self, changed: &[ObjectKey], now: Moment, effects: &mut Vec<Effect>) {
        if !self.begun {
            return;
        }
        for key in changed.iter().filter(|key| key.kind.is_borrowed()) {
            let is_there = self.inventory.contains(key) || self.missing.contains(key);
            if !is_there && self.desired.get(key).is_some() {
                self.read_again(key, now, effects);
            }
        }
    }

    /// What is not there of what is wanted now. What comes to be wanted later has
    /// to be looked for first.
    fn note_missing(&mut self) {
        let wanted = self.desired.borrowed().map(|(key, _)| key);
        self.missing = wanted.filter(|key| !self.inventory.contains(key)).cloned().collect();
    }

    /// Tells what keeps borrowed objects from holding our part, once.
    fn tell_of_findings(&mut self, effects: &mut Vec<Effect>) {
        let findings: BTreeSet<_> = self.findings().into_iter().collect();
        let news = findings.difference(&self.told).cloned();
        effects.extend(news.map(|finding| Effect::Tell(Notice::from(finding))));
        self.told = findings;
    }

    /// Finds out what objects need, and what those need that wait for them.
    pub(crate) fn look(&mut self, keys: BTreeSet<ObjectKey>, now: Moment) {
        self.look_in(Lane::Live, keys, now);
    }

    fn look_in(&mut self, lane: Lane, keys: BTreeSet<ObjectKey>, now: Moment) {
        if !self.begun {
            // Everything is looked at when both sides are known.
            return;
        }
        let mut left = keys;
        while let Some(key) = left.pop_first() {
            if self.agenda.is_in_doubt(&key) {
                continue;
            }
            self.decide(lane, &key, now);
            if !self.agenda.contains(&key) {
                left.extend(self.agenda.wake(&key));
            }
        }
    }

    fn decide(&mut self, lane: Lane, key: &ObjectKey, now: Moment) {
        if self.was_not_taken_over(key) {
            self.inventory.lose(key, now);
        }
        self.note_kept_address(key);
        self.note_disabled(key);
        let found = need::of(key, &self.policy, &self.desired, &mut self.inventory, &self.agenda);
        self.judge(key, &found.need);
        for other in &found.left_out {
            self.agenda.go_on_without(key, other);
        }
        match found.need {
            Need::Nothing => {
                self.agenda.remove(key);
                self.paces.end_burst(key);
                if !self.inventory.contains(key) {
                    self.paces.forget(key);
                }
            }
            Need::After(other) => self.agenda.put(lane, key, Stage::After(other), now),
            Need::Ready(_) => {
                let stage = self.turn(key, now);
                self.agenda.put(lane, key, stage, now);
            }
        }
    }

    /// When it is an object's turn.
    fn turn(&self, key: &ObjectKey, now: Moment) -> Stage {
        if let Some(work) = self.agenda.get(key)
            && let Stage::Until(at) = *work.stage()
            && work.attempts > 0
            && at > now
        {
            return Stage::Until(at);
        }
        match self.paces.not_before(key).filter(|at| *at > now) {
            Some(at) => Stage::Until(at),
            None => Stage::Queued,
        }
    }

    /// Sends what is queued, as far as there is room.
    fn send(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        // Asked at the last moment, as only then is it known how many losses there are in
        // all, and again after whatever may have changed that.
        let mut holding = None;
        while self.agenda.sending() < MOST_WRITES {
            let Some(key) = self.agenda.next_queued() else { return };
            // Much may have changed since it was queued.
            let found = need::of(&key, &self.policy, &self.desired, &mut self.inventory, &self.agenda);
            // So may have what explained it.
            let was_suspect = self.guards.is_suspect(&key);
            self.judge(&key, &found.need);
            if was_suspect != self.guards.is_suspect(&key) {
                holding = None;
            }
            let Need::Ready(operation) = found.need else {
                self.look(BTreeSet::from([key]), now);
                holding = None;
                continue;
            };
            if self.snapshot.may_share_controller() && !self.belief.has_known_territory() {
                // The leader of before may have let another instance have a namespace.
                self.agenda.put(Lane::Live, &key, Stage::Unproven, now);
                continue;
            }
            if let Some(until) = self.may_be_anothers_until(&operation, now) {
                self.agenda.put(Lane::Live, &key, Stage::Until(until), now);
                continue;
            }
            let held = *holding.get_or_insert_with(|| self.holding());
            match self.weigh(operation, held, now) {
                Verdict::Held => self.agenda.put(Lane::Live, &key, Stage::Held, now),
                Verdict::Unproven => self.agenda.put(Lane::Live, &key, Stage::Unproven, now),
                Verdict::Send { operation, until } => {
                    holding = holding.filter(|_| !self.guards.is_suspect(&key));
                    self.send_one(operation, until, now, effects);
                }
            }
        }
    }

    fn send_one(
        &mut self,
        operation: Operation,
        until: Option<Moment>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let key = operation.key.clone();
        self.paces.end_burst(&key);
        if until.is_some() {
            self.guards.let_pass(&key, now);
        }
        if matches!(operation.change, Change::Delete(_)) {
            self.inventory.release(&key);
        }
        self.agenda.put(Lane::Live, &key, Stage::Sending(body_of(&operation)), now);
        if let Some(work) = self.agenda.get_mut(&key) {
            work.outdated = false;
        }
        effects.push(Effect::Send { operation, until });
    }
}

fn body_of(operation: &Operation) -> Option<Arc<Object>> {
    match &operation.change {
        Change::Create(body) | Change::Update(_, body) => Some(body.clone()),
        Change::Delete(_) => None,
    }
}

/// The object on which a status may stand that a key is about.
fn resource_of(key: &Key) -> Option<ResourceId> {
    match key {
        Key::One(kind, name) if kind.has_status() => Some(ResourceId { kind: *kind, name: name.clone() }),
        _ => None,
    }
}
