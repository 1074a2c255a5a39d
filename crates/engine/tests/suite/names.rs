//! Two that come to one Avi name, and shared virtual services that are full.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ako_avi_types::{Kind, Object, ObjectKey};
use ako_core::config::ShardSize;
use ako_core::resource::{Ingress, IngressTls, ObjectMeta, ServiceType};
use ako_core::{Config, Delta, Key, NamespacedName, Reason, Resource, ResourceId, Snapshot};
use ako_engine::Desired;
use proptest::prelude::*;

use crate::cluster::{base, class, config, host, plain_ingress, plain_service, port, secret, translator};

fn modes() -> [Config; 4] {
    let dedicated = |config: Config| Config { shard_size: ShardSize::Dedicated, ..config };
    let evh = || Config { evh: true, ..config() };
    [config(), evh(), dedicated(config()), dedicated(evh())]
}

/// An Ingress of one host, with TLS if it has the Secret `cert`.
fn asking(namespace: &str, created: i64, host: &str) -> Ingress {
    let hosts: [Arc<str>; 1] = [host.into()];
    Ingress {
        id: NamespacedName::new(namespace, "web"),
        meta: ObjectMeta::created(created),
        ..plain_ingress("web", &hosts)
    }
}

fn snapshot(config: &Config, objects: impl IntoIterator<Item = Resource>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let translator = translator(config.clone());
    snapshot.act_by(translator.config(), translator.subdomain());
    for object in std::iter::once(class()).chain(objects) {
        snapshot.apply(Delta::Apply(object));
    }
    snapshot
}

fn of(config: &Config, objects: impl IntoIterator<Item = Resource>) -> Desired {
    Desired::of(translator(config.clone()), &snapshot(config, objects))
}

fn told(desired: &Desired, reason: Reason) -> Vec<String> {
    desired
        .diagnostics()
        .filter(|found| found.reason == reason)
        .map(|found| found.object.to_string())
        .collect()
}

/// The pools that a host's pool groups and rules lead to are for namespaces with that host.
fn assert_nobody_reaches_another_ones_pods(desired: &Desired) {
    let marker = |object: &Object, key: &str| -> BTreeSet<String> {
        let markers = object.markers().iter().filter(|marker| marker.key == key);
        markers.flat_map(|marker| &marker.values).map(ToString::to_string).collect()
    };
    for (key, object) in desired.objects() {
        let (hosts, namespaces) = (marker(object, "Host"), marker(object, "Namespace"));
        for reference in object.references() {
            let Some((kind, name)) = reference.kind.zip(reference.name.clone()) else { continue };
            let target = ObjectKey::new(kind, key.tenant.clone(), name);
            let Some(found) = desired.get(&target) else { continue };
            let of_target = marker(found, "Host");
            assert!(hosts.is_empty() || of_target.is_empty() || hosts == of_target, "{key} {target}");
            // A virtual service may be for several namespaces.
            let is_one = matches!(key.kind, Kind::PoolGroup | Kind::HttpPolicySet) && !namespaces.is_empty();
            assert!(!is_one || marker(found, "Namespace") == namespaces, "{key} {target}");
        }
        if let Object::PoolGroup(group) = &**object {
            for member in &group.members {
                let Some(label) = &member.priority_label else { continue };
                let name = member.pool_ref.name.clone().unwrap();
                let pool = ObjectKey::new(Kind::Pool, key.tenant.clone(), name);
                let hosts = desired.get(&pool).map(|pool| marker(pool, "Host")).unwrap_or_default();
                assert!(hosts.iter().all(|host| label.starts_with(&**host)), "{label} {pool}");
            }
        }
    }
}

#[test]
fn two_hosts_that_come_to_one_name_are_both_served() {
    for config in modes() {
        for is_older_first in [true, false] {
            let (first, second) = if is_older_first { (1, 2) } else { (2, 1) };
            let pair =
                [asking("dev", first, "api-shop.example.com"), asking("dev-api", second, "shop.example.com")];
            let desired = of(&config, pair.into_iter().map(Resource::Ingress));
            let pools: Vec<_> = desired.objects().filter(|(key, _)| key.kind == Kind::Pool).collect();
            assert_eq!(pools.len(), 2);
            assert_nobody_reaches_another_ones_pods(&desired);
            assert_eq!(told(&desired, Reason::NameTaken), Vec::<String>::new());
            // The older one has the name that upstream gives to both.
            let alone = if is_older_first {
                ("dev", "api-shop.example.com")
            } else {
                ("dev-api", "shop.example.com")
            };
            let alone = of(&config, [Resource::Ingress(asking(alone.0, 1, alone.1))]);
            for (key, object) in alone.objects().filter(|(key, _)| !key.name.contains("Shared")) {
                assert_eq!(desired.get(key), Some(object), "{key}");
            }
        }
    }
}

#[test]
fn a_host_and_a_service_of_one_name_are_not_mixed_up() {
    // A host of one label, with a certificate, and the Service of the namespace before the
    // hyphen.
    let config = config();
    let (created, id) = (2, NamespacedName::new("blue", "web"));
    let hosts: [Arc<str>; 1] = ["red-lb".into()];
    let tls = vec![ako_core::resource::IngressTls {
        hosts: hosts.to_vec(),
        has_bad_hosts: false,
        secret: "cert".into(),
    }];
    let ingress = Ingress { id, meta: ObjectMeta::created(created), tls, ..plain_ingress("web", &hosts) };
    let Resource::Secret(cert) = secret("cert", 1) else { panic!("no secret") };
    let cert = ako_core::resource::Secret { id: NamespacedName::new("blue", "cert"), ..cert };
    let mut lb = plain_service("lb", ServiceType::LoadBalancer);
    lb.ports = vec![port("http", 80, ako_core::resource::Protocol::Tcp)];
    let facts = ako_core::Facts { subdomains: Vec::new(), ..translator(config.clone()).facts().clone() };
    let translator = ako_translate::Translator::new(config.clone(), facts);
    for (age, told_of) in [(1, "Ingress blue/web"), (3, "Service red/lb")] {
        let lb = ako_core::resource::Service { meta: ObjectMeta::created(age), ..lb.clone() };
        let objects =
            [Resource::Ingress(ingress.clone()), Resource::Secret(cert.clone()), Resource::Service(lb)];
        let mut snapshot = Snapshot::default();
        snapshot.act_by(translator.config(), translator.subdomain());
        for object in [class()].into_iter().chain(objects) {
            snapshot.apply(Delta::Apply(object));
        }
        let desired = Desired::of(translator.clone(), &snapshot);
        assert_eq!(told(&desired, Reason::NameTaken), [told_of]);
        assert_nobody_reaches_another_ones_pods(&desired);
        let is_bound = |kind, name: &str, namespace: &str| {
            let id = ResourceId { kind, name: NamespacedName::new(namespace, name) };
            desired.bindings(&id).next().is_some()
        };
        let kinds = (ako_core::ResourceKind::Ingress, ako_core::ResourceKind::Service);
        assert_eq!(is_bound(kinds.0, "web", "blue"), told_of.starts_with("Service"));
        assert_eq!(is_bound(kinds.1, "lb", "red"), told_of.starts_with("Ingress"));
    }
}

#[test]
fn of_a_full_virtual_service_the_youngest_hosts_are_told_and_not_served() {
    for evh in [false, true] {
        let config = Config { evh, shard_size: ShardSize::Shared(1), ..config() };
        let hosts = |count: i64| {
            let numbers = 0..count;
            numbers.map(move |n| {
                let id = NamespacedName::new("red", format!("i{n}"));
                Resource::Ingress(Ingress {
                    id,
                    meta: ObjectMeta::created(count - n),
                    ..plain_ingress("x", &[host(n)])
                })
            })
        };
        let names = |desired: &Desired| {
            let vips = desired.objects().filter_map(|(_, object)| match &**object {
                Object::VsVip(vip) => Some(vip.dns_info.len()),
                _ => None,
            });
            vips.max().unwrap_or(0)
        };
        // The virtual service has a name itself.
        let desired = of(&config, hosts(999));
        assert_eq!((names(&desired), told(&desired, Reason::LimitReached).len()), (1000, 0));
        let mut snapshot = snapshot(&config, hosts(1001));
        let mut desired = Desired::of(translator(config.clone()), &snapshot);
        assert_eq!(names(&desired), 1000);
        assert_eq!(told(&desired, Reason::LimitReached), ["Ingress red/i0", "Ingress red/i1"]);
        let bound = |desired: &Desired, name: &str| {
            let id =
                ResourceId { kind: ako_core::ResourceKind::Ingress, name: NamespacedName::new("red", name) };
            desired.bindings(&id).count()
        };
        assert_eq!((bound(&desired, "i0"), bound(&desired, "i2")), (0, 1));
        // A place that becomes free is for the older one.
        let gone =
            ResourceId { kind: ako_core::ResourceKind::Ingress, name: NamespacedName::new("red", "i500") };
        let touched = snapshot.apply(Delta::Delete(gone));
        let changes = desired.update(&snapshot, &touched);
        assert_eq!(told(&desired, Reason::LimitReached), ["Ingress red/i0"]);
        assert_eq!(changes.found.len(), 0, "{:?}", changes.found);
        assert_eq!((names(&desired), bound(&desired, "i1")), (1000, 1));
    }
}

/// Namespaces and hosts that come to few names.
fn objects() -> impl Strategy<Value = Vec<(Resource, bool)>> {
    let namespace = proptest::sample::select(vec!["a", "a-b", "a-b-c", "b"]);
    let host = proptest::sample::select(vec![
        "c.example.com",
        "b-c.example.com",
        "c-c.example.com",
        "b-c-c.example.com",
    ]);
    let name = proptest::sample::select(vec!["x", "y"]);
    let ingress =
        (namespace.clone(), name.clone(), host, 0..4_i64).prop_map(|(namespace, name, host, created)| {
            Resource::Ingress(Ingress {
                id: NamespacedName::new(namespace, name),
                ..asking(namespace, created, host)
            })
        });
    let service = (namespace, proptest::sample::select(vec!["c", "b-c", "x"]), 0..4_i64).prop_map(
        |(namespace, name, created)| {
            let id = NamespacedName::new(namespace, name);
            Resource::Service(ako_core::resource::Service {
                id,
                meta: ObjectMeta::created(created),
                ports: vec![port("http", 80, ako_core::resource::Protocol::Tcp)],
                ..plain_service(name, ServiceType::LoadBalancer)
            })
        },
    );
    proptest::collection::vec((prop_oneof![4 => ingress, 1 => service], any::<bool>()), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes and goes in whatever order, nobody reaches another one's pods, who is not
    /// served is told, and it is as if all had been there from the beginning.
    #[test]
    fn who_has_a_name_does_not_depend_on_the_order_of_events(edits in objects(), mode in 0..4_usize) {
        let config = modes()[mode].clone();
        let mut snapshot = snapshot(&config, base());
        let mut desired = Desired::of(translator(config.clone()), &snapshot);
        let mut there: BTreeMap<ResourceId, Resource> = base().into_iter().map(|object| (object.id(), object)).collect();
        for (object, is_there) in edits {
            let touched: BTreeSet<Key> = if is_there {
                there.insert(object.id(), object.clone());
                snapshot.apply(Delta::Apply(object))
            } else {
                there.remove(&object.id());
                snapshot.apply(Delta::Delete(object.id()))
            };
            desired.update(&snapshot, &touched);
            assert_nobody_reaches_another_ones_pods(&desired);
            let fresh = of(&config, there.values().cloned());
            let shape = |desired: &Desired| {
                let objects: BTreeMap<_, _> = desired.objects().map(|(key, object)| (key.clone(), object.clone())).collect();
                let objects: BTreeMap<_, _> = objects.into_iter().filter(|(key, _)| !key.name.contains("Shared")).collect();
                let told: BTreeSet<_> = desired.diagnostics().cloned().collect();
                (objects, told)
            };
            prop_assert_eq!(shape(&desired), shape(&fresh));
        }
    }
}

#[test]
fn a_wildcard_that_is_not_redirected_because_of_another_host_is_told() {
    let config = Config { shard_size: ShardSize::Shared(1), ..config() };
    let mut wild = asking("red", 1, "*.example.com");
    wild.tls = vec![IngressTls { hosts: vec![], has_bad_hosts: false, secret: "cert".into() }];
    let plain = asking("blue", 2, "plain.example.com");
    let older =
        Ingress { id: NamespacedName::new("red", "older"), meta: ObjectMeta::created(0), ..wild.clone() };
    let [wild, plain, older] = [wild, plain, older].map(Resource::Ingress);
    let mut snapshot = snapshot(&config, base().into_iter().chain([wild.clone()]));
    let mut desired = Desired::of(translator(config), &snapshot);
    assert_eq!(told(&desired, Reason::WildcardNotServed), Vec::<String>::new());
    let mut change = |desired: &mut Desired, delta: Delta| {
        let touched = snapshot.apply(delta);
        let found = desired.update(&snapshot, &touched).found;
        found.iter().filter(|finding| finding.reason == Reason::WildcardNotServed).count()
    };
    let news = change(&mut desired, Delta::Apply(plain.clone()));
    assert_eq!((news, told(&desired, Reason::WildcardNotServed)), (1, vec!["Ingress red/web".to_owned()]));
    // Others on the front say nothing new.
    assert_eq!(
        change(&mut desired, Delta::Apply(Resource::Ingress(asking("green", 3, "zoo.example.com")))),
        0
    );
    // So is another Ingress that asks for TLS of the wildcard, once.
    let mut beside = asking("red", 4, "*.example.com");
    beside.id = NamespacedName::new("red", "beside");
    beside.tls = vec![IngressTls { hosts: vec![], has_bad_hosts: false, secret: "cert".into() }];
    for path in beside.rules.iter_mut().flat_map(|rule| rule.paths.iter_mut().flatten()) {
        path.path = "/beside".into();
    }
    let beside = Resource::Ingress(beside);
    assert_eq!(change(&mut desired, Delta::Apply(beside.clone())), 1);
    assert_eq!(told(&desired, Reason::WildcardNotServed), ["Ingress red/beside", "Ingress red/web"]);
    change(&mut desired, Delta::Delete(beside.id()));
    // An older Ingress for the same host is the one to be told.
    change(&mut desired, Delta::Apply(older));
    assert_eq!(told(&desired, Reason::WildcardNotServed), ["Ingress red/older"]);
    change(&mut desired, Delta::Delete(plain.id()));
    change(
        &mut desired,
        Delta::Delete(ResourceId { name: NamespacedName::new("green", "web"), ..plain.id() }),
    );
    assert_eq!(told(&desired, Reason::WildcardNotServed), Vec::<String>::new());
}
