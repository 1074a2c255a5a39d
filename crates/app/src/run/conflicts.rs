//! What this instance and others of the cluster cannot both have: looked for
//! when something changes that decides on it, and said once.

use ako_core::{Conflict, Delta, Resource, ResourceKind, Snapshot};

/// The most conflicts that are told when they come up.
const MOST_TOLD: usize = 20;

/// The conflicts that were found last.
#[derive(Debug, Default)]
pub(crate) struct Conflicts {
    current: Vec<Conflict>,
    /// Something changed that decides on them.
    outdated: bool,
}

/// How what this instance refuses changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// It refuses these now, too.
    pub(crate) refused: Vec<Conflict>,
    /// It refuses these no longer.
    pub(crate) settled: Vec<Conflict>,
}

impl Conflicts {
    /// Takes in a change of the cluster.
    pub(crate) fn notice(&mut self, delta: &Delta) {
        self.outdated |= match delta {
            Delta::Apply(resource) => {
                matches!(resource, Resource::Namespace(_) | Resource::ConfigMap(_) | Resource::StatefulSet(_))
            }
            Delta::Delete(id) => decides(id.kind),
            Delta::Reset(kind, _) => decides(*kind),
        };
    }

    /// Another configuration counts.
    pub(crate) fn reconfigured(&mut self) {
        self.outdated = true;
    }

    /// What this instance refuses, as far as it is told.
    pub(crate) fn refused(&self) -> impl Iterator<Item = &Conflict> {
        self.current.iter().filter(|conflict| conflict.refused).take(MOST_TOLD)
    }

    /// Looks for them anew, if need be and once the cluster is known.
    pub(crate) fn renew(&mut self, snapshot: &Snapshot) -> News {
        if !self.outdated || !snapshot.is_complete() {
            return News::default();
        }
        self.outdated = false;
        let before = std::mem::replace(&mut self.current, snapshot.conflicts());
        let only_in = |some: &[Conflict], others: &[Conflict]| {
            let only = some.iter().filter(|conflict| conflict.refused && !others.contains(conflict));
            only.take(MOST_TOLD).cloned().collect()
        };
        News { refused: only_in(&self.current, &before), settled: only_in(&before, &self.current) }
    }
}

fn decides(kind: ResourceKind) -> bool {
    matches!(kind, ResourceKind::Namespace | ResourceKind::ConfigMap | ResourceKind::StatefulSet)
}

#[cfg(test)]
mod tests {
    use ako_core::{Claim, Config, Contest, Installation};

    use super::*;

    #[test]
    fn what_is_refused_is_said_once_and_once_the_cluster_is_known() {
        let config = Config { operator_namespace: "blue".into(), ..Config::default() };
        let older = Config { operator_namespace: "avi-system".into(), ..Config::default() };
        let (mut snapshot, mut conflicts) = (Snapshot::default(), Conflicts::default());
        snapshot.act_by(&config, None);
        let installations =
            [&older, &config].map(|c| Resource::StatefulSet(Installation::new(c.operator_namespace.clone())));
        snapshot.apply(Delta::Reset(ResourceKind::StatefulSet, installations.to_vec()));
        let claims =
            [(&older, 1), (&config, 2)].map(|(c, created)| Resource::ConfigMap(Claim::of(c, created)));
        let first = claims[0].clone();
        let mut apply = |delta: Delta| {
            conflicts.notice(&delta);
            snapshot.apply(delta);
            conflicts.renew(&snapshot)
        };
        assert_eq!(apply(Delta::Reset(ResourceKind::ConfigMap, claims.to_vec())), News::default());
        let is_left =
            |kind: &ResourceKind| !matches!(kind, ResourceKind::ConfigMap | ResourceKind::StatefulSet);
        let rest = ResourceKind::ALL.into_iter().filter(is_left);
        let news: Vec<_> = rest.flat_map(|kind| apply(Delta::Reset(kind, Vec::new())).refused).collect();
        assert_eq!(news.iter().map(|c| c.contest).collect::<Vec<_>>(), [Contest::Owner]);
        assert_eq!(apply(Delta::Apply(first.clone())), News::default());
        assert_eq!(apply(Delta::Delete(first.id())), News { refused: Vec::new(), settled: news });
    }
}
