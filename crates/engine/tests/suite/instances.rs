//! Several instances on one controller.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Change, ErrorClass, Kind, Object, Operation, VsVip};
use ako_core::config::ServiceMode;
use ako_core::resource::{ObjectMeta, ServiceType};
use ako_core::scope::Requirement;
use ako_core::{Claim, Config, Delta, NamespacedName, Resource, ResourceId, ResourceKind, Scope};
use ako_engine::{Engine, Event};

use crate::cluster::{class, config, ingress, plain_ingress, secret, secure_ingress, service, translator};
use crate::fake::Fault;
use crate::town::{MARGIN, Town, labelled};

pub(crate) fn serving(team: &str) -> Scope {
    Scope { requirements: vec![Requirement::equals("team", team)], ..Scope::default() }
}

/// The primary serves team `a`, the secondary in namespace `blue` team `b`.
pub(crate) fn two() -> [Config; 2] {
    let primary = Config { scope: serving("a"), ..config() };
    let secondary =
        Config { primary: false, operator_namespace: "blue".into(), scope: serving("b"), ..config() };
    [primary, secondary]
}

pub(crate) fn objects() -> Vec<Resource> {
    let host = |n| crate::cluster::host(n);
    vec![
        class(),
        labelled("red", "a"),
        secret("cert", 0),
        ingress("one", &[host(1)]),
        secure_ingress("two", &[host(2)]),
    ]
}

fn edited(config: &Config, created: i64) -> Resource {
    Resource::ConfigMap(Claim::of(config, created))
}

#[test]
fn a_namespace_is_served_by_the_instance_that_selects_it() {
    let mut town = Town::new(&two(), objects());
    assert!(town.take_writes().iter().all(|(i, _)| *i == 0));
    assert_eq!(town.pools().iter().filter(|(_, owner)| owner == "ako-c1").count(), 2);
    let stray = ingress("stray", &[crate::cluster::host(3)]);
    town.label("red", "nobody");
    town.apply(stray);
    town.run(Duration::from_secs(2));
    assert_eq!(town.pools(), []);
    assert_eq!(town.published("one"), 0);
}

#[test]
fn a_namespace_that_nobody_served_is_served_at_once() {
    let [primary, secondary] = two();
    let mut town = Town::new(&[primary, secondary], objects());
    town.label("red", "nobody");
    town.run(Duration::from_mins(1));
    town.label("red", "a");
    town.run(Duration::from_millis(500));
    assert_eq!(town.pools().len(), 2);
}

#[test]
fn a_namespace_that_was_another_ones_only_for_a_moment_is_not_forgotten() {
    let mut town = Town::new(&two(), objects());
    town.label("red", "b");
    town.run(MARGIN.saturating_sub(Duration::from_secs(1)));
    town.label("red", "nobody");
    town.run(MARGIN * 3);
    assert_eq!(town.pools(), []);
    assert_eq!(town.published("one"), 0);
}

#[test]
fn the_address_of_a_service_goes_with_it() {
    let mut all = objects();
    all.push(service("lb", ServiceType::LoadBalancer));
    let mut town = Town::new(&two(), all);
    let vsvips =
        |town: &Town| town.fake.names(Kind::VsVip).iter().filter(|name| name.contains("red-lb")).count();
    town.label("red", "b");
    town.run(MARGIN * 3);
    // The former owner has seen what it is not its own any more, and is at rest.
    assert!(town.instances[0].engine.is_settled(), "{:?}", town.instances[0].engine.pending(9));
    assert_eq!(vsvips(&town), 1);
    town.label("red", "nobody");
    town.run(Duration::from_mins(1));
    assert_eq!(vsvips(&town), 0);
}

/// Somebody removes the virtual service on the controller, and the Service goes.
#[test]
fn the_address_of_a_virtual_service_that_was_removed_by_hand_goes_with_the_service() {
    let mut all = objects();
    let balancer = service("lb", ServiceType::LoadBalancer);
    all.push(balancer.clone());
    let mut town = Town::new(&two(), all);
    let named = |town: &Town, kind| {
        town.fake.keys().into_iter().find(|key| key.kind == kind && key.name.contains("red-lb"))
    };
    let service = named(&town, Kind::VirtualService).unwrap();
    town.fake.remove(&service);
    // Before it can be made anew.
    town.tell(0, Event::Writing(false));
    town.observe(0);
    town.delete(&balancer.id());
    town.run(Duration::from_secs(5));
    town.tell(0, Event::Writing(true));
    town.run(Duration::from_secs(5));
    assert_eq!(named(&town, Kind::VsVip), None);
    assert_eq!(named(&town, Kind::VirtualService), None);
}

#[test]
fn a_process_that_did_not_see_a_namespace_come_waits_for_the_former_owner() {
    let mut town = Town::new(&two(), objects());
    town.label("red", "b");
    town.restart(1);
    town.run(MARGIN.saturating_sub(Duration::from_millis(1)));
    assert!(town.pools().iter().all(|(_, owner)| owner == "ako-c1"), "{:?}", town.pools());
    town.run(MARGIN * 2);
    assert!(town.pools().iter().all(|(_, owner)| owner == "ako-c1-blue"), "{:?}", town.pools());
    assert_eq!(town.pools().len(), 2);
    assert!(town.published("one") > 0 && town.published("two") > 0);
}

#[test]
fn a_process_whose_view_is_old_takes_nothing_back() {
    let mut town = Town::new(&two(), objects());
    // The former owner's watch is interrupted, then the namespace moves.
    town.tell(0, Event::Outdated(ResourceKind::Namespace, true));
    let moved = labelled("red", "b");
    town.cluster.insert(moved.id(), moved.clone());
    town.tell(1, Event::Cluster(Delta::Apply(moved.clone())));
    town.run(MARGIN * 2);
    let ours = |town: &Town| town.pools().iter().filter(|(_, owner)| owner == "ako-c1-blue").count();
    assert_eq!(ours(&town), 2);
    town.observe(0);
    town.run(MARGIN * 2);
    assert_eq!(ours(&town), 2, "{:?}", town.pools());
    town.tell(0, Event::Outdated(ResourceKind::Namespace, false));
    town.tell(0, Event::Cluster(Delta::Apply(moved)));
    town.run(MARGIN * 3);
    assert_eq!((ours(&town), town.pools().len()), (2, 2), "{:?}", town.pools());
}

#[test]
fn what_nobody_asks_for_any_more_is_waited_for_by_nobody() {
    let mut town = Town::new(&two(), objects());
    // A process that did not see the change finds what the other instance takes
    // over; meanwhile one of the Ingresses goes.
    town.label("red", "b");
    town.restart(0);
    town.run(Duration::from_secs(1));
    let gone = ResourceId { kind: ResourceKind::Ingress, name: NamespacedName::new("red", "one") };
    town.cluster.remove(&gone);
    (0..2).for_each(|i| town.tell(i, Event::Cluster(Delta::Delete(gone.clone()))));
    town.run(MARGIN * 2);
    for i in [0, 1] {
        town.observe(i);
        town.run(Duration::from_mins(1));
    }
    let owners: Vec<_> = town.pools().into_iter().map(|(_, owner)| owner).collect();
    assert_eq!(
        owners,
        ["ako-c1-blue"],
        "{:?} {:?}",
        town.instances[0].engine.held(),
        town.instances[0].engine.pending(20)
    );
    assert_eq!(town.instances[0].engine.held(), None);
}

#[test]
fn what_is_contested_stays_as_it_is() {
    let [primary, secondary] = two();
    // The younger instance serves the namespace; then the older one claims it.
    let mut town = Town::new(&[primary.clone(), secondary.clone()], {
        let mut objects = objects();
        objects[1] = labelled("red", "b");
        objects
    });
    let before = town.fake.keys();
    town.take_writes();
    let greedy = Config { scope: Scope::default(), ..primary };
    town.instances[0].translator = translator(greedy.clone());
    town.apply(edited(&greedy, 1));
    town.tell(0, Event::Configured(Box::new(translator(greedy))));
    town.apply(ingress("new", &[crate::cluster::host(9)]));
    town.run(Duration::from_mins(10));
    let writes = town.take_writes();
    assert!(writes.iter().all(|(i, _)| *i == 0), "{writes:?}");
    // Even a new process of it deletes nothing.
    town.restart(1);
    town.run(Duration::from_mins(10));
    let writes = town.take_writes();
    assert_eq!(writes, []);
    assert!(town.fake.keys().is_superset(&before));
    assert!(town.published("new") > 0);
}

/// An administrator who gives the younger one up removes it; what it has in a contested
/// namespace is its own.
#[test]
fn what_is_contested_goes_with_delete_config_as_after_a_restart() {
    for restarts in [true, false] {
        let [primary, secondary] = two();
        let mut town = Town::new(&[primary.clone(), secondary.clone()], {
            let mut objects = objects();
            objects[1] = labelled("red", "b");
            objects
        });
        let greedy = Config { scope: Scope::default(), ..primary };
        town.instances[0].translator = translator(greedy.clone());
        town.apply(edited(&greedy, 1));
        town.tell(0, Event::Configured(Box::new(translator(greedy))));
        town.run(Duration::from_mins(10));
        let of_secondary = |town: &Town| -> Vec<String> {
            let all = town.fake.observe(|_| true).into_iter();
            let own = all.filter(|(_, o)| o.body.created_by().is_some_and(|by| **by == *"ako-c1-blue"));
            own.map(|(key, _)| key.to_string()).collect()
        };
        assert_ne!(of_secondary(&town), Vec::<String>::new());
        let removing = Config { delete_config: true, ..secondary };
        if restarts {
            town.restart_as(1, &removing);
        } else {
            town.instances[1].translator = translator(removing.clone());
            town.tell(1, Event::Configured(Box::new(translator(removing))));
            town.run(Duration::from_secs(10));
            // A full synchronisation shows what the older one has taken over.
            town.observe(1);
        }
        town.run(Duration::from_mins(10));
        assert!(town.instances[1].engine.has_removed_everything(), "restarts: {restarts}");
        assert_eq!(of_secondary(&town), Vec::<String>::new(), "restarts: {restarts}");
    }
}

#[test]
fn a_second_default_installation_writes_nothing_and_deletes_nothing() {
    let second = Config { operator_namespace: "other".into(), ..config() };
    let mut town = Town::new(&[config(), second], objects());
    let writes = town.take_writes();
    assert!(!writes.is_empty() && writes.iter().all(|(i, _)| *i == 0), "{writes:?}");
    for _ in 0..3 {
        town.observe(1);
        town.run(Duration::from_mins(30));
    }
    assert_eq!(town.take_writes(), []);
}

#[test]
fn one_with_the_owner_of_another_deletes_nothing_even_if_nothing_else_is_contested() {
    let [primary, _] = two();
    let second = Config { operator_namespace: "other".into(), scope: serving("c"), ..primary.clone() };
    let mut town = Town::new(&[primary, second.clone()], objects());
    town.take_writes();
    town.label("red", "nobody");
    for _ in 0..3 {
        town.observe(1);
        town.run(Duration::from_mins(30));
    }
    let writes = town.take_writes();
    assert!(writes.iter().all(|(i, _)| *i == 0), "{writes:?}");
    let removing = Config { delete_config: true, ..second };
    town.tell(1, Event::Configured(Box::new(translator(removing))));
    town.run(Duration::from_mins(30));
    assert_eq!(town.take_writes(), []);
}

#[test]
fn an_older_instance_that_takes_a_younger_ones_owner_deletes_nothing_of_it() {
    let [primary, _] = two();
    let older =
        Config { operator_namespace: "older".into(), scope: serving("c"), primary: false, ..config() };
    let mut town = Town::new(&[older.clone(), primary], objects());
    town.take_writes();
    let taken = Config { primary: true, ..older };
    town.restart_as(0, &taken);
    town.run(Duration::from_mins(30));
    assert_eq!(town.take_writes(), []);
}

#[test]
fn an_instance_that_was_made_primary_and_not_restarted_gives_way() {
    let [primary, secondary] = two();
    let mut town = Town::new(&[primary.clone(), secondary.clone()], objects());
    town.take_writes();
    // The primary's configuration says that it is none any more, and the
    // secondary is restarted as the primary.
    let former = Config { primary: false, ..primary };
    town.apply(edited(&former, 1));
    let new = Config { primary: true, ..secondary };
    town.restart_as(1, &new);
    town.apply(plain("late", 7));
    town.run(Duration::from_mins(10));
    assert_eq!(town.take_writes(), [], "the namespace is not the new primary's, and the old one gives way");
}

/// What it made before it had the role bears another owner and other shared names.
#[test]
fn what_is_left_of_a_former_role_goes_when_what_replaces_it_is_there() {
    let [_, secondary] = two();
    let mut town = Town::new(std::slice::from_ref(&secondary), objects());
    town.label("red", "b");
    town.run(Duration::from_secs(5));
    assert_eq!(town.pools().iter().filter(|(_, owner)| owner == "ako-c1-blue").count(), 2);
    let all = town.fake.keys().len();
    town.take_writes();
    town.least_served = usize::MAX;
    let primary = Config { primary: true, ..secondary };
    town.restart_as(0, &primary);
    town.run(Duration::from_mins(1));
    assert!(town.fake.keys().iter().all(|key| !key.name.contains("--blue-")), "{:?}", town.fake.keys());
    assert!(town.pools().iter().all(|(_, owner)| owner == "ako-c1"), "{:?}", town.pools());
    assert_eq!((town.fake.keys().len(), town.least_served), (all, 2));
    let writes: Vec<_> = town.take_writes().into_iter().map(|(_, write)| write).collect();
    let first_deletion = writes.iter().position(|write| write.starts_with("delete")).unwrap();
    let last_other = writes.iter().rposition(|write| !write.starts_with("delete")).unwrap();
    assert!(last_other < first_deletion, "{writes:#?}");
    town.restart(0);
    town.run(Duration::from_mins(1));
    assert_eq!(town.take_writes(), []);
}

#[test]
fn a_vsvip_that_another_instance_just_made_is_not_taken_for_superfluous() {
    let [primary, secondary] = two();
    // What the other one's ConfigMap says is not what it does until it is restarted.
    let others = [
        secondary.clone(),
        Config { cluster_name: "c2".into(), ..secondary.clone() },
        Config { controller_host: "elsewhere".into(), ..secondary.clone() },
    ];
    for other in others {
        let mut town = Town::new(&[primary.clone(), secondary.clone()], objects());
        let key = town.fake.find(Kind::VsVip, "Shared-L7");
        let Some(Object::VsVip(vsvip)) = town.fake.get(&key).cloned() else { panic!("{key}") };
        // The secondary's, whose virtual service is not there yet; one of nobody;
        // and one of a Service, which has the same name whoever made it.
        let names = ["c1--blue-Shared-L7-3", "c1--pink-web"];
        for name in names {
            town.fake.edit(Object::VsVip(VsVip { name: name.into(), ..vsvip.clone() }));
        }
        let own = VsVip { name: "c1--Shared-L7-7".into(), ..vsvip.clone() };
        town.fake.edit(Object::VsVip(own));
        town.apply(edited(&other, 2));
        town.take_writes();
        town.restart(0);
        town.run(Duration::from_mins(1));
        assert_eq!(town.take_writes(), [(0, "delete vsvip admin/c1--Shared-L7-7".to_owned())]);
    }
}

#[test]
fn what_bears_our_name_stays_while_its_namespace_waits_for_the_former_owner() {
    let mut town = Town::new(&two(), objects());
    // A standby sees the namespace go, to an instance that does nothing.
    town.tell(0, Event::Writing(false));
    let idle = town.instances[1].translator.clone();
    town.instances[1].engine = Engine::new(idle);
    town.label("red", "b");
    town.run(MARGIN * 3);
    town.take_writes();
    // It comes back, and the standby leads before it serves it.
    town.label("red", "a");
    town.run(Duration::from_secs(2));
    town.tell(0, Event::Writing(true));
    town.run(MARGIN * 3);
    assert_eq!(town.take_writes(), []);
    assert_eq!(town.pools().len(), 2);
}

#[test]
fn a_vsvip_that_we_let_go_is_left_to_the_next_owner_of_its_namespace() {
    let mut town = Town::new(&two(), objects());
    town.apply(service("lb", ServiceType::LoadBalancer));
    town.run(Duration::from_secs(5));
    town.take_writes();
    let is_vsvip = |operation: &Operation| operation.key.kind == Kind::VsVip && operation.verb() == "delete";
    town.fake.fail(3, Fault::Refused(ErrorClass::Retry), is_vsvip);
    town.label("red", "nobody");
    town.run(Duration::from_millis(600));
    assert!(town.take_writes().contains(&(0, "delete virtualservice admin/c1--red-lb".to_owned())));
    town.label("red", "b");
    town.run(MARGIN * 3);
    let writes = town.take_writes();
    assert!(writes.contains(&(1, "create virtualservice admin/c1--red-lb".to_owned())), "{writes:?}");
    assert!(!writes.contains(&(0, "delete vsvip admin/c1--red-lb".to_owned())), "{writes:?}");
    assert_eq!(town.fake.premature, Vec::<String>::new());
}

/// An object that was to be taken over, and is not wanted before it was: it is its owner's.
#[test]
fn what_still_bears_another_owner_is_not_deleted() {
    let mut town = Town::new(&two(), objects());
    let pools = town.pools().len();
    town.fake.fail(10_000, Fault::Refused(ErrorClass::Busy), |o| {
        matches!(o.change, Change::Update(..)) && !o.key.name.contains("Shared")
    });
    town.label("red", "b");
    town.run(MARGIN + Duration::from_secs(1));
    assert_eq!(town.pools().iter().filter(|(_, owner)| owner == "ako-c1").count(), pools);
    town.take_writes();
    town.label("red", "nobody");
    town.run(MARGIN * 4);
    let (former, other): (Vec<_>, Vec<_>) = town.take_writes().into_iter().partition(|(i, _)| *i == 0);
    assert!(!former.is_empty(), "its owner removes it");
    assert!(other.iter().all(|(_, write)| write.contains("c1--blue-")), "{other:?}");
    assert_eq!(town.pools(), []);
}

/// An instance that an earlier one leaves nothing writes nothing; what it published stays.
#[test]
fn the_statuses_of_an_instance_that_is_barred_stay() {
    let mut all = objects();
    all[1] = labelled("red", "b");
    let [primary, secondary] = two();
    let mut town = Town::new(&[primary.clone(), secondary], all);
    let published = town.published("one");
    assert!(published > 0);
    let changed = Config { service_mode: ServiceMode::NodePort, ..primary };
    town.instances[0].translator = translator(changed.clone());
    town.apply(edited(&changed, 1));
    town.tell(0, Event::Configured(Box::new(translator(changed))));
    town.run(Duration::from_mins(10));
    town.restart(0);
    town.run(Duration::from_mins(10));
    assert_eq!(town.published("one"), published);
}

#[test]
fn the_primary_role_is_handed_over_as_documented() {
    let [primary, secondary] = two();
    let mut town = Town::new(&[primary.clone(), secondary.clone()], objects());
    let pools = town.fake.names(Kind::Pool);
    // First the former primary is restarted as a secondary: it serves on.
    let former = Config { primary: false, ..primary };
    town.instances[0].translator = translator(former.clone());
    town.apply(edited(&former, 1));
    town.restart(0);
    town.run(Duration::from_mins(5));
    let owner = |town: &Town| town.pools().into_iter().map(|(_, owner)| owner).collect::<BTreeSet<_>>();
    assert_eq!(town.fake.names(Kind::Pool), pools);
    assert_eq!(owner(&town), BTreeSet::from(["ako-c1-avi-system".to_owned()]));
    // Then the new one is: what is left under the primary's name goes.
    let new = Config { primary: true, ..secondary };
    town.restart_as(1, &new);
    town.run(Duration::from_hours(1));
    assert_eq!(town.fake.names(Kind::Pool), pools);
    assert!(town.fake.names(Kind::VirtualService).iter().all(|name| !name.starts_with("c1--Shared")));
    assert!(town.published("one") > 0 && town.published("two") > 0);
}

fn plain(name: &str, n: u8) -> Resource {
    Resource::Ingress(plain_ingress(name, &[crate::cluster::host(n)]))
}

#[test]
fn a_host_is_served_by_one_instance() {
    let mut all = objects();
    all.push(labelled("pink", "b"));
    let host: Arc<str> = crate::cluster::host(1);
    let other = ako_core::resource::Ingress {
        id: NamespacedName::new("pink", "same"),
        meta: ObjectMeta::created(10),
        ..plain_ingress("same", &[host])
    };
    all.push(Resource::Ingress(other));
    let mut town = Town::new(&two(), all);
    let writes = town.take_writes();
    assert!(writes.iter().all(|(i, _)| *i == 0), "{writes:?}");
    let told = |i: usize| {
        let diagnostics = town.instances[i].engine.desired().diagnostics();
        diagnostics.filter(|d| d.reason == ako_core::Reason::DuplicateHost).count()
    };
    assert_eq!((told(0), told(1)), (1, 1), "both know of it");
}
