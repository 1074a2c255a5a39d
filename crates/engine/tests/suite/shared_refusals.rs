//! Hosts that the controller does not take on what they share with others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Change, ErrorClass, Kind, Object, Operation};
use ako_core::config::ShardSize;
use ako_core::resource::Ingress;
use ako_core::{Config, Resource, ResourceId, ResourceKind};
use proptest::prelude::*;

use crate::cluster::{base, config, host, id, ingress, plain_ingress, rule, secure_ingress};
use crate::fake::Fault;
use crate::world::World;

/// One shared virtual service, with SNI or EVH.
fn modes() -> [Config; 2] {
    let config = Config { shard_size: ShardSize::Shared(1), ..config() };
    [Config { evh: true, ..config.clone() }, config]
}

/// An Ingress a host: with TLS, plain, or passed through.
fn asking(n: usize) -> Resource {
    let name = format!("i{n}");
    match n % 3 {
        0 => secure_ingress(&name, &[host(n)]),
        1 => ingress(&name, &[host(n)]),
        _ => {
            let mut ingress = plain_ingress(&name, &[host(n)]);
            ingress.passthrough = true;
            Resource::Ingress(ingress)
        }
    }
}

fn ingress_of(n: usize) -> ResourceId {
    id(ResourceKind::Ingress, &format!("i{n}"))
}

fn cluster(hosts: usize) -> Vec<Resource> {
    let mut objects = base();
    objects.extend((0..hosts).map(asking));
    objects
}

/// Whether a write is of a shared object of a kind, with one of these hosts on it.
fn puts_on(kind: Option<Kind>, hosts: &BTreeSet<usize>) -> impl Fn(&Operation) -> bool + 'static {
    let hosts: Vec<_> = hosts.iter().map(|n| format!("{}\"", host(n))).collect();
    let slashes: Vec<_> = hosts.iter().map(|host| host.replace('"', "/")).collect();
    move |operation| {
        let (Change::Create(body) | Change::Update(_, body)) = &operation.change else { return false };
        let is_shared = operation.key.name.contains("--Shared");
        let text = body.body().to_string();
        let names = |hosts: &[String]| hosts.iter().any(|host| text.contains(host.as_str()));
        is_shared && kind.is_none_or(|kind| operation.key.kind == kind) && (names(&hosts) || names(&slashes))
    }
}

/// Whether a write is of a pool group with a path on it.
fn has(path: &'static str) -> impl Fn(&Operation) -> bool + 'static {
    move |operation| {
        let (Change::Create(body) | Change::Update(_, body)) = &operation.change else { return false };
        operation.key.kind == Kind::PoolGroup && body.body().to_string().contains(&format!(".com{path}"))
    }
}

/// Ingress `i7`, whose host has one path.
fn leading_to(path: &str) -> Resource {
    let rules = vec![rule(Some(host(7)), path, "web")];
    Resource::Ingress(Ingress { rules, ..plain_ingress("i7", &[]) })
}

/// The hosts that DNS names.
fn named(world: &World) -> BTreeSet<usize> {
    let mut named = BTreeSet::new();
    for key in world.fake.keys() {
        if let Some(Object::VsVip(vip)) = world.fake.get(&key) {
            let number =
                |fqdn: &Arc<str>| fqdn.strip_prefix('h')?.strip_suffix(".example.com")?.parse::<usize>().ok();
            named.extend(vip.dns_info.iter().filter_map(|name| number(&name.fqdn)));
        }
    }
    named
}

/// The hosts that have an address in a status.
fn published(world: &World, hosts: usize) -> BTreeSet<usize> {
    (0..hosts).filter(|n| !world.status(&ingress_of(*n)).addresses.is_empty()).collect()
}

/// The hosts that are told that the controller does not take them.
fn told(world: &World, hosts: usize) -> BTreeSet<usize> {
    let findings = world.engine.findings();
    let is_told = |n: &usize| findings.iter().any(|found| found.object == ingress_of(*n));
    (0..hosts).filter(is_told).collect()
}

fn all_but(bad: &BTreeSet<usize>, hosts: usize) -> BTreeSet<usize> {
    (0..hosts).filter(|n| !bad.contains(n)).collect()
}

/// What is bad is told and has no address and no name; all others are served.
fn assert_served_but(world: &World, bad: &BTreeSet<usize>, hosts: usize) {
    assert_eq!(named(world), all_but(bad, hosts));
    assert_eq!(published(world, hosts), all_but(bad, hosts));
    assert_eq!(told(world, hosts), *bad);
    world.check_rest();
}

#[test]
fn one_that_is_refused_keeps_nobody_else_from_being_served() {
    for config in modes() {
        for bad in 0..3 {
            let bad = BTreeSet::from([bad]);
            let mut world = World::new(config.clone(), cluster(12));
            world.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), puts_on(None, &bad));
            world.start();
            for _ in 0..600 {
                world.run(Duration::from_millis(100));
                assert!(published(&world, 12).is_disjoint(&bad), "it has an address before it is served");
            }
            assert_served_but(&world, &bad, 12);
            // It comes to a front that carries others already.
            let later = World::at_rest(config.clone(), cluster(12));
            let bad = BTreeSet::from([12 + bad.first().unwrap()]);
            let mut world = later;
            world.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), puts_on(None, &bad));
            for n in &bad {
                world.apply(asking(*n));
            }
            let calls = world.fake.calls;
            world.run(Duration::from_secs(30));
            assert!(world.fake.calls - calls < 20, "{} calls", world.fake.calls - calls);
            let hosts: BTreeSet<_> = (0..12).chain(bad.iter().copied()).collect();
            let served: BTreeSet<_> = hosts.difference(&bad).copied().collect();
            assert_eq!((named(&world), told(&world, 15)), (served, bad.clone()));
            world.check_rest();
        }
    }
}

#[test]
fn it_is_tried_again_by_itself_and_when_it_changes() {
    for config in modes() {
        let bad = BTreeSet::from([1]);
        let mut world = World::new(config.clone(), cluster(6));
        world.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), puts_on(Some(Kind::VsVip), &bad));
        world.start();
        world.run(Duration::from_mins(10));
        assert_served_but(&world, &bad, 6);
        let news = world.notices.iter().filter(|notice| notice.reason == "ControllerRefused").count();
        assert_eq!(news, 1, "once, not with every attempt");
        world.fake.heal();
        world.run(Duration::from_mins(31));
        assert_served_but(&world, &BTreeSet::new(), 6);
        // Another host of its own is accepted at once, another one of somebody else says nothing.
        world.fake.fail(
            usize::MAX,
            Fault::Refused(ErrorClass::Rejected),
            puts_on(Some(Kind::VsVip), &[7].into()),
        );
        world.apply(asking(7));
        world.run(Duration::from_secs(10));
        assert_eq!(told(&world, 8), [7].into());
        let calls = world.fake.calls;
        world.apply(ingress("other", &[host(8)]));
        world.run(Duration::from_secs(10));
        assert!(named(&world).contains(&8) && world.fake.calls - calls < 10);
        world.apply(ingress("i7", &[host(9)]));
        world.run(Duration::from_secs(10));
        assert!(named(&world).contains(&9), "{:?}", named(&world));
        assert_eq!(told(&world, 10), BTreeSet::new());
        world.check_rest();
    }
}

#[test]
fn a_host_that_asks_for_something_else_is_tried_at_once() {
    let [_, config] = modes();
    let mut world = World::at_rest(config, cluster(6));
    world.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), has("/bad"));
    world.apply(leading_to("/bad"));
    world.run(Duration::from_secs(10));
    assert_eq!((told(&world, 8), named(&world).contains(&7)), ([7].into(), false));
    world.apply(leading_to("/good"));
    world.run(Duration::from_secs(10));
    assert_eq!((told(&world, 8), named(&world).contains(&7)), ([].into(), true));
    world.check_rest();
}

#[test]
fn the_bad_one_of_many_is_found_in_few_writes() {
    let [_, config] = modes();
    for bad in [0, 31, 63] {
        let mut objects = base();
        objects.extend((0..64).map(|n| ingress(&format!("i{n}"), &[host(n)])));
        let mut world = World::new(config.clone(), objects);
        let bad = BTreeSet::from([bad]);
        world.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), puts_on(Some(Kind::VsVip), &bad));
        world.start();
        world.run(Duration::from_mins(1));
        assert_served_but(&world, &bad, 64);
        let writes = world.take_writes();
        let writes = writes.iter().filter(|write| write.contains("vsvip")).count();
        assert!(writes <= 14, "{writes} writes of the VsVip, with {bad:?}");
    }
}

#[test]
fn where_no_host_is_to_blame_nothing_is_left_off_and_everybody_is_told() {
    for config in modes() {
        let mut world = World::new(config.clone(), cluster(6));
        let is_front = |operation: &Operation| {
            operation.key.kind == Kind::VsVip && operation.key.name.contains("--Shared-L7")
        };
        world.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), is_front);
        world.start();
        world.run(Duration::from_mins(20));
        assert!(world.fake.calls < 200, "{} calls", world.fake.calls);
        let warned: BTreeSet<_> = world.notices.iter().filter(|n| n.warning).map(|n| &n.object).collect();
        assert_eq!(warned, [0, 1, 3, 4].map(ingress_of).iter().collect());
        let (_, refused) = world.engine.backlog();
        assert_eq!((refused, told(&world, 6)), (1, BTreeSet::new()));
        world.fake.heal();
        world.settle();
        assert_served_but(&world, &BTreeSet::new(), 6);
    }
}

#[test]
fn addresses_stay_while_it_is_found_out_who_is_to_blame() {
    for config in modes() {
        let mut world = World::at_rest(config.clone(), cluster(12));
        let bad = BTreeSet::from([4]);
        world.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), puts_on(Some(Kind::VsVip), &bad));
        // Somebody removed the front: all of it is made anew.
        for kind in [Kind::VirtualService, Kind::VsVip] {
            let keys = world.fake.keys().into_iter().filter(|key| key.kind == kind);
            keys.for_each(|key| world.fake.remove(&key));
        }
        world.broken = true;
        world.observe();
        for _ in 0..600 {
            world.run(Duration::from_millis(100));
            let without = all_but(&published(&world, 12), 12);
            assert!(without.is_subset(&bad), "{without:?} lost their addresses");
        }
        assert_served_but(&world, &bad, 12);
    }
}

#[test]
fn what_is_carried_of_a_host_stays_when_more_of_it_is_refused() {
    let mut world = World::at_rest(modes()[1].clone(), cluster(6));
    let mut changed = plain_ingress("i1", &[host(1)]);
    changed.rules.push(rule(Some(host(1)), "/bad", "web"));
    world.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), has("/bad"));
    world.apply(Resource::Ingress(changed));
    world.run(Duration::from_mins(1));
    assert_eq!((named(&world), published(&world, 6)), (all_but(&[].into(), 6), all_but(&[].into(), 6)));
    assert_eq!(told(&world, 6), [1].into());
    let finding = world.engine.findings().remove(0);
    assert!(finding.message.contains("is served as before its last change"), "{}", finding.message);
    world.check_rest();
}

#[test]
fn a_host_whose_own_objects_are_refused_has_no_address() {
    let dedicated = modes().map(|config| Config { shard_size: ShardSize::Dedicated, ..config });
    for config in modes().into_iter().chain(dedicated) {
        for kind in [Kind::Pool, Kind::SslKeyAndCertificate, Kind::VirtualService, Kind::VsVip] {
            let mut world = World::new(config.clone(), cluster(3));
            let is_own = move |operation: &Operation| {
                operation.key.kind == kind && !operation.key.name.contains("--Shared")
            };
            world.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), is_own);
            world.start();
            world.run(Duration::from_secs(30));
            let told: BTreeSet<_> = world.notices.iter().filter(|n| n.warning).map(|n| &n.object).collect();
            for n in 0..3 {
                let has_address = !world.status(&ingress_of(n)).addresses.is_empty();
                let is_told = told.contains(&ingress_of(n));
                assert_eq!(has_address, !is_told, "{kind} {:?} host {n}", config.evh);
            }
            world.fake.heal();
            world.settle();
            assert_eq!(published(&world, 3), (0..3).collect());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whichever hosts the controller refuses, on whatever they share: all others are served,
    /// and those are told, after writes that grow with how many they are.
    #[test]
    fn whichever_are_refused_all_others_are_served(
        evh: bool,
        bad in proptest::collection::btree_set(0usize..30, 0..6),
        kind in proptest::sample::select(vec![None, Some(Kind::VsVip), Some(Kind::PoolGroup)]),
        there in 0usize..30,
        restarts: bool,
    ) {
        let mut world = World::new(modes()[usize::from(!evh)].clone(), cluster(there));
        let on = puts_on(kind, &bad);
        world.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), on);
        world.start();
        world.run(Duration::from_secs(30));
        (there..30).for_each(|n| world.apply(asking(n)));
        if restarts {
            world.run(Duration::from_millis(300));
            world.restart();
        }
        world.run(Duration::from_mins(2));
        // A pool group is shared by plain hosts with SNI alone; one that is passed through has
        // none on a front.
        let is_shared = |n: &usize| kind != Some(Kind::PoolGroup) || !evh && n % 3 == 1;
        let bad: BTreeSet<_> = bad.into_iter().filter(is_shared).collect();
        assert_served_but(&world, &bad, 30);
        let calls = world.fake.calls;
        world.run(Duration::from_hours(1));
        prop_assert!(world.fake.calls - calls <= 24 * bad.len(), "{} calls in an hour", world.fake.calls - calls);
    }
}
