//! What is found while running, for people: what keeps borrowed objects from holding our
//! part of them, addresses that are asked for in vain, hosts that the controller refuses, kinds
//! that the API server does not have, objects that are referred to and may not be read, and statuses that do not stay.

use std::sync::Arc;

use ako_avi_types::{Disabled, Kind, Object, ObjectKey};
use ako_core::{Diagnostic, Look, Reason, ResourceId, ResourceKind};

use crate::engine::Engine;

/// The most objects that are told of those that the controller does not tell of.
const MOST_NAMES: usize = 10;

impl Engine {
    /// Findings about what is on the controller and not ours to create, which are about
    /// the configuration that names it; about addresses that are not given; about hosts that
    /// the controller does not take on a virtual service that others share; about kinds that the
    /// API server does not have; and about statuses that do not stay as they are written.
    pub fn findings(&self) -> Vec<Diagnostic> {
        if !self.is_synced() {
            return Vec::new();
        }
        let found = self.desired.borrowed().filter_map(|(key, wanted)| {
            let (reason, message) = match self.inventory.get(key) {
                None if self.missing.contains(key) => (Reason::SharedObjectMissing, missing(key)),
                None => return None,
                Some(observed) => (Reason::LabelledByAnother, taken(key, wanted, &observed.body)?),
            };
            Some(Diagnostic { object: self.policy.configuration.clone(), reason, message: message.into() })
        });
        let kept = self.kept_addresses.iter().flat_map(|key| self.about_kept_address(key));
        let disabled = self.disabled.iter().flat_map(|key| self.about_disabled(key));
        let refused = self.trials.findings(&self.desired);
        let unserved = ResourceKind::ALL.into_iter().filter_map(|kind| self.about_unserved(kind));
        let not_read = self.about_names_not_read();
        let found = found.chain(kept).chain(disabled).chain(refused).chain(unserved).chain(not_read);
        found.chain(self.publisher.findings()).collect()
    }

    /// Remembers whether a VsVip has another address than is asked for, and keeps it.
    pub(crate) fn note_kept_address(&mut self, key: &ObjectKey) {
        if self.kept_address(key).is_some() {
            self.kept_addresses.insert(key.clone());
        } else {
            self.kept_addresses.remove(key);
        }
    }

    /// The address that is asked for and that the controller will not give, as another system
    /// gave another one before.
    fn kept_address(&self, key: &ObjectKey) -> Option<Arc<str>> {
        if key.kind != Kind::VsVip || !self.desired.translator().facts().has_foreign_ipam {
            return None;
        }
        match (&**self.desired.get(key)?, &*self.inventory.get(key)?.body) {
            (Object::VsVip(wanted), Object::VsVip(observed)) => {
                wanted.addresses_unlike(observed).next().cloned()
            }
            _ => None,
        }
    }

    /// What is told of an address that is kept.
    fn about_kept_address(&self, key: &ObjectKey) -> Vec<Diagnostic> {
        let Some(address) = self.kept_address(key) else { return Vec::new() };
        let message: Arc<str> = format!(
            "the wanted load balancer IP {address} has no effect: the cloud's IPAM profile is of type Infoblox or \
             Custom, with which the controller does not change an address that it has; delete the Service and \
             create it anew to get another one"
        )
        .into();
        let finding = |object: &ResourceId| Diagnostic {
            object: object.clone(),
            reason: Reason::AddressKept,
            message: message.clone(),
        };
        self.desired.bound_to(key).map(finding).collect()
    }

    /// Remembers whether something of an object is disabled on the controller that is not to be.
    pub(crate) fn note_disabled(&mut self, key: &ObjectKey) {
        if self.disabled_by_hand(key).is_some() {
            self.disabled.insert(key.clone());
        } else {
            self.disabled.remove(key);
        }
    }

    fn disabled_by_hand(&self, key: &ObjectKey) -> Option<Disabled> {
        let observed = self.inventory.get(key)?;
        self.desired.get(key)?.disabled_unasked(&observed.body)
    }

    /// What is told of an object that somebody disabled, unless it is about to be enabled.
    fn about_disabled(&self, key: &ObjectKey) -> Vec<Diagnostic> {
        let what = self.disabled_by_hand(key).filter(|_| !self.policy.repairs_disabled);
        let (Some(what), Some(observed)) = (what, self.inventory.get(key)) else {
            return Vec::new();
        };
        let since = observed.meta.changed_at().map(|at| format!(", which was last changed at {at}"));
        let message: Arc<str> = format!(
            "{what} disabled on the Avi Controller and gets no traffic: {key}{}; enable it there, or set \
             repairDisabled=true to have that done",
            since.unwrap_or_default()
        )
        .into();
        let finding = |object: ResourceId| Diagnostic {
            object,
            reason: Reason::DisabledByHand,
            message: message.clone(),
        };
        self.concerned(key).into_iter().map(finding).collect()
    }

    /// What is told of objects that are referred to and that the controller does not tell of.
    fn about_names_not_read(&self) -> impl Iterator<Item = Diagnostic> {
        let told = self.snapshot.catalogue().known().filter_map(|(name, look)| match look {
            Look::Unreadable(why) => Some((name, why)),
            _ => None,
        });
        told.take(MOST_NAMES).map(|(name, why)| {
            let message = format!(
                "the Avi Controller does not tell whether {name} is there ({why}), so that what refers to it is taken \
                 to be right: allow the operator's account to read it"
            );
            let object = self.policy.configuration.clone();
            Diagnostic { object, reason: Reason::ReferenceNotRead, message: message.into() }
        })
    }

    /// What is told of a kind that the API server lacks, or lost: nothing if nobody misses it.
    fn about_unserved(&self, kind: ResourceKind) -> Option<Diagnostic> {
        let name = kind.spec().full_name();
        let message = if !self.snapshot.requires(kind) {
            return None;
        } else if self.unserved.lost().any(|lost| lost == kind) {
            format!(
                "the API server lost {name}, of which there were objects: what is on the Avi Controller because of \
                 them is kept until they are there again; if they are not to come back, release the deletions that \
                 `ako status` shows"
            )
        } else if kind.tells_subnets() && self.unserved.missing().any(|missing| missing == kind) {
            format!(
                "the API server does not have {name}, in which the CNI that cniPlugin names says what subnets nodes \
                 have: static routes that are there stay, and none is added; install the CNI, or correct cniPlugin"
            )
        } else {
            return None;
        };
        let object = self.policy.configuration.clone();
        Some(Diagnostic { object, reason: Reason::KindNotServed, message: message.into() })
    }
}

fn missing(key: &ObjectKey) -> String {
    let (what, lacking, option, permission) = match key.kind {
        Kind::VrfContext => ("VRF", "no static routes are written", "vrfName", "VRFCONTEXT"),
        _ => ("SE group", "it is not labelled", "serviceEngineGroupName", "SERVICEENGINEGROUP"),
    };
    format!(
        "{what} {:?} does not exist in the cloud, or the account may not read it, so that {lacking}: create it, \
         correct {option}, or grant the account's role PERMISSION_{permission}; disableStaticRouteSync=true if \
         the pods are reached without",
        &*key.name,
    )
}

fn taken(key: &ObjectKey, wanted: &Object, observed: &Object) -> Option<String> {
    let (Object::ServiceEngineGroup(wanted), Object::ServiceEngineGroup(observed)) = (wanted, observed)
    else {
        return None;
    };
    let label = wanted.claimed(observed)?;
    Some(format!(
        "SE group {:?} bears the label {}={}, so that its service engines do not take this cluster's routes: set \
         serviceEngineGroupName to a group of this cluster's own, or remove the label if nobody needs it any more",
        &*key.name, label.key, label.value
    ))
}
