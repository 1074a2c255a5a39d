//! What the engine does about hosts that the controller may refuse a shared object for:
//! [`Trials`](crate::trial::Trials) are what it knows of them.

use ako_avi_types::{Failure, ObjectKey};
use ako_elect::Moment;
use ako_translate::{Carried, FrontKey, UnitKey};

use crate::backoff;
use crate::engine::{Cause, Engine};
use crate::event::Effect;
use crate::trial::{Refusal, Step, Trial};

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
                let changes = self.desired.put_on(&self.snapshot, &front, &acquitted);
                (acquitted, changes)
            }
            [unit] => {
                let asked = self.desired.contributions(&front, unit).cloned().collect();
                let attempts = trial.refused.get(unit).map_or(0, |refusal| refusal.attempts) + 1;
                let retry = Some(now + backoff::after(key, failure, attempts).wait);
                let (object, failure) = (key.clone(), failure.clone());
                let refusal = Refusal { object, failure, asked, attempts, is_served: false, retry };
                trial.suspect_alone(unit.clone(), refusal);
                let changes = self.desired.leave_off(&self.snapshot, &front, &suspects, carried);
                (suspects, changes)
            }
            _ => {
                trial.suspect(suspects.clone());
                let changes = self.desired.leave_off(&self.snapshot, &front, &suspects, carried);
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
                let changes = self.desired.leave_off(&self.snapshot, front, &units, Carried::default());
                self.look_at_statuses(&units);
                // It leads nowhere, so nobody loses it.
                self.changed(changes, Cause::Edit, now, effects);
                true
            }
            Step::Try(units) => {
                let changes = self.desired.put_on(&self.snapshot, front, &units);
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
        let observed = objects.filter_map(|object| self.inventory.get(&object.key()));
        Carried::by(observed.map(|observed| &*observed.body))
    }
}
