//! Namespaces that change hands while the controller does not answer.

use std::time::Duration;

use ako_avi_types::{Change, ErrorClass, Kind, ObjectKey, Operation};
use ako_core::Resource;
use ako_core::resource::{Protocol, Service, ServiceType};

use crate::cluster::{plain_service, port};
use crate::fake::Fault;
use crate::handover::{OWNERS, town};

#[test]
fn what_cannot_be_taken_over_at_once_keeps_its_address() {
    let mut town = town();
    let lb = Service {
        ports: vec![port("http", 80, Protocol::Tcp), port("more", 81, Protocol::Tcp)],
        ..plain_service("lb", ServiceType::LoadBalancer)
    };
    let id = Resource::Service(lb.clone()).id();
    town.apply(Resource::Service(lb));
    town.run(Duration::from_secs(5));
    // The new process does not know since when the namespace is its own, and the controller is not
    // there for so long that others do not wait for the pools any more. Then it says that there are
    // pools of that name, and nothing is known of their virtual service yet.
    let is_pool_of_blue = |operation: &Operation| match &operation.change {
        Change::Create(body) => {
            operation.key.kind == Kind::Pool && body.created_by().is_some_and(|owner| &**owner == OWNERS[1])
        }
        _ => false,
    };
    town.fake.fail(12, Fault::Refused(ErrorClass::Retry), is_pool_of_blue);
    town.label("red", "b");
    town.run(Duration::from_millis(20));
    town.restart(1);
    for _ in 0..4_000 {
        town.run(Duration::from_millis(5));
        let Resource::Service(lb) = &town.cluster[&id] else { panic!("a Service") };
        assert_eq!(lb.published.addresses.len(), 1, "at {:?}", town.now);
    }
    assert_eq!(
        town.owner_of(&ObjectKey::new(Kind::VirtualService, "admin", "c1--red-lb")).as_deref(),
        Some(OWNERS[1])
    );
}
