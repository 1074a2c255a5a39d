//! Statuses that are to be written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ako_avi_types::ObjectKey;
use ako_core::resource::Published;
use ako_core::{ResourceId, Snapshot};
use ako_elect::Moment;

use crate::controller::Controller;
use crate::desired::Desired;
use crate::event::{Effect, Notice};
use crate::status;

/// The most statuses being written at a time.
const MOST_UNDER_WAY: usize = 32;
/// A status that could not be written is tried again after this, doubled with
/// each failure…
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// …up to this many times.
const MOST_DOUBLINGS: u32 = 6;

/// Level-triggered: an object is looked at whenever something changes that its
/// status depends on, and written if it is not as it should be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Publisher {
    dirty: BTreeSet<ResourceId>,
    under_way: BTreeMap<ResourceId, Published>,
    /// What was written last, until the watch shows it.
    written: BTreeMap<ResourceId, Published>,
    failures: BTreeMap<ResourceId, u32>,
    timers: BTreeSet<(Moment, ResourceId)>,
}

impl Publisher {
    /// Objects whose status may have to change.
    pub(crate) fn extend(&mut self, resources: impl IntoIterator<Item = ResourceId>) {
        self.dirty.extend(resources);
    }

    /// Looks again at the objects that are served by objects of the controller.
    pub(crate) fn look_again<'a>(&mut self, keys: impl Iterator<Item = &'a ObjectKey>, desired: &Desired) {
        for key in keys {
            self.dirty.extend(desired.bound_to(key).cloned());
        }
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.dirty.is_empty() && self.under_way.is_empty() && self.timers.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.dirty.len() + self.under_way.len() + self.timers.len()
    }

    /// Asks for the statuses that have to be written, as far as there is room.
    pub(crate) fn emit(
        &mut self,
        now: Moment,
        desired: &Desired,
        controller: &Controller,
        snapshot: &Snapshot,
        effects: &mut Vec<Effect>,
    ) {
        while let Some((at, object)) = self.timers.first().cloned().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, object.clone()));
            self.dirty.insert(object);
        }
        let mut busy = BTreeSet::new();
        while self.under_way.len() < MOST_UNDER_WAY {
            let Some(object) = self.dirty.pop_first() else { break };
            if self.under_way.contains_key(&object) {
                busy.insert(object);
                continue;
            }
            let Some(wanted) = status::wanted(&object, desired, controller, snapshot) else { continue };
            let Some(current) = status::current(&object, snapshot) else { continue };
            if status::same(current, &wanted) {
                self.written.remove(&object);
                continue;
            }
            if self.written.get(&object).is_some_and(|written| status::same(written, &wanted)) {
                // The watch has not shown it yet, or somebody undid it; the
                // next event about the object tells.
                self.written.remove(&object);
                continue;
            }
            self.under_way.insert(object.clone(), wanted.clone());
            effects.push(Effect::Publish { object, wanted, current: current.clone() });
        }
        self.dirty.extend(busy);
    }

    /// A status was written, or not.
    pub(crate) fn done(
        &mut self,
        object: &ResourceId,
        result: &Result<(), String>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let Some(wanted) = self.under_way.remove(object) else { return };
        if result.is_err() {
            let failures = self.failures.entry(object.clone()).or_default();
            let wait = FIRST_WAIT * 2u32.pow((*failures).min(MOST_DOUBLINGS));
            *failures += 1;
            self.timers.insert((now + wait, object.clone()));
            return;
        }
        self.failures.remove(object);
        effects.extend(notices(object, &wanted).map(Effect::Tell));
        self.written.insert(object.clone(), wanted);
    }
}

/// What upstream's recorder says about a written status.
fn notices(object: &ResourceId, written: &Published) -> impl Iterator<Item = Notice> {
    let notice = |reason, message: String| Notice {
        object: object.clone(),
        warning: false,
        reason,
        message: message.into(),
    };
    let removed = written
        .addresses
        .is_empty()
        .then(|| notice("Removed", format!("Removed virtualservice for {}", object.name)));
    let mut hosts: Vec<_> = written.addresses.iter().map(|a| a.hostname.clone()).collect();
    hosts.dedup();
    let added: Vec<_> = hosts
        .into_iter()
        .map(|host| if host.is_empty() { object.name.to_string() } else { host.to_string() })
        .map(|host| notice("Synced", format!("Added virtualservice for {host}")))
        .collect();
    removed.into_iter().chain(added)
}
