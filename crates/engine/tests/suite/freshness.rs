//! Nothing is taken away on a belief that is not proven to be of now.

use std::time::Duration;

use ako_avi_types::{Kind, Object};
use ako_core::resource::{Endpoint, EndpointSlice};
use ako_core::{Claim, Config, Delta, Installation, Resource, ResourceId, ResourceKind};
use ako_engine::{Event, Source, Unproven, bound};

use crate::cluster::{base, config, host, id, ingress, service, translator};
use crate::instances::two;
use crate::town::labelled;
use crate::world::{World, leadership, sources};

fn objects() -> Vec<Resource> {
    let mut objects = base();
    objects.extend([ingress("a", &[host(1)]), ingress("b", &[host(2)])]);
    objects.push(service("lb", ako_core::resource::ServiceType::LoadBalancer));
    objects
}

/// A standby that is granted the leadership, with nothing proven yet.
fn granted() -> World {
    granted_as(config(), objects())
}

fn granted_as(config: Config, objects: Vec<Resource>) -> World {
    let mut world = World::at_rest(config, objects);
    world.stop();
    for kind in ResourceKind::ALL {
        world.list(kind);
    }
    world.observe();
    world.run(Duration::from_mins(1));
    world.lead();
    world
}

fn ingress_id(name: &str) -> ResourceId {
    id(ResourceKind::Ingress, name)
}

#[test]
fn a_new_leader_deletes_nothing_before_every_source_is_proven() {
    let mut world = granted();
    world.delete(&ingress_id("b"));
    world.run(Duration::from_secs(5));
    assert_eq!(world.take_writes(), Vec::<String>::new());
    for source in sources().filter(|source| *source != Source::Kind(ResourceKind::Ingress)) {
        world.event(Event::Proven(source, world.now));
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.take_writes(), Vec::<String>::new());
    let Unproven { removals: count, awaited: doubts, .. } = world.engine.unproven(world.now).unwrap();
    assert!(count > 0 && doubts.iter().map(String::as_str).eq(["Ingress"]), "{doubts:?}");
    assert!(world.engine.pending(10).iter().any(|pending| pending.state.contains("confirmed")));
    world.event(Event::Proven(Source::Kind(ResourceKind::Ingress), world.now));
    world.settle();
    assert!(!world.has(Kind::Pool, &host(2)) && world.has(Kind::Pool, &host(1)));
}

#[test]
fn a_proof_of_before_the_grant_counts_for_nothing() {
    let mut world = granted();
    world.prove();
    world.run(Duration::from_secs(1));
    // It is deposed, and leads again.
    world.event(Event::Leads(None));
    world.run(Duration::from_secs(1));
    world.event(Event::Leads(Some(leadership(world.now))));
    world.delete(&ingress_id("b"));
    world.run(Duration::from_secs(5));
    assert_eq!(world.take_writes(), Vec::<String>::new());
}

#[test]
fn silence_ends_the_right_to_delete_and_not_the_right_to_add() {
    let mut world = granted();
    world.prove();
    world.run(bound(&config()));
    world.delete(&ingress_id("b"));
    world.apply(ingress("c", &[host(3)]));
    world.run(Duration::from_mins(1));
    let writes = world.take_writes();
    assert!(world.has(Kind::Pool, &host(3)) && world.has(Kind::Pool, &host(2)), "{writes:?}");
    assert!(writes.iter().all(|write| !write.starts_with("delete")), "{writes:?}");
    // Nor is it known what stands on an Ingress: what is written would replace it.
    assert_eq!(world.status(&ingress_id("c")).addresses, []);
    let unproven = Source::Kind(ResourceKind::Secret);
    for source in sources().filter(|source| *source != unproven) {
        world.event(Event::Proven(source, world.now));
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.status(&ingress_id("c")).addresses.len(), 1, "what is added is shown");
    assert!(world.has(Kind::Pool, &host(2)));
    world.prove();
    world.settle();
    assert!(!world.has(Kind::Pool, &host(2)));
}

/// The same beside another instance, with namespace `red`.
fn granted_beside_another() -> World {
    let [primary, blue] = two();
    let mut objects = objects();
    objects.push(labelled("red", "a"));
    for (created, config) in (0..).zip([&primary, &blue]) {
        objects.push(Resource::ConfigMap(Claim::of(config, created)));
        objects.push(Resource::StatefulSet(Installation::new(config.operator_namespace.clone())));
    }
    granted_as(primary, objects)
}

/// The leader of before may have let the other one have a namespace, and no watch has shown it.
#[test]
fn beside_another_instance_a_new_leader_writes_nothing_before_it_knows_whose_the_namespaces_are() {
    let mut world = granted_beside_another();
    world.apply(ingress("c", &[host(3)]));
    world.run(Duration::from_secs(20));
    assert_eq!(world.take_writes(), [""; 0]);
    for kind in [ResourceKind::Namespace, ResourceKind::ConfigMap] {
        world.event(Event::Proven(Source::Kind(kind), world.now));
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.take_writes(), [""; 0]);
    world.event(Event::Proven(Source::Kind(ResourceKind::StatefulSet), world.now));
    world.run(Duration::from_secs(1));
    assert!(world.has(Kind::Pool, &host(3)));
}

/// What stands there may be the address that another instance published unseen.
#[test]
fn beside_another_instance_a_status_is_written_by_what_is_proven() {
    let mut world = granted_beside_another();
    world.prove();
    world.run(bound(&config()));
    world.apply(ingress("c", &[host(3)]));
    world.run(Duration::from_mins(1));
    assert!(world.has(Kind::Pool, &host(3)), "what is added is served");
    assert_eq!(world.status(&ingress_id("c")).addresses, []);
    let unproven = Source::Kind(ResourceKind::Namespace);
    for source in sources().filter(|source| *source != unproven) {
        world.event(Event::Proven(source, world.now));
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.status(&ingress_id("c")).addresses, [], "the namespace may be another's");
    let waits = world.engine.unproven(world.now).unwrap();
    assert_eq!((waits.removals, waits.statuses), (0, 1));
    assert_eq!(waits.awaited, ["Namespace".to_owned()].into());
    world.event(Event::Proven(unproven, world.now));
    world.settle();
    assert_eq!(world.status(&ingress_id("c")).addresses.len(), 1);
    assert_eq!(world.engine.unproven(world.now), None);
}

/// What another instance is to take over, or has published, is not `deleteConfig`'s.
#[test]
fn delete_config_removes_nothing_before_it_is_proven_whose_the_namespaces_are() {
    let mut world = granted();
    world.event(Event::Configured(Box::new(translator(Config { delete_config: true, ..config() }))));
    for source in [Source::Configuration, Source::Kind(ResourceKind::Ingress)] {
        world.event(Event::Proven(source, world.now));
    }
    world.run(Duration::from_secs(2));
    assert_eq!(world.take_writes(), Vec::<String>::new());
    assert!(!world.status(&ingress_id("b")).is_empty());
    for kind in [ResourceKind::Namespace, ResourceKind::ConfigMap, ResourceKind::StatefulSet] {
        world.event(Event::Proven(Source::Kind(kind), world.now));
    }
    world.run(Duration::from_secs(2));
    assert!(world.fake.keys().is_empty());
    assert!(world.status(&ingress_id("b")).is_empty());
}

/// What comes back before the proof does was never gone.
#[test]
fn what_was_not_heard_of_yet_stays() {
    let mut world = granted();
    let lb = id(ResourceKind::Service, "lb");
    let before = world.fake.keys();
    let service = service("lb", ako_core::resource::ServiceType::LoadBalancer);
    world.event(Event::Cluster(Delta::Delete(lb)));
    world.run(Duration::from_secs(2));
    // The proof is heard together with what it proves, not yet translated.
    world.event(Event::Cluster(Delta::Apply(service)));
    world.prove();
    world.settle();
    assert_eq!(world.fake.keys(), before);
    let deletions = world.take_writes().into_iter().filter(|write| write.starts_with("delete"));
    assert_eq!(deletions.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn only_what_depends_on_the_stale_kind_waits() {
    let mut world = granted();
    for source in sources().filter(|source| *source != Source::Kind(ResourceKind::Ingress)) {
        world.event(Event::Proven(source, world.now));
    }
    world.delete(&ingress_id("b"));
    world.delete(&id(ResourceKind::Service, "lb"));
    world.run(Duration::from_secs(2));
    assert!(world.has(Kind::Pool, &host(2)), "an Ingress is not proven to be gone");
    assert!(!world.has(Kind::VirtualService, "lb"), "a Service is");
}

fn slice(addresses: &[&str]) -> Resource {
    let Some(Resource::EndpointSlice(slice)) =
        base().into_iter().find(|object| object.id().kind == ResourceKind::EndpointSlice)
    else {
        panic!("no slice")
    };
    let template = slice.endpoints.first().unwrap().clone();
    let endpoint = |address: &&str| Endpoint { address: (*address).into(), ..template.clone() };
    Resource::EndpointSlice(EndpointSlice { endpoints: addresses.iter().map(endpoint).collect(), ..slice })
}

fn servers(world: &World) -> Vec<String> {
    let pool = world.fake.find(Kind::Pool, &host(1));
    let Some(Object::Pool(pool)) = world.fake.get(&pool) else { panic!("no pool") };
    pool.servers.iter().map(|server| server.ip.addr.to_string()).collect()
}

/// New pods get traffic at once; the old ones lose it when it is known that they
/// are gone.
#[test]
fn servers_are_added_at_once_and_taken_away_when_that_is_proven() {
    let mut world = granted();
    world.apply(slice(&["10.0.0.1", "10.0.0.2"]));
    world.prove();
    world.run(Duration::from_secs(1));
    assert_eq!(servers(&world), ["10.0.0.1", "10.0.0.2"]);
    world.event(Event::Leads(Some(leadership(world.now))));
    world.apply(slice(&["10.0.0.2", "10.0.0.3"]));
    world.run(Duration::from_secs(1));
    assert_eq!(servers(&world), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    world.prove();
    world.settle();
    assert_eq!(servers(&world), ["10.0.0.2", "10.0.0.3"]);
}

#[test]
fn a_status_is_not_emptied_on_an_old_belief() {
    let mut world = granted();
    let shown = world.status(&ingress_id("b"));
    assert!(!shown.addresses.is_empty());
    // It is another controller's now, as far as is known.
    let Resource::Ingress(mut other) = ingress("b", &[host(2)]) else { unreachable!() };
    other.class = Some("nginx".into());
    other.published = shown.clone();
    world.apply(Resource::Ingress(other));
    world.run(Duration::from_secs(5));
    assert_eq!(world.status(&ingress_id("b")), shown);
    assert!(!world.engine.is_settled());
    world.prove();
    world.settle();
    assert!(world.status(&ingress_id("b")).addresses.is_empty());
}

/// The proof was good when it was decided, and is too old when it would leave.
#[test]
fn a_deletion_carries_how_long_it_may_leave() {
    let mut world = granted();
    world.prove();
    let end = world.now + bound(&config());
    world.latency = bound(&config()) + Duration::from_secs(1);
    world.delete(&ingress_id("b"));
    world.run(world.latency + Duration::from_secs(1));
    assert!(world.now > end);
    assert!(world.has(Kind::Pool, &host(2)), "{:?}", world.take_writes());
}

/// A list replaces what was proven before, and is proven by itself.
#[test]
fn what_is_listed_anew_is_proven_anew() {
    let mut world = granted();
    world.prove();
    world.carry_out(|cluster| {
        cluster.remove(&id(ResourceKind::Ingress, "b"));
        Some(Delta::Reset(ResourceKind::Ingress, vec![ingress("a", &[host(1)])]))
    });
    world.run(Duration::from_secs(5));
    assert!(world.has(Kind::Pool, &host(2)), "the proof was of what was known before");
    world.event(Event::Proven(Source::Kind(ResourceKind::Ingress), world.now));
    world.settle();
    assert!(!world.has(Kind::Pool, &host(2)));
}
