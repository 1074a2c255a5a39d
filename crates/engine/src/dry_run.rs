//! What an instance would write, found out by running its engine without a cluster and
//! without a controller.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{
    Brief, Change, ErrorClass, Failure, FieldChange, Meta, Object, ObjectKey, Observed, Operation, Referred,
};
use ako_core::{Catalogue, Conflict, Contest, Look, ResourceKind};
use ako_elect::Moment;
use ako_translate::Translator;

use crate::engine::{Engine, Pending};
use crate::event::{Effect, Event, Leadership};
use crate::guard::Held;
use crate::inventory::Reading;
use crate::source::Source;
use crate::verdict::Unproven;

/// So much time passes at most. The engine needs some to collect changes, and between two
/// writes of one object. Another instance may be writing for longer ([`crate::bound`]), so
/// nothing of one is taken over in it.
const LONGEST: Duration = Duration::from_secs(3);
/// The most steps of the engine, so that it ends whatever happens.
const MOST_STEPS: usize = 2_000_000;

/// What is to be done to one object, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The object.
    pub key: ObjectKey,
    /// What is done.
    pub action: Action,
    /// What asks for it, or that nothing does.
    pub reason: String,
}

/// What is done to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is created.
    Create,
    /// These fields are changed.
    Update(Vec<FieldChange>),
    /// It is deleted.
    Delete,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Create => write!(f, "+ create {}  ({})", self.key, self.reason),
            Action::Delete => write!(f, "- delete {}  ({})", self.key, self.reason),
            Action::Update(changes) => {
                write!(f, "~ update {}  ({})", self.key, self.reason)?;
                changes.iter().try_for_each(|change| write!(f, "\n    {change}"))
            }
        }
    }
}

/// What a process that starts now and leads would do, and what it would leave.
#[derive(Clone, Debug, Default)]
pub struct DryRun {
    /// The writes to the controller, in the order in which they are sent. An object that is
    /// written twice is here twice, each time with what that write changes.
    pub writes: Vec<Planned>,
    /// The earlier instance, by its namespace, because of which nothing is written, and why.
    pub barred: Option<(Arc<str>, Contest)>,
    /// What this instance leaves to others, with the way out.
    pub conflicts: Vec<Conflict>,
    /// What the deletion guard holds.
    pub held: Option<Held>,
    /// What is not taken away before more is known than a dry run can find out.
    pub unproven: Option<Unproven>,
    /// The namespaces that are not served yet, as their former owner may still be writing.
    pub awaited: Vec<Arc<str>>,
    /// The namespaces that wait for another instance to take them over, each with the
    /// namespace of that instance.
    pub departures: Vec<(Arc<str>, Arc<str>)>,
    /// The objects that are not as they are wanted in the end, whatever they wait for.
    pub pending: Vec<Pending>,
    /// What has to be looked up on the controller for that, and is not in the catalogue.
    pub unanswered: BTreeSet<Referred>,
    /// Whether the cluster and the controller were known completely. If not, there is no
    /// write, and that says nothing.
    pub is_complete: bool,
}

/// Finds out what a process of an instance would write that starts now and leads.
///
/// `cluster` is what a process hears of the cluster when it starts, in that order: a
/// complete list of each kind, and [`Event::Served`],
/// [`Event::Unreadable`] and [`Event::Outdated`] where there is reason for them. `reading` is
/// what the controller holds of this instance, and `catalogue` what is known of other objects of
/// it: if that is not enough, the answer says what is missing, and nothing else.
///
/// Every write succeeds. What only the controller or another instance can know is not found
/// out: that the controller refuses something, that an object of another owner is in the
/// way, that another instance lets go of a namespace meanwhile.
pub fn dry_run(
    translator: Translator,
    cluster: impl IntoIterator<Item = Event>,
    reading: Reading,
    catalogue: &Catalogue,
) -> DryRun {
    let mut stage = Stage::new(translator, &reading, catalogue);
    let leadership = Leadership { since: stage.now, name: "dry-run".into() };
    stage.step(Event::Leads(Some(leadership)));
    stage.step(Event::Writing(true));
    cluster.into_iter().for_each(|event| stage.step(event));
    // A list makes a kind doubtful, so this comes after all of them.
    let sources = ResourceKind::ALL.into_iter().map(Source::Kind).chain([Source::Configuration]);
    sources.for_each(|source| stage.step(Event::Proven(source, stage.start)));
    stage.step(Event::Observed(reading));
    stage.run();
    stage.report()
}

/// An engine, and a controller that takes everything.
struct Stage<'a> {
    engine: Engine,
    /// What is known of what others have on the controller.
    catalogue: &'a Catalogue,
    unanswered: BTreeSet<Referred>,
    /// What the controller holds by now.
    objects: BTreeMap<ObjectKey, Observed>,
    effects: VecDeque<Effect>,
    writes: Vec<Planned>,
    start: Moment,
    now: Moment,
}

impl<'a> Stage<'a> {
    fn new(translator: Translator, reading: &Reading, catalogue: &'a Catalogue) -> Self {
        Self {
            engine: Engine::new(translator),
            catalogue,
            unanswered: BTreeSet::new(),
            objects: reading.objects.iter().cloned().collect(),
            effects: VecDeque::new(),
            writes: Vec::new(),
            start: reading.started,
            now: reading.started,
        }
    }

    fn step(&mut self, event: Event) {
        let effects = self.engine.step(event, self.now);
        self.effects.extend(effects);
    }

    /// Runs until there is nothing left that the engine does by itself.
    fn run(&mut self) {
        let end = self.start + LONGEST;
        for _ in 0..MOST_STEPS {
            if let Some(effect) = self.effects.pop_front() {
                if let Some(answer) = self.answer(effect) {
                    self.step(answer);
                }
                continue;
            }
            if !self.unanswered.is_empty() {
                return;
            }
            let next = self.engine.deadline().filter(|at| *at <= end && !self.engine.is_settled());
            let Some(next) = next else { return };
            self.now = self.now.max(next);
            self.step(Event::Tick);
        }
    }

    /// What comes of something that the engine asks for.
    fn answer(&mut self, effect: Effect) -> Option<Event> {
        Some(match effect {
            Effect::Send { operation, .. } => self.write(operation),
            Effect::Read(key) => {
                let observed = self.objects.get(&key).cloned();
                Event::Read(key, Ok(observed))
            }
            Effect::Observe => {
                let objects = self.objects.iter().map(|(key, object)| (key.clone(), object.clone()));
                Event::Observed(Reading { started: self.now, objects: objects.collect() })
            }
            Effect::LookUp(names) => {
                let answers = names.into_iter().map(|name| (name.clone(), self.look_up(name)));
                Event::LookedUp(answers.collect())
            }
            Effect::Publish { object, .. } => Event::Published(object, Ok(())),
            // Only the controller knows, and no write to it follows from the answer.
            Effect::FindOwners { object, .. } => Event::OwnersFound(object, Err(unknown())),
            // The word is written, and not shown by the watch: others go by the old one.
            Effect::Say(_) => Event::Said(Ok(())),
            Effect::Tell(_) => return None,
        })
    }

    fn look_up(&mut self, name: Referred) -> Result<Option<Brief>, Failure> {
        match self.catalogue.look(&name) {
            Look::Found(brief) => Ok(Some(brief.clone())),
            Look::Missing => Ok(None),
            Look::Unreadable(why) => {
                Err(Failure { message: why.to_string(), class: ErrorClass::Denied, ..unknown() })
            }
            Look::NotAsked => {
                self.unanswered.insert(name);
                Err(unknown())
            }
        }
    }

    /// Carries out a write, and notes it.
    fn write(&mut self, operation: Operation) -> Event {
        let Operation { key, change } = operation;
        let before = self.objects.get(&key);
        let after = match change {
            Change::Delete(_) => None,
            Change::Create(body) | Change::Update(_, body) => Some(body),
        };
        let action = match (before, &after) {
            (_, None) => Action::Delete,
            (None, Some(_)) => Action::Create,
            (Some(before), Some(after)) => Action::Update(after.differences(&before.body)),
        };
        let reason = self.engine.desired().reason(&key);
        let reason = reason.unwrap_or_else(|| "nothing asks for it".to_owned());
        let observed = after.map(|body| self.stored(&key, body));
        match &observed {
            Some(observed) => _ = self.objects.insert(key.clone(), observed.clone()),
            None => _ = self.objects.remove(&key),
        }
        self.writes.push(Planned { key: key.clone(), action, reason });
        Event::Sent(key, Ok(observed))
    }

    /// An object as the controller answers it: with an identity that stays, and a version that
    /// nothing else has.
    fn stored(&self, key: &ObjectKey, body: Arc<Object>) -> Observed {
        let number = self.writes.len();
        let known = self.objects.get(key).map(|observed| observed.meta.uuid.clone());
        let uuid = known.unwrap_or_else(|| format!("{}-dry-run-{number}", key.kind).into());
        Observed { meta: Meta { uuid, last_modified: Some(format!("dry-run-{number}").into()) }, body }
    }

    fn report(self) -> DryRun {
        let engine = self.engine;
        let conflicts = engine.snapshot().conflicts().into_iter().filter(|conflict| conflict.refused);
        DryRun {
            writes: self.writes,
            barred: engine.barred().cloned(),
            conflicts: conflicts.collect(),
            held: engine.held(),
            unproven: engine.unproven(self.now),
            awaited: engine.awaited(),
            departures: engine.departures(),
            pending: engine.pending(usize::MAX),
            unanswered: self.unanswered,
            is_complete: engine.is_synced(),
        }
    }
}

fn unknown() -> Failure {
    let message = "a dry run does not ask the controller".to_owned();
    Failure { class: ErrorClass::Retry, status: None, message, retry_after_ms: None }
}

#[cfg(test)]
mod tests {
    use ako_core::Config;
    use ako_core::config::LeaderElection;

    use super::*;

    #[test]
    fn it_is_over_before_another_instance_has_to_have_stopped() {
        let leader_election =
            LeaderElection { lease_duration: Duration::from_millis(1), ..LeaderElection::DEFAULT };
        let config = Config { leader_election, ..Config::default() };
        assert!(LONGEST < crate::bound(&config));
    }
}
