//! `deleteConfig`.

use std::time::Duration;

use ako_core::{Config, Resource, ResourceKind};
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

fn removing(config: &Config) -> Event {
    Event::Configured(Box::new(translator(Config { delete_config: true, ..config.clone() })))
}

#[test]
fn everything_goes_fronts_and_statuses_included_and_comes_back() {
    for config in [config(), Config { evh: true, ..config() }] {
        let mut world = World::at_rest(config.clone(), objects());
        let before = world.fake.keys();
        world.event(removing(&config));
        world.settle();
        assert!(world.fake.keys().is_empty(), "{:?}", world.fake.keys());
        assert!(world.status(&id(ResourceKind::Ingress, "a1")).is_empty());
        // What changes meanwhile makes nothing.
        world.apply(ingress("late", &[host(50)]));
        world.run(Duration::from_mins(1));
        assert!(world.fake.keys().is_empty());
        world.event(Event::Configured(Box::new(translator(config))));
        world.settle();
        assert!(world.fake.keys().is_superset(&before));
        assert!(!world.status(&id(ResourceKind::Ingress, "late")).is_empty());
    }
}

#[test]
fn a_removal_goes_on_after_a_crash_at_any_write() {
    for writes in [0, 1, 7, 40, 100] {
        let mut world = World::at_rest(config(), objects());
        world.event(removing(&config()));
        world.crash_after(writes);
        world.restart_as(Config { delete_config: true, ..config() });
        world.settle();
        assert!(world.fake.keys().is_empty(), "after {writes}: {:?}", world.fake.keys());
        assert!(world.status(&id(ResourceKind::Ingress, "b1")).is_empty());
    }
}
