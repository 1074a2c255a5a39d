//! Losses that are no deletions, small steps that are one large one, and what is
//! held together with what is held.

use std::time::Duration;

use ako_avi_types::{Kind, Object};
use ako_core::scope::Requirement;
use ako_core::{Config, Delta, Resource, ResourceKind, Scope};
use ako_engine::{Event, WINDOW};

use crate::cluster::{base, config, host, id, ingress, translator};
use crate::world::World;

fn objects(count: usize) -> Vec<Resource> {
    let mut objects = base();
    for n in 0..count {
        objects.push(ingress(&format!("a{n}"), &[host(n)]));
    }
    objects
}

fn servers(world: &World) -> usize {
    let pools = world.fake.keys().into_iter().filter(|key| key.kind == Kind::Pool);
    let servers = |key| match world.fake.get(&key) {
        Some(Object::Pool(pool)) => pool.servers.len(),
        _ => 0,
    };
    pools.map(servers).sum()
}

#[test]
fn a_list_that_is_suddenly_empty_takes_no_server_away() {
    for kind in [ResourceKind::EndpointSlice, ResourceKind::Service] {
        let mut world = World::at_rest(config(), objects(40));
        let before = servers(&world);
        world.event(Event::Cluster(Delta::Reset(kind, Vec::new())));
        world.run(Duration::from_mins(1));
        assert_eq!(servers(&world), before, "{kind:?}");
        let held = world.engine.held().unwrap();
        assert_eq!(held.count, 40, "{kind:?}");
        // What is asked for meanwhile is done.
        world.apply(ingress("new", &[host(500)]));
        world.run(Duration::from_mins(1));
        assert!(world.has(Kind::Pool, &host(500)));
    }
}

/// A Service that is scaled to nothing is one edit, however many hosts it has.
#[test]
fn servers_that_an_edit_takes_away_go() {
    let mut world = World::at_rest(config(), objects(40));
    let slice = base().into_iter().find(|object| object.id().kind == ResourceKind::EndpointSlice).unwrap();
    world.delete(&slice.id());
    world.settle();
    assert_eq!(servers(&world), 0);
}

#[test]
fn lists_that_lose_a_few_each_are_one_large_loss() {
    let all = objects(60);
    let mut world = World::at_rest(config(), all.clone());
    for n in [15, 30, 45, 60] {
        let kept = all.iter().filter(|object| object.id().kind == ResourceKind::Ingress).skip(n).cloned();
        world.event(Event::Cluster(Delta::Reset(ResourceKind::Ingress, kept.collect())));
        world.run(Duration::from_secs(20));
    }
    assert!(world.engine.held().is_some());
    assert_eq!(world.fake.names(Kind::Pool).len(), 45, "the first step is below the limits");
}

/// An edit that takes a host from a shared object explains that host and no other.
#[test]
fn an_edit_takes_its_own_host_while_others_are_held() {
    let all = objects(40);
    let mut world = World::at_rest(config(), all.clone());
    let kept = all.iter().filter(|object| object.id().kind == ResourceKind::Ingress).skip(30).cloned();
    world.event(Event::Cluster(Delta::Reset(ResourceKind::Ingress, kept.collect())));
    world.run(Duration::from_mins(1));
    assert!(world.engine.held().is_some());
    world.delete(&id(ResourceKind::Ingress, "a39"));
    world.run(Duration::from_mins(1));
    let vsvips = world.fake.keys().into_iter().filter(|key| key.kind == Kind::VsVip);
    let names = vsvips.filter_map(|key| match world.fake.get(&key) {
        Some(Object::VsVip(vip)) => Some(vip.dns_info.iter().map(|name| name.fqdn.clone()).collect()),
        _ => None,
    });
    let names: Vec<Vec<_>> = names.collect();
    let names = names.concat();
    assert!(!names.contains(&host(39)), "{names:?}");
    assert!((0..39).all(|n| names.contains(&host(n))), "{names:?}");
}

#[test]
fn steps_that_are_far_apart_are_not_added_up() {
    let all = objects(60);
    let mut world = World::at_rest(config(), all.clone());
    for n in [15, 30] {
        let kept = all.iter().filter(|object| object.id().kind == ResourceKind::Ingress).skip(n).cloned();
        world.event(Event::Cluster(Delta::Reset(ResourceKind::Ingress, kept.collect())));
        world.run(WINDOW + Duration::from_secs(1));
    }
    assert_eq!(world.engine.held(), None);
    assert_eq!(world.fake.names(Kind::Pool).len(), 30);
}

/// With a wrong selector everything is held, and every address stays where it is
/// shown: whatever makes DNS records of them must not lose them.
#[test]
fn statuses_of_what_is_held_are_held_with_it() {
    let mut world = World::at_rest(config(), objects(40));
    let ids: Vec<_> = (0..40).map(|n| id(ResourceKind::Ingress, &format!("a{n}"))).collect();
    let before: Vec<_> = ids.iter().map(|id| world.status(id)).collect();
    world.notices.clear();
    let scope = Scope { requirements: vec![Requirement::equals("team", "typo")], ..Scope::default() };
    let wrong = Config { scope, ..config() };
    world.event(Event::Configured(Box::new(translator(wrong.clone()))));
    world.run(Duration::from_mins(1));
    assert!(world.engine.held().is_some());
    assert_eq!(ids.iter().map(|id| world.status(id)).collect::<Vec<_>>(), before);
    assert_eq!(world.engine.unpublished(), ids.len());
    let removed = world.notices.iter().filter(|notice| notice.reason == "Removed").count();
    assert_eq!(removed, 0, "nothing was removed");
    // A process that begins with it knows no more of them.
    world.restart_as(wrong);
    world.run(Duration::from_mins(1));
    assert_eq!(ids.iter().map(|id| world.status(id)).collect::<Vec<_>>(), before);
    world.release();
    world.settle();
    assert!(ids.iter().all(|id| world.status(id).addresses.is_empty()));
}

#[test]
fn a_release_is_for_what_was_shown_and_nothing_else() {
    let all = objects(60);
    let mut world = World::at_rest(config(), all.clone());
    let lose = |world: &mut World, n: usize| {
        let kept = all.iter().filter(|object| object.id().kind == ResourceKind::Ingress).skip(n).cloned();
        world.event(Event::Cluster(Delta::Reset(ResourceKind::Ingress, kept.collect())));
        world.run(Duration::from_secs(20));
    };
    lose(&mut world, 30);
    let shown = world.engine.held().unwrap();
    assert_eq!(shown.count, shown.examples.len());
    lose(&mut world, 50);
    world.event(Event::ReleaseDeletions(shown.digest.clone()));
    world.run(Duration::from_secs(20));
    assert_eq!(world.fake.names(Kind::Pool).len(), 60, "more is held than was shown");
    lose(&mut world, 30);
    let again = world.engine.held().unwrap();
    assert_eq!(again.digest, shown.digest, "the same is named alike");
    world.event(Event::ReleaseDeletions(shown.digest));
    world.run(Duration::from_secs(20));
    assert_eq!(world.fake.names(Kind::Pool).len(), 30);
}

#[test]
fn a_list_is_not_explained_by_an_edit_of_before() {
    let mut world = World::at_rest(config(), objects(40));
    let before = servers(&world);
    // The edit changes every pool, and the writes do not come through.
    world.fake.fail(1000, crate::fake::Fault::Refused(ako_avi_types::ErrorClass::Busy), |_| true);
    let slice = base().into_iter().find(|object| object.id().kind == ResourceKind::EndpointSlice).unwrap();
    world.apply(slice);
    world.run(Duration::from_millis(200));
    world.fake.heal();
    world.event(Event::Cluster(Delta::Reset(ResourceKind::EndpointSlice, Vec::new())));
    world.run(Duration::from_mins(5));
    assert_eq!(servers(&world), before);
    assert!(world.engine.held().is_some());
}
