//! What is published on Kubernetes objects.

use std::time::Duration;

use ako_avi_types::{ErrorClass, Kind};
use ako_core::resource::{Ingress, IngressClass, Published, PublishedAddress, ServiceType};
use ako_core::{Reason, Resource, ResourceKind, annotation};
use ako_engine::{Event, Unpublished};

use crate::cluster::{base, config, host, id, ingress, plain_ingress, service};
use crate::fake::Fault;
use crate::world::World;

fn world() -> World {
    let mut objects = base();
    objects.extend([ingress("a", &[host(1)]), service("lb", ServiceType::LoadBalancer)]);
    World::new(config(), objects)
}

#[test]
fn statuses_appear_when_virtual_service_and_address_are_there() {
    let mut world = world();
    let a = id(ResourceKind::Ingress, "a");
    world.fake.fail(1, Fault::Refused(ErrorClass::Waiting), |o| o.key.kind == Kind::VsVip);
    world.start();
    world.run(Duration::from_millis(500));
    world.settle();
    let status = world.status(&a);
    assert_eq!(status.addresses.len(), 1);
    assert!(status.addresses.iter().all(|address| address.ip.starts_with("192.0.2.")));
    let uuids = &status.annotations["ako.vmware.com/host-fqdn-vs-uuid-map"];
    assert!(uuids.contains("h1.example.com") && uuids.contains("virtualservice-"), "{uuids}");
    assert_eq!(world.status(&id(ResourceKind::Service, "lb")).addresses.len(), 1);
    assert!(
        world.notices.iter().any(|n| !n.warning && &*n.message == "Added virtualservice for h1.example.com")
    );
    let published = world.published;
    world.restart();
    world.settle();
    assert_eq!(world.published, published, "a new process finds them as they should be");
}

/// AMKO makes names for several clusters of these: the address with its host, and the three
/// annotations, which come and go with it, also when leaders change.
#[test]
fn what_amko_reads_comes_and_goes_as_a_whole() {
    let mut world = world();
    world.start();
    world.settle();
    let ids = [id(ResourceKind::Ingress, "a"), id(ResourceKind::Service, "lb")];
    let read = |world: &World| ids.each_ref().map(|id| world.status(id));
    let before = read(&world);
    for status in &before {
        let names: Vec<_> = status.annotations.keys().map(|name| &**name).collect();
        assert_eq!(names, [annotation::CLUSTER_UUID, annotation::VS_UUID_MAP, annotation::TENANT]);
        assert_eq!(&*status.annotations[annotation::TENANT], "admin");
        let [address] = &*status.addresses else { panic!("{status:?}") };
        assert!(!address.hostname.is_empty() && !address.ip.is_empty());
        // The uuid is under the same name as the address.
        let uuids = &status.annotations[annotation::VS_UUID_MAP];
        assert!(uuids.contains(&format!("{:?}:", &*address.hostname)), "{uuids}");
    }
    for _ in 0..2 {
        world.event(Event::Leads(None));
        world.run(Duration::from_mins(1));
        assert_eq!(read(&world), before);
        world.restart();
        world.settle();
        assert_eq!(read(&world), before);
    }
    world.apply(Resource::IngressClass(IngressClass {
        name: "avi".into(),
        controller: "somebody/else".into(),
        is_default: true,
        setting: None,
    }));
    world.settle();
    let after = read(&world);
    assert!(after[0].is_empty(), "{:?}", after[0]);
    assert_eq!(after[1], before[1]);
}

#[test]
fn nothing_is_published_before_the_virtual_service_is_there() {
    let mut world = world();
    world.fake.fail(1_000, Fault::Refused(ErrorClass::Busy), |o| o.key.kind == Kind::VirtualService);
    world.start();
    world.run(Duration::from_secs(30));
    assert!(world.has(Kind::VsVip, "Shared"));
    assert_eq!(world.published, 0);
    world.fake.heal();
    world.settle();
    assert_eq!(world.published, 2);
}

#[test]
fn a_status_is_cleared_when_nothing_serves_the_object_any_more() {
    let mut world = world();
    world.start();
    world.settle();
    world.apply(Resource::IngressClass(IngressClass {
        name: "other".into(),
        controller: "nginx".into(),
        is_default: false,
        setting: None,
    }));
    let published = world.status(&id(ResourceKind::Ingress, "a"));
    let other = Ingress { class: Some("other".into()), published, ..plain_ingress("a", &[host(1)]) };
    world.apply(Resource::Ingress(other));
    world.apply(service("lb", ServiceType::ClusterIp));
    world.settle();
    assert!(world.status(&id(ResourceKind::Ingress, "a")).is_empty());
    assert!(world.notices.iter().any(|n| n.reason == "Removed"));
}

#[test]
fn foreign_statuses_are_left_alone() {
    let address = PublishedAddress { hostname: "".into(), ip: "198.51.100.1".into() };
    let published = Published { addresses: vec![address], ..Published::default() };
    let mut objects = base();
    objects.push(Resource::IngressClass(IngressClass {
        name: "other".into(),
        controller: "nginx".into(),
        is_default: false,
        setting: None,
    }));
    let foreign = Ingress {
        class: Some("other".into()),
        published: published.clone(),
        ..plain_ingress("a", &[host(1)])
    };
    objects.push(Resource::Ingress(foreign));
    let mut world = World::at_rest(config(), objects);
    world.observe();
    world.settle();
    assert_eq!(world.status(&id(ResourceKind::Ingress, "a")), published);
    assert_eq!(world.published, 0);
}

#[test]
fn a_status_that_cannot_be_written_is_tried_again() {
    let mut world = world();
    world.unpublishable = 5;
    world.start();
    world.settle();
    assert_eq!(world.published, 2);
}

#[test]
fn a_status_that_cannot_be_written_is_tried_again_less_and_less_often() {
    let mut world = world();
    world.unpublishable = usize::MAX;
    world.start();
    world.run(Duration::from_mins(1));
    // After 1, 3, 7, 15 and 31 seconds, each of two.
    assert_eq!(usize::MAX - world.unpublishable, 12);
}

#[test]
fn a_status_that_is_refused_as_it_is_is_told_and_rarely_tried() {
    let mut world = world();
    (world.unpublishable, world.unpublished) = (usize::MAX, Unpublished::Refused("no host name".to_owned()));
    world.start();
    world.run(Duration::from_mins(1));
    assert_eq!(usize::MAX - world.unpublishable, 2);
    let findings = world.engine.findings();
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings.iter().all(|f| f.reason == Reason::StatusRefused && f.message.contains("no host name")));
    assert!(!world.engine.is_settled());
    world.unpublishable = 0;
    world.run(Duration::from_mins(2));
    assert_eq!((world.engine.findings(), world.published), (Vec::new(), 2));
}

/// Another controller that wants the object would write as fast as we do.
#[test]
fn a_status_that_somebody_else_replaces_again_and_again_is_told_and_written_less_often() {
    let mut world = world();
    world.start();
    world.settle();
    let a = id(ResourceKind::Ingress, "a");
    let (ours, published) = (world.status(&a), world.published);
    let theirs = PublishedAddress { hostname: "h1.example.com".into(), ip: "203.0.113.9".into() };
    let theirs = Published { addresses: vec![theirs], ..Published::default() };
    for _ in 0..600 {
        if world.status(&a) != theirs {
            let ingress = Ingress { published: theirs.clone(), ..plain_ingress("a", &[host(1)]) };
            world.apply(Resource::Ingress(ingress));
        }
        world.run(Duration::from_millis(100));
    }
    // At once, and after 1, 3, 7, 15 and 31 seconds.
    assert_eq!(world.published - published, 6);
    let findings = world.engine.findings();
    assert!(findings.iter().any(|f| f.reason == Reason::StatusOverwritten && f.object == a), "{findings:?}");
    // When the other one is gone, ours stays, and nothing is told any more.
    world.run(Duration::from_mins(2));
    assert_eq!(world.status(&a), ours);
    world.run(Duration::from_mins(10));
    assert_eq!(world.engine.findings(), []);
    assert!(world.engine.is_settled());
}

#[test]
fn a_status_is_written_once_until_the_watch_shows_it() {
    let mut world = world();
    world.blind = true;
    world.start();
    world.settle();
    for _ in 0..5 {
        world.observe();
        world.settle();
    }
    assert_eq!(world.published, 2);
}

#[test]
fn a_status_that_the_watch_never_shows_is_written_again() {
    let mut world = world();
    world.blind = true;
    world.start();
    world.settle();
    assert_eq!(world.published, 2);
    world.blind = false;
    // Deleted and created anew between two looks: one change, no status.
    world.apply(ingress("a", &[host(1)]));
    world.settle();
    assert_eq!(world.published, 2, "it may still be on its way");
    world.run(Duration::from_mins(2));
    assert!(!world.status(&id(ResourceKind::Ingress, "a")).is_empty());
    let published = world.published;
    world.run(Duration::from_hours(1));
    assert_eq!(world.published, published, "what was seen is not written again");
}

#[test]
fn a_status_that_is_to_be_another_one_does_not_wait_for_the_watch() {
    let mut world = world();
    world.blind = true;
    world.start();
    world.settle();
    assert_eq!(world.published, 2);
    world.apply(ingress("a", &[host(1), host(2)]));
    world.settle();
    assert_eq!(world.published, 3);
}

#[test]
fn a_status_that_somebody_undoes_is_written_again() {
    let mut world = world();
    world.start();
    world.settle();
    world.apply(ingress("a", &[host(1)]));
    world.settle();
    assert_eq!(world.published, 3);
    assert!(!world.status(&id(ResourceKind::Ingress, "a")).is_empty());
}

#[test]
fn statuses_wait_for_the_permit_without_a_deadline_that_is_over() {
    let mut world = world();
    world.unpublishable = 1;
    world.start();
    world.run(Duration::from_millis(200));
    world.event(Event::Writing(false));
    world.run(Duration::from_mins(10));
    assert!(world.engine.deadline().is_none_or(|at| at > world.now));
    world.event(Event::Writing(true));
    world.settle();
    assert_eq!(world.published, 2);
}

#[test]
fn a_recreated_virtual_service_is_published_anew() {
    let mut world = world();
    world.start();
    world.settle();
    let before = world.status(&id(ResourceKind::Service, "lb"));
    let vs = world.fake.find(Kind::VirtualService, "red-lb");
    world.fake.remove(&vs);
    world.observe();
    world.settle();
    let after = world.status(&id(ResourceKind::Service, "lb"));
    assert_eq!(before.addresses, after.addresses);
    assert_ne!(before.annotations, after.annotations);
}

/// A standby may be one for months.
#[test]
fn what_is_gone_is_not_remembered_by_a_standby() {
    let mut world = World::at_rest(config(), base());
    world.event(Event::Writing(false));
    for n in 0..20 {
        world.apply(ingress(&format!("a{n}"), &[host(n)]));
        world.run(Duration::from_secs(2));
        world.delete(&id(ResourceKind::Ingress, &format!("a{n}")));
        world.run(Duration::from_secs(2));
    }
    assert_eq!(world.engine.unpublished(), 0);
}
