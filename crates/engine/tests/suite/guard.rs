//! Mass deletions that nobody is known to have asked for.

use std::time::Duration;

use ako_avi_types::{Kind, Object};
use ako_core::config::ShardSize;
use ako_core::{Config, Reason, Resource, ResourceKind};
use ako_engine::Event;

use crate::cluster::{base, config, host, id, ingress, secure_ingress, translator};
use crate::world::World;

fn objects() -> Vec<Resource> {
    let mut objects = base();
    for n in 0..20 {
        objects.push(ingress(&format!("a{n}"), &[host(n)]));
        objects.push(secure_ingress(&format!("b{n}"), &[host(100 + n)]));
    }
    objects
}

fn modes() -> [Config; 4] {
    let dedicated = Config { shard_size: ShardSize::Dedicated, ..config() };
    [Config { evh: true, ..dedicated.clone() }, dedicated, Config { evh: true, ..config() }, config()]
}

#[test]
fn a_list_that_is_suddenly_empty_deletes_nothing() {
    for config in modes() {
        let mut world = World::at_rest(config, objects());
        world.take_writes();
        world.forget(ResourceKind::Ingress);
        world.list(ResourceKind::Ingress);
        world.run(Duration::from_mins(10));
        assert_eq!(world.take_writes(), Vec::<String>::new());
        let held = world.engine.held().unwrap();
        assert!(held.count >= 20 && held.of >= held.count && !held.examples.is_empty());
        assert!(world.engine.pending(1000).iter().any(|p| p.state == "held by the deletion guard"));
    }
}

#[test]
fn a_release_lets_them_through() {
    for config in modes() {
        let mut world = World::at_rest(config, objects());
        world.forget(ResourceKind::Ingress);
        world.list(ResourceKind::Ingress);
        world.run(Duration::from_mins(1));
        world.release();
        world.settle();
        assert!(world.fake.names(Kind::Pool).is_empty());
        assert!(world.engine.held().is_none());
        assert_eq!(world.fake.premature, Vec::<String>::new());
    }
}

#[test]
fn what_comes_back_is_not_held_any_more() {
    let mut world = World::at_rest(config(), objects());
    let before = world.fake.keys();
    world.take_writes();
    world.forget(ResourceKind::Ingress);
    world.list(ResourceKind::Ingress);
    world.run(Duration::from_mins(1));
    let ingresses = objects().into_iter().filter(|o| o.id().kind == ResourceKind::Ingress);
    ingresses.for_each(|ingress| world.apply(ingress));
    world.settle();
    assert_eq!(world.fake.keys(), before);
    let writes = world.take_writes();
    assert_eq!(writes, Vec::<String>::new());
}

#[test]
fn an_empty_list_at_the_start_deletes_nothing() {
    for config in modes() {
        let mut world = World::at_rest(config, objects());
        world.forget(ResourceKind::Ingress);
        world.restart();
        world.run(Duration::from_mins(10));
        assert_eq!(world.take_writes(), Vec::<String>::new());
        assert!(world.engine.held().is_some());
        world.release();
        world.settle();
        assert_eq!(world.fake.keys().len(), 0);
    }
}

#[test]
fn edits_are_not_held() {
    let mut world = World::at_rest(config(), objects());
    for n in 0..20 {
        world.delete(&id(ResourceKind::Ingress, &format!("a{n}")));
        world.delete(&id(ResourceKind::Ingress, &format!("b{n}")));
    }
    world.settle();
    assert!(world.fake.names(Kind::Pool).is_empty());
}

#[test]
fn while_deletions_are_held_other_changes_go_on() {
    for config in modes() {
        let mut world = World::at_rest(config, objects());
        world.forget(ResourceKind::Ingress);
        world.list(ResourceKind::Ingress);
        world.run(Duration::from_mins(1));
        let pools = world.fake.names(Kind::Pool).len();
        world.apply(ingress("new", &[host(500), host(501)]));
        world.run(Duration::from_mins(1));
        assert_eq!(world.fake.names(Kind::Pool).len(), pools + 2);
        world.apply(ingress("new", &[host(500)]));
        world.run(Duration::from_mins(1));
        assert_eq!(world.fake.names(Kind::Pool).len(), pools + 1, "an edit is carried out");
        assert!(world.engine.held().is_some());
        let names = world.fake.keys().into_iter().filter(|key| key.kind == Kind::VsVip);
        let names: Vec<_> = names.filter_map(|key| world.fake.get(&key).cloned()).collect();
        let knows = |host: &str| {
            names.iter().any(|object| match object {
                Object::VsVip(vip) => vip.dns_info.iter().any(|name| &*name.fqdn == host),
                _ => false,
            })
        };
        assert!(knows(&host(0)) && knows(&host(119)) && knows(&host(500)) && !knows(&host(501)));
        world.release();
        world.settle();
    }
}

#[test]
fn a_few_deletions_are_not_held() {
    let mut objects = base();
    objects.extend([ingress("a", &[host(1)]), ingress("b", &[host(2)])]);
    let mut world = World::at_rest(config(), objects);
    world.forget(ResourceKind::Ingress);
    world.list(ResourceKind::Ingress);
    world.settle();
    assert!(world.fake.names(Kind::Pool).is_empty());
}

#[test]
fn other_limits_let_held_deletions_go() {
    let mut world = World::at_rest(config(), objects());
    world.forget(ResourceKind::Ingress);
    world.list(ResourceKind::Ingress);
    world.run(Duration::from_mins(1));
    let mut config = config();
    config.guard.minimum = 10_000;
    world.event(Event::Configured(Box::new(translator(config))));
    world.settle();
    assert!(world.fake.names(Kind::Pool).is_empty());
}

#[test]
fn nothing_is_deleted_while_a_side_is_unknown() {
    let mut world = World::at_rest(config(), objects());
    world.stop();
    world.grant();
    world.observe();
    for kind in ResourceKind::ALL.into_iter().filter(|kind| *kind != ResourceKind::Ingress) {
        world.list(kind);
    }
    world.run(Duration::from_mins(10));
    assert_eq!(world.take_writes(), Vec::<String>::new());
    world.list(ResourceKind::Ingress);
    world.settle();
    assert_eq!(world.take_writes(), Vec::<String>::new());
}

#[test]
fn a_list_is_not_explained_by_an_edit_at_the_same_time() {
    let mut world = World::at_rest(config(), objects());
    world.take_writes();
    world.forget(ResourceKind::Ingress);
    world.list(ResourceKind::Ingress);
    // Touches every host.
    world.apply(Resource::IngressClass(ako_core::resource::IngressClass {
        name: "other".into(),
        controller: "nginx".into(),
        is_default: false,
        setting: None,
    }));
    world.run(Duration::from_mins(1));
    assert!(world.engine.held().is_some());
    assert_eq!(world.take_writes(), Vec::<String>::new());
}

/// As after the deletion of a CustomResourceDefinition, which deletes all objects of it.
fn lose(world: &mut World, kind: ResourceKind) {
    world.event(Event::Served(kind, false));
    world.forget(kind);
    world.list(kind);
    world.run(Duration::from_mins(1));
}

/// The engine knows no kind: that of Ingresses stands for one that hosts are made of.
#[test]
fn a_kind_that_the_api_server_loses_deletes_nothing_however_little_that_is() {
    let objects = || [base(), vec![ingress("a", &[host(1)])]].concat();
    let mut world = World::at_rest(config(), objects());
    world.take_writes();
    lose(&mut world, ResourceKind::Ingress);
    assert_eq!(world.take_writes(), Vec::<String>::new());
    assert!(world.engine.held().is_some());
    assert_eq!(world.engine.unserved(), [ResourceKind::Ingress]);
    let told: Vec<_> = world.engine.findings().into_iter().map(|found| found.reason).collect();
    assert_eq!(told, [Reason::KindNotServed]);

    // It is back, and its objects follow.
    world.event(Event::Served(ResourceKind::Ingress, true));
    world.list(ResourceKind::Ingress);
    world.run(Duration::from_mins(1));
    assert_eq!(world.take_writes(), Vec::<String>::new());
    assert_eq!(world.engine.unserved(), []);
    world.apply(ingress("a", &[host(1)]));
    world.settle();
    assert_eq!(world.take_writes(), Vec::<String>::new());
    assert!(world.engine.held().is_none() && world.engine.findings().is_empty());

    // It is lost for good, and somebody says so.
    lose(&mut world, ResourceKind::Ingress);
    world.release();
    world.settle();
    assert!(world.fake.names(Kind::Pool).is_empty());
}

#[test]
fn a_kind_that_was_never_there_holds_nothing_up() {
    let mut world = World::new(config(), [base(), vec![ingress("a", &[host(1)])]].concat());
    world.event(Event::Served(ResourceKind::BlockAffinity, false));
    world.start();
    world.settle();
    assert!(world.has(Kind::Pool, "a"));
    // A deletion without an explanation is judged as ever.
    world.forget(ResourceKind::Ingress);
    world.list(ResourceKind::Ingress);
    world.settle();
    assert!(world.engine.held().is_none() && world.fake.names(Kind::Pool).is_empty());
}
