//! Who gets a name or a place that several ask for.
//!
//! Names of Avi objects are put together by formulas that installations depend on, and two
//! hosts or Services may come to one name. The older one keeps it. The younger one goes by
//! names of its own where there are such, and else is not served, and told: never does the
//! host of one lead to the pods of another. Of the hosts of a shared virtual service that is
//! full, likewise, the youngest ones are not served.
//!
//! What becomes of a unit depends on older units alone, so it does not matter in which order
//! they came to be.

use std::collections::BTreeSet;

use ako_avi_types::ObjectKey;
use ako_core::{Diagnostic, Reason, ResourceId, Snapshot};
use ako_translate::{FrontKey, Maker, Output, UnitKey};

use super::{Desired, Work};

/// How old what a unit is about is, with the unit: earlier is older.
pub(super) type Age = (Option<(i64, ResourceId)>, UnitKey);

/// What became of a unit that does not get what it asks for as it asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// It is not served; otherwise it goes by names of its own.
    refused: bool,
    /// The units that have what it asked for.
    because_of: BTreeSet<UnitKey>,
    /// The front that has no room for it.
    full: Option<FrontKey>,
}

impl Desired {
    /// What has to be translated: units that changed, and those that may get now what others
    /// of these had. What stays as it is stays.
    pub(super) fn affected(&self, dirty: BTreeSet<UnitKey>) -> BTreeSet<UnitKey> {
        let mut affected = dirty;
        affected.retain(|unit| !self.frozen.contains(unit));
        if self.standing.is_empty() {
            return affected;
        }
        let mut left: Vec<_> = self.standing.iter().collect();
        loop {
            let fronts: BTreeSet<_> =
                affected.iter().flat_map(|unit| self.fronts_of(unit)).cloned().collect();
            let (touched, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, standing)| {
                !standing.because_of.is_disjoint(&affected)
                    || standing.full.as_ref().is_some_and(|front| fronts.contains(front))
            });
            left = rest;
            let new = touched.into_iter().map(|(unit, _)| unit).filter(|unit| !self.frozen.contains(*unit));
            let before = affected.len();
            affected.extend(new.cloned());
            if affected.len() == before {
                return affected;
            }
        }
    }

    /// Lets the younger ones give way until nobody is in anybody's way.
    pub(super) fn sort_out(&mut self, snapshot: &Snapshot, work: &mut Work) {
        loop {
            if let Some((unit, key, holders)) = self.first_to_yield(snapshot, work) {
                self.yield_name(snapshot, &unit, &key, &holders, work);
            } else if let Some((front, units)) = self.without_room(snapshot, work) {
                self.leave_front(snapshot, &front, units, work);
            } else {
                return;
            }
        }
    }

    /// The oldest unit that has to give way for an object, and to whom. What is older has
    /// its names for good.
    fn first_to_yield(
        &self,
        snapshot: &Snapshot,
        work: &mut Work,
    ) -> Option<(UnitKey, ObjectKey, BTreeSet<UnitKey>)> {
        let mut first: Option<(Age, ObjectKey, BTreeSet<UnitKey>)> = None;
        let mut settled = Vec::new();
        for key in &work.contested {
            let Some((age, holders)) = self.yielding(snapshot, key) else {
                settled.push(key.clone());
                continue;
            };
            if first.as_ref().is_none_or(|(other, ..)| age < *other) {
                first = Some((age, key.clone(), holders));
            }
        }
        for key in settled {
            work.contested.remove(&key);
        }
        first.map(|((_, unit), key, holders)| (unit, key, holders))
    }

    /// Of those that ask for an object, the oldest one that has to give way, and those that
    /// have it.
    fn yielding(&self, snapshot: &Snapshot, key: &ObjectKey) -> Option<(Age, BTreeSet<UnitKey>)> {
        let makers = &self.wanted.get(key)?.makers;
        let mut units: Vec<_> = makers
            .iter()
            .filter_map(|(maker, object)| match maker {
                Maker::Unit(unit) => Some((!self.stays(snapshot, unit), self.age(unit), object)),
                Maker::Front(_) => None,
            })
            .collect();
        // What stays as it is has what it has.
        units.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let (_, _, held) = units.first()?;
        let (_, age, _) = units.iter().find(|(moves, _, object)| *moves && object != held)?;
        let holders =
            units.iter().filter(|(.., object)| object == held).map(|(_, (_, unit), _)| unit.clone());
        Some((age.clone(), holders.collect()))
    }

    /// How old a unit is.
    pub(super) fn age(&self, unit: &UnitKey) -> Age {
        (self.units.get(unit).and_then(|output| output.age.clone()), unit.clone())
    }

    fn yield_name(
        &mut self,
        snapshot: &Snapshot,
        unit: &UnitKey,
        key: &ObjectKey,
        holders: &BTreeSet<UnitKey>,
        work: &mut Work,
    ) {
        let has_other_names = !self.standing.contains_key(unit);
        let standing = self.standing.entry(unit.clone()).or_default();
        standing.because_of.extend(holders.iter().cloned());
        standing.refused = !has_other_names;
        if has_other_names {
            let output = self.translator.unit_apart(snapshot, unit);
            work.changes.translated += 1;
            return self.take_over(snapshot, &Maker::Unit(unit.clone()), output, work);
        }
        let holders: Vec<_> = holders.iter().take(3).map(ToString::to_string).collect();
        let message = format!(
            "the Avi {} would be called {:?}, as that of {} is already: rename the object or its host",
            key.kind,
            key.name,
            holders.join(", ")
        );
        self.refuse(unit, Reason::NameTaken, &message, work);
    }

    /// The units for which a front has no room.
    fn without_room(&self, snapshot: &Snapshot, work: &Work) -> Option<(FrontKey, Vec<UnitKey>)> {
        work.fronts.iter().find_map(|front| {
            let units = &self.fronts.get(front)?.units;
            let mut room = self.translator.room(front);
            if room.fits(units.len()) {
                return None;
            }
            let mut ages: Vec<_> =
                units.iter().map(|unit| (!self.stays(snapshot, unit), self.age(unit))).collect();
            ages.sort();
            let fits = |room: &mut ako_translate::Room, unit: &UnitKey| {
                self.contributions(front, unit).all(|part| room.take(part))
            };
            let mut without = Vec::new();
            for (moves, (_, unit)) in ages {
                if !fits(&mut room, &unit) && moves {
                    without.push(unit);
                }
            }
            (!without.is_empty()).then(|| (front.clone(), without))
        })
    }

    fn leave_front(&mut self, snapshot: &Snapshot, front: &FrontKey, units: Vec<UnitKey>, work: &mut Work) {
        let message = format!(
            "shared virtual service {} has as many hosts as the controller takes, and older ones go first: use more \
             shards (shardVSSize) or another tenant, or remove hosts",
            front.name
        );
        for unit in &units {
            let standing = self.standing.entry(unit.clone()).or_default();
            (standing.refused, standing.full) = (true, Some(front.clone()));
            self.refuse(unit, Reason::LimitReached, &message, work);
        }
        // What those had is free now.
        let units: BTreeSet<_> = units.into_iter().collect();
        let is_freed =
            |standing: &super::Standing| standing.full.is_none() && !standing.because_of.is_disjoint(&units);
        let freed =
            self.standing.iter().filter(|(unit, standing)| is_freed(standing) && !units.contains(*unit));
        for unit in freed.map(|(unit, _)| unit.clone()).collect::<Vec<_>>() {
            self.standing.remove(&unit);
            let output = self.translator.unit(snapshot, &unit);
            work.changes.translated += 1;
            self.take_over(snapshot, &Maker::Unit(unit), output, work);
        }
    }

    /// The Kubernetes objects that a unit is about: those with its addresses, and the oldest
    /// one, as there may be no addresses to publish.
    pub(crate) fn resources_of_unit(&self, unit: &UnitKey) -> BTreeSet<ResourceId> {
        let Some(output) = self.units.get(unit) else { return BTreeSet::new() };
        output.served().cloned().chain(output.age.iter().map(|(_, oldest)| oldest.clone())).collect()
    }

    /// Serves nothing of a unit, and tells why.
    fn refuse(&mut self, unit: &UnitKey, reason: Reason, message: &str, work: &mut Work) {
        let Some(output) = self.units.get(unit) else { return };
        let mut diagnostics = output.diagnostics.clone();
        diagnostics.extend(self.resources_of_unit(unit).into_iter().map(|object| Diagnostic {
            object,
            reason,
            message: message.into(),
        }));
        diagnostics.sort();
        diagnostics.dedup();
        let refused =
            Output { diagnostics, reads: output.reads.clone(), age: output.age.clone(), ..Output::default() };
        self.replace(&Maker::Unit(unit.clone()), refused, work);
    }
}
