//! What somebody disables on the controller.

use ako_avi_types::{Kind, Object, ObjectKey};
use ako_core::resource::ServiceType;
use ako_core::{Config, Diagnostic, Reason};
use ako_engine::Event;

use crate::cluster::{base, config, host, ingress, service, slice, translator};
use crate::world::World;

fn world(config: Config) -> World {
    let mut objects = base();
    objects.extend([
        ingress("one", &[host(1)]),
        service("lb", ServiceType::LoadBalancer),
        slice("lb", &[1, 2]),
    ]);
    World::at_rest(config, objects)
}

fn edit(world: &mut World, key: &ObjectKey, how: impl FnOnce(&mut Object)) {
    let mut body = world.fake.get(key).unwrap().clone();
    how(&mut body);
    world.fake.edit(body);
    world.observe();
    world.settle();
}

fn found(world: &World) -> Vec<Diagnostic> {
    let findings = world.engine.findings().into_iter();
    findings.filter(|finding| finding.reason == Reason::DisabledByHand).collect()
}

fn disable_service(body: &mut Object) {
    let Object::VirtualService(service) = body else { panic!("{body:?}") };
    service.shaped_mut().enabled = Some(false);
}

fn disable_pool(body: &mut Object) {
    let Object::Pool(pool) = body else { panic!("{body:?}") };
    pool.shaped.get_or_insert_default().enabled = Some(false);
}

fn is_disabled(body: &Object) -> bool {
    let enabled = match body {
        Object::VirtualService(service) => service.enabled(),
        Object::Pool(pool) => pool.enabled(),
        other => panic!("{other:?}"),
    };
    enabled == Some(false)
}

#[test]
fn it_is_told_and_stays_until_somebody_enables_it() {
    let mut world = world(config());
    let (service, pool) =
        (world.fake.find(Kind::VirtualService, "red-lb"), world.fake.find(Kind::Pool, "red-lb"));
    for (key, how) in [(&service, disable_service as fn(&mut Object)), (&pool, disable_pool)] {
        let before = world.fake.get(key).unwrap().clone();
        world.take_writes();
        edit(&mut world, key, how);
        let findings = found(&world);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(&*findings[0].object.name.name, "lb");
        let message = &*findings[0].message;
        assert!(message.starts_with("it is disabled on the Avi Controller"), "{message}");
        assert!(message.contains(&format!("{key}, which was last changed at 1970-01-01T")), "{message}");
        assert_eq!(world.take_writes(), Vec::<String>::new());
        edit(&mut world, key, |body| *body = before);
        assert_eq!(found(&world), []);
    }
}

/// Those that share the virtual service are told, as it is theirs.
#[test]
fn of_a_shared_virtual_service_those_are_told_that_are_on_it() {
    let mut world = world(config());
    let shared = world.fake.find(Kind::VirtualService, "Shared-L7");
    edit(&mut world, &shared, disable_service);
    let findings = found(&world);
    let told: Vec<_> = findings.iter().map(|finding| finding.object.to_string()).collect();
    assert_eq!(told, ["Ingress red/one"]);
}

#[test]
fn it_is_enabled_again_where_that_is_configured() {
    let mut world = world(Config { repair_disabled: true, ..config() });
    let (service, pool) =
        (world.fake.find(Kind::VirtualService, "red-lb"), world.fake.find(Kind::Pool, "red-lb"));
    for (key, how) in [(&service, disable_service as fn(&mut Object)), (&pool, disable_pool)] {
        world.take_writes();
        edit(&mut world, key, how);
        assert_eq!(found(&world), []);
        assert_eq!(world.take_writes(), [format!("update {key}")]);
        assert!(!is_disabled(world.fake.get(key).unwrap()), "{key}");
        // And once.
        world.observe();
        world.settle();
        assert_eq!(world.take_writes(), Vec::<String>::new());
    }
}

#[test]
fn what_is_disabled_when_that_is_configured_is_enabled_at_once() {
    let mut world = world(config());
    let service = world.fake.find(Kind::VirtualService, "red-lb");
    edit(&mut world, &service, disable_service);
    world.take_writes();
    let repairing = Config { repair_disabled: true, ..config() };
    world.event(Event::Configured(Box::new(translator(repairing))));
    world.settle();
    assert_eq!(world.take_writes(), [format!("update {service}")]);
    assert_eq!(found(&world), []);
}
