//! Static routes and the label of the SE group: objects that are not ours.

use std::time::Duration;

use ako_avi_types::{ErrorClass, Kind, Object, ObjectKey};
use ako_core::resource::{BlockAffinity, Node, NodeSubnets, ObjectMeta};
use ako_core::{Config, NamespacedName, Reason, Resource, ResourceId, ResourceKind};
use ako_engine::{Action, Event};
use serde_json::{Value, json};

use crate::cluster::{config, translator};
use crate::fake::Fault;
use crate::world::World;

const NODES: u32 = 60;

fn routed() -> Config {
    Config { no_static_routes: false, ..config() }
}

fn node(n: u32) -> Resource {
    let (high, low) = (n / 250, n % 250);
    Resource::Node(Node {
        name: format!("n{n:05}").into(),
        meta: ObjectMeta { uid: format!("uid{n}").into(), ..ObjectMeta::default() },
        internal_ips: vec![format!("10.1.{high}.{low}").into()],
        pod_cidrs: vec![format!("10.{}.{low}.0/24", 100 + high).into()],
        ..Node::default()
    })
}

fn node_id(n: u32) -> ResourceId {
    ResourceId { kind: ResourceKind::Node, name: NamespacedName::cluster(format!("n{n:05}")) }
}

fn key(kind: Kind) -> ObjectKey {
    let name = if kind == Kind::VrfContext { "global" } else { "Default-Group" };
    ObjectKey::new(kind, "admin", name)
}

fn route(cluster: &str, n: u32, id: &str) -> Value {
    let (high, low) = (n / 250, n % 250);
    json!({
        "prefix": {"ip_addr": {"addr": format!("10.{}.{low}.0", 100 + high), "type": "V4"}, "mask": 24},
        "next_hop": {"addr": format!("10.1.{high}.{low}"), "type": "V4"},
        "route_id": id,
        "labels": [{"key": "clustername", "value": cluster}],
    })
}

fn put(world: &mut World, kind: Kind, fields: &Value) {
    let mut body = json!({"name": &*key(kind).name, "tenant_ref": "/api/tenant?name=admin"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    world.fake.edit(Object::read(kind, body).unwrap());
}

/// A controller with an empty VRF and an SE group without label.
fn world(nodes: std::ops::Range<u32>) -> World {
    let mut world = World::new(routed(), nodes.map(node).collect());
    world.fake.lend();
    world
}

fn at_rest(nodes: std::ops::Range<u32>) -> World {
    let mut world = world(nodes);
    world.start();
    world.settle();
    world.take_writes();
    world
}

/// How many routes a cluster has.
fn count(world: &World, cluster: &str) -> usize {
    let Some(Object::VrfContext(vrf)) = world.fake.get(&key(Kind::VrfContext)) else { panic!("no VRF") };
    vrf.static_routes.iter().filter(|route| route.labels.iter().any(|label| label.names(cluster))).count()
}

const VRF: &str = "update vrfcontext admin/global";
const GROUP: &str = "update serviceenginegroup admin/Default-Group";

#[test]
fn a_start_is_one_write_each_and_another_start_is_none() {
    let mut world = world(0..NODES);
    world.start();
    world.settle();
    assert_eq!(world.take_writes(), [GROUP, VRF]);
    assert_eq!(count(&world, "c1"), NODES as usize);
    world.restart();
    world.settle();
    assert_eq!(world.take_writes(), Vec::<String>::new());
    assert_eq!(world.engine.findings(), []);
}

#[test]
fn a_thousand_nodes_over_seconds_are_one_write_and_not_late() {
    let mut world = at_rest(0..0);
    for n in 0..1_000 {
        world.apply(node(n));
        world.run(Duration::from_millis(4));
    }
    assert_eq!(world.take_writes(), Vec::<String>::new());
    world.settle();
    assert_eq!(world.take_writes(), [VRF]);
    assert_eq!(count(&world, "c1"), 1_000);
    // A burst without end is not waited out.
    for n in 0..150 {
        world.apply(node(1_000 + n));
        world.run(Duration::from_millis(200));
    }
    let writes = world.take_writes().len();
    assert!((2..=3).contains(&writes), "{writes} writes in 30 s");
    world.settle();
    // A single change takes about a second.
    world.take_writes();
    let start = world.now;
    world.delete(&node_id(7));
    world.settle();
    assert_eq!(world.take_writes(), [VRF]);
    assert!(world.now.since(start) < Duration::from_millis(1_200));
}

#[test]
fn routes_of_ako_with_other_ids_are_taken_over_as_they_are() {
    let mut world = world(0..3);
    let routes: Vec<_> = (0..3).map(|n| route("c1", n, &format!("c1-random{n}-0"))).collect();
    put(&mut world, Kind::VrfContext, &json!({"static_routes": routes}));
    put(&mut world, Kind::ServiceEngineGroup, &json!({"labels": [{"key": "clustername", "value": "c1"}]}));
    world.start();
    world.settle();
    assert_eq!(world.take_writes(), Vec::<String>::new());
}

#[test]
fn a_vrf_is_never_deleted_and_left_alone_by_who_does_not_want_it() {
    let mut world = at_rest(0..3);
    put(&mut world, Kind::VrfContext, &json!({"static_routes": [route("c1", 9, "x"), route("c10", 8, "y")]}));
    for other in [Config { primary: false, ..routed() }, config()] {
        world.event(Event::Configured(Box::new(translator(other))));
        world.observe();
        world.settle();
        assert_eq!(world.take_writes(), Vec::<String>::new());
        assert_eq!((count(&world, "c1"), count(&world, "c10")), (1, 1));
    }
    // With the last node the last route of ours goes, and no other.
    world.event(Event::Configured(Box::new(translator(routed()))));
    world.settle();
    (0..3).for_each(|n| world.delete(&node_id(n)));
    world.settle();
    assert_eq!((count(&world, "c1"), count(&world, "c10")), (0, 1));
}

#[test]
fn leftovers_go_even_without_nodes() {
    let mut world = world(0..0);
    put(&mut world, Kind::VrfContext, &json!({"static_routes": [route("c1", 9, "x"), route("c10", 8, "y")]}));
    world.start();
    world.settle();
    assert_eq!((count(&world, "c1"), count(&world, "c10")), (0, 1));
}

#[test]
fn a_list_of_nodes_that_is_suddenly_empty_takes_no_route_away() {
    let mut world = at_rest(0..NODES);
    world.forget(ResourceKind::Node);
    world.list(ResourceKind::Node);
    world.run(Duration::from_mins(1));
    assert_eq!(world.take_writes(), Vec::<String>::new());
    let held = world.engine.held().unwrap();
    assert_eq!((held.count, held.of, &held.examples), (60, 60, &vec![key(Kind::VrfContext)]));
    assert!(world.engine.pending(9).iter().any(|p| p.state == "held by the deletion guard"));
    // New routes are written meanwhile, and those that come back are no matter.
    world.apply(node(NODES));
    (0..10).for_each(|n| world.apply(node(n)));
    world.run(Duration::from_mins(1));
    assert_eq!((world.take_writes(), count(&world, "c1")), (vec![VRF.to_owned()], 61));
    assert_eq!(world.engine.held().map(|held| held.count), Some(50));
    world.release();
    world.settle();
    assert_eq!((count(&world, "c1"), world.engine.held()), (11, None));
}

#[test]
fn an_empty_list_at_the_start_is_held_and_edits_are_not() {
    let mut world = at_rest(0..NODES);
    (0..50).for_each(|n| world.delete(&node_id(n)));
    world.settle();
    assert_eq!(count(&world, "c1"), 10);
    (0..50).for_each(|n| world.apply(node(n)));
    world.settle();
    world.take_writes();
    world.forget(ResourceKind::Node);
    world.restart();
    world.run(Duration::from_mins(1));
    assert_eq!((count(&world, "c1"), world.engine.held().map(|held| held.count)), (60, Some(60)));
    world.release();
    world.settle();
    assert_eq!(count(&world, "c1"), 0);
}

#[test]
fn a_node_that_cannot_be_understood_may_be_just_what_is_missing() {
    let mut world = at_rest(0..5);
    world.event(Event::Unreadable(node_id(4)));
    world.forget(ResourceKind::Node);
    world.list(ResourceKind::Node);
    world.run(Duration::from_mins(1));
    assert_eq!(count(&world, "c1"), 5);
    world.apply(node(4));
    world.settle();
    assert_eq!(count(&world, "c1"), 1);
}

#[test]
fn a_group_of_another_cluster_is_one_finding_and_no_write() {
    let mut world = world(0..2);
    put(&mut world, Kind::ServiceEngineGroup, &json!({"labels": [{"key": "clustername", "value": "c10"}]}));
    world.start();
    world.settle();
    world.apply(node(2));
    world.settle();
    world.observe();
    world.settle();
    assert_eq!(world.take_writes(), [VRF, VRF]);
    let findings = world.engine.findings();
    assert_eq!((findings.len(), findings[0].reason), (1, Reason::LabelledByAnother));
    for part in ["\"Default-Group\"", "clustername=c10", "serviceEngineGroupName"] {
        assert!(findings[0].message.contains(part), "{}", findings[0].message);
    }
    let told = world.notices.iter().filter(|notice| notice.reason == "LabelledByAnother");
    assert_eq!(told.count(), 1);
    assert_eq!(world.dry_run().writes, []);
    // Somebody takes the label away.
    world.run(Duration::from_secs(1));
    put(&mut world, Kind::ServiceEngineGroup, &json!({}));
    world.observe();
    world.settle();
    assert_eq!((world.take_writes(), world.engine.findings()), (vec![GROUP.to_owned()], vec![]));
}

#[test]
fn what_is_not_there_is_a_finding_and_never_made() {
    let mut world = World::at_rest(routed(), vec![node(1)]);
    assert_eq!(world.take_writes(), Vec::<String>::new());
    let findings = world.engine.findings();
    assert_eq!(findings.len(), 2);
    assert!(findings.iter().all(|finding| finding.reason == Reason::SharedObjectMissing));
    assert_eq!(world.dry_run().writes, []);
    world.fake.lend();
    world.observe();
    assert!(matches!(
        &world.dry_run().writes[1].action,
        Action::Update(changes) if changes[0].to_string() == "static_routes[10.100.1.0/24]: (absent) -> via 10.1.0.1"
    ));
    world.settle();
    assert_eq!(world.take_writes(), [GROUP, VRF]);
}

#[test]
fn what_comes_to_be_wanted_is_looked_for_before_it_is_missed() {
    let mut world = World::at_rest(config(), vec![node(1)]);
    world.event(Event::Configured(Box::new(translator(routed()))));
    world.settle();
    assert_eq!(world.engine.findings(), []);
    world.observe();
    world.settle();
    assert_eq!(world.engine.findings().len(), 2);
}

#[test]
fn a_conflict_is_read_again_and_drift_is_put_right() {
    let mut world = at_rest(0..2);
    put(&mut world, Kind::VrfContext, &json!({"static_routes": [route("c2", 9, "y")]}));
    world.apply(node(2));
    world.settle();
    assert_eq!((count(&world, "c1"), count(&world, "c2")), (3, 1));
    world.take_writes();
    world.run(Duration::from_secs(1));
    put(&mut world, Kind::VrfContext, &json!({}));
    world.observe();
    world.settle();
    assert_eq!((world.take_writes(), count(&world, "c1")), (vec![VRF.to_owned()], 3));
}

#[test]
fn a_refusal_is_told_on_the_configuration() {
    let mut world = world(0..1);
    let is_vrf = |operation: &ako_avi_types::Operation| operation.key.kind == Kind::VrfContext;
    world.fake.fail(1, Fault::Refused(ErrorClass::Rejected), is_vrf);
    world.start();
    world.run(Duration::from_secs(10));
    let told = world.notices.iter().find(|notice| notice.reason == "ControllerRefused").unwrap();
    assert_eq!(told.object.to_string(), "ConfigMap avi-system/avi-k8s-config");
    world.settle();
}

#[test]
fn a_finding_is_told_once_however_many_share_its_unit() {
    let mut world = at_rest(0..0);
    let without = |n: u32| {
        let Resource::Node(node) = node(n) else { panic!("no node") };
        Resource::Node(Node { pod_cidrs: Vec::new(), ..node })
    };
    for n in 0..20 {
        world.apply(without(n));
        world.run(Duration::from_millis(300));
    }
    assert_eq!(world.notices.iter().filter(|notice| notice.reason == "NoRoute").count(), 20);
}

/// A few routes are an outage as well, and a restart changes nothing about that.
#[test]
fn routes_stay_while_the_kind_that_tells_of_subnets_is_not_served() {
    let affinity = |n: u32| {
        let found = NodeSubnets {
            name: format!("b{n}").into(),
            node: format!("n{n:05}").into(),
            cidrs: vec![format!("10.100.{n}.0/24").into()],
        };
        Resource::BlockAffinity(BlockAffinity(found))
    };
    let objects = (1..4).map(node).chain((1..4).map(affinity)).collect();
    let mut world = World::new(Config { cni: "calico".into(), ..routed() }, objects);
    world.fake.lend();
    world.event(Event::Served(ResourceKind::BlockAffinity, true));
    world.start();
    world.settle();
    assert_eq!(count(&world, "c1"), 3);

    world.event(Event::Served(ResourceKind::BlockAffinity, false));
    world.forget(ResourceKind::BlockAffinity);
    world.list(ResourceKind::BlockAffinity);
    world.run(Duration::from_mins(1));
    assert_eq!(count(&world, "c1"), 3);
    assert_eq!(world.engine.held().unwrap().count, 3);

    world.stop();
    world.event(Event::Served(ResourceKind::BlockAffinity, false));
    world.start();
    world.run(Duration::from_mins(1));
    assert_eq!(count(&world, "c1"), 3);
    let told: Vec<_> = world.engine.findings().into_iter().map(|found| found.reason).collect();
    assert_eq!(told, [Reason::KindNotServed]);

    world.event(Event::Served(ResourceKind::BlockAffinity, true));
    (1..4).for_each(|n| world.apply(affinity(n)));
    world.settle();
    assert!(world.engine.held().is_none() && world.engine.findings().is_empty());
}
