//! Objects of the cluster that cannot be understood.

use std::time::Duration;

use ako_avi_types::Kind;
use ako_core::{Delta, Resource, ResourceId, ResourceKind};
use ako_engine::Event;

use crate::cluster::{base, config, host, id, ingress};
use crate::world::World;

fn strange() -> ResourceId {
    id(ResourceKind::Ingress, "strange")
}

/// Two Ingresses are gone from the list, and a third one cannot be understood: what
/// seems to be superfluous may be what that asks for.
fn holding() -> World {
    let mut objects = base();
    objects.extend([ingress("a", &[host(1)]), ingress("b", &[host(2)])]);
    let mut world = World::at_rest(config(), objects);
    world.event(Event::Unreadable(strange()));
    world.forget(ResourceKind::Ingress);
    world.list(ResourceKind::Ingress);
    world.run(Duration::from_mins(1));
    assert_eq!(world.fake.names(Kind::Pool).len(), 2);
    assert!(world.engine.held().is_some());
    world
}

fn listed(objects: Vec<Resource>) -> Event {
    Event::Cluster(Delta::Reset(ResourceKind::Ingress, objects))
}

#[test]
fn what_it_may_ask_for_goes_when_it_is_deleted() {
    let mut world = holding();
    world.event(Event::Cluster(Delta::Delete(strange())));
    world.settle();
    assert!(world.fake.names(Kind::Pool).is_empty());
}

#[test]
fn what_it_may_ask_for_goes_when_a_list_shows_what_it_asks_for() {
    let mut world = holding();
    world.event(listed(Vec::new()));
    world.run(Duration::from_mins(1));
    assert!(world.engine.held().is_some(), "it may be there still");
    world.event(listed(vec![ingress("strange", &[host(3)])]));
    world.run(Duration::from_mins(1));
    assert!(world.engine.held().is_none());
    assert_eq!(world.fake.names(Kind::Pool).len(), 1);
}
