//! What the engine tells about itself.

use std::sync::Arc;

use ako_avi_types::{Kind, Object, ObjectKey};
use ako_core::{Contest, ResourceKind, Snapshot};
use ako_elect::Moment;

use crate::agenda::{Stage, Work};
use crate::counters::Counters;
use crate::desired::Desired;
use crate::engine::Engine;
use crate::guard::{Circumstances, Held, Holding};
use crate::inventory::Inventory;
use crate::purpose::{names_routers, tells_routes};

/// The most refused objects that are told of one virtual service.
const MOST_REFUSALS: usize = 20;

/// An object that is not as it is wanted, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The object.
    pub key: ObjectKey,
    /// What it waits for.
    pub state: String,
    /// Since when.
    pub since: Moment,
    /// The last failure.
    pub failure: Option<String>,
    /// Whether the controller refused it.
    pub refused: bool,
    /// What asks for it.
    pub reason: Option<String>,
}

/// A virtual service with addresses of its own, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServiceReport {
    /// Its tenant.
    pub tenant: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its addresses, once the controller gave it some.
    pub addresses: Vec<Arc<str>>,
    /// How many hosts or Services it serves.
    pub served: usize,
    /// How many objects belong to it.
    pub wanted: usize,
    /// How many of them are as they are wanted.
    pub confirmed: usize,
    /// How many are on their way.
    pub pending: usize,
    /// How many the controller refused.
    pub refused: usize,
    /// Which ones, the first of them, and why.
    pub refusals: Vec<(ObjectKey, String)>,
}

impl Engine {
    /// The cluster.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What is wanted.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What is there.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The earlier instance, by its namespace, because of which this one writes nothing, and
    /// why. What bears its owner's name may be the other one's, so it does not even remove
    /// anything, unless only the way to the pods differs.
    pub fn barred(&self) -> Option<&(Arc<str>, Contest)> {
        let barred = self.snapshot.instances().barred(self.snapshot.me()?)?;
        let may_remove = barred.1 == Contest::ServiceType && self.policy.removing;
        (!may_remove).then_some(barred)
    }

    /// What is held back.
    pub fn held(&self) -> Option<Held> {
        self.guards.held(self.holding(), self.inventory.len())
    }

    /// The kinds that this instance reads and the API server does not have.
    pub fn unserved(&self) -> Vec<ResourceKind> {
        self.unserved.missing().filter(|kind| self.snapshot.requires(*kind)).collect()
    }

    /// The namespaces of other instances that wait for their owner to take them over
    /// from this one, each with the namespace of that instance.
    pub fn departures(&self) -> Vec<(Arc<str>, Arc<str>)> {
        self.territory.departures().map(|(name, to)| (name.clone(), to.clone())).collect()
    }

    /// The namespaces that are this instance's and are not served yet: their former
    /// owner may still be writing, or what this instance said of them stands.
    pub fn awaited(&self) -> Vec<Arc<str>> {
        self.territory.awaited().cloned().collect()
    }

    /// Lets pass what is held, if it is what was shown with that digest.
    pub(crate) fn release(&mut self, digest: &str) {
        let holding = self.holding();
        let held = self.guards.held(holding, self.inventory.len());
        if held.is_some_and(|held| held.digest == digest) {
            self.guards.release(holding);
        }
    }

    /// What is held back of the losses that nothing explains.
    pub(crate) fn holding(&self) -> Holding {
        let is_required = |kind: &ResourceKind| self.snapshot.requires(*kind);
        let lost = || self.unserved.lost().filter(is_required);
        let missing = self.unserved.missing().filter(is_required);
        let unreadable = || self.unreadable.iter().map(|resource| resource.kind);
        let lacks_routers = unreadable().chain(lost()).any(names_routers);
        self.guards.holding(&Circumstances {
            limits: self.policy.limits,
            observed: self.inventory.counts(),
            // What is contested may be just what seems to be superfluous.
            // Neither is what objects of a kind asked for that is gone.
            is_partial: unreadable().next().is_some() || self.is_contested() || lost().next().is_some(),
            lacks_nodes: lacks_routers || unreadable().chain(missing).chain(lost()).any(tells_routes),
        })
    }

    /// Whether this instance and another one cannot both have what they ask
    /// for. What seems to be superfluous may be what that one is serving by.
    pub fn is_contested(&self) -> bool {
        self.territory.is_contested() || self.snapshot.barred().is_some() || self.snapshot.shares_owner()
    }

    /// The objects that are not as they are wanted, at most so many.
    pub fn pending(&self, most: usize) -> Vec<Pending> {
        let pending = |(key, work): (&ObjectKey, &Work)| Pending {
            key: key.clone(),
            state: work.stage().to_string(),
            since: work.since,
            failure: work.failure.as_ref().map(ToString::to_string),
            refused: work.refused,
            reason: self.desired.reason(key),
        };
        self.agenda.iter().take(most).map(pending).collect()
    }

    /// The virtual services that have addresses of their own, at most so many,
    /// each with what belongs to it.
    pub fn virtual_services(&self, most: usize) -> Vec<VirtualServiceReport> {
        let fronts = self.desired.fronts().map(|(front, units)| {
            let shared = self.desired.front_objects(front);
            let own = units.iter().flat_map(|unit| self.desired.unit_objects(unit));
            self.summary(&front.vsvip(), units.len(), shared.iter().chain(own))
        });
        let alone = self.desired.units().filter_map(|unit| {
            let objects = self.desired.unit_objects(unit);
            let vsvip = objects.iter().find(|object| object.kind() == Kind::VsVip)?;
            Some(self.summary(&vsvip.key(), 1, objects.iter()))
        });
        fronts.chain(alone).take(most).collect()
    }

    fn summary<'a>(
        &self,
        vsvip: &ObjectKey,
        served: usize,
        objects: impl Iterator<Item = &'a Arc<Object>>,
    ) -> VirtualServiceReport {
        let addresses = match self.inventory.get(vsvip).map(|observed| &*observed.body) {
            Some(Object::VsVip(vip)) => vip.published_addresses(),
            _ => Vec::new(),
        };
        let (tenant, name) = (vsvip.tenant.clone(), vsvip.name.clone());
        let mut report = VirtualServiceReport {
            tenant,
            name,
            addresses,
            served,
            wanted: 0,
            confirmed: 0,
            pending: 0,
            refused: 0,
            refusals: Vec::new(),
        };
        for object in objects {
            report.wanted += 1;
            match self.agenda.get(&object.key()) {
                Some(work) if work.refused => {
                    report.refused += 1;
                    if report.refusals.len() < MOST_REFUSALS {
                        let why = work.failure.as_ref().map(ToString::to_string);
                        report.refusals.push((object.key(), why.unwrap_or_default()));
                    }
                }
                None if self.inventory.contains(&object.key()) => report.confirmed += 1,
                Some(_) | None => report.pending += 1,
            }
        }
        report
    }

    /// How many objects are not as they are wanted, and how many of them the
    /// controller refused.
    pub fn backlog(&self) -> (usize, usize) {
        (self.agenda.len(), self.agenda.iter().filter(|(_, work)| work.refused).count())
    }

    /// Whether an object is not as it is wanted, and this process could change
    /// that: what is refused, held or not proven another one would not write either.
    pub fn has_open_work(&self) -> bool {
        let waits = |work: &Work| work.refused || matches!(work.stage(), Stage::Held | Stage::Unproven);
        self.agenda.iter().any(|(_, work)| !waits(work))
    }

    /// Statuses that are still to be written.
    pub fn unpublished(&self) -> usize {
        self.publisher.len()
    }

    /// The counters; latencies are handed out once.
    pub fn take_counters(&mut self) -> Counters {
        let latencies_ms = std::mem::take(&mut self.counters.latencies_ms);
        Counters { latencies_ms, ..self.counters.clone() }
    }

    /// What is wrong with the engine's books: always nothing, unless there is a
    /// mistake in this crate. For tests, and for an operator's diagnosis.
    pub fn inconsistencies(&self) -> Vec<String> {
        // What is looked up may come to be wanted, and is looked at then.
        let may_come = |key: &ObjectKey| self.desired.is_frozen(key) || self.lookups.waits();
        let mut found = self.agenda.inconsistencies(&may_come);
        found.extend(self.lookups.inconsistencies());
        if self.is_translated() {
            found.extend(self.publisher.inconsistencies(&self.snapshot));
        }
        let is_over = |key: &&ObjectKey| !self.inventory.contains(key) && !self.agenda.contains(key);
        let over = self.paces.keys().filter(is_over);
        found.extend(over.map(|key| format!("the pace of {key} is kept, which is gone")));
        if self.agenda.is_empty() {
            found.extend(self.guards.remembered());
        }
        found
    }
}
