//! What is not ours is left alone.

use std::time::Duration;

use ako_avi_types::{Kind, Object, Pool};
use ako_core::scope::Requirement;
use ako_core::{Config, Scope};

use crate::cluster::{base, class, config, host, ingress};
use crate::town::{Town, labelled};
use crate::world::World;

/// The pool of an Ingress, as it is when it is ours.
fn own_pool() -> Pool {
    let world = World::at_rest(config(), with_an_ingress());
    match world.fake.get(&world.fake.find(Kind::Pool, "example.com")) {
        Some(Object::Pool(pool)) => pool.clone(),
        other => panic!("{other:?}"),
    }
}

fn with_an_ingress() -> Vec<ako_core::Resource> {
    let mut objects = base();
    objects.push(ingress("a", &[host(1)]));
    objects
}

/// Somebody makes an object while ours of that name is on its way: it is found by
/// the reading that follows the refusal.
fn found_in_the_way(theirs: Pool) -> (World, Object) {
    let mut world = World::new(config(), with_an_ingress());
    world.start();
    let theirs = Object::Pool(theirs);
    world.fake.edit(theirs.clone());
    world.run(Duration::from_mins(10));
    (world, theirs)
}

#[test]
fn an_object_that_is_read_back_is_ours_only_by_its_owner_and_its_cluster() {
    let own = own_pool();
    let of =
        |owner: &str| Pool { created_by: Some(owner.into()), graceful_disable_timeout: 7, ..own.clone() };
    let mut of_another_cluster = of("ako-c1");
    let marker = of_another_cluster.markers.iter_mut().find(|marker| marker.key == "clustername");
    marker.unwrap().values = vec!["c1--x".into()];
    for theirs in [of("somebody"), of("ako-c1-blue"), of_another_cluster] {
        let what = format!("{:?} {:?}", theirs.created_by, theirs.markers);
        let (world, theirs) = found_in_the_way(theirs);
        let key = theirs.key();
        assert_eq!(world.fake.get(&key), Some(&theirs), "{what}");
        assert!(world.fake.writes.iter().all(|write| !write.contains(&*key.name)), "{what}");
        assert!(world.notices.iter().any(|notice| notice.reason == "NotOwned"), "{what}");
    }
    // One that was ours before, as after a crash, is.
    let (world, theirs) = found_in_the_way(of("ako-c1"));
    assert_ne!(world.fake.get(&theirs.key()), Some(&theirs));
}

#[test]
fn an_instance_that_is_left_nothing_removes_nothing_even_if_it_is_to_remove_everything() {
    let serving =
        |team: &str| Scope { requirements: vec![Requirement::equals("team", team)], ..Scope::default() };
    let first = Config { scope: serving("a"), ..config() };
    // It has the owner marker of the first one, by mistake.
    let second =
        Config { scope: serving("b"), operator_namespace: "blue".into(), delete_config: true, ..config() };
    let objects = vec![class(), labelled("red", "a"), ingress("one", &[host(1)])];
    let mut town = Town::new(&[first, second], objects);
    let before = town.pools();
    assert_eq!(before.len(), 1);
    town.take_writes();
    town.observe(1);
    town.run(Duration::from_mins(5));
    assert_eq!((town.take_writes(), town.pools()), (Vec::new(), before));
}
