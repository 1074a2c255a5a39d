//! The instances of a cluster: what each of them claims, and who owns what.
//! Source: leadership protocol and instance verdicts, §6.
//!
//! Every instance computes the same from the same objects: the ConfigMaps
//! `avi-k8s-config` and the StatefulSets beside them. Whoever comes later in the
//! order of precedence gives way, for the contested part alone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::config::{Config, ServiceMode};
use crate::scope::Scope;

/// What an instance claims, according to its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The namespace that it runs in, which is its name.
    pub namespace: Arc<str>,
    /// When its ConfigMap was created, in seconds since the epoch.
    pub created: i64,
    /// `controllerIP`
    pub controller: Arc<str>,
    /// `cloudName`
    pub cloud: Arc<str>,
    /// `clusterName`
    pub cluster: Arc<str>,
    /// `primaryInstance`
    pub primary: bool,
    /// `serviceType`
    pub service_mode: ServiceMode,
    /// The namespaces that it serves.
    pub scope: Scope,
}

impl Claim {
    /// The name of the ConfigMap that makes a claim.
    pub const CONFIG_MAP: &'static str = "avi-k8s-config";

    /// The claim of a configuration.
    pub fn of(config: &Config, created: i64) -> Self {
        Self {
            namespace: config.operator_namespace.clone(),
            created,
            controller: config.controller_host.clone(),
            cloud: config.cloud_name.clone(),
            cluster: config.cluster_name.clone(),
            primary: config.primary,
            service_mode: config.service_mode,
            scope: config.scope.clone(),
        }
    }

    /// `created_by` of what the instance owns.
    pub fn owner(&self) -> String {
        owner(&self.cluster, self.primary, &self.namespace)
    }

    /// Whether two claims of one instance lead to the same objects; which
    /// namespaces it serves may change at any time.
    fn acts_like(&self, other: &Self) -> bool {
        let other = Self { created: self.created, scope: self.scope.clone(), ..other.clone() };
        *self == other
    }

    fn same_controller(&self, other: &Self) -> bool {
        self.controller == other.controller
    }

    /// Whether both look after objects in the same place.
    fn same_cloud(&self, other: &Self) -> bool {
        self.same_controller(other) && self.cloud == other.cloud
    }
}

/// `created_by` of the objects of an instance. Source: configuration, §5.1.
pub fn owner(cluster: &str, primary: bool, namespace: &str) -> String {
    if primary { format!("ako-{cluster}") } else { format!("ako-{cluster}-{namespace}") }
}

/// The StatefulSet of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The namespace that it is in.
    pub namespace: Arc<str>,
    /// Whether its pods are of this implementation: they bear
    /// [`crate::annotation::LEADERSHIP_NOTE`]. Those of AKO 2.2.1 cannot give
    /// way.
    pub is_ours: bool,
    /// Annotation [`crate::annotation::REMOVAL`]: how far the removal of
    /// everything is.
    pub removal: Option<Arc<str>>,
}

impl Installation {
    /// The name of the StatefulSet of an instance.
    pub const STATEFUL_SET: &'static str = "ako";
}

/// What two instances cannot both have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contest {
    /// Their objects bear the same owner's name: each would take the other's
    /// for its own, and for superfluous.
    Owner,
    /// They send traffic to pods in different ways.
    ServiceType,
    /// Both are primary: the VRF's static routes.
    Primary,
    /// Namespaces that both select.
    Namespaces,
}

impl Contest {
    /// The word in metrics, Events and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "SameOwner",
            Self::ServiceType => "MixedServiceTypes",
            Self::Primary => "TwoPrimaries",
            Self::Namespaces => "NamespaceContested",
        }
    }
}

/// A conflict of two instances, from the point of view of one of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// What is contested.
    pub contest: Contest,
    /// The other instance.
    pub with: Arc<str>,
    /// Whether it is the other one that has it, and this one that refuses.
    pub refused: bool,
    /// What is contested, and the way out.
    pub message: Arc<str>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.contest.as_str(), self.message)
    }
}

/// Another instance on the same controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival<'a> {
    /// Its namespace.
    pub namespace: &'a Arc<str>,
    /// Whether it sees this instance, and gives way where it came later;
    /// AKO 2.2.1 does not.
    pub gives_way: bool,
}

/// A claim in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ranked {
    claim: Claim,
    is_ours: bool,
    /// The earlier instance that leaves it nothing, and why.
    barred: Option<(Arc<str>, Contest)>,
}

/// The claims of a cluster in order of precedence: those of AKO 2.2.1, which
/// cannot give way, then by age, then by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances {
    ranked: Vec<Ranked>,
}

impl Instances {
    /// Sorts claims out, as the instance sees it that acts by `own`. A
    /// StatefulSet without a note is one of AKO 2.2.1; an instance without a
    /// StatefulSet is of this implementation.
    ///
    /// What an instance does counts for it, not what its ConfigMap says
    /// meanwhile: if it would be another one by that, it is behind all others
    /// until it is restarted.
    pub fn of<'a>(
        claims: impl IntoIterator<Item = &'a Claim>,
        installations: &BTreeMap<Arc<str>, Installation>,
        own: Option<&Claim>,
    ) -> Self {
        let rank = |claim: Claim| Ranked {
            is_ours: installations.get(&claim.namespace).is_none_or(|i| i.is_ours),
            claim,
            barred: None,
        };
        let mut own = own.cloned();
        let mut ranked = Vec::new();
        for claim in claims {
            match &mut own {
                Some(own) if own.namespace == claim.namespace => {
                    if own.acts_like(claim) {
                        own.created = claim.created;
                    }
                }
                _ => ranked.push(rank(claim.clone())),
            }
        }
        ranked.extend(own.map(rank));
        let mut instances = Self { ranked };
        instances.sort();
        instances
    }

    fn sort(&mut self) {
        let place = |r: &Ranked| (r.is_ours, r.claim.created, r.claim.namespace.clone());
        self.ranked.sort_by_key(place);
        for later in 0..self.ranked.len() {
            let (before, rest) = self.ranked.split_at(later);
            let standing = before.iter().filter(|earlier| earlier.barred.is_none());
            let barred =
                standing.filter_map(|e| Some((e.claim.namespace.clone(), total(e, &rest[0])?))).next();
            self.ranked[later].barred = barred;
        }
    }

    /// Whether there are other instances than this one.
    pub fn others(&self, me: &str) -> impl Iterator<Item = &Claim> {
        self.ranked.iter().map(|r| &r.claim).filter(move |claim| &*claim.namespace != me)
    }

    /// The instance that a namespace belongs to; nobody's if none selects it.
    pub fn owner_of(
        &self,
        namespace: &str,
        labels: Option<&BTreeMap<Arc<str>, Arc<str>>>,
    ) -> Option<&Arc<str>> {
        let standing = self.ranked.iter().filter(|r| r.barred.is_none());
        standing.map(|r| &r.claim).find(|c| c.scope.accepts(namespace, labels)).map(|c| &c.namespace)
    }

    /// The earlier instance that leaves an instance nothing at all, and why.
    pub fn barred(&self, me: &str) -> Option<&(Arc<str>, Contest)> {
        self.find(me)?.barred.as_ref()
    }

    /// Whether the static routes are an instance's to write.
    pub fn owns_routes(&self, me: &str) -> bool {
        let Some(own) = self.find(me).filter(|own| own.claim.primary && own.barred.is_none()) else {
            return false;
        };
        let rivals = self.ranked.iter().take_while(|r| r.claim.namespace != own.claim.namespace);
        !rivals.filter(|r| r.barred.is_none()).any(|r| r.claim.primary && r.claim.same_cloud(&own.claim))
    }

    /// Whether an object's owner is an instance of this cluster: then it may be
    /// taken over where its namespace was handed over.
    pub fn is_owner(&self, owner: &str, cluster: &str) -> bool {
        self.ranked.iter().any(|r| &*r.claim.cluster == cluster && r.claim.owner() == owner)
    }

    /// Whether another instance has objects of the same cluster on the same
    /// controller.
    pub fn shares_controller(&self, me: &str) -> bool {
        let Some(own) = self.find(me).map(|own| &own.claim) else { return false };
        self.others(me).any(|other| other.same_controller(own) && other.cluster == own.cluster)
    }

    /// An instance that uses the same controller as this one.
    pub fn rival(&self, me: &str, other: &str) -> Option<Rival<'_>> {
        let (own, other) = (self.find(me)?, self.find(other)?);
        let is_rival = me != &*other.claim.namespace && own.claim.same_controller(&other.claim);
        is_rival
            .then_some(Rival { namespace: &other.claim.namespace, gives_way: other.is_ours || !own.is_ours })
    }

    fn find(&self, me: &str) -> Option<&Ranked> {
        self.ranked.iter().find(|r| &*r.claim.namespace == me)
    }
}

/// What leaves the later one of two instances nothing.
fn total(earlier: &Ranked, later: &Ranked) -> Option<Contest> {
    let (a, b) = (&earlier.claim, &later.claim);
    // Ours tell `ako-a` + `b` from `a-b` by the names of the objects as well;
    // AKO 2.2.1 goes by the owner alone.
    let told_apart = a.cluster != b.cluster && earlier.is_ours && later.is_ours;
    if a.same_controller(b) && a.owner() == b.owner() && !told_apart {
        return Some(Contest::Owner);
    }
    (a.same_cloud(b) && a.service_mode != b.service_mode).then_some(Contest::ServiceType)
}
