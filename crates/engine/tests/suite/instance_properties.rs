//! What is true of any instances with any namespaces, in any order of events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ako_avi_types::ObjectKey;
use ako_core::resource::{Ingress, ObjectMeta, Service, ServiceType};
use ako_core::scope::Requirement;
use ako_core::{Config, NamespacedName, Resource, Scope};
use ako_engine::{Action, Pending};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::cluster::{class, config, host, plain_ingress, plain_service};
use crate::town::{MARGIN, Town, labelled};
use crate::world::{noted, unmet};

/// Two of them and a Service can make one name.
const NAMESPACES: [&str; 4] = ["red", "red-a", "pink", "blue"];
const TEAMS: [&str; 3] = ["a", "b", "nobody"];
const OPERATORS: [&str; 3] = ["op0", "op1", "blue"];

/// Some instances, in order of age.
fn configs() -> impl Strategy<Value = Vec<Config>> {
    let one = (any::<bool>(), prop::sample::select(vec!["c1", "c1", "c1-blue"]), 0..3_usize);
    (vec(one, 2..=3), any::<bool>()).prop_map(|(instances, evh)| {
        let of = |((primary, cluster, team), operator): ((bool, &str, usize), &&str)| Config {
            primary,
            evh,
            cluster_name: cluster.into(),
            operator_namespace: (*operator).into(),
            scope: match TEAMS.get(team).filter(|team| **team != "nobody") {
                Some(team) => {
                    Scope { requirements: vec![Requirement::equals("team", *team)], ..Scope::default() }
                }
                None => Scope::default(),
            },
            ..config()
        };
        instances.into_iter().zip(&OPERATORS).map(of).collect()
    })
}

/// Ingresses and LoadBalancer Services in the namespaces.
fn applications() -> impl Strategy<Value = Vec<Resource>> {
    let ingress =
        (0..NAMESPACES.len(), 0..3_u8, 0..3_u8, 0..100_i64).prop_map(|(namespace, name, n, created)| {
            let id = NamespacedName::new(NAMESPACES[namespace], format!("i{name}"));
            Resource::Ingress(Ingress {
                id,
                meta: ObjectMeta::created(created),
                ..plain_ingress("", &[host(n)])
            })
        });
    let service = (0..NAMESPACES.len(), prop::sample::select(vec!["web", "a-web"]), 0..100_i64);
    let service = service.prop_map(|(namespace, name, created)| {
        let id = NamespacedName::new(NAMESPACES[namespace], name);
        Resource::Service(Service {
            id,
            meta: ObjectMeta::created(created),
            ..plain_service("", ServiceType::LoadBalancer)
        })
    });
    vec(prop_oneof![ingress, service], 1..10)
}

fn labels() -> impl Strategy<Value = Vec<usize>> {
    vec(0..TEAMS.len(), NAMESPACES.len())
}

fn town(configs: &[Config], labels: &[usize], applications: Vec<Resource>) -> Town {
    let namespaces = NAMESPACES.iter().zip(labels).map(|(name, team)| labelled(name, TEAMS[*team]));
    Town::new(configs, namespaces.chain([class()]).chain(applications).collect())
}

/// Nobody wants what another one wants, and each has what it wants.
fn check(town: &Town) -> Result<(), TestCaseError> {
    let mut wanted: BTreeMap<&ObjectKey, usize> = BTreeMap::new();
    for (i, instance) in town.instances.iter().enumerate() {
        let desired = instance.engine.desired();
        // What stays as it is, is not written.
        let written = |key: &ObjectKey| !key.kind.is_borrowed() && !desired.is_frozen(key);
        for (key, _) in desired.objects().filter(|(key, _)| written(key)) {
            let other = wanted.insert(key, i);
            prop_assert_eq!(other, None, "{} is wanted by two", key);
        }
        let mut open = unmet(desired, instance.engine.inventory());
        let writes = town.dry_run(i).writes.into_iter().filter(|write| write.action != Action::Delete);
        open.extend(writes.map(|write| format!("another process would {write}")));
        // A host that is contested elsewhere is not served by its new owner either, so its
        // former one waits for that; and what a conflict keeps as it is keeps its name.
        let is_anothers = |pending: &Pending| {
            pending.failure.as_ref().is_some_and(|why| why.contains("an object of that name belongs to"))
        };
        let waits_for_name = || instance.engine.pending(usize::MAX).iter().any(is_anothers);
        let waits = town.is_contested() && (!instance.engine.departures().is_empty() || waits_for_name());
        // What it was about to make when it lost a namespace stays wanted, and unmade.
        let waits = waits || instance.engine.is_contested();
        // Where two namespaces have a host and both change hands, somebody has to decide.
        let waits = waits || town.instances.iter().any(|other| other.engine.held().is_some());
        prop_assert!(waits || open.is_empty(), "instance {} still wants {:?}", i, open);
    }
    for (key, i) in wanted {
        let owner = town.owner_of(key);
        let own = town.instances[i].translator.config().owner();
        prop_assert!(town.fake.get(key).is_some(), "{} is not there", key);
        let is_held = town.is_contested() || town.instances.iter().any(|other| other.engine.held().is_some());
        prop_assert!(is_held || owner.is_none_or(|owner| owner == own), "{} is not its", key);
    }
    Ok(())
}

/// The owners of what is made for each namespace.
fn owners(town: &Town) -> BTreeMap<String, BTreeSet<String>> {
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for key in town.fake.keys() {
        let Some(object) = town.fake.get(&key) else { continue };
        let namespace = object.markers().iter().find(|marker| marker.key == "Namespace");
        for namespace in namespace.into_iter().flat_map(|marker| &marker.values) {
            let owner = object.created_by().map(ToString::to_string).unwrap_or_default();
            owners.entry(namespace.to_string()).or_default().insert(owner);
        }
    }
    owners
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_two_instances_want_one_object_and_each_gets_what_it_wants(
        configs in configs(), labels in labels(), applications in applications(), restarted in 0..3_usize,
    ) {
        let mut town = town(&configs, &labels, applications);
        town.run(Duration::from_mins(2));
        check(&town)?;
        town.take_writes();
        town.restart(restarted % configs.len());
        town.run(Duration::from_mins(10));
        check(&town)?;
        let written: Vec<_> = town.take_writes().into_iter().filter(|(_, write)| !write.starts_with("delete")).collect();
        prop_assert!(written.is_empty(), "nothing changed, and {:?}", written);
    }

    /// Another one's object can be in the way, so that less is written.
    #[test]
    fn an_instance_writes_nothing_by_itself_that_its_plan_does_not_name(
        configs in configs(), first in labels(), moves in vec((0..NAMESPACES.len(), 0..TEAMS.len()), 0..5),
        applications in applications(), one in 0..3_usize,
    ) {
        let mut town = town(&configs, &first, applications);
        town.run(Duration::from_mins(2));
        (0..configs.len()).for_each(|i| town.stop(i));
        for (namespace, team) in moves {
            town.label(NAMESPACES[namespace], TEAMS[team]);
        }
        let one = one % configs.len();
        let run = town.dry_run(one);
        town.take_writes();
        town.restart(one);
        // Whoever takes back that it let a namespace go serves it when that is seen.
        let served_later = !run.awaited.is_empty();
        town.run(Duration::from_secs(3));
        let planned: BTreeSet<_> = run.writes.iter().map(noted).collect();
        for (_, write) in town.take_writes() {
            prop_assert!(planned.contains(&write) || served_later, "{} is not in {:#?}", write, planned);
        }
    }

    #[test]
    fn a_namespace_that_moves_is_served_by_one_in_the_end(
        configs in configs(), first in labels(), moves in vec((0..NAMESPACES.len(), 0..TEAMS.len(), 0..40_u64), 1..5),
        applications in applications(),
    ) {
        let mut labels = first;
        let mut town = town(&configs, &labels, applications);
        for (namespace, team, seconds) in moves {
            labels[namespace] = team;
            town.label(NAMESPACES[namespace], TEAMS[team]);
            town.run(Duration::from_secs(seconds));
        }
        town.run(MARGIN * 4);
        for i in 0..configs.len() {
            town.observe(i);
        }
        town.run(Duration::from_hours(2));
        check(&town)?;
        let snapshot = town.instances[0].engine.snapshot();
        for (namespace, owners) in owners(&town) {
            // Where a conflict holds things back, both may be there.
            if town.is_contested() || town.instances.iter().any(|i| i.engine.held().is_some()) {
                continue;
            }
            let Some(owner) = snapshot.owner_of(&namespace) else {
                prop_assert!(false, "nobody's namespace {} has objects of {:?}", namespace, owners);
                continue;
            };
            let owning = configs.iter().find(|config| config.operator_namespace == *owner);
            let expected = owning.map(Config::owner).unwrap_or_default();
            prop_assert_eq!(&owners, &BTreeSet::from([expected]), "namespace {}", namespace);
        }
    }
}

/// A namespace comes and goes while another one is on its way the other way round.
#[test]
fn what_waits_for_a_namespace_goes_on_when_that_is_anothers_again() {
    let of = |operator: &str, requirements| Config {
        primary: false,
        operator_namespace: operator.into(),
        scope: Scope { requirements, ..Scope::default() },
        ..config()
    };
    let configs = [of("op0", vec![Requirement::equals("team", "a")]), of("op1", Vec::new())];
    let id = NamespacedName::new("red", "i0");
    let application = vec![Resource::Ingress(Ingress { id, ..plain_ingress("", &[host(0)]) })];
    let mut town = town(&configs, &[0, 1, 1, 0], application);
    town.label("red-a", "a");
    town.run(Duration::ZERO);
    town.label("red", "b");
    town.run(Duration::from_secs(11));
    town.label("red-a", "b");
    town.run(MARGIN * 4);
    for i in 0..configs.len() {
        town.observe(i);
    }
    town.run(MARGIN);
    assert!(town.instances.iter().all(|instance| instance.engine.is_settled()));
    check(&town).unwrap();
}

/// A host that a namespace asks for which was never ours goes to that at once.
#[test]
fn a_host_that_an_older_ingress_of_another_instance_asks_for_is_let_go() {
    let of = |operator: &str, team: &str| Config {
        primary: false,
        evh: true,
        operator_namespace: operator.into(),
        scope: Scope { requirements: vec![Requirement::equals("team", team)], ..Scope::default() },
        ..config()
    };
    let ingress = |namespace: &str, created| {
        let id = NamespacedName::new(namespace, "i0");
        Resource::Ingress(Ingress { id, meta: ObjectMeta::created(created), ..plain_ingress("", &[host(2)]) })
    };
    let applications = vec![ingress("pink", 50), ingress("red-a", 0)];
    let mut town = town(&[of("op0", "b"), of("op1", "a")], &[0, 2, 0, 0], applications);
    town.label("red-a", "b");
    town.run(Duration::from_hours(1));
    check(&town).unwrap();
    assert!(town.instances.iter().all(|instance| instance.engine.held().is_none()));
}
