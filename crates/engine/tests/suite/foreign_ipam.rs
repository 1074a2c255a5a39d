//! Addresses that another system gives: the controller does not change one that is there.
//! Source: L4 and network, B1.

use std::time::Duration;

use ako_avi_types::{Kind, Object, VsVip};
use ako_core::config::VipNetwork;
use ako_core::resource::{Service, ServiceType};
use ako_core::{Config, Facts, Reason, Resource, ResourceKind};
use ako_translate::Translator;

use crate::cluster::{base, config, id, plain_service, translator};
use crate::world::World;

fn with_foreign_ipam(config: Config) -> Translator {
    let facts = Facts { has_foreign_ipam: true, ..translator(config.clone()).facts().clone() };
    Translator::new(config, facts)
}

fn asking_for(address: &str) -> Resource {
    let service = plain_service("lb", ServiceType::LoadBalancer);
    Resource::Service(Service { load_balancer_ip: Some(address.into()), ..service })
}

fn vsvip(world: &World) -> VsVip {
    match world.fake.get(&world.fake.find(Kind::VsVip, "red-lb")) {
        Some(Object::VsVip(vsvip)) => vsvip.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_address_that_is_there_stays_and_all_else_is_updated() {
    let mut objects = base();
    objects.push(asking_for("192.0.2.200"));
    let mut world = World::new(config(), objects);
    world.restart_with(with_foreign_ipam(config()));
    world.settle();
    let before = vsvip(&world);
    assert_eq!(world.engine.findings(), []);

    let network = VipNetwork { name: "other".into(), ..VipNetwork::default() };
    let moved =
        Config { vip_networks: vec![network], rhi: true, bgp_peer_labels: vec!["l".into()], ..config() };
    world.restart_with(with_foreign_ipam(moved));
    world.apply(asking_for("192.0.2.201"));
    world.run(Duration::from_secs(30));
    assert!(world.engine.is_settled());
    let after = vsvip(&world);
    assert_eq!((&after.vip, &after.bgp_peer_labels), (&before.vip, &before.bgp_peer_labels));
    assert_ne!(after.vsvip_cloud_config_cksum, before.vsvip_cloud_config_cksum);
    let findings = world.engine.findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(
        (&findings[0].object, findings[0].reason),
        (&id(ResourceKind::Service, "lb"), Reason::AddressKept)
    );
    // That it differs is no drift.
    world.take_writes();
    world.observe();
    world.run(Duration::from_secs(30));
    assert_eq!(world.take_writes(), Vec::<String>::new());
    assert_eq!(world.dry_run().writes, []);
}
