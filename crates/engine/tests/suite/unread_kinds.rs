//! What was made for kinds of objects that this version does not read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Kind, Object, ServiceMetadata};

use ako_core::Config;
use ako_core::config::ShardSize;

use crate::cluster::{base, config, host, ingress};
use crate::world::World;

/// What an installation that reads more kinds leaves behind: with the old
/// process every object is wanted, with the new one none.
fn left_behind(change: impl Fn(&mut ServiceMetadata)) -> World {
    let mut objects = base();
    objects.push(ingress("a", &[host(1)]));
    // On one shared virtual service with all others.
    let config = Config { shard_size: ShardSize::Shared(1), ..config() };
    let mut world = World::at_rest(config, objects);
    for key in world.fake.keys() {
        let Some(mut body) = world.fake.get(&key).cloned() else { continue };
        if let Object::Pool(pool) = &mut body {
            let mut metadata = pool.service_metadata.clone().unwrap_or_default();
            change(&mut metadata);
            pool.service_metadata = Some(metadata);
        }
        // The shared objects are those of hosts that are not read.
        world.fake.edit(body);
    }
    world.forget(ako_core::ResourceKind::Ingress);
    world.restart();
    world
}

#[test]
fn they_are_never_stale() {
    let changes: [fn(&mut ServiceMetadata); 3] = [
        |metadata| metadata.gateway = "red/g".into(),
        |metadata| metadata.httproute = "red/r".into(),
        |metadata| metadata.is_mci_ingress = true,
    ];
    for change in changes {
        let mut world = left_behind(change);
        world.run(Duration::from_mins(10));
        assert_eq!(world.take_writes(), Vec::<String>::new());
        // Other hosts on the same shared objects take nothing from them.
        let before = shared(&world);
        world.apply(ingress("b", &[host(2), host(3), host(4)]));
        world.run(Duration::from_mins(10));
        let lost = |write: &String| write.starts_with("delete");
        assert_eq!(world.take_writes().into_iter().filter(lost).collect::<Vec<_>>(), Vec::<String>::new());
        assert_eq!(world.fake.names(Kind::Pool).len(), 4);
        let after = shared(&world);
        assert!(after.is_superset(&before) && after.len() > before.len(), "{before:?} {after:?}");
    }
}

/// The hosts and the references of the objects that hosts share.
fn shared(world: &World) -> BTreeSet<String> {
    let bodies = world.fake.keys().into_iter().filter(|key| key.name.contains("Shared"));
    let parts = bodies.filter_map(|key| world.fake.get(&key).cloned()).flat_map(|body| {
        let hosts = body.hostnames().map(ToString::to_string).collect::<Vec<_>>();
        let references = body.references().into_iter().map(|reference| format!("{reference:?}"));
        references.chain(hosts).collect::<Vec<_>>()
    });
    parts.collect()
}

/// The same with nothing changed: those are stale, and go.
#[test]
fn what_was_made_for_kinds_that_are_read_is_stale() {
    let mut world = left_behind(|_| {});
    world.run(Duration::from_mins(10));
    assert_eq!(world.fake.names(Kind::Pool), Vec::<String>::new());
}

/// What they refer to stays with them.
#[test]
fn what_they_refer_to_is_not_stale_either() {
    let mut world = left_behind(|_| {});
    world.stop();
    let service = world.fake.keys().into_iter().find(|key| key.kind == Kind::VirtualService);
    let Some(Object::VirtualService(mut body)) = service.and_then(|key| world.fake.get(&key).cloned()) else {
        panic!("no virtual service")
    };
    let mut metadata = body.service_metadata.clone().unwrap_or_default();
    metadata.gateway = "red/g".into();
    body.service_metadata = Some(metadata);
    let name: Arc<str> = body.name.clone();
    world.fake.edit(Object::VirtualService(body));
    world.start();
    world.run(Duration::from_mins(10));
    assert!(world.has(Kind::VirtualService, &name) && world.has(Kind::VsVip, &name));
}
