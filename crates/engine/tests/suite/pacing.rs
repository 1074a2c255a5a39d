//! How many writes, and how soon.

use std::time::Duration;

use ako_avi_types::Kind;
use ako_core::resource::ServiceType;
use ako_engine::Event;

use crate::cluster::{base, config, host, ingress, service, slice};
use crate::world::World;

#[test]
fn many_new_hosts_share_the_writes_of_their_fronts() {
    // One host on each of the eight fronts, and then 300 more over a second.
    let mut objects = base();
    let first: Vec<_> = (1_000..1_040).map(host).collect();
    objects.push(ingress("first", &first));
    let mut world = World::at_rest(config(), objects);
    assert_eq!(world.fake.names(Kind::VirtualService).len(), 8);
    world.run(Duration::from_mins(1));
    world.take_writes();
    for n in 0..300 {
        world.apply(ingress(&format!("i{n}"), &[host(n)]));
        world.run(Duration::from_micros(3_334));
    }
    world.settle();
    let writes = world.take_writes();
    assert!(writes.len() <= 360, "{} writes for 300 hosts", writes.len());
}

#[test]
fn a_single_change_is_written_at_once() {
    let mut objects = base();
    objects.push(ingress("a", &[host(1)]));
    let mut world = World::at_rest(config(), objects);
    world.run(Duration::from_mins(1));
    let start = world.now;
    world.apply(ingress("a", &[host(1), host(9)]));
    world.settle();
    assert!(world.now.since(start) < Duration::from_millis(100), "{:?}", world.now.since(start));
}

#[test]
fn a_change_goes_before_the_backlog_of_the_start() {
    let hosts: Vec<_> = (0..400).map(host).collect();
    let mut objects = base();
    objects.extend([ingress("a", &hosts), slice("web", &[1])]);
    let mut world = World::new(config(), objects);
    world.start();
    world.run(Duration::from_millis(6));
    let started = world.fake.writes.len();
    world.apply(ingress("b", &["z.example.com".into()]));
    world.run(Duration::from_millis(30));
    let place = world.fake.writes.iter().position(|w| w.contains("z.example.com"));
    assert!(place.is_some_and(|place| place < started + 64 * 4), "{place:?} after {started}");
    world.settle();
}

#[test]
fn what_changes_is_taken_out_of_the_backlog() {
    let hosts: Vec<_> = (0..400).map(host).collect();
    let mut objects = base();
    objects.extend([ingress("a", &hosts), service("zz", ServiceType::LoadBalancer), slice("zz", &[1])]);
    let mut world = World::new(config(), objects);
    world.latency = Duration::from_millis(50);
    world.start();
    world.run(Duration::from_millis(6));
    world.apply(slice("zz", &[2]));
    world.run(Duration::from_millis(120));
    assert!(world.has(Kind::Pool, "red-zz"), "{:?}", world.fake.writes.last());
    assert!(!world.has(Kind::Pool, "h99.example.com"));
    world.settle();
}

#[test]
fn without_the_permit_nothing_is_sent_and_nothing_is_lost() {
    let mut objects = base();
    objects.push(ingress("a", &[host(1)]));
    let mut world = World::at_rest(config(), objects);
    world.take_writes();
    world.event(Event::Writing(false));
    world.apply(ingress("a", &[host(2)]));
    world.run(Duration::from_mins(10));
    assert_eq!(world.take_writes(), Vec::<String>::new());
    world.event(Event::Writing(true));
    world.settle();
    assert!(world.has(Kind::Pool, "h2.example.com"));
    assert!(!world.has(Kind::Pool, "h1.example.com"));
}
