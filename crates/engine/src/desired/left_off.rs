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
use ako_translate::{Carried, Contribution, FrontKey, UnitKey};

use super::{Changes, Desired, Maker};

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
        let units = self.fronts.get(front).into_iter().flatten();
        let mut units: Vec<_> = units
            .filter(|unit| !self.frozen.contains(*unit) && self.left_off_with(front, unit).is_none())
            .collect();
        units.sort_by_cached_key(|unit| self.age(unit));
        units.into_iter().cloned().collect()
    }

    /// What a front carries of a unit that is left off.
    pub(crate) fn left_off_with(&self, front: &FrontKey, unit: &UnitKey) -> Option<&Arc<Carried>> {
        self.left_off.get(front)?.get(unit)
    }

    /// Whether people are served by what a front is to carry of a unit.
    pub(crate) fn is_served_by(&self, front: &FrontKey, unit: &UnitKey) -> bool {
        let carried = self.left_off_with(front, unit);
        carried.is_none_or(|carried| self.contributions(front, unit).all(|part| carried.serves(part)))
    }

    /// Leaves units off a front, but for what it carries.
    pub(crate) fn leave_off(&mut self, front: &FrontKey, units: &[UnitKey], carried: Carried) -> Changes {
        let carried = Arc::new(carried);
        let left_off = self.left_off.entry(front.clone()).or_default();
        left_off.extend(units.iter().map(|unit| (unit.clone(), carried.clone())));
        self.assemble_without(front)
    }

    /// Puts units on a front again.
    pub(crate) fn put_on(&mut self, front: &FrontKey, units: &[UnitKey]) -> Changes {
        if let Some(left_off) = self.left_off.get_mut(front) {
            left_off.retain(|unit, _| !units.contains(unit));
        }
        self.assemble_without(front)
    }

    fn assemble_without(&mut self, front: &FrontKey) -> Changes {
        let mut changes = Changes::default();
        self.assemble(BTreeSet::from([front.clone()]), &mut changes);
        changes
    }

    /// Forgets those that are left off and ask for the front no longer.
    pub(super) fn forget_left_off(&mut self, front: &FrontKey) {
        let Some(left_off) = self.left_off.get_mut(front) else { return };
        let units = self.fronts.get(front);
        left_off.retain(|unit, _| units.is_some_and(|units| units.contains(unit)));
        if left_off.is_empty() {
            self.left_off.remove(front);
        }
    }

    /// What units add to a front: all of it, or what the front carries where they are left
    /// off.
    pub(super) fn parts(&self, front: &FrontKey) -> Vec<Cow<'_, Contribution>> {
        let units = self.fronts.get(front).into_iter().flatten();
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
