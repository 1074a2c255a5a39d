//! Requests for node ports, on Services.

use std::time::Duration;

use ako_core::config::ServiceMode;
use ako_core::resource::{Published, PublishedAddress, Service, ServiceType};
use ako_core::scope::Scope;
use ako_core::{Config, Resource, ResourceKind};

use crate::cluster::{base, config, host, id, ingress, plain_service, service};
use crate::world::World;

fn local() -> Config {
    Config { service_mode: ServiceMode::NodePortLocal, cni: "antrea".into(), ..config() }
}

/// What somebody else published on Service `web`.
fn foreign() -> Published {
    let address = PublishedAddress { hostname: "".into(), ip: "198.51.100.1".into() };
    let annotations = [("ako.vmware.com/tenant-name".into(), "theirs".into())].into();
    Published { addresses: vec![address], annotations, ..Published::default() }
}

fn web(published: Published) -> Resource {
    Resource::Service(Service { published, ..plain_service("web", ServiceType::ClusterIp) })
}

fn asking(value: &str) -> Published {
    Published { node_ports: Some(value.into()), ..Published::default() }
}

/// Ingress `a` in front of Service `web`, on which this stands.
fn world(config: Config, published: Published) -> World {
    let mut objects = base();
    objects.extend([ingress("a", &[host(1)]), web(published)]);
    World::at_rest(config, objects)
}

/// The request on Service `web`; empty if there is none.
fn request(world: &World) -> String {
    let status = world.status(&id(ResourceKind::Service, "web"));
    status.node_ports.map(|value| value.to_string()).unwrap_or_default()
}

#[test]
fn a_backend_is_asked_for_and_let_go_without_touching_anything_else() {
    let mut world = world(local(), foreign());
    assert_eq!(request(&world), "true");
    let status = world.status(&id(ResourceKind::Service, "web"));
    assert_eq!(Published { node_ports: None, ..status }, foreign());
    world.apply(ingress("b", &[host(2)]));
    world.settle();
    world.delete(&id(ResourceKind::Ingress, "a"));
    world.settle();
    assert_eq!(request(&world), "true", "b needs it");
    world.delete(&id(ResourceKind::Ingress, "b"));
    world.settle();
    assert_eq!(world.status(&id(ResourceKind::Service, "web")), foreign());
    assert!(!world.notices.iter().any(|notice| notice.object.kind == ResourceKind::Service));
}

#[test]
fn a_load_balancer_is_asked_for_before_its_virtual_service_is_there() {
    let mut objects = base();
    objects.push(service("lb", ServiceType::LoadBalancer));
    let mut world = World::new(local(), objects);
    world.fake.fail(1_000, crate::fake::Fault::Refused(ako_avi_types::ErrorClass::Busy), |_| true);
    world.start();
    world.run(Duration::from_secs(10));
    assert_eq!(world.status(&id(ResourceKind::Service, "lb")), asking("true"));
    world.fake.heal();
    world.settle();
    let status = world.status(&id(ResourceKind::Service, "lb"));
    assert_eq!((status.addresses.len(), status.node_ports.as_deref()), (1, Some("true")));
    let published = world.published;
    world.restart();
    world.settle();
    assert_eq!(world.published, published, "a new process finds it as it should be");
    // It is no longer a load balancer: its status goes, and so does the request.
    let published = world.status(&id(ResourceKind::Service, "lb"));
    let lb = Service { published, ..plain_service("lb", ServiceType::ClusterIp) };
    world.apply(Resource::Service(lb));
    world.settle();
    assert_eq!(world.status(&id(ResourceKind::Service, "lb")), Published::default());
}

#[test]
fn what_somebody_decided_stays() {
    let mut world = world(local(), asking("false"));
    assert_eq!(request(&world), "false");
    world.delete(&id(ResourceKind::Ingress, "a"));
    world.settle();
    assert_eq!(request(&world), "false");
    assert_eq!(world.published, 1, "only the Ingress");
}

#[test]
fn a_request_that_was_never_needed_is_not_taken_back() {
    let mut objects = base();
    objects.push(web(asking("true")));
    let world = World::at_rest(local(), objects);
    assert_eq!(request(&world), "true");
    assert_eq!(world.published, 0);
}

#[test]
fn a_request_is_taken_back_once() {
    let mut world = world(local(), Published::default());
    world.delete(&id(ResourceKind::Ingress, "a"));
    world.settle();
    assert_eq!(request(&world), "");
    world.apply(web(asking("true")));
    world.settle();
    assert_eq!(request(&world), "true");
}

#[test]
fn a_request_that_somebody_removes_is_made_again() {
    let mut world = world(local(), Published::default());
    world.apply(web(Published::default()));
    world.settle();
    assert_eq!(request(&world), "true");
}

#[test]
fn other_modes_and_namespaces_are_left_alone() {
    let blocking = Scope { blocked: ["red".into()].into(), ..Scope::default() };
    let configs =
        [config(), Config { auto_annotate: false, ..local() }, Config { scope: blocking, ..local() }];
    for config in configs {
        for published in [Published::default(), asking("true")] {
            let mut world = world(config.clone(), published.clone());
            world.delete(&id(ResourceKind::Ingress, "a"));
            world.settle();
            assert_eq!(world.status(&id(ResourceKind::Service, "web")), published);
        }
    }
}
