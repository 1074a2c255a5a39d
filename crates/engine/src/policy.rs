//! What an instance may do, and how long it has to wait, by its configuration.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ako_core::config::GuardLimits;
use ako_core::{Claim, Config, NamespacedName, ResourceId, ResourceKind};

use crate::purpose::Purpose;
use crate::source::Source;

/// The shortest time for which a proof counts: proving a source takes some
/// seconds.
const SHORTEST_BOUND: Duration = Duration::from_secs(10);
/// The longest one, however long leaderships last.
const LONGEST_BOUND: Duration = Duration::from_mins(1);

/// How long a proof counts: as long as a leadership lasts, which is how long
/// others wait before they take over what was this process's.
pub fn bound(config: &Config) -> Duration {
    config.leader_election.lease_duration.clamp(SHORTEST_BOUND, LONGEST_BOUND)
}

/// What the engine asks of a configuration. What is made of the cluster's objects by it
/// is the translator's business.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// How much may be lost that nothing explains.
    pub(crate) limits: GuardLimits,
    /// How long a proof counts ([`bound`]).
    pub(crate) bound: Duration,
    /// How long another instance may be writing that sees nothing of what changed: until
    /// its leadership ends, or what it believes is too old.
    pub(crate) margin: Duration,
    /// The cluster's name.
    pub(crate) cluster: Arc<str>,
    /// The start of the names of all objects.
    pub(crate) name_prefix: String,
    /// `created_by` of what this instance owns.
    pub(crate) owner: String,
    /// `created_by` of what a primary instance owned before it had that role.
    pub(crate) former_owner: Option<String>,
    /// Whether everything of this instance is to be removed, as `deleteConfig` says.
    pub(crate) removing: bool,
    /// Whether what somebody disabled on the controller is enabled again.
    pub(crate) repairs_disabled: bool,
    /// The ConfigMap that the configuration comes from.
    pub(crate) configuration: ResourceId,
    /// The kinds that are read.
    pub(crate) read: BTreeSet<ResourceKind>,
    layer7: BTreeSet<Source>,
    layer4: BTreeSet<Source>,
    routes: BTreeSet<Source>,
}

impl Policy {
    /// What a configuration says.
    pub(crate) fn of(config: &Config) -> Self {
        let configuration = NamespacedName::new(config.operator_namespace.clone(), Claim::CONFIG_MAP);
        Self {
            limits: config.guard,
            bound: bound(config),
            margin: bound(config).max(config.leader_election.lease_duration),
            cluster: config.cluster_name.clone(),
            name_prefix: config.name_prefix(),
            owner: config.owner(),
            former_owner: config.former_owner(),
            removing: config.delete_config,
            repairs_disabled: config.repair_disabled,
            configuration: ResourceId { kind: ResourceKind::ConfigMap, name: configuration },
            read: ResourceKind::read_with(config),
            layer7: Purpose::Layer7.sources(config),
            layer4: Purpose::Layer4.sources(config),
            routes: Purpose::Routes.sources(config),
        }
    }

    /// The sources that say whether something of a purpose is wanted.
    pub(crate) fn sources(&self, purpose: Purpose) -> &BTreeSet<Source> {
        match purpose {
            Purpose::Layer7 => &self.layer7,
            Purpose::Layer4 => &self.layer4,
            Purpose::Routes => &self.routes,
        }
    }

    /// Whether an owner's name is this instance's, now or from before.
    pub(crate) fn is_owner(&self, owner: &str) -> bool {
        owner == self.owner || self.is_former_owner(owner)
    }

    /// Whether an owner's name is this instance's from before.
    pub(crate) fn is_former_owner(&self, owner: &str) -> bool {
        self.former_owner.as_ref().is_some_and(|former| owner == former)
    }
}
