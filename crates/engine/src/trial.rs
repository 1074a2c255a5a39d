//! Which hosts on a shared virtual service the controller does not take.
//!
//! The controller refuses an object as a whole, though only one host on it may be to blame.
//! So that the others are served:
//!
//! 1. Whatever of a host the refused object does not carry on the controller yet is suspect,
//!    and the front goes without it ([`Desired::leave_off`]).
//! 2. Once the front is in sync, the suspects are put on it again in groups, older ones
//!    first: half of those that were refused together, and twice as many after a success.
//! 3. One that is refused alone is told. It is tried again after a while, or when it changes.
//!
//! If the front is refused without the suspects as well, they are not to blame: they are put
//! on again, and everybody is told what the controller says.
//!
//! A refused write changes nothing on the controller, so that it costs one call to go back.
//! Nothing of this has to be remembered: another leader finds the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::{Failure, ObjectKey};
use ako_core::{Diagnostic, Reason};
use ako_elect::Moment;
use ako_translate::{Carried, Contribution, FrontKey, UnitKey};

use crate::backoff;
use crate::desired::Desired;
use crate::engine::{Cause, Engine};
use crate::event::Effect;
use crate::status::Publish;

/// The fronts that the controller refuses, or refused because of hosts that are left off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trials {
    fronts: BTreeMap<FrontKey, Trial>,
}

/// What is found out about one front.
#[derive(Clone, Debug, Default)]
struct Trial {
    /// Those that are left off and may not be to blame, in the order in which they are tried.
    untried: Vec<UnitKey>,
    /// How many of them are tried together.
    size: usize,
    /// Those that are tried: put on since the front was last in sync.
    trying: Vec<UnitKey>,
    /// Those that an object was refused with alone: they are to blame if the front is in sync
    /// without them.
    alone: BTreeMap<UnitKey, Refusal>,
    /// Those that are to blame.
    refused: BTreeMap<UnitKey, Refusal>,
    /// Whether the front was refused without any suspect since it was last in sync.
    is_refused_without: bool,
}

/// Why a front goes without a unit.
#[derive(Clone, Debug)]
struct Refusal {
    object: ObjectKey,
    failure: Failure,
    /// What the unit asked for.
    asked: Vec<Contribution>,
    /// How often it was refused alone.
    attempts: u32,
    /// Whether people are served by what the front carries of it.
    is_served: bool,
    /// When it is tried again; not while it is untried, or tried.
    retry: Option<Moment>,
}

/// What the next step of a trial is.
enum Step {
    /// A unit is to blame, and nobody is served by what the front carries of it.
    TakeOff(UnitKey),
    /// These are tried.
    Try(Vec<UnitKey>),
    /// Nothing for now.
    Wait,
}

impl Trials {
    /// What of the address of a front is to be published for a unit.
    pub(crate) fn publish(&self, front: &FrontKey, unit: &UnitKey, desired: &Desired) -> Publish {
        let Some(trial) = self.fronts.get(front) else { return Publish::Address };
        if let Some(refusal) = trial.refused.get(unit) {
            return if refusal.is_served { Publish::Address } else { Publish::Nothing };
        }
        let is_open = trial.trying.contains(unit) || !desired.is_served_by(front, unit);
        if is_open { Publish::AsBefore } else { Publish::Address }
    }

    /// What those are told that are to blame.
    pub(crate) fn findings(&self, desired: &Desired) -> Vec<Diagnostic> {
        let refused = self.fronts.values().flat_map(|trial| &trial.refused);
        let found = refused.flat_map(|(unit, refusal)| {
            let message = refusal.message(unit);
            desired.resources_of_unit(unit).into_iter().map(move |object| Diagnostic {
                object,
                reason: Reason::ControllerRefused,
                message: message.clone(),
            })
        });
        found.collect()
    }
}

impl Refusal {
    fn message(&self, unit: &UnitKey) -> Arc<str> {
        let (object, failure) = (&self.object, &self.failure);
        let effect = if self.is_served { "is served as before its last change" } else { "is not served" };
        format!(
            "{unit} {effect}: the Avi Controller refuses {object}, which other hosts share, with it on, and takes it \
             without: {failure}; correct or remove what it names, or what is in its way on the controller. It is \
             tried again when it changes, and from time to time"
        )
        .into()
    }
}

impl Trial {
    /// These were refused together: older ones first.
    fn suspect(&mut self, mut units: Vec<UnitKey>) {
        self.size = (units.len() / 2).max(1);
        self.trying.clear();
        self.untried.retain(|unit| !units.contains(unit));
        units.append(&mut self.untried);
        self.untried = units;
    }

    /// This one was refused alone.
    fn suspect_alone(&mut self, unit: UnitKey, refusal: Refusal) {
        self.size = 1;
        self.trying.clear();
        self.untried.retain(|other| *other != unit);
        self.alone.insert(unit, refusal);
    }

    /// The front is refused without suspects, too. Answers those that are not to blame.
    fn acquit(&mut self) -> Vec<UnitKey> {
        let alone = std::mem::take(&mut self.alone).into_keys();
        let acquitted: Vec<_> = std::mem::take(&mut self.untried).into_iter().chain(alone).collect();
        self.is_refused_without |= !acquitted.is_empty();
        acquitted
    }

    /// What follows when the front is in sync.
    fn next(&mut self, front: &FrontKey, desired: &Desired, now: Moment) -> Step {
        self.is_refused_without = false;
        if !std::mem::take(&mut self.trying).is_empty() {
            self.size = self.size.saturating_mul(2);
        }
        while let Some((unit, mut refusal)) = self.alone.pop_first() {
            refusal.is_served = desired.is_served_by(front, &unit);
            let is_served = refusal.is_served;
            self.refused.insert(unit.clone(), refusal);
            if !is_served {
                return Step::TakeOff(unit);
            }
        }
        let is_left_off = |unit: &UnitKey| desired.left_off_with(front, unit).is_some();
        self.refused.retain(|unit, _| is_left_off(unit));
        self.untried.retain(is_left_off);
        if self.untried.is_empty() {
            self.retry(front, desired, now);
        }
        if self.untried.is_empty() {
            return Step::Wait;
        }
        self.trying = self.untried.drain(..self.size.clamp(1, self.untried.len())).collect();
        Step::Try(self.trying.clone())
    }

    /// Those are untried again whose time has come, or that ask for something else.
    fn retry(&mut self, front: &FrontKey, desired: &Desired, now: Moment) {
        for (unit, refusal) in &mut self.refused {
            let has_changed = !desired.contributions(front, unit).eq(&refusal.asked);
            if has_changed {
                refusal.attempts = 0;
            }
            if has_changed || refusal.retry.is_none_or(|at| at <= now) {
                refusal.retry = None;
                self.untried.push(unit.clone());
            }
        }
        self.size = self.untried.len();
    }

    fn is_over(&self) -> bool {
        self.untried.is_empty()
            && self.alone.is_empty()
            && self.refused.is_empty()
            && !self.is_refused_without
    }
}

impl Engine {
    /// The controller refuses an object for good. If it is a front's, the front goes without
    /// what may be to blame. Answers whether that changes what is wanted, so that nobody has
    /// to be told yet.
    pub(crate) fn leave_off_suspects(
        &mut self,
        key: &ObjectKey,
        failure: &Failure,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(front) = self.desired.front_with(key).cloned() else { return false };
        let carried = self.carried_by(&front);
        let trial = self.trials.fronts.entry(front.clone()).or_default();
        let mut suspects = self.desired.may_be_left_off(&front);
        if trial.is_refused_without {
            return false;
        }
        suspects
            .retain(|unit| !self.desired.contributions(&front, unit).all(|part| carried.has(key.kind, part)));
        let (units, changes) = match &suspects[..] {
            [] => {
                let acquitted = trial.acquit();
                if acquitted.is_empty() {
                    return false;
                }
                let changes = self.desired.put_on(&front, &acquitted);
                (acquitted, changes)
            }
            [unit] => {
                let asked = self.desired.contributions(&front, unit).cloned().collect();
                let attempts = trial.refused.get(unit).map_or(0, |refusal| refusal.attempts) + 1;
                let retry = Some(now + backoff::after(key, failure, attempts).wait);
                let (object, failure) = (key.clone(), failure.clone());
                let refusal = Refusal { object, failure, asked, attempts, is_served: false, retry };
                trial.suspect_alone(unit.clone(), refusal);
                let changes = self.desired.leave_off(&front, &suspects, carried);
                (suspects, changes)
            }
            _ => {
                trial.suspect(suspects.clone());
                let changes = self.desired.leave_off(&front, &suspects, carried);
                (suspects, changes)
            }
        };
        self.look_at_statuses(&units);
        self.want(changes, now, effects);
        true
    }

    /// When the next unit is tried again: only on a front that is in sync.
    pub(crate) fn next_retry(&self) -> Option<Moment> {
        let fronts = self.trials.fronts.iter().filter(|(front, _)| self.is_in_sync(front));
        fronts.flat_map(|(_, trial)| trial.refused.values().filter_map(|refusal| refusal.retry)).min()
    }

    /// Goes on with what is found out about fronts that are in sync.
    pub(crate) fn go_on_with_trials(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let fronts: Vec<_> = self.trials.fronts.keys().cloned().collect();
        for front in fronts {
            while self.is_in_sync(&front) && self.next_trial(&front, now, effects) {}
            if self.trials.fronts.get(&front).is_some_and(Trial::is_over) {
                self.trials.fronts.remove(&front);
            }
        }
    }

    /// Takes the next step about a front that is in sync. Answers whether there was one.
    fn next_trial(&mut self, front: &FrontKey, now: Moment, effects: &mut Vec<Effect>) -> bool {
        let Some(trial) = self.trials.fronts.get_mut(front) else { return false };
        let tried = trial.trying.clone();
        let step = trial.next(front, &self.desired, now);
        self.look_at_statuses(&tried);
        match step {
            Step::TakeOff(unit) => {
                let units = [unit];
                let changes = self.desired.leave_off(front, &units, Carried::default());
                self.look_at_statuses(&units);
                // It leads nowhere, so nobody loses it.
                self.changed(changes, Cause::Edit, now, effects);
                true
            }
            Step::Try(units) => {
                let changes = self.desired.put_on(front, &units);
                self.look_at_statuses(&units);
                self.want(changes, now, effects);
                true
            }
            Step::Wait => false,
        }
    }

    /// The statuses of units are looked at again.
    fn look_at_statuses(&mut self, units: &[UnitKey]) {
        for unit in units {
            self.publisher.extend(self.desired.resources_of_unit(unit));
        }
    }

    /// Whether nothing is left to be done about the objects of a front.
    fn is_in_sync(&self, front: &FrontKey) -> bool {
        self.desired.front_objects(front).iter().all(|object| !self.agenda.contains(&object.key()))
    }

    /// What a front carries on the controller.
    fn carried_by(&self, front: &FrontKey) -> Carried {
        let objects = self.desired.front_objects(front).iter();
        let observed = objects.filter_map(|object| self.controller.get(&object.key()));
        Carried::by(observed.map(|observed| &*observed.body))
    }
}
