//! Shared virtual services that go without the newest part of what they are to carry.
//!
//! What the controller refuses of one host must not keep it from taking what it takes of the
//! others. A unit that is left off a front keeps its own objects, and what the front carries
//! of it already; which ones are left off, and for how long, is decided by
//! [`crate::trial`].

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::ObjectKey;
use ako_core::Snapshot;
use ako_translate::{Carried, Contribution, FrontKey, Maker, UnitKey};

use super::{Changes, Desired, Work};

impl Desired {
    /// The front that an object belongs to.
    pub(crate) fn front_with(&self, key: &ObjectKey) -> Option<&FrontKey> {
        self.wanted.get(key)?.makers.iter().find_map(|(maker, _)| match maker {
            Maker::Front(front) => Some(front),
            Maker::Unit(_) => None,
        })
    }

    /// The units on a front that may be left off, oldest first.
    pub(crate) fn may_be_left_off(&self, front: &FrontKey) -> Vec<UnitKey> {
        let Some(front) = self.fronts.get(front) else { return Vec::new() };
        let units = front.units.iter();
        let mut units: Vec<_> = units
            .filter(|unit| !self.frozen.contains(*unit) && !front.left_off.contains_key(*unit))
            .collect();
        units.sort_by_cached_key(|unit| self.age(unit));
        units.into_iter().cloned().collect()
    }

    /// What a front carries of a unit that is left off.
    pub(crate) fn left_off_with(&self, front: &FrontKey, unit: &UnitKey) -> Option<&Arc<Carried>> {
        self.fronts.get(front)?.left_off.get(unit)
    }

    /// Whether people are served by what a front is to carry of a unit.
    pub(crate) fn is_served_by(&self, front: &FrontKey, unit: &UnitKey) -> bool {
        let carried = self.left_off_with(front, unit);
        carried.is_none_or(|carried| self.contributions(front, unit).all(|part| carried.serves(part)))
    }

    /// Leaves units off a front, but for what it carries.
    pub(crate) fn leave_off(
        &mut self,
        snapshot: &Snapshot,
        key: &FrontKey,
        units: &[UnitKey],
        carried: Carried,
    ) -> Changes {
        let carried = Arc::new(carried);
        if let Some(front) = self.fronts.get_mut(key) {
            front.left_off.extend(units.iter().map(|unit| (unit.clone(), carried.clone())));
        }
        self.assemble_one(snapshot, key)
    }

    /// Puts units on a front again.
    pub(crate) fn put_on(&mut self, snapshot: &Snapshot, key: &FrontKey, units: &[UnitKey]) -> Changes {
        if let Some(front) = self.fronts.get_mut(key) {
            front.left_off.retain(|unit, _| !units.contains(unit));
        }
        self.assemble_one(snapshot, key)
    }

    fn assemble_one(&mut self, snapshot: &Snapshot, front: &FrontKey) -> Changes {
        self.assemble(snapshot, Work { fronts: BTreeSet::from([front.clone()]), ..Work::default() })
    }

    /// Forgets those that are left off and ask for the front no longer.
    pub(super) fn forget_left_off(&mut self, front: &FrontKey) {
        if let Some(front) = self.fronts.get_mut(front) {
            front.left_off.retain(|unit, _| front.units.contains(unit));
        }
    }

    /// What units add to a front: all of it, or what the front carries where they are left
    /// off.
    pub(super) fn parts(&self, front: &FrontKey) -> Vec<Cow<'_, Contribution>> {
        let units = self.fronts.get(front).into_iter().flat_map(|front| &front.units);
        let parts = units.flat_map(|unit| {
            let carried = self.left_off_with(front, unit);
            self.contributions(front, unit).map(move |part| match carried {
                None => Cow::Borrowed(part),
                Some(carried) => Cow::Owned(carried.part_of(part)),
            })
        });
        parts.collect()
    }

    /// What a unit adds to a front.
    pub(crate) fn contributions(
        &self,
        front: &FrontKey,
        unit: &UnitKey,
    ) -> impl Iterator<Item = &Contribution> {
        let output = self.units.get(unit).into_iter();
        let parts = output.flat_map(|output| &output.contributions);
        parts.filter(move |(key, _)| key == front).map(|(_, part)| part)
    }
}
