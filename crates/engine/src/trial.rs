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
use ako_translate::{Contribution, FrontKey, UnitKey};

use crate::desired::Desired;

/// What of an address is to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publish {
    /// The address, once there is one.
    Address,
    /// Nothing new: it is still found out whether the controller takes the host.
    AsBefore,
    /// No address: the controller refuses what the host is made of.
    Nothing,
}

/// The fronts that the controller refuses, or refused because of hosts that are left off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trials {
    pub(crate) fronts: BTreeMap<FrontKey, Trial>,
}

/// What is found out about one front.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trial {
    /// Those that are left off and may not be to blame, in the order in which they are tried.
    pub(crate) untried: Vec<UnitKey>,
    /// How many of them are tried together.
    pub(crate) size: usize,
    /// Those that are tried: put on since the front was last in sync.
    pub(crate) trying: Vec<UnitKey>,
    /// Those that an object was refused with alone: they are to blame if the front is in sync
    /// without them.
    pub(crate) alone: BTreeMap<UnitKey, Refusal>,
    /// Those that are to blame.
    pub(crate) refused: BTreeMap<UnitKey, Refusal>,
    /// Whether the front was refused without any suspect since it was last in sync.
    pub(crate) is_refused_without: bool,
}

/// Why a front goes without a unit.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) object: ObjectKey,
    pub(crate) failure: Failure,
    /// What the unit asked for.
    pub(crate) asked: Vec<Contribution>,
    /// How often it was refused alone.
    pub(crate) attempts: u32,
    /// Whether people are served by what the front carries of it.
    pub(crate) is_served: bool,
    /// When it is tried again; not while it is untried, or tried.
    pub(crate) retry: Option<Moment>,
}

/// What the next step of a trial is.
pub(crate) enum Step {
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
    pub(crate) fn suspect(&mut self, mut units: Vec<UnitKey>) {
        self.size = (units.len() / 2).max(1);
        self.trying.clear();
        self.untried.retain(|unit| !units.contains(unit));
        units.append(&mut self.untried);
        self.untried = units;
    }

    /// This one was refused alone.
    pub(crate) fn suspect_alone(&mut self, unit: UnitKey, refusal: Refusal) {
        self.size = 1;
        self.trying.clear();
        self.untried.retain(|other| *other != unit);
        self.alone.insert(unit, refusal);
    }

    /// The front is refused without suspects, too. Answers those that are not to blame.
    pub(crate) fn acquit(&mut self) -> Vec<UnitKey> {
        let alone = std::mem::take(&mut self.alone).into_keys();
        let acquitted: Vec<_> = std::mem::take(&mut self.untried).into_iter().chain(alone).collect();
        self.is_refused_without |= !acquitted.is_empty();
        acquitted
    }

    /// What follows when the front is in sync.
    pub(crate) fn next(&mut self, front: &FrontKey, desired: &Desired, now: Moment) -> Step {
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

    pub(crate) fn is_over(&self) -> bool {
        self.untried.is_empty()
            && self.alone.is_empty()
            && self.refused.is_empty()
            && !self.is_refused_without
    }
}
