//! Static routes in the VRFs of tier-1 routers that AviInfraSettings name.

use std::collections::BTreeMap;
use std::time::Duration;

use ako_avi_types::{Brief, ErrorClass, Kind, Object, ObjectKey, Referred, VrfContext};
use ako_core::resource::{AviInfraSetting, Node, ObjectMeta, ServiceType};
use ako_core::{Config, Delta, NamespacedName, Reason, Resource, ResourceId, ResourceKind, annotation};
use ako_engine::Event;
use serde_json::json;

use crate::cluster::{base, config, plain_service, slice, translator};
use crate::fake::Fault;
use crate::world::World;

/// So few that the guard lets their routes go.
const NODES: u8 = 12;
/// So many that it does not.
const MANY: u8 = 60;

fn routed() -> Config {
    Config { no_static_routes: false, tier1_router: "/t1/own".into(), ..config() }
}

fn node(n: u8) -> Resource {
    Resource::Node(Node {
        name: format!("n{n}").into(),
        meta: ObjectMeta { uid: format!("uid{n}").into(), ..ObjectMeta::default() },
        internal_ips: vec![format!("10.1.0.{n}").into()],
        pod_cidrs: vec![format!("10.100.{n}.0/24").into()],
        ..Node::default()
    })
}

fn setting(router: &str) -> Resource {
    Resource::AviInfraSetting(AviInfraSetting {
        id: NamespacedName::cluster("s"),
        t1lr: Some(format!("/t1/{router}").into()),
        ..AviInfraSetting::default()
    })
}

fn setting_id() -> ResourceId {
    ResourceId { kind: ResourceKind::AviInfraSetting, name: NamespacedName::cluster("s") }
}

fn vrf(router: &str) -> ObjectKey {
    ObjectKey::new(Kind::VrfContext, "admin", format!("vrf-{router}"))
}

/// NSX-T maps a VRF to a router.
fn map(world: &mut World, router: &str) {
    let path = format!("/t1/{router}");
    let body = json!({
        "name": &*vrf(router).name, "tenant_ref": "/api/tenant?name=admin",
        "attrs": [{"key": "tier1path", "value": path}],
    });
    world.fake.edit(Object::read(Kind::VrfContext, body).unwrap());
    let brief = Brief { name: vrf(router).name, tenant: Some("admin".into()), ..Brief::default() };
    world.fake.others.insert(Referred::vrf_of_tier1("admin", &*path), brief);
}

fn routes(world: &World, router: &str) -> usize {
    let Some(Object::VrfContext(vrf)) = world.fake.get(&vrf(router)) else { panic!("no VRF") };
    vrf.static_routes.len()
}

fn world(nodes: u8, objects: impl IntoIterator<Item = Resource>) -> World {
    let nodes = (0..nodes).map(node);
    let mut world = World::new(routed(), base().into_iter().chain(nodes).chain(objects).collect());
    world.fake.lend();
    for router in ["red", "blue"] {
        map(&mut world, router);
    }
    world
}

fn at_rest(nodes: u8, objects: impl IntoIterator<Item = Resource>) -> World {
    let mut world = world(nodes, objects);
    world.start();
    world.settle();
    world.take_writes();
    world
}

#[test]
fn each_router_that_is_named_gets_all_routes_and_keeps_them() {
    let mut world = at_rest(NODES, [setting("red")]);
    assert_eq!((routes(&world, "red"), routes(&world, "blue")), (NODES.into(), 0));
    world.apply(node(NODES));
    world.run(Duration::from_mins(1));
    assert_eq!(world.take_writes(), ["update vrfcontext admin/global", "update vrfcontext admin/vrf-red"]);
    world.restart();
    world.settle();
    assert_eq!(world.take_writes(), Vec::<String>::new());
}

#[test]
fn a_router_that_is_named_no_longer_loses_its_routes() {
    let mut world = at_rest(NODES, [setting("red")]);
    world.apply(setting("blue"));
    world.run(Duration::from_mins(1));
    assert_eq!((routes(&world, "red"), routes(&world, "blue")), (0, NODES.into()));
    world.delete(&setting_id());
    world.run(Duration::from_mins(1));
    assert_eq!(routes(&world, "blue"), 0);
}

#[test]
fn routes_go_after_what_is_connected_to_the_router() {
    let mut service = plain_service("lb", ServiceType::LoadBalancer);
    service.annotations = BTreeMap::from([(annotation::INFRA_SETTING.into(), "s".into())]);
    let mut world = at_rest(NODES, [setting("red"), Resource::Service(service), slice("lb", &[1])]);
    let refused = Fault::Refused(ErrorClass::Rejected);
    world.fake.fail(1_000, refused, |operation| operation.key.kind == Kind::Pool);
    world.apply(setting("blue"));
    world.run(Duration::from_mins(10));
    assert_eq!((routes(&world, "red"), routes(&world, "blue")), (NODES.into(), NODES.into()));
    world.fake.heal();
    world.run(Duration::from_mins(30));
    assert_eq!(routes(&world, "red"), 0);
}

#[test]
fn a_loss_of_all_routes_that_nothing_explains_is_held() {
    let mut world = at_rest(MANY, [setting("red")]);
    // A list without the setting explains nothing.
    world.event(Event::Cluster(Delta::Reset(ResourceKind::AviInfraSetting, Vec::new())));
    world.run(Duration::from_mins(10));
    assert_eq!(routes(&world, "red"), usize::from(MANY));
    let held = world.engine.held().expect("something is held");
    assert_eq!((held.count, &held.examples[..]), (MANY.into(), &[vrf("red")][..]));
    world.event(Event::ReleaseDeletions(held.digest));
    world.run(Duration::from_mins(10));
    assert_eq!(routes(&world, "red"), 0);
}

/// One that is not understood may name the router still, and so may those of a kind that is gone.
#[test]
fn no_route_goes_while_settings_are_not_understood() {
    let mut world = at_rest(NODES, [setting("red")]);
    world.event(Event::Unreadable(setting_id()));
    world.event(Event::Cluster(Delta::Reset(ResourceKind::AviInfraSetting, Vec::new())));
    world.run(Duration::from_mins(10));
    assert_eq!(routes(&world, "red"), usize::from(NODES));
    let mut world = at_rest(NODES, [setting("red")]);
    world.event(Event::Served(ResourceKind::AviInfraSetting, false));
    world.event(Event::Cluster(Delta::Reset(ResourceKind::AviInfraSetting, Vec::new())));
    world.run(Duration::from_mins(10));
    assert_eq!(routes(&world, "red"), usize::from(NODES));
}

#[test]
fn nothing_is_taken_away_while_a_router_is_not_known() {
    let mut world = at_rest(NODES, [setting("red")]);
    world.fake.look_fault = Some(ErrorClass::Denied);
    world.restart();
    world.run(Duration::from_mins(10));
    assert_eq!(routes(&world, "red"), usize::from(NODES));
    assert_eq!(world.take_writes(), Vec::<String>::new());
}

#[test]
fn a_router_without_a_vrf_is_told_and_served_when_it_has_one() {
    let mut world = at_rest(NODES, [setting("new")]);
    let told = |world: &World| {
        let mut of_setting = world.desired().diagnostics().filter(|told| told.object == setting_id());
        of_setting.find(|told| told.reason == Reason::SettingNotApplied).map(|told| told.message.to_string())
    };
    assert!(told(&world).is_some_and(|message| message.contains("no VRF of cloud \"Default-Cloud\"")));
    map(&mut world, "new");
    world.run(Duration::from_mins(30));
    assert_eq!((told(&world), routes(&world, "new")), (None, NODES.into()));
}

#[test]
fn everything_goes_with_delete_config_whenever_that_was_set() {
    let removing = Config { delete_config: true, ..routed() };
    for before_the_start in [false, true] {
        let mut world = at_rest(MANY, [setting("red")]);
        // A router whose setting went while nobody ran.
        let Some(Object::VrfContext(red)) = world.fake.get(&vrf("red")).cloned() else { panic!("no VRF") };
        let path = Some("/t1/blue".into());
        world.fake.edit(Object::VrfContext(VrfContext { name: vrf("blue").name, tier1_router: path, ..red }));
        if before_the_start {
            world.restart_as(removing.clone());
        } else {
            world.event(Event::Configured(Box::new(translator(removing.clone()))));
            world.observe();
        }
        world.run(Duration::from_mins(10));
        let left = ["red", "blue"].map(|router| routes(&world, router));
        assert_eq!(left, [0, 0], "before the start: {before_the_start}");
    }
}
