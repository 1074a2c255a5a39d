//! What may be taken away now, of objects and of statuses: what the guard does not
//! hold, and what is believed on fresh proofs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ako_avi_types::{Change, Kind, Object, Operation};
use ako_core::resource::Published;
use ako_core::{Program, ResourceId, ResourceKind};
use ako_elect::Moment;

use crate::engine::Engine;
use crate::event::Effect;
use crate::guard::Holding;
use crate::purpose::{Purpose, Served};
use crate::status::Known;
use crate::verdict::{Unproven, Verdict, Wait, Writable};

/// The most names that are told of those that are looked up.
const MOST_NAMES: usize = 10;

impl Engine {
    /// What may be sent of an operation, if anything. `holding` says what the guard
    /// holds of what nothing explains.
    pub(crate) fn weigh(&self, operation: Operation, holding: Holding, now: Moment) -> Verdict {
        let Some(observed) = self.inventory.get(&operation.key).map(|observed| observed.body.clone()) else {
            return Verdict::Send { operation, until: None };
        };
        match self.guards.permitted(operation, &observed, holding, &self.inventory) {
            Some(operation) => self.believed(operation, &observed, now),
            None => Verdict::Held,
        }
    }

    /// What may be sent of an operation by what is believed of the cluster: if
    /// that is not proven, what is added, without what is taken away.
    fn believed(&self, mut operation: Operation, observed: &Object, now: Moment) -> Verdict {
        // Whatever a custom resource says is what serves: an older one must not replace a newer one.
        let replaces = self.desired.translator().config().program == Program::CrdOperator;
        let lessens = match &operation.change {
            Change::Create(_) => false,
            Change::Update(_, body) => replaces || !body.losses(observed).is_empty(),
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
            && !replaces
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
        let until = || self.belief.until(purpose, &self.policy, now);
        // Between two selectors less is served than either of them asks for.
        let is_known =
            !self.territory.takes_over() && !self.lookups.waits() && self.snapshot.selects_as_configured();
        is_known.then(until).flatten()
    }

    /// Asks for the statuses that have to be written, as far as there is room.
    pub(crate) fn publish(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let held = self.guards.held_in_statuses(self.holding());
        let held = held.filter_map(|key| self.inventory.get(key));
        let held = Served::by(held.map(|observed| observed.body.markers()));
        let with_status = ResourceKind::ALL.into_iter().filter(|kind| kind.has_status());
        let known_until: BTreeMap<_, _> = with_status
            .map(|kind| {
                let seen = self.belief.knows_statuses_until(kind, &self.policy, now);
                (kind, (seen, self.may_take_until(Purpose::of_status(kind), now)))
            })
            .collect();
        let may_write = |resource: &ResourceId, current: &Published, loses: bool| -> Writable {
            if loses && held.contains(resource, current) {
                return Err(Wait::Held);
            }
            let (seen, proven) = known_until.get(&resource.kind).copied().unwrap_or_default();
            // What is written replaces what stands there, also an address that was never seen: that
            // of another instance, or of who led until now.
            let until = if loses { seen.min(proven) } else { seen };
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
        let of_removal = |key| Purpose::of(key, self.inventory.get(key).map(|observed| &*observed.body));
        let of_status = |resource: &ResourceId| Purpose::of_status(resource.kind);
        let purposes = removals.iter().map(of_removal).chain(statuses().map(of_status));
        let purposes: BTreeSet<_> = purposes.collect();
        let doubts = purposes.into_iter().flat_map(|purpose| self.belief.doubts(purpose, &self.policy, now));
        let former = self.territory.awaited();
        let former = former.map(|name| format!("namespace {name}, whose former owner may still be writing"));
        let names = self.awaited_names(MOST_NAMES).into_iter();
        let names =
            names.map(|awaited| format!("{}, which is looked up on the controller", awaited.referred));
        let awaited = doubts.chain(former).chain(names).collect();
        Some(Unproven { removals: removals.len(), statuses: statuses().count(), awaited })
    }
}
