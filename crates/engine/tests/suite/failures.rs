//! Every way in which a call can fail.

use std::time::Duration;

use ako_avi_types::{ErrorClass, Kind, Object, ObjectKey, Operation, Pool};
use ako_core::config::ShardSize;
use ako_core::resource::{Service, ServiceType};
use ako_core::{Config, Resource, ResourceKind};
use ako_engine::Event;

use crate::cluster::{base, config, host, id, ingress, secure_ingress, service, slice};
use crate::fake::Fault;
use crate::world::World;

const CLASSES: [ErrorClass; 12] = [
    ErrorClass::Retry,
    ErrorClass::Unknown,
    ErrorClass::Busy,
    ErrorClass::Conflict,
    ErrorClass::Gone,
    ErrorClass::InUse,
    ErrorClass::Waiting,
    ErrorClass::Session,
    ErrorClass::Login,
    ErrorClass::Denied,
    ErrorClass::Rejected,
    ErrorClass::NoPermit,
];

fn objects() -> Vec<Resource> {
    let mut objects = base();
    objects.extend([
        ingress("a", &[host(1), host(2)]),
        secure_ingress("b", &[host(3)]),
        service("lb", ServiceType::LoadBalancer),
        slice("lb", &[7]),
    ]);
    objects
}

fn modes() -> [Config; 4] {
    let dedicated = Config { shard_size: ShardSize::Dedicated, ..config() };
    [Config { evh: true, ..dedicated.clone() }, dedicated, Config { evh: true, ..config() }, config()]
}

/// Creates, changes and deletes everything.
fn live_through(world: &mut World) {
    world.start();
    world.settle();
    world.apply(slice("web", &[5]));
    world.apply(ingress("a", &[host(2), host(4)]));
    world.delete(&id(ResourceKind::Ingress, "b"));
    world.delete(&id(ResourceKind::Service, "lb"));
    world.settle();
}

#[test]
fn every_failure_of_every_verb_is_survived() {
    let mut faults: Vec<_> = CLASSES.into_iter().map(Fault::Refused).collect();
    faults.extend([Fault::AnswerLost, Fault::CallLost]);
    for config in modes() {
        for verb in ["create", "update", "delete"] {
            for fault in &faults {
                let mut world = World::new(config.clone(), objects());
                // More than one, so that those that fail again are seen.
                world.fake.fail(5, *fault, move |operation| operation.verb() == verb);
                live_through(&mut world);
                assert_eq!(world.fake.names(Kind::L4PolicySet), Vec::<String>::new());
            }
        }
    }
}

#[test]
fn a_refused_login_is_told_on_no_object() {
    let mut world = World::new(config(), objects());
    world.fake.fail(1_000, Fault::Refused(ErrorClass::Login), |_| true);
    world.start();
    world.run(Duration::from_mins(10));
    let warnings: Vec<_> = world.notices.iter().filter(|notice| notice.warning).collect();
    assert!(warnings.is_empty(), "{warnings:?}");
    let (pending, refused) = world.engine.backlog();
    assert!(pending > 0 && refused == 0, "{pending} wait, {refused} are refused");
}

#[test]
fn every_kind_may_lose_its_answers() {
    for config in modes() {
        for kind in Kind::WRITTEN {
            for fault in [Fault::AnswerLost, Fault::CallLost, Fault::Refused(ErrorClass::Rejected)] {
                let mut world = World::new(config.clone(), objects());
                world.fake.fail(3, fault, |operation| operation.key.kind == *kind);
                live_through(&mut world);
            }
        }
    }
}

#[test]
fn what_an_object_refers_to_already_is_not_left_out_because_it_seems_to_be_missing() {
    let config = Config { shard_size: ShardSize::Shared(1), ..config() };
    let mut world = World::at_rest(config, objects());
    let pool = world.fake.find(Kind::Pool, "h1");
    // Between two pages of the reading somebody restored the controller.
    let mut observation = world.observation();
    observation.objects.retain(|(key, _)| *key != pool);
    world.fake.fail(1_000, Fault::Refused(ErrorClass::Rejected), |operation| operation.verb() == "create");
    world.event(Event::Observed(observation));
    // Nothing is created; one that seems to be missing is not waited for any more.
    world.delete(&id(ResourceKind::Ingress, "b"));
    world.apply(ingress("a", &[host(1)]));
    world.run(Duration::from_mins(1));
    let removed = world.fake.names(Kind::Pool).iter().all(|name| !name.contains("h2"));
    assert!(removed, "the group was not written");
    assert!(world.fake.referrer(&pool).is_some(), "the group lost its pool");
    world.fake.heal();
    world.settle();
}

#[test]
fn a_lost_creation_that_is_not_wanted_any_more_is_found_and_removed() {
    for reads_fail in [false, true] {
        let mut world = World::at_rest(config(), objects());
        world.fake.unreadable = reads_fail;
        world.fake.fail(3, Fault::AnswerLost, |operation| operation.verb() == "create");
        world.apply(ingress("c", &[host(9)]));
        world.run(Duration::from_millis(60));
        world.delete(&id(ResourceKind::Ingress, "c"));
        world.run(Duration::from_secs(10));
        world.fake.unreadable = false;
        world.settle();
        assert!(!world.has(Kind::Pool, "h9"));
    }
}

#[test]
fn an_object_of_ours_is_adopted() {
    let mut world = World::at_rest(config(), objects());
    world.stop();
    world.grant();
    for kind in ResourceKind::ALL {
        world.list(kind);
    }
    // A reading that missed everything.
    let mut nothing = world.observation();
    nothing.objects.clear();
    world.event(Event::Observed(nothing));
    world.settle();
    assert_eq!(world.take_writes(), Vec::<String>::new());
}

#[test]
fn an_object_of_somebody_else_is_left_alone_and_told_about() {
    let mut world = World::new(config(), objects());
    let foreign = Object::Pool(Pool {
        name: "c1--red-lb-TCP-80".into(),
        created_by: Some("somebody".into()),
        ..Pool::default()
    });
    let key = foreign.key();
    world.fake.edit(foreign.clone());
    world.start();
    world.run(Duration::from_hours(1));
    assert_eq!(world.fake.get(&key), Some(&foreign));
    let told = world.notices.iter().filter(|n| n.reason == "NotOwned").count();
    assert_eq!(told, 1);
    assert!(world.has(Kind::VirtualService, "Shared-L7"), "others are served");
    // It is removed, and ours takes its place.
    world.fake.remove(&key);
    world.settle();
    assert!(world.has(Kind::VirtualService, "red-lb"));
}

#[test]
fn a_foreign_object_in_the_place_of_one_that_is_not_wanted_any_more_is_forgotten() {
    let mut world = World::at_rest(config(), objects());
    let key = world.fake.find(Kind::Pool, "red-lb");
    let foreign =
        Object::Pool(Pool { name: key.name.clone(), created_by: Some("somebody".into()), ..Pool::default() });
    world.fake.fail(1, Fault::Refused(ErrorClass::Unknown), {
        let key = key.clone();
        move |operation| operation.key == key
    });
    world.delete(&id(ResourceKind::Service, "lb"));
    world.run(Duration::from_millis(20));
    world.fake.edit(foreign.clone());
    world.run(Duration::from_mins(10));
    assert_eq!(world.fake.get(&key), Some(&foreign));
    assert!(world.engine.is_settled());
}

#[test]
fn a_reference_that_vanished_is_made_again() {
    let mut world = World::at_rest(config(), objects());
    let pool = world.fake.find(Kind::Pool, "h1.example.com");
    world.fake.remove(&pool);
    world.broken = true;
    // The pool group of the same front is written, which names that pool.
    let hosts: Vec<_> = (20..60).map(host).collect();
    world.apply(ingress("c", &hosts));
    world.settle();
    assert!(!world.fake.premature.is_empty());
    assert!(world.fake.get(&pool).is_some());
    assert_eq!(world.fake.dangling(), Vec::<String>::new());
}

/// Refuses whatever names a host, or is made of it.
fn names_host(kind: Kind, part: &'static str) -> impl Fn(&Operation) -> bool {
    move |operation| operation.key.kind == kind && operation.key.name.contains(part)
}

#[test]
fn a_refused_pool_does_not_keep_others_from_being_served() {
    let mut world = World::new(config(), objects());
    world.fake.fail(1_000, Fault::Refused(ErrorClass::Rejected), names_host(Kind::Pool, "h1."));
    world.start();
    world.run(Duration::from_secs(30));
    assert!(world.has(Kind::Pool, "h2."));
    assert_eq!(world.fake.names(Kind::VirtualService).len(), world.desired_of(Kind::VirtualService));
    assert_eq!(world.engine.backlog(), (1, 1));
    let told = world.notices.iter().filter(|n| n.reason == "ControllerRefused").count();
    assert_eq!(told, 1, "once, not with every attempt");
    // The object changes, and is accepted.
    world.fake.heal();
    world.apply(slice("web", &[3]));
    world.run(Duration::from_secs(2));
    assert!(world.engine.is_settled(), "{:?}", world.engine.pending(5));
    world.check_rest();
}

#[test]
fn a_refused_certificate_does_not_keep_others_from_being_served() {
    let mut objects = objects();
    let tls = vec![ako_core::resource::IngressTls {
        hosts: vec![host(5)],
        has_bad_hosts: false,
        secret: "bad".into(),
    }];
    objects.push(crate::cluster::secret("bad", 2));
    objects.push(Resource::Ingress(ako_core::resource::Ingress {
        tls,
        ..crate::cluster::plain_ingress("c", &[host(5)])
    }));
    for config in modes() {
        let mut world = World::new(config.clone(), objects.clone());
        let bad = |operation: &Operation| match &operation.change {
            ako_avi_types::Change::Create(body) => match &**body {
                Object::SslKeyAndCertificate(c) => *c.certificate.certificate == *crate::cluster::pem(2),
                _ => false,
            },
            _ => false,
        };
        world.fake.fail(1_000, Fault::Refused(ErrorClass::Rejected), bad);
        world.start();
        world.run(Duration::from_secs(30));
        let missing = world.desired_of(Kind::VirtualService) - world.fake.names(Kind::VirtualService).len();
        // The host itself cannot be served without its certificate, except by
        // an EVH child, whose certificate is the parent's.
        let expected = usize::from(!config.evh || config.shard_size == ShardSize::Dedicated);
        assert_eq!(missing, expected, "{:?}", world.engine.pending(9));
        world.fake.heal();
        world.settle();
    }
}

#[test]
fn an_endless_failure_of_one_object_does_not_keep_others_waiting() {
    for class in [ErrorClass::Unknown, ErrorClass::Gone, ErrorClass::Conflict] {
        let mut world = World::new(config(), objects());
        world.fake.fail(100_000, Fault::Refused(class), names_host(Kind::Pool, "h1."));
        world.start();
        world.run(Duration::from_mins(1));
        assert_eq!(world.fake.names(Kind::VirtualService).len(), world.desired_of(Kind::VirtualService));
        let attempts = world.engine.take_counters().failed;
        assert!(attempts < 20, "{attempts} attempts in a minute");
        world.fake.heal();
        world.settle();
    }
}

#[test]
fn a_refusal_of_what_is_not_wanted_any_more_does_not_delay_the_new_body() {
    let mut world = World::at_rest(config(), objects());
    world.fake.fail(1, Fault::Refused(ErrorClass::Rejected), names_host(Kind::Pool, "red-lb"));
    world.apply(slice("lb", &[8]));
    // It is sent, and before the answer arrives, something else is wanted.
    world.latency = Duration::from_millis(50);
    world.run(Duration::from_millis(11));
    world.apply(slice("lb", &[9]));
    world.run(Duration::from_millis(500));
    assert!(world.engine.is_settled(), "{:?}", world.engine.pending(5));
}

#[test]
fn a_busy_controller_is_not_pressed_by_changes() {
    let mut world = World::at_rest(config(), objects());
    world.fake.fail(100_000, Fault::Refused(ErrorClass::Busy), |_| true);
    world.engine.take_counters();
    let before = world.engine.take_counters().failed;
    for n in 0..100 {
        world.apply(slice("lb", &[n]));
        world.run(Duration::from_millis(200));
    }
    let failed = world.engine.take_counters().failed - before;
    assert!(failed < 10, "{failed} calls in 20 seconds");
    world.fake.heal();
    world.settle();
}

#[test]
fn a_permit_that_ran_out_is_not_tried_in_a_circle() {
    let mut world = World::new(config(), objects());
    world.fake.fail(100_000, Fault::Refused(ErrorClass::NoPermit), |_| true);
    world.start();
    world.run(Duration::from_secs(10));
    assert!(world.engine.take_counters().failed < 400);
    world.fake.heal();
    world.settle();
}

#[test]
fn an_exhausted_network_holds_up_its_own_virtual_service_only() {
    let mut objects = objects();
    objects.push(Resource::Service(Service {
        load_balancer_ip: Some("192.0.2.200".into()),
        ..crate::cluster::plain_service("lb2", ServiceType::LoadBalancer)
    }));
    let mut world = World::new(config(), objects);
    world.fake.fail(20, Fault::Refused(ErrorClass::Waiting), names_host(Kind::VsVip, "red-lb2"));
    world.start();
    world.run(Duration::from_secs(20));
    assert!(!world.has(Kind::VirtualService, "red-lb2"));
    assert!(world.has(Kind::VirtualService, "red-lb"));
    assert!(world.notices.iter().any(|n| n.reason == "ControllerRefused"));
    world.settle();
    assert!(world.has(Kind::VirtualService, "red-lb2"));
}

#[test]
fn a_pending_object_can_be_explained() {
    let mut world = World::new(config(), objects());
    world.fake.fail(1_000, Fault::Refused(ErrorClass::Rejected), names_host(Kind::VsVip, "red-lb"));
    world.start();
    world.run(Duration::from_secs(5));
    let pending = world.engine.pending(10);
    let key = ObjectKey::new(Kind::VsVip, "admin", "c1--red-lb");
    let vip = pending.iter().find(|p| p.key == key).unwrap();
    assert!(vip.refused && vip.failure.is_some() && vip.reason.as_deref() == Some("service red/lb"));
    let vs = pending.iter().find(|p| p.key.kind == Kind::VirtualService).unwrap();
    assert_eq!(vs.state, format!("waits for {key}"));
}
