//! The process ends at any moment, and the next one takes over.

use ako_core::config::ShardSize;
use ako_core::resource::ServiceType;
use ako_core::{Config, Resource, ResourceKind};

use crate::cluster::{
    base, config, host, id, ingress, secret, secure_ingress, service, shared_service, slice,
};
use crate::world::World;

fn before() -> Vec<Resource> {
    let mut objects = base();
    objects.extend([
        ingress("a", &[host(1), host(2)]),
        secure_ingress("b", &[host(3)]),
        service("lb", ServiceType::LoadBalancer),
        slice("lb", &[7]),
    ]);
    objects
}

/// A bit of everything.
fn change(world: &mut World) {
    world.apply(ingress("a", &[host(2), host(5)]));
    world.apply(secure_ingress("c", &[host(1), host(6)]));
    world.apply(secret("cert", 1));
    world.delete(&id(ResourceKind::Ingress, "b"));
    world.delete(&id(ResourceKind::Service, "lb"));
    world.apply(shared_service("s1", 81, "key"));
}

/// Crashes after every prefix of writes; `act` is what the first process does.
fn crash_everywhere(config: &Config, prepare: impl Fn() -> World, act: impl Fn(&mut World)) {
    let expected = {
        let mut world = prepare();
        act(&mut world);
        world.settle();
        world.restart();
        world.settle();
        world.fake.keys()
    };
    for writes in 0.. {
        assert!(writes < 500, "the first process never finishes");
        let mut world = prepare();
        world.take_writes();
        act(&mut world);
        world.crash_after(writes);
        let finished = world.fake.writes.len() < writes;
        // Twice, the second time in the middle of cleaning up.
        world.restart();
        world.crash_after(writes / 2);
        world.restart();
        world.settle();
        assert_eq!(world.fake.keys(), expected, "after {writes} writes, EVH {}", config.evh);
        assert_eq!(world.fake.premature, Vec::<String>::new());
        world.restart();
        world.settle();
        assert_eq!(world.take_writes(), Vec::<String>::new());
        if finished {
            break;
        }
    }
}

fn modes() -> [Config; 4] {
    let large = config();
    let dedicated = Config { shard_size: ShardSize::Dedicated, ..config() };
    [Config { evh: true, ..dedicated.clone() }, dedicated, Config { evh: true, ..large.clone() }, large]
}

#[test]
fn a_crash_while_everything_is_created_leaves_nothing_behind() {
    for config in modes() {
        crash_everywhere(&config, || World::new(config.clone(), before()), World::start);
    }
}

#[test]
fn a_crash_while_everything_changes_leaves_nothing_behind() {
    for config in modes() {
        crash_everywhere(&config, || World::at_rest(config.clone(), before()), change);
    }
}
