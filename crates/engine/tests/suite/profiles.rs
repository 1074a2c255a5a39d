//! What the CRD operator makes of custom resources, and what their statuses say of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{ErrorClass, Kind, Object, ObjectKey};
use ako_core::resource::{
    ApplicationProfile, BasicAuth, HealthMonitor, Hold, Namespace, ObjectMeta, Part, PkiProfile, Published,
    RouteBackendExtension, Secret, Spec, Truth,
};
use ako_core::secret::Redacted;
use ako_core::{Config, NamespacedName, Program, Resource, ResourceId, ResourceKind};
use serde_json::{Value, json};

use crate::cluster::{config, id, namespace};
use crate::fake::Fault;
use crate::world::World;

fn program() -> Config {
    Config { program: Program::CrdOperator, ..config() }
}

fn spec(fields: &Value) -> Spec {
    Spec(fields.as_object().cloned().unwrap_or_default())
}

/// As it is right after somebody made it.
fn fresh() -> Published {
    Published { hold: Some(Box::default()), ..Published::default() }
}

fn monitor(interval: u32, secret: Option<&str>) -> HealthMonitor {
    HealthMonitor {
        id: NamespacedName::new("red", "hm"),
        meta: ObjectMeta { generation: i64::from(interval), ..ObjectMeta::default() },
        spec: spec(&json!({"type": "HEALTH_MONITOR_HTTP", "send_interval": interval})),
        secret: secret.map(Into::into),
        published: fresh(),
        ..HealthMonitor::default()
    }
}

fn secret(password: &str, version: &str) -> Resource {
    Resource::Secret(Secret {
        id: NamespacedName::new("red", "sign-in"),
        basic_auth: Some(BasicAuth {
            username: Some("probe".into()),
            password: Some(password).filter(|it| !it.is_empty()).map(Redacted::new),
            has_data: true,
            version: version.into(),
        }),
        ..Secret::default()
    })
}

fn profile() -> Resource {
    Resource::ApplicationProfile(ApplicationProfile {
        id: NamespacedName::new("red", "ap"),
        spec: spec(
            &json!({"type": "APPLICATION_PROFILE_TYPE_HTTP", "http_profile": {"keepalive_header": true}}),
        ),
        published: fresh(),
        ..ApplicationProfile::default()
    })
}

fn pki() -> Resource {
    Resource::PKIProfile(PkiProfile {
        id: NamespacedName::new("red", "ca"),
        ca_certs: vec!["pem".into()],
        published: fresh(),
        ..PkiProfile::default()
    })
}

fn monitor_id() -> ResourceId {
    id(ResourceKind::HealthMonitor, "hm")
}

/// The only object of a kind on the controller.
fn only(world: &World, kind: Kind) -> ObjectKey {
    let mut keys = world.fake.keys().into_iter().filter(|key| key.kind == kind);
    let key = keys.next().unwrap();
    assert_eq!(keys.next(), None);
    key
}

/// The reason and the message of the condition, if it has this status.
fn condition(world: &World, id: &ResourceId, status: Truth) -> (String, String) {
    let told = world.status(id).told.unwrap();
    let condition = &told.conditions[&(Part::Whole, "Programmed".into())];
    assert_eq!(condition.status, status, "{condition:?}");
    (condition.reason.to_string(), condition.message.to_string())
}

fn field(world: &World, id: &ResourceId, field: &str) -> String {
    world.status(id).told.and_then(|told| told.fields.get(field).cloned()).unwrap_or_default().to_string()
}

/// Somebody changes what is asked for; what stands in the status stays.
fn edit(world: &mut World, change: impl FnOnce(&mut HealthMonitor)) {
    let Resource::HealthMonitor(mut monitor) = world.cluster[&monitor_id()].clone() else { panic!() };
    monitor.meta.generation += 1;
    change(&mut monitor);
    world.apply(Resource::HealthMonitor(monitor));
    world.run(Duration::from_secs(1));
}

fn delete(world: &mut World) {
    edit(world, |monitor| monitor.meta.is_deleting = true);
}

fn at_rest(objects: impl IntoIterator<Item = Resource>) -> World {
    World::at_rest(program(), [namespace("red")].into_iter().chain(objects).collect())
}

#[test]
fn each_is_made_under_its_name_and_told() {
    let mut world = at_rest([Resource::HealthMonitor(monitor(7, None)), profile(), pki()]);
    for (kind, name, of) in [
        (ResourceKind::HealthMonitor, "hm", Kind::HealthMonitor),
        (ResourceKind::ApplicationProfile, "ap", Kind::ApplicationProfile),
        (ResourceKind::PKIProfile, "ca", Kind::PkiProfile),
    ] {
        let (id, key) = (id(kind, name), only(&world, of));
        assert!(key.name.starts_with("ako-crd-operator-c1--"), "{key}");
        let created = format!("{} created successfully on Avi Controller", kind.as_str());
        assert_eq!(condition(&world, &id, Truth::True), ("Created".to_owned(), created));
        assert_eq!(field(&world, &id, "backendObjectName"), *key.name);
        assert_eq!(field(&world, &id, "tenant"), "admin");
        assert_eq!(field(&world, &id, "controller"), "AKOCRDController");
        assert!(!field(&world, &id, "uuid").is_empty());
        assert!(world.status(&id).hold.unwrap().is_held);
    }
    world.take_writes();
    edit(&mut world, |monitor| monitor.spec = spec(&json!({"type": "HEALTH_MONITOR_HTTP"})));
    assert_eq!(world.take_writes().len(), 1, "one change is one write");
    let updated = "HealthMonitor updated successfully on Avi Controller";
    assert_eq!(condition(&world, &monitor_id(), Truth::True), ("Updated".to_owned(), updated.to_owned()));
    world.restart();
    world.settle();
    assert_eq!(world.take_writes(), [""; 0]);
    assert_eq!(condition(&world, &monitor_id(), Truth::True).0, "Updated");
}

#[test]
fn what_is_changed_by_hand_is_repaired() {
    let mut world = at_rest([Resource::HealthMonitor(monitor(7, None))]);
    let key = only(&world, Kind::HealthMonitor);
    let Some(Object::HealthMonitor(mut changed)) = world.fake.get(&key).cloned() else { panic!() };
    changed.spec.0.insert("send_interval".into(), 99.into());
    world.fake.edit(Object::HealthMonitor(changed));
    world.observe();
    world.settle();
    let Some(Object::HealthMonitor(monitor)) = world.fake.get(&key) else { panic!() };
    assert_eq!(monitor.spec.0["send_interval"], 7);
}

#[test]
fn it_is_held_until_what_was_made_of_it_is_gone() {
    let mut world = at_rest([Resource::HealthMonitor(monitor(7, None))]);
    world.fake.fail(3, Fault::Refused(ErrorClass::InUse), |operation| operation.verb() == "delete");
    delete(&mut world);
    let (reason, message) = condition(&world, &monitor_id(), Truth::False);
    assert_eq!((&*reason, &*message), ("DeletionSkipped", "as told"));
    assert!(world.status(&monitor_id()).hold.unwrap().is_held);
    world.run(Duration::from_mins(1));
    assert_eq!(world.fake.names(Kind::HealthMonitor), [""; 0]);
    assert!(!world.cluster.contains_key(&monitor_id()), "nothing holds it");
    assert!(world.engine.is_settled());
}

/// A list has it that they are to be deleted, of which nothing was seen; but each says so itself.
#[test]
fn many_that_are_to_be_deleted_are_deleted_by_a_new_process() {
    let named = |number: usize| {
        let id = NamespacedName::new("red", format!("hm-{number}"));
        Resource::HealthMonitor(HealthMonitor { id, ..monitor(7, None) })
    };
    let mut world = at_rest((0..100).map(named));
    assert_eq!(world.fake.names(Kind::HealthMonitor).len(), 100);
    world.stop();
    for resource in world.cluster.values().cloned().collect::<Vec<_>>() {
        if let Resource::HealthMonitor(mut monitor) = resource {
            monitor.meta.is_deleting = true;
            world.apply(Resource::HealthMonitor(monitor));
        }
    }
    world.restart();
    world.settle();
    assert_eq!(world.fake.names(Kind::HealthMonitor), [""; 0]);
}

#[test]
fn it_tells_what_holds_it_in_the_tenant_of_before() {
    let mut world = at_rest([Resource::HealthMonitor(monitor(7, None))]);
    world.fake.fail(100, Fault::Refused(ErrorClass::InUse), |operation| operation.verb() == "delete");
    world.stop();
    world.apply(Resource::Namespace(Namespace {
        name: "red".into(),
        tenant: Some("blue".into()),
        ..Namespace::default()
    }));
    delete(&mut world);
    world.restart();
    world.run(Duration::from_mins(5));
    assert!(world.status(&monitor_id()).hold.unwrap().is_held);
    assert_eq!(condition(&world, &monitor_id(), Truth::False).0, "DeletionSkipped");
    assert_eq!(field(&world, &monitor_id(), "tenant"), "admin");
}

#[test]
fn a_new_leader_replaces_nothing_before_every_source_is_proven() {
    let mut world = at_rest([secret("one", "1"), Resource::HealthMonitor(monitor(7, Some("sign-in")))]);
    world.stop();
    for kind in ResourceKind::ALL {
        world.list(kind);
    }
    world.observe();
    world.run(Duration::from_secs(1));
    world.lead();
    edit(&mut world, |monitor| monitor.spec = spec(&json!({"type": "HEALTH_MONITOR_HTTP"})));
    world.apply(secret("two", "2"));
    world.run(Duration::from_secs(5));
    assert_eq!(world.take_writes(), [""; 0]);
    world.prove();
    world.settle();
    assert_eq!(world.take_writes().len(), 1);
}

#[test]
fn what_the_controller_refuses_is_told_though_it_was_made_before() {
    let mut world = at_rest([Resource::HealthMonitor(monitor(7, None))]);
    world.fake.fail(100, Fault::Refused(ErrorClass::Rejected), |operation| operation.verb() == "update");
    edit(&mut world, |monitor| monitor.spec = spec(&json!({"type": "HEALTH_MONITOR_HTTP"})));
    assert_eq!(condition(&world, &monitor_id(), Truth::False).0, "UpdateFailed");
}

#[test]
fn what_was_never_made_is_let_go_at_once() {
    let mut world = World::new(program(), vec![namespace("red"), Resource::HealthMonitor(monitor(7, None))]);
    world.fake.fail(100, Fault::Refused(ErrorClass::Rejected), |_| true);
    world.start();
    world.run(Duration::from_secs(1));
    assert_eq!(condition(&world, &monitor_id(), Truth::False).0, "CreationFailed");
    delete(&mut world);
    assert!(!world.cluster.contains_key(&monitor_id()));
}

#[test]
fn it_moves_with_the_tenant_of_its_namespace() {
    let mut world = at_rest([Resource::HealthMonitor(monitor(7, None))]);
    let before = field(&world, &monitor_id(), "uuid");
    world.apply(Resource::Namespace(Namespace {
        name: "red".into(),
        tenant: Some("blue".into()),
        ..Namespace::default()
    }));
    world.run(Duration::from_secs(5));
    assert_eq!(&*only(&world, Kind::HealthMonitor).tenant, "blue");
    assert_eq!(field(&world, &monitor_id(), "tenant"), "blue");
    assert_ne!(field(&world, &monitor_id(), "uuid"), before);
    assert_eq!(condition(&world, &monitor_id(), Truth::True).0, "Created");
    delete(&mut world);
    world.settle();
    assert_eq!(world.fake.keys(), [].into());
}

#[test]
fn what_it_signs_in_with_is_written_anew_when_it_changes() {
    let mut world = at_rest([secret("one", "1"), Resource::HealthMonitor(monitor(7, Some("sign-in")))]);
    world.take_writes();
    world.apply(secret("two", "2"));
    world.run(Duration::from_secs(1));
    assert_eq!(world.take_writes().len(), 1);
    // It changes while nobody is there.
    world.stop();
    world.apply(secret("three", "3"));
    world.restart();
    world.settle();
    assert_eq!(world.take_writes().len(), 1);
    world.restart();
    world.settle();
    assert_eq!(world.take_writes(), [""; 0]);
}

#[test]
fn a_secret_that_breaks_while_nobody_is_there_changes_nothing() {
    let mut world = at_rest([secret("one", "1"), Resource::HealthMonitor(monitor(7, Some("sign-in")))]);
    world.take_writes();
    world.stop();
    world.apply(secret("", "2"));
    world.restart();
    world.run(Duration::from_mins(1));
    assert_eq!(world.take_writes(), [""; 0]);
    assert_eq!(condition(&world, &monitor_id(), Truth::False).0, "ConfigurationError");
    world.apply(secret("two", "3"));
    world.settle();
    assert_eq!(world.take_writes().len(), 1);
    // While it is broken the password stays what it was.
    world.apply(secret("", "4"));
    world.run(Duration::from_mins(1));
    world.apply(secret("two", "3"));
    world.settle();
    assert_eq!(world.take_writes(), [""; 0]);
}

#[test]
fn what_cannot_be_told_stays_as_it_is_and_is_not_made() {
    for (change, reason, message) in [
        (None, "UnresolvedRef", "Secret sign-in not found"),
        (Some(secret("", "2")), "ConfigurationError", "Password not found in secret sign-in"),
    ] {
        let mut world = at_rest([secret("one", "1"), Resource::HealthMonitor(monitor(7, Some("sign-in")))]);
        let uuid = field(&world, &monitor_id(), "uuid");
        world.take_writes();
        match &change {
            Some(secret) => world.apply(secret.clone()),
            None => world.delete(&secret("", "").id()),
        }
        for _ in 0..2 {
            world.run(Duration::from_mins(1));
            assert_eq!(world.take_writes(), [""; 0]);
            let told = condition(&world, &monitor_id(), Truth::False);
            assert!(told.0 == reason && told.1.starts_with(message), "{told:?}");
            assert_eq!(field(&world, &monitor_id(), "uuid"), uuid);
            world.restart();
        }
        // A new one is not made without.
        let mut objects = vec![namespace("red"), Resource::HealthMonitor(monitor(7, Some("sign-in")))];
        objects.extend(change);
        let mut world = World::new(program(), objects);
        world.start();
        world.run(Duration::from_mins(1));
        assert_eq!(world.take_writes(), [""; 0]);
        assert_eq!(condition(&world, &monitor_id(), Truth::False).0, reason);
        world.apply(secret("one", "3"));
        world.settle();
        assert_eq!(condition(&world, &monitor_id(), Truth::True).0, "Created");
    }
}

#[test]
fn what_upstream_made_is_taken_over_without_a_write() {
    let mut world = at_rest([Resource::HealthMonitor(monitor(7, None)), profile(), pki()]);
    let shown: BTreeMap<ResourceId, Arc<str>> = [monitor_id(), id(ResourceKind::PKIProfile, "ca")]
        .into_iter()
        .map(|id| (id.clone(), field(&world, &id, "uuid").into()))
        .collect();
    world.take_writes();
    world.restart();
    world.settle();
    assert_eq!(world.take_writes(), [""; 0]);
    assert!(shown.iter().all(|(id, uuid)| field(&world, id, "uuid") == **uuid));
}

#[test]
fn finalizers_of_others_stay() {
    let hold = Hold { is_held: false, others: vec!["them/here".into()], version: "1".into() };
    let published = Published { hold: Some(Box::new(hold)), ..Published::default() };
    let mut world = at_rest([Resource::HealthMonitor(HealthMonitor { published, ..monitor(7, None) })]);
    delete(&mut world);
    world.settle();
    let hold = world.status(&monitor_id()).hold.unwrap();
    assert!(!hold.is_held);
    assert_eq!(hold.others, ["them/here".into()]);
    assert_eq!(world.fake.keys(), [].into());
}

#[test]
fn an_extension_is_judged_by_the_profile_that_it_names() {
    let extension = Resource::RouteBackendExtension(RouteBackendExtension {
        id: NamespacedName::new("red", "rbe"),
        pki_profile: Some("ca".into()),
        ..RouteBackendExtension::default()
    });
    let rbe = id(ResourceKind::RouteBackendExtension, "rbe");
    let mut world = at_rest([extension]);
    assert_eq!(field(&world, &rbe, "status"), "Rejected");
    assert_eq!(field(&world, &rbe, "error"), "PKIProfile ca not found in namespace red");
    world.apply(pki());
    world.settle();
    assert_eq!(
        (field(&world, &rbe, "status"), field(&world, &rbe, "error")),
        ("Accepted".into(), String::new())
    );
    assert_eq!(field(&world, &rbe, "controller"), "AKOCRDController");
}
