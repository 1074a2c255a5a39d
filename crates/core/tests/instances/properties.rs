//! What holds for any instances and any namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ako_core::config::ServiceMode;
use ako_core::resource::Namespace;
use ako_core::scope::{Requirement, Scope};
use ako_core::{Authority, Claim, Conflict, Contest, Installation, Instances, ServiceRule};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

fn pick(of: &'static [&'static str]) -> impl Strategy<Value = Arc<str>> {
    prop::sample::select(of).prop_map(Arc::from)
}

/// Names of which some give the same owner: `ako-c-a-b`.
const INSTANCES: &[&str] = &["a", "b", "a-b", "c", "d"];
const CLUSTERS: &[&str] = &["c", "c-a", "c-a-b", "d"];
const NAMESPACES: &[&str] = &["n1", "n2", "n3", "n4"];
const KEYS: &[&str] = &["k", "l"];
const VALUES: &[&str] = &["v", "w"];

fn requirement() -> impl Strategy<Value = Requirement> {
    let values = || btree_set(pick(VALUES), 1..3);
    prop_oneof![
        pick(KEYS).prop_map(Requirement::Exists),
        pick(KEYS).prop_map(Requirement::Absent),
        (pick(KEYS), values()).prop_map(|(key, values)| Requirement::In(key, values)),
        (pick(KEYS), values()).prop_map(|(key, values)| Requirement::NotIn(key, values)),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    (vec(requirement(), 0..3), btree_set(pick(NAMESPACES), 0..2), prop::bool::weighted(0.15))
        .prop_map(|(requirements, blocked, is_unreadable)| Scope { requirements, blocked, is_unreadable })
}

fn claim() -> impl Strategy<Value = Claim> {
    let modes =
        prop::sample::select(vec![ServiceMode::ClusterIp, ServiceMode::ClusterIp, ServiceMode::NodePort]);
    let place = (pick(&["avi", "avi", "other"]), pick(&["x", "x", "y"]), pick(CLUSTERS));
    (0..3_i64, place, any::<bool>(), modes, scope()).prop_map(
        |(created, (controller, cloud, cluster), primary, service_mode, scope)| Claim {
            namespace: "".into(),
            created,
            controller,
            controller_id: None,
            cloud,
            cluster,
            primary,
            service_mode,
            scope,
            services: ServiceRule::default(),
        },
    )
}

fn authority() -> impl Strategy<Value = Authority> {
    use Authority::{Granted, Refused, Unknown};
    prop::sample::select(vec![Granted, Granted, Unknown, Refused])
}

/// Instances of a cluster, with the StatefulSets of most, and namespaces.
#[derive(Clone, Debug)]
struct World {
    claims: Vec<Claim>,
    installations: BTreeMap<Arc<str>, Installation>,
    namespaces: Vec<Namespace>,
}

fn worlds() -> impl Strategy<Value = World> {
    let claims = btree_map(pick(INSTANCES), claim(), 1..5);
    let controller_id = prop::option::of(pick(&["u", "u", "v"]));
    let share = prop::bool::weighted;
    let installed = (share(0.7), authority(), share(0.2), controller_id, share(0.9));
    let installations = btree_map(pick(INSTANCES), installed, INSTANCES.len());
    let namespaces = btree_map(pick(NAMESPACES), btree_map(pick(KEYS), pick(VALUES), 0..3), 0..4);
    (claims, installations, namespaces).prop_map(|(claims, installations, namespaces)| World {
        claims: claims.into_iter().map(|(namespace, claim)| Claim { namespace, ..claim }).collect(),
        installations: installations
            .into_iter()
            .filter(|(_, (.., is_there))| *is_there)
            .map(|(namespace, (is_ours, authority, is_idle, controller_id, _))| {
                let new = Installation::new(namespace.clone());
                (namespace, Installation { is_ours, authority, is_idle, controller_id, ..new })
            })
            .collect(),
        namespaces: namespaces
            .into_iter()
            .map(|(name, labels)| Namespace { name, labels, ..Namespace::default() })
            .collect(),
    })
}

impl World {
    fn instances(&self) -> Instances {
        Instances::of(&self.claims, &self.installations, None)
    }

    fn seen_by(&self, own: &Claim) -> Instances {
        // What a running instance knows of itself lacks the age.
        let own = Claim { created: i64::MAX, ..self.known(own) };
        Instances::of(&self.claims, &self.installations, Some(&own))
    }

    fn without(&self, gone: &BTreeSet<Arc<str>>) -> Self {
        let claims = self.claims.iter().filter(|c| !gone.contains(&c.namespace)).cloned().collect();
        Self { claims, ..self.clone() }
    }

    fn owner_of(instances: &Instances, namespace: &Namespace) -> Option<Arc<str>> {
        instances.owner_of(&namespace.name, Some(&namespace.labels)).cloned()
    }

    fn pairs(&self) -> impl Iterator<Item = (&Claim, &Claim)> {
        let pairs = self.counting().flat_map(|a| self.counting().map(move |b| (a, b)));
        pairs.filter(|(a, b)| a.namespace != b.namespace)
    }

    /// With the controller that it says it uses.
    fn known(&self, claim: &Claim) -> Claim {
        let installation = self.installations.get(&claim.namespace);
        let controller_id = installation.and_then(|installation| installation.controller_id.clone());
        Claim { controller_id, ..claim.clone() }
    }

    fn share_controller(&self, a: &Claim, b: &Claim) -> bool {
        self.known(a).same_controller(&self.known(b))
    }

    /// Whether the others know of it.
    fn counts(&self, claim: &Claim) -> bool {
        let installation = self.installations.get(&claim.namespace);
        installation.is_some_and(|installation| installation.disregarded().is_none())
    }

    fn counting(&self) -> impl Iterator<Item = &Claim> {
        self.claims.iter().filter(|claim| self.counts(claim))
    }

    fn is_ours(&self, claim: &Claim) -> bool {
        self.installations.get(&claim.namespace).is_none_or(|i| i.is_ours)
    }
}

fn of<'a>(conflicts: &'a [Conflict], contest: Contest, with: &Claim) -> Option<&'a Conflict> {
    conflicts.iter().find(|c| c.contest == contest && c.with == with.namespace)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_see_the_same_owners(world in worlds()) {
        let instances = world.instances();
        for claim in world.counting() {
            let seen = world.seen_by(claim);
            prop_assert_eq!(&seen, &instances);
        }
        for namespace in &world.namespaces {
            let owner = World::owner_of(&instances, namespace);
            let asking = world.counting().filter(|c| c.scope.accepts(&namespace.name, Some(&namespace.labels)));
            let asking: Vec<_> = asking.filter(|c| instances.barred(&c.namespace).is_none()).collect();
            prop_assert_eq!(owner.is_some(), !asking.is_empty());
            prop_assert!(owner.is_none_or(|owner| asking.iter().any(|c| c.namespace == owner)));
        }
    }

    /// Whoever runs without a claim that the others know of keeps out of their way.
    #[test]
    fn a_claim_that_does_not_count_takes_nothing_from_anybody(world in worlds()) {
        let all = world.instances();
        let made_up = world.claims.iter().filter(|claim| !world.counts(claim));
        for claim in made_up {
            prop_assert!(all.ranked().iter().all(|ranked| ranked.claim != *claim));
            prop_assert!(all.disregarded().contains_key(&claim.namespace));
            let seen = world.seen_by(claim);
            for namespace in &world.namespaces {
                if let Some(owner) = World::owner_of(&all, namespace) {
                    prop_assert_eq!(World::owner_of(&seen, namespace), Some(owner));
                }
            }
            for other in world.counting() {
                prop_assert_eq!(seen.barred(&other.namespace), all.barred(&other.namespace));
                prop_assert_eq!(seen.owns_routes(&other.namespace), all.owns_routes(&other.namespace));
            }
        }
    }

    #[test]
    fn a_selector_that_cannot_be_read_takes_nothing_from_one_that_can(world in worlds()) {
        let instances = world.instances();
        for namespace in &world.namespaces {
            let Some(owner) = World::owner_of(&instances, namespace) else { continue };
            let is_unreadable = |c: &Claim| c.scope.is_unreadable;
            let others = world.counting().filter(|c| !is_unreadable(c) && instances.barred(&c.namespace).is_none());
            let asked = others.filter(|c| c.scope.accepts(&namespace.name, Some(&namespace.labels))).count();
            let is_its = world.counting().any(|c| c.namespace == owner && is_unreadable(c));
            prop_assert!(!is_its || asked == 0, "{} has {}", owner, namespace.name);
        }
    }

    #[test]
    fn the_order_in_which_they_are_seen_does_not_matter(world in worlds(), turn in 0..5_usize) {
        let mut other = world.clone();
        let middle = turn % other.claims.len();
        other.claims.rotate_left(middle);
        prop_assert_eq!(world.instances(), other.instances());
        other.claims.reverse();
        prop_assert_eq!(world.instances(), other.instances());
    }

    #[test]
    fn the_routes_of_a_cloud_have_one_owner_at_most(world in worlds()) {
        let instances = world.instances();
        let share = |a: &Claim, b: &Claim| world.share_controller(a, b) && a.cloud == b.cloud;
        let owns = |claim: &Claim| instances.owns_routes(&claim.namespace);
        for (a, b) in world.pairs() {
            prop_assert!(!(share(a, b) && owns(a) && owns(b)));
        }
        // And one at least, if somebody asks for them and may.
        for claim in world.counting().filter(|c| c.primary && instances.barred(&c.namespace).is_none()) {
            prop_assert!(owns(claim) || world.pairs().any(|(a, b)| a == claim && b.primary && share(a, b)));
        }
    }

    #[test]
    fn no_two_that_act_have_one_owner_on_a_controller(world in worlds()) {
        let instances = world.instances();
        for (a, b) in world.pairs() {
            let acts = |claim: &Claim| instances.barred(&claim.namespace).is_none();
            let told_apart = a.cluster != b.cluster && world.is_ours(a) && world.is_ours(b);
            let is_ours = world.is_ours(a) || world.is_ours(b);
            if acts(a) && acts(b) && is_ours && world.share_controller(a, b) && !told_apart {
                prop_assert_ne!(a.owner(), b.owner());
            }
        }
    }

    #[test]
    fn both_sides_tell_of_what_is_contested(world in worlds()) {
        let instances = world.instances();
        let told = |claim: &Claim| instances.conflicts(&claim.namespace, &world.namespaces);
        for (a, b) in world.pairs() {
            let (of_a, of_b) = (told(a), told(b));
            let accepts = |c: &Claim, n: &Namespace| c.scope.accepts(&n.name, Some(&n.labels));
            let contested = world.namespaces.iter().any(|n| accepts(a, n) && accepts(b, n));
            prop_assert_eq!(of(&of_a, Contest::Namespaces, b).is_some(), contested);
            let told_apart = a.cluster != b.cluster && world.is_ours(a) && world.is_ours(b);
            let same_owner = world.share_controller(a, b) && a.owner() == b.owner();
            prop_assert_eq!(of(&of_a, Contest::Owner, b).is_some(), same_owner && !told_apart);
            for ours in of_a.iter().filter(|c| c.with == b.namespace) {
                let theirs = of(&of_b, ours.contest, a);
                prop_assert_eq!(theirs.map(|c| &c.message), Some(&ours.message));
                // Exactly one of them gives way.
                let refusals = usize::from(ours.refused) + theirs.map_or(0, |c| usize::from(c.refused));
                prop_assert_eq!(refusals, usize::from(!ours.contest.is_note()));
            }
        }
        // And who is barred tells why.
        for claim in world.counting() {
            if let Some((by, why)) = instances.barred(&claim.namespace) {
                prop_assert!(told(claim).iter().any(|c| c.refused && c.with == *by && c.contest == *why));
            }
        }
    }

    #[test]
    fn without_the_earlier_ones_an_instance_has_what_it_asks_for(world in worlds()) {
        for (place, ranked) in world.instances().ranked().iter().enumerate() {
            let earlier = world.instances().ranked()[..place].iter().map(|r| r.claim.namespace.clone()).collect();
            let alone = world.without(&earlier).instances();
            let claim = &ranked.claim;
            prop_assert_eq!(alone.barred(&claim.namespace), None);
            prop_assert_eq!(alone.owns_routes(&claim.namespace), claim.primary);
            for namespace in &world.namespaces {
                let is_asked = claim.scope.accepts(&namespace.name, Some(&namespace.labels));
                if is_asked && !claim.scope.is_unreadable {
                    prop_assert_eq!(World::owner_of(&alone, namespace), Some(claim.namespace.clone()));
                }
            }
        }
    }

    /// What an instance does that was not restarted takes nothing from anybody.
    #[test]
    fn who_acts_by_what_was_said_before_comes_last(world in worlds(), before in claim()) {
        let own = Claim { namespace: world.claims[0].namespace.clone(), created: i64::MAX, ..before };
        let seen = world.seen_by(&own);
        let others = world.without(&BTreeSet::from([own.namespace.clone()])).instances();
        let is_last = seen.ranked().last().is_some_and(|last| last.claim == own);
        for namespace in world.namespaces.iter().filter(|_| is_last) {
            if let Some(owner) = World::owner_of(&others, namespace) {
                prop_assert_eq!(World::owner_of(&seen, namespace), Some(owner));
            }
        }
    }
}
