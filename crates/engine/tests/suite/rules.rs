//! Rules that come, change and go beside each other, while the operator runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Brief, Kind, Object, Referred, VirtualService};
use ako_core::config::ShardSize;
use ako_core::kinds::health_monitor::Made;
use ako_core::kinds::host_rule::{Certificate, CertificateSource, HostTls};
use ako_core::kinds::http_rule::{HttpRulePath, LoadBalancerPolicy};
use ako_core::kinds::l4_rule::L4Backend;
use ako_core::resource::{
    AviInfraSetting, HealthMonitor, HostRule, HttpRule, Ingress, IngressClass, L4Rule, L7Rule, ObjectMeta,
    Protocol, ServiceType, SsoRule,
};
use ako_core::{
    CONTROLLER_NAME, Config, Delta, Look, NamespacedName, Resource, ResourceId, ResourceKind, Snapshot,
    annotation,
};
use ako_engine::{Desired, Event};

use crate::cluster::{
    base, config, host, ingress, namespace, pem, plain_ingress, plain_service, rule, saml, secret,
    secure_ingress, slice, translator,
};
use crate::world::World;

const CERTIFICATES: [&str; 2] = ["c1", "c2"];

fn at_rest(config: Config, objects: impl IntoIterator<Item = Resource>) -> World {
    let mut world = World::new(config, base().into_iter().chain(objects).collect());
    let certificates = CERTIFICATES.map(|name| Referred::named(Kind::SslKeyAndCertificate, "admin", name));
    world.fake.others = certificates.into_iter().map(|name| (name, Brief::default())).collect();
    world.start();
    world.settle();
    world.take_writes();
    world
}

fn services(world: &World) -> BTreeMap<Arc<str>, VirtualService> {
    let bodies = world.fake.keys().into_iter().filter_map(|key| world.fake.get(&key).cloned());
    let services = bodies.filter_map(|body| match body {
        Object::VirtualService(service) => Some((service.name.clone(), service)),
        _ => None,
    });
    services.collect()
}

fn id(kind: ResourceKind, namespace: &str, name: &str) -> ResourceId {
    ResourceId { kind, name: NamespacedName::new(namespace, name) }
}

fn http_rule(namespace: &str, name: &str, target: &str, algorithm: &str, created: i64) -> Resource {
    let policy = LoadBalancerPolicy { algorithm: Some(algorithm.into()), ..LoadBalancerPolicy::default() };
    Resource::HTTPRule(HttpRule {
        id: NamespacedName::new(namespace, name),
        meta: ObjectMeta::created(created),
        fqdn: host(1),
        paths: vec![HttpRulePath {
            target: target.into(),
            load_balancer_policy: Some(policy),
            ..HttpRulePath::default()
        }],
        ..HttpRule::default()
    })
}

/// Rules for one host in two namespaces, and of one namespace for one path.
#[test]
fn each_http_rule_acts_on_its_own_paths() {
    let of = |namespace: &str, path: &str| {
        Resource::Ingress(Ingress {
            id: NamespacedName::new(namespace, "i"),
            rules: vec![rule(Some(host(1)), path, "web")],
            ..plain_ingress("i", &[])
        })
    };
    for evh in [true, false] {
        let objects = [
            namespace("blue"),
            of("red", "/a"),
            of("blue", "/b"),
            http_rule("red", "one", "/a", "LEAST", 1),
            http_rule("red", "two", "/a", "OTHER", 2),
            http_rule("red", "all", "/", "ALL", 1),
            http_rule("blue", "one", "/b", "HASH", 3),
        ];
        let mut world = at_rest(Config { evh, ..config() }, objects);
        let algorithms = |world: &World| -> BTreeSet<_> {
            let bodies = world.fake.keys().into_iter().filter_map(|key| world.fake.get(&key).cloned());
            let pools = bodies.filter_map(|body| match body {
                Object::Pool(pool) => pool.lb_algorithm,
                _ => None,
            });
            pools.map(|algorithm| algorithm.to_string()).collect()
        };
        let are = |names: [&str; 2]| BTreeSet::from(names.map(str::to_owned));
        assert_eq!(algorithms(&world), are(["LEAST", "HASH"]));
        let told = |world: &World| -> Vec<_> {
            let of_rules = world.desired().diagnostics().filter(|d| d.object.kind == ResourceKind::HTTPRule);
            of_rules.map(|told| told.object.name.to_string()).collect()
        };
        assert_eq!(told(&world), ["red/two"]);
        // One that goes leaves the next to act, and the other namespace's alone.
        for (gone, left) in [("one", "OTHER"), ("two", "ALL")] {
            world.delete(&id(ResourceKind::HTTPRule, "red", gone));
            world.run(Duration::from_mins(1));
            assert_eq!(algorithms(&world), are([left, "HASH"]));
            assert_eq!(world.take_writes().len(), 1);
        }
        let of_rules =
            world.desired().diagnostics().filter(|told| told.object.kind == ResourceKind::HTTPRule);
        assert_eq!(of_rules.count(), 0);
        world.check_rest();
    }
}

/// A HostRule with a certificate, and another one.
fn host_rule(name: &str, fqdn: &Arc<str>, source: CertificateSource, certificates: &[&str]) -> Resource {
    let mut all = certificates.iter().map(|name| Certificate { name: (*name).into(), source });
    let tls =
        HostTls { certificate: all.next().unwrap_or_default(), alternate: all.next(), ..HostTls::default() };
    Resource::HostRule(HostRule {
        id: NamespacedName::new("red", name),
        fqdn: fqdn.clone(),
        tls: Some(tls),
        ..HostRule::default()
    })
}

/// The certificates of all virtual services.
fn certificates(world: &World) -> BTreeSet<Arc<str>> {
    let all = services(world).into_values().flat_map(|service| service.ssl_key_and_certificate_refs);
    all.filter_map(|certificate| certificate.name).collect()
}

fn ports(world: &World) -> BTreeSet<(u16, bool)> {
    let all = services(world).into_values().flat_map(|service| service.services);
    all.map(|listener| (listener.port, listener.enable_ssl)).collect()
}

#[test]
fn the_certificate_of_a_host_rule_comes_and_goes() {
    use CertificateSource::Ref;
    let remove = |world: &mut World, name: &str| {
        world.delete(&id(ResourceKind::HostRule, "red", name));
        world.run(Duration::from_mins(1));
    };
    // A host without TLS that has a virtual service for itself gets a port with TLS, and loses it.
    let dedicated = Config { shard_size: ShardSize::Dedicated, ..config() };
    for config in [dedicated.clone(), Config { evh: true, ..dedicated }] {
        let mut world = at_rest(config, [ingress("a", &[host(1)]), host_rule("r", &host(1), Ref, &["c1"])]);
        assert!(ports(&world).contains(&(443, true)));
        assert_eq!(certificates(&world), BTreeSet::from(["c1".into()]));
        remove(&mut world, "r");
        assert_eq!((ports(&world), certificates(&world)), (BTreeSet::from([(80, false)]), BTreeSet::new()));
    }
    // The parent in EVH mode has those of all its hosts.
    let rules = [host_rule("r", &host(1), Ref, &["c1"]), host_rule("s", &host(2), Ref, &["c2"])];
    let evh = Config { evh: true, shard_size: ShardSize::Shared(1), ..config() };
    let mut world = at_rest(evh, rules.into_iter().chain([ingress("a", &[host(1), host(2)])]));
    assert_eq!(certificates(&world), CERTIFICATES.map(Arc::from).into());
    remove(&mut world, "r");
    assert_eq!(certificates(&world), BTreeSet::from(["c2".into()]));
    // The Ingress's own is back when the rule goes.
    let mut world = at_rest(config(), [secure_ingress("a", &[host(1)])]);
    let own = certificates(&world);
    world.apply(host_rule("r", &host(1), Ref, &["c1"]));
    world.run(Duration::from_mins(1));
    assert_eq!(certificates(&world), BTreeSet::from(["c1".into()]));
    remove(&mut world, "r");
    assert_eq!(certificates(&world), own);
    world.check_rest();
}

/// A Secret that is changed reaches the controller without a change of the rule that names it.
#[test]
fn the_secrets_of_a_host_rule_are_followed() {
    let source = CertificateSource::Secret;
    for evh in [true, false] {
        let rule = host_rule("r", &host(1), source, &["first", "second"]);
        let objects = [secret("first", 0), secret("second", 1), rule, ingress("a", &[host(1)])];
        let mut world = at_rest(Config { evh, ..config() }, objects);
        let held = |world: &World| -> BTreeSet<_> {
            let bodies = world.fake.keys().into_iter().filter_map(|key| world.fake.get(&key).cloned());
            let texts = bodies.filter_map(|body| match body {
                Object::SslKeyAndCertificate(certificate) => Some(certificate.certificate.certificate),
                _ => None,
            });
            texts.map(|text| text.trim().to_owned()).collect()
        };
        let are = |versions: [u32; 2]| BTreeSet::from(versions.map(|n| pem(n).trim().to_owned()));
        assert_eq!(held(&world), are([0, 1]));
        world.apply(secret("second", 2));
        world.run(Duration::from_mins(1));
        assert_eq!((held(&world), world.take_writes().len()), (are([0, 2]), 1));
        // What is deleted is kept until it is there again.
        world.delete(&id(ResourceKind::Secret, "red", "second"));
        world.run(Duration::from_mins(10));
        assert_eq!((held(&world), world.take_writes()), (are([0, 2]), Vec::new()));
        world.apply(secret("second", 1));
        world.run(Duration::from_mins(1));
        assert_eq!(held(&world), are([0, 1]));
    }
}

/// While it is not known which rules there are, nothing is changed; where the kind is not served, the
/// operator runs without, and takes the rules up when it is.
#[test]
fn rules_that_cannot_be_read_are_not_taken_for_none() {
    let rule = host_rule("r", &host(1), CertificateSource::Ref, &["c1"]);
    let mut world = at_rest(config(), [rule, ingress("a", &[host(1)])]);
    let before = certificates(&world);
    world.stop();
    world.grant();
    for kind in ResourceKind::ALL.into_iter().filter(|kind| *kind != ResourceKind::HostRule) {
        world.list(kind);
    }
    world.observe();
    world.run(Duration::from_hours(1));
    assert_eq!((world.take_writes(), certificates(&world)), (Vec::new(), before.clone()));
    world.list(ResourceKind::HostRule);
    world.run(Duration::from_mins(10));
    assert_eq!((world.take_writes(), certificates(&world)), (Vec::new(), before.clone()));

    let mut world = World::new(config(), base());
    world.fake.others.insert(Referred::named(Kind::SslKeyAndCertificate, "admin", "c1"), Brief::default());
    world.event(Event::Served(ResourceKind::HostRule, false));
    world.start();
    world.apply(ingress("a", &[host(1)]));
    world.run(Duration::from_mins(1));
    assert!(world.has(Kind::Pool, "h1.example.com") && certificates(&world).is_empty());
    world.event(Event::Served(ResourceKind::HostRule, true));
    world.apply(host_rule("r", &host(1), CertificateSource::Ref, &["c1"]));
    world.run(Duration::from_mins(1));
    assert_eq!(certificates(&world), before);
}

/// One rule of 2,000 changes among 10,000 Ingresses: its host is translated, and the front that this
/// is on.
#[test]
fn a_rule_that_changes_has_only_its_own_host_translated() {
    let rule = |n: u32, profile: Option<&str>| {
        let rule = host_rule(&format!("r{n}"), &host(n), CertificateSource::Ref, &["c1"]);
        let Resource::HostRule(rule) = rule else { panic!("no HostRule") };
        Resource::HostRule(HostRule { analytics_profile: profile.map(Into::into), ..rule })
    };
    // So many hosts are more than fit on eight fronts.
    let dedicated = Config { shard_size: ShardSize::Dedicated, ..config() };
    for (hosts, config) in [(10_000, dedicated), (7_000, Config { evh: true, ..config() })] {
        let mut snapshot = Snapshot::default();
        // Several Ingresses may be for one host.
        let ingresses = (0..10_000).map(|n| {
            let path = format!("/{}", n / hosts);
            let rules = vec![crate::cluster::rule(Some(host(n % hosts)), &path, "web")];
            Resource::Ingress(Ingress { rules, ..plain_ingress(&format!("i{n}"), &[]) })
        });
        let rules = (0..2_000).map(|n| rule(n, None));
        for object in base().into_iter().chain(ingresses).chain(rules) {
            snapshot.apply(Delta::Apply(object));
        }
        let mut desired = Desired::of(translator(config), &snapshot);
        desired.answering(&mut snapshot, &|_| Look::Found(Brief::default()));
        assert!(desired.len() > 30_000);
        for n in [0, 999, 1_999] {
            let touched = snapshot.apply(Delta::Apply(rule(n, Some("other"))));
            let changes = desired.update(&snapshot, &touched);
            let counts = (changes.translated, changes.assembled);
            assert!(counts.0 == 2 && counts.1 <= 1, "rule {n}: {counts:?} units and fronts");
            desired.answering(&mut snapshot, &|_| Look::Found(Brief::default()));
        }
    }
}

/// A rule of each kind, two of some, that act on hosts 1 and 2 and on Service `lb`, or are wrong.
fn one_of_each() -> Vec<Resource> {
    let name = |name: &str| NamespacedName::new("red", name);
    let sign_in = saml();
    let Resource::HostRule(by) = host_rule("h", &host(1), CertificateSource::Secret, &["cert"]) else {
        panic!("no HostRule")
    };
    vec![
        Resource::HostRule(HostRule {
            l7_rule: Some("l".into()),
            aliases: vec![host("alias")],
            ..by.clone()
        }),
        Resource::HostRule(HostRule { id: name("twin"), meta: ObjectMeta::created(9), ..by }),
        host_rule("wrong", &host(2), CertificateSource::Secret, &["missing"]),
        Resource::L7Rule(L7Rule { id: name("l"), min_pools_up: Some(2), ..L7Rule::default() }),
        http_rule("red", "p", "/", "LB", 1),
        Resource::L4Rule(L4Rule {
            id: name("r"),
            load_balancer_ip: Some("10.0.0.9".into()),
            backends: vec![watched_by("hm")],
            ..L4Rule::default()
        }),
        health_monitor(Some("healthmonitor-1")),
        Resource::SSORule(SsoRule {
            id: name("s"),
            fqdn: host(1),
            sso_policy: "policy".into(),
            sign_in: Some(sign_in),
            ..SsoRule::default()
        }),
        Resource::AviInfraSetting(AviInfraSetting {
            id: NamespacedName::cluster("s"),
            se_group: Some("gold".into()),
            ..AviInfraSetting::default()
        }),
    ]
}

/// A HealthMonitor that was programmed, if it has a uuid.
fn health_monitor(uuid: Option<&str>) -> Resource {
    Resource::HealthMonitor(HealthMonitor {
        id: NamespacedName::new("red", "hm"),
        monitor_type: "HEALTH_MONITOR_TCP".into(),
        made: Some(Made { tenant: "admin".into(), uuid: uuid.map(Into::into) }),
        ..HealthMonitor::default()
    })
}

/// A backend whose servers are watched by a HealthMonitor.
fn watched_by(name: &str) -> L4Backend {
    L4Backend {
        port: 80,
        protocol: Protocol::Tcp,
        enabled: true,
        min_servers_up: None,
        realtime_metrics: None,
        application_persistence: None,
        pki_profile: None,
        certificate: None,
        ssl_profile: None,
        health_monitors: Vec::new(),
        health_monitor_objects: vec![name.into()],
        lb_algorithm: "LB_ALGORITHM_ROUND_ROBIN".into(),
        lb_algorithm_hash: None,
        lb_algorithm_header: None,
    }
}

/// What there is beside the rules: hosts of a class with a setting, and a Service with a rule.
fn without_rules() -> Vec<Resource> {
    let mut balancer = plain_service("lb", ServiceType::LoadBalancer);
    balancer.annotations = BTreeMap::from([(annotation::L4_RULE.into(), "r".into())]);
    let class = Resource::IngressClass(IngressClass {
        name: "avi".into(),
        controller: CONTROLLER_NAME.into(),
        is_default: true,
        setting: Some("s".into()),
    });
    let mut all: Vec<_> = base().into_iter().filter(|object| object.id() != class.id()).collect();
    all.extend([class, Resource::Service(balancer), slice("lb", &[1])]);
    all.extend([ingress("a", &[host(1)]), secure_ingress("b", &[host(2), host(3)])]);
    all
}

/// Everything that is wanted, found and said.
fn graph(desired: &Desired) -> String {
    let objects: Vec<_> = desired.objects().map(|(key, object)| (key.to_string(), object.body())).collect();
    let findings: Vec<_> = desired.diagnostics().collect();
    let said: Vec<_> =
        desired.subjects().map(|id| (id, desired.statements(id).collect::<Vec<_>>())).collect();
    format!("{objects:#?} {findings:#?} {said:#?}")
}

/// A world whose controller has what is asked for, but for what is called `missing`.
struct Graph {
    snapshot: Snapshot,
    desired: Desired,
}

impl Graph {
    fn of(config: Config, objects: impl IntoIterator<Item = Resource>) -> Self {
        let mut graph = Self { snapshot: Snapshot::default(), desired: Desired::new(translator(config)) };
        objects.into_iter().for_each(|object| graph.take(Delta::Apply(object)));
        graph
    }

    fn take(&mut self, delta: Delta) {
        let touched = self.snapshot.apply(delta);
        self.desired.update(&self.snapshot, &touched);
        self.desired.answering(&mut self.snapshot, &|_| Look::Found(Brief::default()));
    }
}

fn all_modes() -> [Config; 4] {
    let config = || Config { crd_operator: true, ..config() };
    let dedicated = Config { shard_size: ShardSize::Dedicated, ..config() };
    [config(), Config { evh: true, ..config() }, Config { evh: true, ..dedicated.clone() }, dedicated]
}

/// A HealthMonitor is programmed by somebody else, at any time.
#[test]
fn a_service_is_watched_by_the_health_monitor_that_its_rule_names_once_that_is_there() {
    let balancer = without_rules().into_iter().filter(|object| object.id().name.name == "lb".into());
    let rule =
        L4Rule { id: NamespacedName::new("red", "r"), backends: vec![watched_by("hm")], ..L4Rule::default() };
    let config = Config { crd_operator: true, ..config() };
    let mut world = at_rest(config, balancer.chain([Resource::L4Rule(rule)]));
    let mut monitors = |change: Option<Resource>| {
        if let Some(change) = change {
            world.apply(change);
            world.run(Duration::from_secs(5));
        }
        let pool = world.fake.find(Kind::Pool, "lb");
        let Some(Object::Pool(pool)) = world.fake.get(&pool) else { panic!("no pool") };
        pool.health_monitor_refs.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(monitors(None), ["/api/healthmonitor?name=System-TCP"], "the rule is rejected");
    assert_eq!(monitors(Some(health_monitor(None))), ["/api/healthmonitor?name=System-TCP"]);
    for uuid in ["healthmonitor-1", "healthmonitor-2"] {
        assert_eq!(monitors(Some(health_monitor(Some(uuid)))), [format!("/api/healthmonitor/{uuid}")]);
    }
    // The rule is rejected again, and what it gave stays.
    assert_eq!(monitors(Some(health_monitor(None))), ["/api/healthmonitor/healthmonitor-2"]);
}

/// Whatever comes and goes again leaves nothing behind.
#[test]
fn a_rule_that_comes_and_goes_leaves_nothing_behind() {
    for config in all_modes() {
        let all: Vec<_> = without_rules().into_iter().chain(one_of_each()).collect();
        for rule in one_of_each() {
            let id = rule.id();
            let without = all.iter().filter(|object| object.id() != id).cloned();
            let mut running = Graph::of(config.clone(), without);
            let before = graph(&running.desired);
            running.take(Delta::Apply(rule));
            assert_ne!(graph(&running.desired), before, "{id} does nothing");
            running.take(Delta::Delete(id.clone()));
            assert!(graph(&running.desired) == before, "{id} leaves something behind");
        }
    }
}

/// Whatever order things come in, the end is the same.
#[test]
fn the_order_in_which_rules_come_does_not_matter() {
    for config in all_modes() {
        let all: Vec<_> = one_of_each().into_iter().chain(without_rules()).collect();
        let expected = graph(&Graph::of(config.clone(), all.clone()).desired);
        for at in 0..all.len() {
            let mut turned = all.clone();
            turned.rotate_left(at);
            assert!(graph(&Graph::of(config.clone(), turned.clone()).desired) == expected, "from {at}");
            turned.reverse();
            let backwards = graph(&Graph::of(config.clone(), turned).desired);
            assert!(backwards == expected, "backwards from {at}");
        }
    }
}
