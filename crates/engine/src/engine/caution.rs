//! What may be taken away now, of objects and of statuses: what the guard does not
//! hold, and what is believed on fresh proofs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ako_avi_types::{Change, Kind, Object, ObjectKey, Operation};
use ako_core::resource::Published;
use ako_core::{ResourceId, ResourceKind};
use ako_elect::Moment;

use crate::engine::Engine;
use crate::event::Effect;
use crate::inventory::weight;
use crate::need::Need;
use crate::purpose::{Purpose, Served};
use crate::shield;
use crate::status::Known;
use crate::verdict::{Unproven, Verdict, Wait, Writable};

impl Engine {
    /// How much an object loses that needs this: nothing, if it is zero.
    pub(crate) fn loss(&self, key: &ObjectKey, need: &Need) -> usize {
        let Some(observed) = self.inventory.get(key) else { return 0 };
        match need {
            Need::Nothing => 0,
            _ if self.desired.get(key).is_none() => weight(&observed.body),
            Need::Ready(Operation { change: Change::Update(_, body), .. }) => {
                let losses = body.losses(&observed.body);
                match key.kind {
                    Kind::Pool => usize::from(losses.is_most_of_a_pool()),
                    Kind::VsVip if self.desired.is_shared(key) => losses.hosts.len(),
                    _ if self.desired.is_shared(key) => usize::from(!losses.hosts.is_empty()),
                    // Routes have a guard of their own.
                    _ => 0,
                }
            }
            Need::Ready(_) | Need::After(_) => 0,
        }
    }

    /// What may be sent of an operation, if anything. `holds` says whether the
    /// guard holds what nothing explains.
    pub(crate) fn weigh(&self, operation: Operation, holds: bool, now: Moment) -> Verdict {
        let Some(observed) = self.inventory.get(&operation.key).map(|observed| observed.body.clone()) else {
            return Verdict::Send { operation, until: None };
        };
        match self.guarded(operation, &observed, holds) {
            Some(operation) => self.believed(operation, &observed, now),
            None => Verdict::Held,
        }
    }

    /// What the guard lets pass of an operation, if anything.
    fn guarded(&self, mut operation: Operation, observed: &Object, holds: bool) -> Option<Operation> {
        let key = operation.key.clone();
        let is_suspect = self.guard.is_suspect(&key);
        let Change::Update(_, body) = &mut operation.change else {
            return (!(holds && is_suspect)).then_some(operation);
        };
        let kept = if key.kind == Kind::VrfContext {
            if self.held_routes().is_none() {
                return Some(operation);
            }
            (*self.routes.keep(body, observed)?).clone()
        } else if holds {
            // Nothing must lose what is held back from deletion.
            let kept = shield::keep(&key, body, observed, &self.guard, &self.inventory);
            if is_suspect { kept.keeping_everything(observed)? } else { kept }
        } else {
            return Some(operation);
        };
        let changes_something = !kept.differences(observed).is_empty();
        *body = Arc::new(kept);
        changes_something.then_some(operation)
    }

    /// What may be sent of an operation by what is believed of the cluster: if
    /// that is not proven, what is added, without what is taken away.
    fn believed(&self, mut operation: Operation, observed: &Object, now: Moment) -> Verdict {
        let lessens = match &operation.change {
            Change::Create(_) => false,
            Change::Update(_, body) => !body.losses(observed).is_empty(),
            Change::Delete(_) => true,
        };
        // Nothing is served by the label of a Service Engine group.
        if !lessens || operation.key.kind == Kind::ServiceEngineGroup {
            return Verdict::Send { operation, until: None };
        }
        let purpose = Purpose::of(&operation.key, Some(observed));
        let until = self.may_take_until(purpose, now);
        if until.is_some() {
            return Verdict::Send { operation, until };
        }
        if let Change::Update(_, body) = &mut operation.change
            && let Some(kept) = body.keeping_everything(observed)
            && !kept.differences(observed).is_empty()
        {
            *body = Arc::new(kept);
            return Verdict::Send { operation, until: None };
        }
        Verdict::Unproven
    }

    /// Until when something of a purpose may be taken away, if it may be now.
    fn may_take_until(&self, purpose: Purpose, now: Moment) -> Option<Moment> {
        let until = || self.belief.until(purpose, self.desired.translator().config(), now);
        (!self.territory.takes_over()).then(until).flatten()
    }

    /// Asks for the statuses that have to be written, as far as there is room.
    pub(crate) fn publish(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let held = self.holds_objects().then(|| {
            let bodies = self.guard.suspects().filter_map(|key| self.inventory.get(key));
            Served::by(bodies.map(|observed| observed.body.markers()))
        });
        let config = self.desired.translator().config();
        let others = self.snapshot.may_share_controller();
        let with_status = ResourceKind::ALL.into_iter().filter(|kind| kind.has_status());
        let known_until: BTreeMap<_, _> = with_status
            .map(|kind| {
                let seen = self.belief.knows_statuses_until(kind, config, now);
                (kind, (seen, self.may_take_until(Purpose::of_status(kind), now)))
            })
            .collect();
        let may_write = |resource: &ResourceId, current: &Published, loses: bool| -> Writable {
            if loses && held.as_ref().is_some_and(|held| held.contains(resource, current)) {
                return Err(Wait::Held);
            }
            let (seen, proven) = known_until.get(&resource.kind).copied().unwrap_or_default();
            let until = match (loses, others) {
                (false, false) => return Ok(None),
                // What is written replaces what stands there, also the address of another
                // instance that was never seen.
                (false, true) => seen,
                (true, false) => proven,
                (true, true) => seen.min(proven),
            };
            until.map(Some).ok_or(Wait::Unproven)
        };
        let known = Known {
            desired: &self.desired,
            inventory: &self.inventory,
            snapshot: &self.snapshot,
            agenda: &self.agenda,
            trials: &self.trials,
        };
        self.publisher.emit(&known, &may_write, now, effects);
    }

    /// What waits until it is proven that what is known is up to date, if anything does.
    pub fn unproven(&self, now: Moment) -> Option<Unproven> {
        let removals = self.agenda.unproven();
        let statuses = || self.publisher.unproven();
        if removals.is_empty() && statuses().next().is_none() {
            return None;
        }
        let config = self.desired.translator().config();
        let of_removal = |key| Purpose::of(key, self.inventory.get(key).map(|observed| &*observed.body));
        let of_status = |resource: &ResourceId| Purpose::of_status(resource.kind);
        let purposes = removals.iter().map(of_removal).chain(statuses().map(of_status));
        let purposes: BTreeSet<_> = purposes.collect();
        let doubts = purposes.into_iter().flat_map(|purpose| self.belief.doubts(purpose, config, now));
        let former = self.territory.awaited();
        let former = former.map(|name| format!("namespace {name}, whose former owner may still be writing"));
        let awaited = doubts.chain(former).collect();
        Some(Unproven { removals: removals.len(), statuses: statuses().count(), awaited })
    }
}
