//! What a change of the cluster leads to.

use std::collections::BTreeMap;
use std::time::Duration;

use ako_avi_types::{Kind, Object};
use ako_core::config::{GuardLimits, LeaderElection, LogLevel, ShardSize};
use ako_core::resource::{Namespace, ServiceType};
use ako_core::{Config, Resource, ResourceKind};
use ako_engine::{Action, Engine};

use crate::cluster::{
    base, config, host, id, ingress, secret, secure_ingress, service, shared_service, slice, translator,
};
use crate::world::World;

fn modes() -> Vec<Config> {
    let sni = config();
    let evh = Config { evh: true, ..config() };
    let dedicated = |c: &Config| Config { shard_size: ShardSize::Dedicated, ..c.clone() };
    vec![dedicated(&sni), dedicated(&evh), sni, evh]
}

fn full() -> Vec<Resource> {
    let mut objects = base();
    objects.extend([
        ingress("a", &[host(1), host(2)]),
        secure_ingress("b", &[host(3), host(4)]),
        service("lb", ServiceType::LoadBalancer),
        slice("lb", &[7]),
        shared_service("s1", 81, "key"),
        shared_service("s2", 82, "key"),
    ]);
    objects
}

#[test]
fn the_first_run_creates_everything_in_order() {
    for config in modes() {
        let mut world = World::at_rest(config, full());
        assert_eq!(world.fake.premature, Vec::<String>::new());
        let writes = world.take_writes();
        assert!(writes.iter().all(|write| write.starts_with("create")), "{writes:#?}");
        assert_eq!(writes.len(), world.fake.keys().len());
    }
}

#[test]
fn a_second_process_writes_nothing() {
    for config in modes() {
        let mut world = World::at_rest(config, full());
        world.restart();
        world.settle();
        assert_eq!(world.take_writes(), Vec::<String>::new());
    }
}

#[test]
fn nothing_is_written_before_both_sides_are_known() {
    let mut world = World::new(config(), full());
    world.grant();
    for kind in ResourceKind::ALL {
        world.list(kind);
    }
    world.run(Duration::from_mins(1));
    assert!(!world.engine.is_synced());
    world.engine = Engine::new(translator(config()));
    world.grant();
    world.observe();
    for kind in ResourceKind::ALL.into_iter().skip(1) {
        world.list(kind);
    }
    world.run(Duration::from_mins(1));
    assert!(!world.engine.is_synced());
    assert_eq!(world.take_writes(), Vec::<String>::new());
    world.list(ResourceKind::ALL[0]);
    world.settle();
    assert!(!world.take_writes().is_empty());
}

#[test]
fn hosts_come_move_and_go() {
    for config in modes() {
        let mut world = World::at_rest(config.clone(), full());
        let before = world.fake.keys();
        world.apply(ingress("c", &[host(9)]));
        world.settle();
        assert!(world.fake.keys().len() > before.len());
        world.apply(ingress("c", &[host(10)]));
        world.settle();
        let old = host(9);
        assert!(!world.fake.keys().iter().any(|key| key.name.contains(&*old)));
        world.apply(secure_ingress("c", &[host(10)]));
        world.settle();
        world.delete(&id(ResourceKind::Ingress, "c"));
        world.settle();
        assert_eq!(world.fake.premature, Vec::<String>::new());
        // Only fronts may be left over, and the next process removes them.
        world.restart();
        world.settle();
        assert_eq!(world.fake.keys(), before);
    }
}

#[test]
fn new_endpoints_cost_one_write_for_each_pool_that_has_them() {
    let mut world = World::at_rest(config(), full());
    world.apply(slice("lb", &[7]));
    assert_eq!(world.engine.deadline(), None, "nothing changed");
    let before = world.engine.take_counters();
    world.take_writes();
    world.apply(slice("lb", &[7, 8]));
    world.settle();
    let after = world.engine.take_counters();
    assert_eq!(after.translated - before.translated, 1);
    assert_eq!(after.assembled, before.assembled);
    assert_eq!(world.take_writes(), ["update pool admin/c1--red-lb-TCP-80"]);
}

#[test]
fn endpoints_that_come_back_cost_nothing() {
    let mut world = World::at_rest(config(), full());
    world.take_writes();
    world.apply(slice("lb", &[7, 8]));
    world.apply(slice("lb", &[7]));
    world.settle();
    assert_eq!(world.take_writes(), Vec::<String>::new());
}

#[test]
fn a_secret_is_rotated() {
    for config in modes() {
        let mut world = World::at_rest(config, full());
        world.take_writes();
        world.apply(secret("cert", 1));
        world.settle();
        let writes = world.take_writes();
        assert_eq!(writes.len(), 2, "one certificate for each of two hosts: {writes:?}");
        assert!(writes.iter().all(|write| write.starts_with("update sslkeyandcertificate")));
    }
}

#[test]
fn a_late_secret_brings_its_hosts_and_a_removed_one_takes_them() {
    for config in modes() {
        let mut world = World::at_rest(config, full());
        let complete = world.fake.keys();
        world.delete(&id(ResourceKind::Secret, "cert"));
        world.settle();
        assert_eq!(world.fake.names(Kind::SslKeyAndCertificate), Vec::<String>::new());
        assert!(world.notices.iter().any(|n| n.warning && n.reason == "MissingSecret"));
        world.apply(secret("cert", 0));
        world.settle();
        assert_eq!(world.fake.keys(), complete);
        assert_eq!(world.fake.premature, Vec::<String>::new());
    }
}

#[test]
fn a_service_becomes_a_load_balancer_and_back() {
    let mut world = World::at_rest(config(), full());
    world.apply(service("lb", ServiceType::ClusterIp));
    world.settle();
    assert!(!world.has(Kind::VirtualService, "red-lb"));
    assert!(!world.has(Kind::VsVip, "red-lb"));
    world.apply(service("lb", ServiceType::LoadBalancer));
    world.settle();
    assert!(world.has(Kind::VirtualService, "red-lb"));
    // An Ingress cannot lead to a LoadBalancer.
    world.apply(service("web", ServiceType::LoadBalancer));
    world.settle();
    let pool = world.fake.find(Kind::Pool, "h1.example.com");
    assert!(matches!(world.fake.get(&pool), Some(Object::Pool(pool)) if pool.servers.is_empty()));
    world.apply(service("web", ServiceType::ClusterIp));
    world.settle();
    assert!(matches!(world.fake.get(&pool), Some(Object::Pool(pool)) if pool.servers.len() == 2));
}

#[test]
fn a_front_stays_after_its_last_host_until_the_next_process() {
    for evh in [false, true] {
        let mut objects = base();
        objects.push(ingress("a", &[host(1)]));
        let mut world = World::at_rest(Config { evh, ..config() }, objects);
        let vips = world.fake.names(Kind::VsVip);
        world.delete(&id(ResourceKind::Ingress, "a"));
        world.settle();
        assert_eq!(world.fake.names(Kind::VsVip), vips);
        assert_eq!(world.fake.names(Kind::Pool), Vec::<String>::new());
        world.restart();
        world.settle();
        assert_eq!(world.fake.keys().len(), 0);
        assert_eq!(world.fake.premature, Vec::<String>::new());
    }
}

#[test]
fn a_change_that_arrives_while_the_old_one_is_written_is_not_lost() {
    let mut world = World::at_rest(config(), full());
    world.latency = Duration::from_millis(50);
    world.apply(slice("lb", &[7, 8]));
    world.run(Duration::from_millis(11));
    world.apply(slice("lb", &[9]));
    world.settle();
    let pool = world.fake.find(Kind::Pool, "red-lb");
    assert!(
        matches!(world.fake.get(&pool), Some(Object::Pool(pool)) if &*pool.servers[0].ip.addr == "10.0.0.9")
    );
}

#[test]
fn an_object_that_comes_back_while_it_is_deleted_is_not_referred_to_too_soon() {
    for config in modes() {
        for pause in (0..600).step_by(20) {
            let mut world = World::at_rest(config.clone(), full());
            world.latency = Duration::from_millis(50);
            world.delete(&id(ResourceKind::Ingress, "b"));
            world.delete(&id(ResourceKind::Service, "lb"));
            world.run(Duration::from_millis(pause));
            world.apply(secure_ingress("b", &[host(3), host(4)]));
            world.apply(service("lb", ServiceType::LoadBalancer));
            world.settle();
            assert_eq!(world.fake.premature, Vec::<String>::new(), "after {pause} ms");
        }
    }
}

#[test]
fn a_new_configuration_is_carried_out() {
    let mut world = World::at_rest(config(), full());
    world.take_writes();
    let other = Config { se_group: "other".into(), ..config() };
    world.event(ako_engine::Event::Configured(Box::new(translator(other))));
    world.settle();
    let writes = world.take_writes();
    assert!(
        !writes.is_empty() && writes.iter().all(|w| w.starts_with("update virtualservice")),
        "{writes:?}"
    );
}

#[test]
fn a_controller_that_keeps_something_else_is_not_written_to_for_ever() {
    let mut world = World::new(config(), full());
    world.fake.meddle = Some(|body| {
        if let Object::Pool(pool) = body {
            pool.graceful_disable_timeout = 7;
        }
    });
    world.start();
    world.run(Duration::from_mins(1));
    assert!(world.engine.is_settled());
    assert_eq!(world.fake.writes.len(), world.fake.keys().len());
    world.observe();
    world.run(Duration::from_mins(1));
    assert_eq!(world.fake.writes.len(), world.fake.keys().len());
}

#[test]
fn a_hand_edit_is_repaired_and_a_deletion_undone() {
    let mut world = World::at_rest(config(), full());
    world.take_writes();
    let key = world.fake.find(Kind::Pool, "red-lb");
    let Some(Object::Pool(mut pool)) = world.fake.get(&key).cloned() else { panic!("no pool") };
    pool.servers.clear();
    world.fake.edit(Object::Pool(pool));
    world.observe();
    world.settle();
    assert_eq!(world.take_writes(), ["update pool admin/c1--red-lb-TCP-80"]);
    let vs = world.fake.find(Kind::VirtualService, "red-lb");
    world.fake.remove(&vs);
    world.observe();
    world.settle();
    assert_eq!(world.take_writes(), ["create virtualservice admin/c1--red-lb"]);
}

#[test]
fn an_observation_from_before_our_own_write_does_not_undo_it() {
    let mut world = World::at_rest(config(), full());
    let old = world.observation();
    world.apply(slice("lb", &[7, 8]));
    world.apply(ingress("c", &[host(9)]));
    world.delete(&id(ResourceKind::Ingress, "a"));
    world.settle();
    let calls = world.fake.calls;
    world.event(ako_engine::Event::Observed(old));
    world.settle();
    assert_eq!(world.fake.calls, calls);
}

#[test]
fn what_waits_for_a_deletion_goes_on_when_somebody_else_does_it() {
    // The deletion of a pool waits for a pool group, whose deletion fails; then
    // the group disappears by itself.
    let mut world = World::at_rest(Config { evh: true, ..config() }, {
        let mut objects = base();
        objects.push(ingress("a", &[host(1)]));
        objects
    });
    let group = world.fake.names(Kind::PoolGroup)[0].clone();
    let is_group = move |operation: &ako_avi_types::Operation| *operation.key.name == *group;
    world.fake.fail(1_000, crate::fake::Fault::Refused(ako_avi_types::ErrorClass::Denied), is_group);
    world.delete(&id(ResourceKind::Ingress, "a"));
    world.run(Duration::from_secs(5));
    assert_eq!(world.fake.names(Kind::PoolGroup).len(), 1);
    assert_eq!(world.fake.names(Kind::Pool).len(), 1);
    let group = world.fake.find(Kind::PoolGroup, "");
    world.fake.remove(&group);
    world.observe();
    world.settle();
    assert_eq!(world.fake.names(Kind::Pool), Vec::<String>::new());
}

#[test]
fn a_plan_tells_what_would_be_done_and_why() {
    let guard = GuardLimits { minimum: 10_000, ..config().guard };
    let mut world = World::at_rest(Config { guard, ..config() }, full());
    world.stop();
    world.apply(slice("lb", &[7, 8]));
    world.forget(ResourceKind::Ingress);
    world.start();
    let planned = world.dry_run().writes;
    let mut verbs = BTreeMap::new();
    for item in &planned {
        let verb = match item.action {
            Action::Create => "create",
            Action::Update(_) => "update",
            Action::Delete => "delete",
        };
        *verbs.entry(verb).or_insert(0) += 1;
    }
    assert_eq!(verbs.get("create"), None);
    assert_eq!(verbs["update"], 1);
    assert!(verbs["delete"] > 4);
    let text = planned.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(text.contains("~ update pool admin/c1--red-lb-TCP-80  (service red/lb)"), "{text}");
    assert!(!text.contains("BEGIN PRIVATE KEY"));
}

#[test]
fn a_namespace_moves_to_another_tenant_while_running() {
    let in_tenant = |tenant: &str| {
        Resource::Namespace(Namespace {
            name: "red".into(),
            tenant: (!tenant.is_empty()).then(|| tenant.into()),
            ..Namespace::default()
        })
    };
    for config in [config(), Config { evh: true, ..config() }] {
        let mut objects = base();
        objects.push(ingress("a", &[host(1)]));
        objects.push(secure_ingress("b", &[host(2)]));
        objects.push(service("lb", ServiceType::LoadBalancer));
        let mut world = World::at_rest(config, objects);
        let tenants = |world: &World| {
            let keys = world.fake.keys().into_iter();
            // Shared virtual services stay, with their addresses.
            let own = keys.filter(|key| !key.name.contains("Shared"));
            own.map(|key| key.tenant.to_string()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(tenants(&world), ["admin".to_owned()].into());
        world.apply(in_tenant("other"));
        world.settle();
        assert_eq!(tenants(&world), ["other".to_owned()].into());
        let published = world.status(&id(ResourceKind::Ingress, "a"));
        assert_eq!(&*published.annotations[ako_core::annotation::TENANT], "other");
        world.restart();
        world.settle();
        assert!(world.fake.keys().iter().all(|key| &*key.tenant == "other"));
        world.apply(in_tenant(""));
        world.settle();
        assert_eq!(tenants(&world), ["admin".to_owned()].into());
    }
}

/// A full synchronisation asks for the facts again, and most find the same.
#[test]
fn what_no_translation_depends_on_translates_nothing() {
    let mut world = World::at_rest(config(), full());
    let translated = |world: &mut World| world.engine.take_counters().translated;
    let before = translated(&mut world);
    assert!(before > 0);
    let mut guard = config().guard;
    guard.minimum += 1;
    let other = Config {
        full_sync_s: 60,
        admin_port: 1,
        log_level: LogLevel::Debug,
        events: false,
        prometheus: true,
        guard,
        leader_election: LeaderElection {
            lease_duration: Duration::from_mins(1),
            ..config().leader_election
        },
        ..config()
    };
    for config in [config(), other.clone()] {
        world.event(ako_engine::Event::Configured(Box::new(translator(config))));
        world.observe();
        world.settle();
        assert_eq!(translated(&mut world), before);
    }
    assert_eq!(world.engine.desired().translator().config(), &other);
    world.event(ako_engine::Event::Configured(Box::new(translator(Config { evh: true, ..other }))));
    assert!(translated(&mut world) > before);
}
