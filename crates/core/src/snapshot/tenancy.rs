//! Which of several instances has what, as this one sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Snapshot;
use crate::config::Config;
use crate::contest::{Conflict, Contest};
use crate::instance::{Instances, Rival};
use crate::kinds::key::Key;
use crate::program::Program;
use crate::resource::{Claim, Installation};

/// What is known of the instances of the cluster, beside the objects that tell of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenancy {
    /// What this instance claims by the configuration that it acts by.
    own: Option<Claim>,
    /// The uuid of the controller that it is logged in to.
    controller_id: Option<Arc<str>>,
    /// What follows from all that.
    instances: Instances,
    /// Namespaces of this instance that another one may still be writing for.
    awaited: BTreeSet<Arc<str>>,
}

impl Snapshot {
    /// This instance acts by a configuration.
    pub(super) fn claim(&mut self, config: &Config, touched: &mut BTreeSet<Key>) {
        if config.program == Program::CrdOperator {
            // All namespaces are its own.
            return;
        }
        let controller_id = self.tenancy.controller_id.clone();
        self.tenancy.own = Some(Claim { controller_id, ..Claim::of(config, i64::MAX) });
        self.judge(touched);
    }

    /// Says which controller this instance is logged in to, by its uuid. Answers what that
    /// touched.
    pub fn act_on(&mut self, controller_id: &Arc<str>) -> BTreeSet<Key> {
        let mut touched = BTreeSet::new();
        self.tenancy.controller_id = Some(controller_id.clone()).filter(|id| !id.is_empty());
        if let Some(own) = &mut self.tenancy.own {
            own.controller_id.clone_from(&self.tenancy.controller_id);
        }
        self.judge(&mut touched);
        touched
    }

    /// The uuid of the controller that others have to know, as they call it something else;
    /// `None` if there is nobody who does, or if it is said already.
    pub fn unsaid_controller(&self) -> Option<&Arc<str>> {
        let own = self.tenancy.own.as_ref()?;
        let id = self.tenancy.controller_id.as_ref()?;
        let is_said = self
            .store_of::<Installation>()
            .get(&own.namespace, Installation::STATEFUL_SET)?
            .controller_id
            .as_ref()
            == Some(id);
        let mut others = self.tenancy.instances.others(&own.namespace);
        (!is_said && others.any(|other| other.controller != own.controller)).then_some(id)
    }

    /// The instance that a namespace belongs to; nobody's if none selects it.
    pub fn owner_of(&self, namespace: &str) -> Option<&Arc<str>> {
        let labels = self.namespace(namespace).map(|namespace| &namespace.labels);
        self.tenancy.instances.owner_of(namespace, labels)
    }

    /// Whether other instances may have objects of the same cluster on the
    /// controller. Each other one may: its ConfigMap can name another controller or
    /// another cluster by now, while it goes on as it was started.
    pub fn may_share_controller(&self) -> bool {
        self.tenancy
            .own
            .as_ref()
            .is_some_and(|own| self.tenancy.instances.others(&own.namespace).next().is_some())
    }

    /// The other instance on the same controller that a namespace belongs to.
    pub fn rival(&self, namespace: &str) -> Option<Rival<'_>> {
        self.tenancy.instances.rival(&self.tenancy.own.as_ref()?.namespace, self.owner_of(namespace)?)
    }

    /// Whether a namespace belongs to this instance.
    pub fn is_own(&self, namespace: &str) -> bool {
        self.tenancy.own.as_ref().is_none_or(|own| self.owner_of(namespace) == Some(&own.namespace))
    }

    /// Whether a namespace belongs to another instance.
    pub fn is_of_another(&self, namespace: &str) -> bool {
        !self.is_own(namespace) && self.owner_of(namespace).is_some()
    }

    /// Whether another instance asks for a namespace, even if it gets nothing.
    pub fn is_asked_for_by_another(&self, namespace: &str) -> bool {
        let labels = self.namespace(namespace).map(|namespace| &namespace.labels);
        self.tenancy.own.as_ref().is_some_and(|own| {
            self.tenancy.instances.others(&own.namespace).any(|claim| claim.scope.accepts(namespace, labels))
        })
    }

    /// The other instances that ask for a namespace and get nothing anywhere: an earlier one
    /// bars them, or their claims do not count. Their processes may go on as they were
    /// started, and have it in their own eyes.
    pub fn left_out<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<str>> {
        let labels = self.namespace(namespace).map(|namespace| &namespace.labels);
        let Tenancy { instances, own, .. } = &self.tenancy;
        let others = own.iter().flat_map(|own| {
            self.all::<Claim>().map(|claim| &**claim).filter(|claim| claim.namespace != own.namespace)
        });
        let gets_nothing = |claim: &&Claim| {
            instances.barred(&claim.namespace).is_some()
                || instances.disregarded().contains_key(&claim.namespace)
        };
        let asks = move |claim: &&Claim| claim.scope.accepts(namespace, labels);
        others.filter(gets_nothing).filter(asks).map(|claim| &claim.namespace)
    }

    /// Whether this instance asks for a namespace, whoever it belongs to: by the configuration that
    /// it acts by, and by its ConfigMap as the others see it.
    pub fn selects(&self, namespace: &str) -> bool {
        let labels = self.namespace(namespace).map(|namespace| &namespace.labels);
        self.me().is_none_or(|me| self.tenancy.instances.selects(me, namespace, labels))
    }

    /// Whether this instance serves a namespace now: it is its own, and its
    /// former owner is gone.
    pub fn serves(&self, namespace: &str) -> bool {
        self.is_own(namespace) && !self.tenancy.awaited.contains(namespace)
    }

    /// Whether this instance selects the namespaces that its ConfigMap selects, as far as that is
    /// seen: if not, one of both is about to change.
    pub fn selects_as_configured(&self) -> bool {
        let Some(own) = &self.tenancy.own else { return true };
        let claim = self.store_of::<Claim>().get(&own.namespace, Claim::CONFIG_MAP);
        claim.is_none_or(|claim| claim.scope == own.scope)
    }

    /// Why an earlier instance leaves this one nothing, if one does.
    pub fn barred(&self) -> Option<Contest> {
        self.tenancy.instances.barred(&self.tenancy.own.as_ref()?.namespace).map(|(_, contest)| *contest)
    }

    /// Whether another instance's objects cannot be told from this one's.
    pub fn shares_owner(&self) -> bool {
        self.tenancy.own.as_ref().is_some_and(|own| self.tenancy.instances.shares_owner(&own.namespace))
    }

    /// What this instance and others cannot both have, sorted.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let Some(own) = &self.tenancy.own else { return Vec::new() };
        self.tenancy.instances.conflicts(&own.namespace, self.namespaces())
    }

    /// Leaves a namespace that is this instance's own to the instance that it
    /// belonged to, or does so no longer. Answers what that touched.
    pub fn await_namespace(&mut self, namespace: &Arc<str>, awaited: bool) -> BTreeSet<Key> {
        let changed = if awaited {
            self.tenancy.awaited.insert(namespace.clone())
        } else {
            self.tenancy.awaited.remove(namespace)
        };
        changed.then(|| Key::namespace(namespace)).into_iter().collect()
    }

    /// The namespace of this instance, once its configuration is known.
    pub fn me(&self) -> Option<&Arc<str>> {
        self.tenancy.own.as_ref().map(|own| &own.namespace)
    }

    /// The instances of the cluster.
    pub fn instances(&self) -> &Instances {
        &self.tenancy.instances
    }

    /// The StatefulSet of the instance of a namespace: this one's, or one that counts.
    pub fn installation(&self, namespace: &str) -> Option<&Installation> {
        let is_own = self.me().is_some_and(|me| **me == *namespace);
        let found = self.store_of::<Installation>().get(namespace, Installation::STATEFUL_SET);
        found.map(|found| &**found).filter(|found| is_own || found.disregarded().is_none())
    }

    /// Sorts the instances out anew.
    pub(super) fn judge(&mut self, touched: &mut BTreeSet<Key>) {
        let claims: Vec<_> = self.all::<Claim>().map(|claim| &**claim).collect();
        let installations =
            self.all::<Installation>().map(|found| (found.namespace.clone(), (**found).clone())).collect();
        let instances = Instances::of(claims, &installations, self.tenancy.own.as_ref());
        if instances != self.tenancy.instances {
            touched.insert(Key::Instances);
            self.tenancy.instances = instances;
        }
    }
}
