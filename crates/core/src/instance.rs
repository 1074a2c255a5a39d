//! The instances of a cluster: what each of them claims, and who owns what.
//! Source: leadership protocol and instance verdicts, §6.
//!
//! Every instance computes the same from the same objects: the ConfigMaps
//! `avi-k8s-config` and the StatefulSets beside them. Whoever comes later in the
//! order of precedence gives way, for the contested part alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::contest::Contest;
use crate::kinds::claim::{Claim, ServiceRule};
use crate::kinds::installation::{Disregarded, Installation};
use crate::owner;

/// Another instance on the same controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival<'a> {
    /// Its namespace.
    pub namespace: &'a Arc<str>,
    /// `clusterName`: with this instance's, its objects may have the same names.
    pub cluster: &'a Arc<str>,
    /// Which Services it serves.
    pub services: &'a ServiceRule,
    /// Whether it sees this instance, and gives way where it came later;
    /// AKO 2.2.1 does not.
    pub gives_way: bool,
}

/// A claim in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// The claim.
    pub claim: Claim,
    /// Whether the instance is of this implementation.
    pub is_ours: bool,
    /// The earlier instance that leaves it nothing, and why. AKO 2.2.1 never
    /// is: it writes whatever we think of it.
    pub barred: Option<(Arc<str>, Contest)>,
    /// Whether the others know of it: this instance's own claim stands behind all others
    /// while it does not count for them.
    pub counts: bool,
}

impl Ranked {
    /// Whether all others know what it selects: not if it acts by what its ConfigMap said
    /// before, or does not count for them.
    pub(crate) fn is_readable_to_all(&self) -> bool {
        !self.claim.scope.is_unreadable && self.counts && self.claim.created < i64::MAX
    }
}

/// The claims of a cluster in order of precedence: those of AKO 2.2.1, which
/// cannot give way, then by age, then by name.
///
/// A claim counts only if a StatefulSet stands beside it that can be an operator's
/// ([`Installation::disregarded`]): what somebody made up who may write in one namespace,
/// or what was left of a former installation, takes nothing from anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances {
    ranked: Vec<Ranked>,
    /// The other claims, by namespace, and why they do not count.
    disregarded: BTreeMap<Arc<str>, Disregarded>,
    /// The instance that is barred only because it acts by what its ConfigMap
    /// said before.
    outdated: Option<Arc<str>>,
}

impl Instances {
    /// Sorts claims out, as the instance sees it that acts by `own`. A
    /// StatefulSet without a note is one of AKO 2.2.1.
    ///
    /// What an instance does counts for it, not what its ConfigMap says
    /// meanwhile: if it would be another one by that, it is behind all others
    /// until it is restarted. It is behind all others, too, if its own claim does not
    /// count for them: it runs outside of the cluster, say.
    pub fn of<'a>(
        claims: impl IntoIterator<Item = &'a Claim>,
        installations: &BTreeMap<Arc<str>, Installation>,
        own: Option<&Claim>,
    ) -> Self {
        let why_not = |claim: &Claim| match installations.get(&claim.namespace) {
            Some(installation) => installation.disregarded(),
            None => Some(Disregarded::NotInstalled),
        };
        let known = |claim: &Claim| {
            let installation = installations.get(&claim.namespace);
            let controller_id = installation.and_then(|installation| installation.controller_id.clone());
            Claim { controller_id, ..claim.clone() }
        };
        let rank = |claim: Claim| Ranked {
            is_ours: installations.get(&claim.namespace).is_none_or(|i| i.is_ours),
            counts: why_not(&claim).is_none(),
            claim,
            barred: None,
        };
        let claims: Vec<_> = claims.into_iter().collect();
        let is_own = |claim: &&&Claim| own.is_some_and(|own| own.namespace == claim.namespace);
        let configured = claims.iter().find(is_own).copied();
        let acting = own.cloned().map(|own| match configured {
            Some(claim) if own.acts_like(claim) => {
                // Others go by what stands there. What it does not select any more, they may have
                // by now; what it selects in addition, they need not have let go.
                Claim { created: claim.created, scope: own.scope.and(&claim.scope), ..own }
            }
            _ => own,
        });
        let (others, disregarded): (Vec<_>, Vec<_>) =
            claims.iter().filter(|claim| !is_own(claim)).partition(|claim| why_not(claim).is_none());
        let mut instances = Self {
            ranked: others.into_iter().copied().map(known).chain(acting).map(rank).collect(),
            disregarded: disregarded
                .into_iter()
                .filter_map(|claim| Some((claim.namespace.clone(), why_not(claim)?)))
                .collect(),
            outdated: None,
        };
        instances.sort();
        if let (Some(own), Some(configured)) = (own, configured)
            && !own.acts_like(configured)
            && instances.barred(&own.namespace).is_some()
        {
            let restarted = Self::of(claims, installations, Some(configured));
            instances.outdated = restarted.barred(&own.namespace).is_none().then(|| own.namespace.clone());
        }
        instances
    }

    fn sort(&mut self) {
        let place = |r: &Ranked| (!r.counts, r.is_ours, r.claim.created, r.claim.namespace.clone());
        self.ranked.sort_by_key(place);
        for later in 0..self.ranked.len() {
            let (before, rest) = self.ranked.split_at(later);
            let bar = |e: &Ranked| Some((e.claim.namespace.clone(), bars(e, &rest[0])?));
            self.ranked[later].barred = before.iter().find_map(bar);
        }
    }

    /// The instances in order of precedence.
    pub fn ranked(&self) -> &[Ranked] {
        &self.ranked
    }

    /// The claims that do not count, by namespace, and why.
    pub fn disregarded(&self) -> &BTreeMap<Arc<str>, Disregarded> {
        &self.disregarded
    }

    /// Whether an instance is barred only because it acts by what its ConfigMap
    /// said before, so that a restart is all it needs.
    pub fn needs_restart(&self, me: &str) -> bool {
        self.outdated.as_deref() == Some(me)
    }

    /// The other instances than this one.
    pub fn others(&self, me: &str) -> impl Iterator<Item = &Claim> {
        self.ranked.iter().map(|r| &r.claim).filter(move |claim| &*claim.namespace != me)
    }

    /// The instance that a namespace belongs to; nobody's if none selects it. One whose
    /// selector cannot be read has what nobody else selects.
    pub fn owner_of(
        &self,
        namespace: &str,
        labels: Option<&BTreeMap<Arc<str>, Arc<str>>>,
    ) -> Option<&Arc<str>> {
        let standing = self.ranked.iter().filter(|r| r.barred.is_none());
        let mut asking = standing.filter(|r| r.claim.scope.accepts(namespace, labels));
        let first = asking.next()?;
        let owner = if first.claim.scope.is_unreadable {
            asking.find(|r| r.is_readable_to_all()).unwrap_or(first)
        } else {
            first
        };
        Some(&owner.claim.namespace)
    }

    /// Whether an instance asks for a namespace, whoever it belongs to.
    pub fn selects(&self, me: &str, namespace: &str, labels: Option<&BTreeMap<Arc<str>, Arc<str>>>) -> bool {
        self.find(me).is_some_and(|own| own.claim.scope.accepts(namespace, labels))
    }

    /// The earlier instance that leaves an instance nothing at all, and why.
    pub fn barred(&self, me: &str) -> Option<&(Arc<str>, Contest)> {
        self.find(me)?.barred.as_ref()
    }

    /// Whether another instance's objects bear the name of an instance's owner,
    /// so that they cannot be told from its own.
    pub fn shares_owner(&self, me: &str) -> bool {
        let Some(own) = self.find(me) else { return false };
        let mut others = self.ranked.iter().filter(|r| &*r.claim.namespace != me);
        others.any(|other| share_owner(own, other))
    }

    /// Whether the static routes are an instance's to write.
    pub fn owns_routes(&self, me: &str) -> bool {
        let Some(own) = self.find(me).filter(|own| own.claim.primary && own.barred.is_none()) else {
            return false;
        };
        let rivals = self.ranked.iter().take_while(|r| r.claim.namespace != own.claim.namespace);
        !rivals.filter(|r| r.barred.is_none()).any(|r| r.claim.primary && r.claim.same_cloud(&own.claim))
    }

    /// The instance that writes the statuses of what has no namespace, so that each may look at it:
    /// the first primary one, or where there is none the first one.
    pub fn writer_of_cluster_statuses(&self) -> Option<&Arc<str>> {
        let mut standing = self.ranked.iter().filter(|r| r.barred.is_none());
        let primary = standing.clone().find(|r| r.claim.primary);
        primary.or_else(|| standing.next()).map(|r| &r.claim.namespace)
    }

    /// Whether an object's owner is an instance of this cluster, or was before
    /// it became primary or ceased to be: then it may be taken over where its
    /// namespace was handed over.
    pub fn is_owner(&self, owner: &str, cluster: &str) -> bool {
        let claims = self.ranked.iter().map(|r| &r.claim).filter(|claim| &*claim.cluster == cluster);
        let mut owners =
            claims.flat_map(|c| [true, false].map(|primary| owner::owner(&c.cluster, primary, &c.namespace)));
        owners.any(|one| one == owner)
    }

    /// An instance that uses the same controller as this one.
    pub fn rival(&self, me: &str, other: &str) -> Option<Rival<'_>> {
        let (own, other) = (self.find(me)?, self.find(other)?);
        let is_rival = me != &*other.claim.namespace && own.claim.same_controller(&other.claim);
        is_rival.then_some(Rival {
            namespace: &other.claim.namespace,
            cluster: &other.claim.cluster,
            services: &other.claim.services,
            gives_way: other.is_ours || !own.is_ours,
        })
    }

    pub(crate) fn find(&self, me: &str) -> Option<&Ranked> {
        self.ranked.iter().find(|r| &*r.claim.namespace == me)
    }
}

/// What leaves the later one of two instances nothing.
fn bars(earlier: &Ranked, later: &Ranked) -> Option<Contest> {
    if !later.is_ours {
        return None;
    }
    // What a barred instance programmed before stays, under its owner's name.
    if share_owner(earlier, later) {
        return Some(Contest::Owner);
    }
    // But it sends no traffic anywhere new, so its way to do so is no matter.
    let mixed = earlier.barred.is_none() && mix_service_types(&earlier.claim, &later.claim);
    mixed.then_some(Contest::ServiceType)
}

/// Whether two instances would take each other's objects for their own. Ours
/// tell `ako-a` in `b` from `a-b` by the names of the objects as well; AKO 2.2.1
/// goes by the owner alone.
pub(crate) fn share_owner(one: &Ranked, other: &Ranked) -> bool {
    let (a, b) = (&one.claim, &other.claim);
    let told_apart = a.cluster != b.cluster && one.is_ours && other.is_ours;
    a.same_controller(b) && a.owner() == b.owner() && !told_apart
}

/// Whether two instances send traffic to the same pods in different ways.
pub(crate) fn mix_service_types(a: &Claim, b: &Claim) -> bool {
    a.same_cloud(b) && a.service_mode != b.service_mode
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn an_instance_is_known_by_both_of_its_roles() {
        let of = |namespace: &str| Config {
            operator_namespace: namespace.into(),
            cluster_name: "c1".into(),
            ..Config::default()
        };
        let claims = [Claim::of(&of("blue"), 1)];
        let installations = BTreeMap::from([("blue".into(), Installation::new("blue".into()))]);
        let instances = Instances::of(&claims, &installations, None);
        for (owner, cluster, known) in [
            ("ako-c1", "c1", true),
            ("ako-c1-blue", "c1", true),
            ("ako-c1-red", "c1", false),
            ("ako-c1", "c2", false),
            ("ako-c1-blue", "c1-blue", false),
        ] {
            assert_eq!(instances.is_owner(owner, cluster), known, "{owner} of {cluster}");
        }
    }
}
