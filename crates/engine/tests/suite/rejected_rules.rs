//! What is served by a rule that is rejected later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Brief, DnsInfo, Kind, Object, Referred, VirtualService};
use ako_core::config::ShardSize;
use ako_core::kinds::host_rule::{Certificate, CertificateSource, HostTls};
use ako_core::kinds::http_rule::{HttpRulePath, Reencryption};
use ako_core::kinds::l4_rule::L4Backend;
use ako_core::resource::{
    AviInfraSetting, HostRule, HttpRule, Ingress, IngressClass, L4Rule, L7Rule, Protocol, Published,
    PublishedAddress, ServiceType, SsoRule,
};
use ako_core::{CONTROLLER_NAME, Config, NamespacedName, Resource, ResourceId, ResourceKind, annotation};

use crate::cluster::{base, config, host, ingress, pem, plain_ingress, plain_service, port, saml, slice};
use crate::world::World;

/// A world on whose controller policy `strict` is.
fn at_rest(config: Config, objects: impl IntoIterator<Item = Resource>) -> World {
    let mut world = World::new(config, base().into_iter().chain(objects).collect());
    let kinds = [
        Kind::ApplicationPersistenceProfile,
        Kind::HealthMonitor,
        Kind::SecurityPolicy,
        Kind::SsoPolicy,
        Kind::WafPolicy,
    ];
    let strict = kinds.map(|kind| Referred::named(kind, "admin", "strict"));
    world.fake.others = strict.into_iter().map(|name| (name, Brief::default())).collect();
    world.start();
    world.settle();
    world.take_writes();
    world
}

/// The virtual service that has a name with this in it.
fn service(world: &World, part: &str) -> VirtualService {
    match world.fake.get(&world.fake.find(Kind::VirtualService, part)) {
        Some(Object::VirtualService(service)) => service.clone(),
        other => panic!("{other:?}"),
    }
}

fn rule(kind: ResourceKind) -> ResourceId {
    ResourceId { kind, name: NamespacedName::new("red", "r") }
}

fn l4_rule(policy: &str) -> Resource {
    Resource::L4Rule(L4Rule {
        id: rule(ResourceKind::L4Rule).name,
        security_policy: Some(policy.into()),
        ..L4Rule::default()
    })
}

#[test]
fn the_virtual_service_of_an_l4_rule_stays_and_its_pools_follow_the_pods() {
    let balancer = |ports: &[u16]| {
        let mut balancer = plain_service("lb", ServiceType::LoadBalancer);
        balancer.annotations = BTreeMap::from([(annotation::L4_RULE.into(), "r".into())]);
        balancer.ports = ports.iter().map(|n| port(&format!("p{n}"), *n, Protocol::Tcp)).collect();
        balancer.ports[0].name = "http".into();
        Resource::Service(balancer)
    };
    let objects = [l4_rule("strict"), balancer(&[80]), slice("lb", &[1])];
    let mut world = at_rest(config(), objects);
    let policy =
        |world: &World| service(world, "red-lb").shaped.and_then(|shaped| shaped.security_policy_ref);
    assert!(policy(&world).is_some());
    world.apply(l4_rule("missing"));
    world.run(Duration::from_mins(10));
    world.restart();
    world.run(Duration::from_mins(10));
    assert_eq!((world.take_writes(), policy(&world).is_some()), (Vec::new(), true));
    world.apply(slice("lb", &[1, 2]));
    world.run(Duration::from_mins(10));
    assert_eq!(world.take_writes(), ["update pool admin/c1--red-lb-TCP-80"]);
    // Ports, policy and pools go together: none of them changes alone.
    for ports in [vec![80, 81], vec![81], vec![80]] {
        world.apply(balancer(&ports));
        world.run(Duration::from_mins(10));
        let changed = world.take_writes().into_iter().filter(|write| !write.contains(" pool "));
        assert_eq!(changed.collect::<Vec<_>>(), Vec::<String>::new());
        assert!(world.has(Kind::Pool, "red-lb-TCP-80") && world.engine.is_settled());
    }
    world.apply(balancer(&[81]));
    world.restart();
    world.run(Duration::from_mins(10));
    assert!(world.has(Kind::Pool, "red-lb-TCP-80") && world.engine.is_settled());
    // Who deletes it wants it to have no effect.
    world.delete(&rule(ResourceKind::L4Rule));
    world.run(Duration::from_mins(10));
    assert!(policy(&world).is_none());
    let pools: Vec<_> = world.fake.names(Kind::Pool).into_iter().filter(|name| name.contains("lb")).collect();
    assert_eq!(pools, ["c1--red-lb-TCP-81"]);
    world.check_rest();
}

/// What a rule gave goes with it, also where its Service stays in its place, as its setting cannot be used.
#[test]
fn what_an_l4_rule_gave_goes_with_it_where_the_place_stays() {
    let persistent = L4Backend {
        port: 80,
        protocol: Protocol::Tcp,
        enabled: true,
        min_servers_up: None,
        realtime_metrics: None,
        application_persistence: Some("strict".into()),
        pki_profile: None,
        certificate: None,
        ssl_profile: None,
        health_monitors: Vec::new(),
        health_monitor_objects: Vec::new(),
        lb_algorithm: "LB_ALGORITHM_ROUND_ROBIN".into(),
        lb_algorithm_hash: None,
        lb_algorithm_header: None,
    };
    let l4_rule =
        L4Rule { id: rule(ResourceKind::L4Rule).name, backends: [persistent].into(), ..L4Rule::default() };
    let mut balancer = plain_service("lb", ServiceType::LoadBalancer);
    balancer.ports = vec![port("http", 80, Protocol::Tcp)];
    balancer.annotations = BTreeMap::from([
        (annotation::L4_RULE.into(), "r".into()),
        (annotation::INFRA_SETTING.into(), "missing".into()),
    ]);
    let objects = [Resource::L4Rule(l4_rule), Resource::Service(balancer), slice("lb", &[1])];
    let mut world = at_rest(config(), objects);
    let persistence = |world: &World| match world.fake.get(&world.fake.find(Kind::Pool, "red-lb")) {
        Some(Object::Pool(pool)) => pool.application_persistence_profile_ref.clone(),
        other => panic!("{other:?}"),
    };
    assert!(persistence(&world).is_some());
    world.delete(&rule(ResourceKind::L4Rule));
    world.run(Duration::from_mins(10));
    assert_eq!(persistence(&world), None);
    assert!(world.engine.is_settled());
}

/// A HostRule for a host, or for a shared virtual service, with a certificate and another name.
fn host_rule(fqdn: &str, waf: &str, secret: Option<&str>) -> Resource {
    let certificate = |name: &str| Certificate { name: name.into(), source: CertificateSource::Secret };
    Resource::HostRule(HostRule {
        id: rule(ResourceKind::HostRule).name,
        fqdn: fqdn.into(),
        waf_policy: Some(waf.into()),
        aliases: secret.map(|_| host("alias")).into_iter().collect(),
        tls: secret.map(|name| HostTls { certificate: certificate(name), ..HostTls::default() }),
        ..HostRule::default()
    })
}

fn modes() -> [Config; 4] {
    let shared = Config { shard_size: ShardSize::Shared(1), ..config() };
    let dedicated = Config { shard_size: ShardSize::Dedicated, ..config() };
    [Config { evh: true, ..shared.clone() }, shared, Config { evh: true, ..dedicated.clone() }, dedicated]
}

fn waf(world: &World, part: &str) -> Option<Arc<str>> {
    service(world, part).shaped.and_then(|shaped| shaped.waf_policy_ref).and_then(|policy| policy.name)
}

/// The one that is not shared.
fn own(world: &World) -> Arc<str> {
    let services = world.fake.names(Kind::VirtualService).into_iter();
    services.filter(|name| !name.contains("Shared")).map(Into::into).next().unwrap()
}

fn dns_names(world: &World) -> BTreeSet<Arc<str>> {
    let bodies = world.fake.keys().into_iter().filter_map(|key| world.fake.get(&key).cloned());
    let names = bodies.filter_map(|body| match body {
        Object::VsVip(vip) => Some(vip.dns_info),
        _ => None,
    });
    names.flatten().map(|name| name.fqdn).collect()
}

/// What a HostRule gives a host stays when it is rejected, whether its certificate is right or not; the
/// pods and paths of the host are followed in the first case.
#[test]
fn what_a_host_rule_gave_stays_while_it_is_rejected() {
    for config in modes() {
        let fqdn = host(1);
        let objects =
            [host_rule(&fqdn, "strict", Some("cert")), ingress("a", &[host(1)]), slice("web", &[1])];
        let mut world = at_rest(config.clone(), objects);
        let name = own(&world);
        let before = (waf(&world, &name), dns_names(&world), world.fake.keys());
        assert_eq!(before.0.as_deref(), Some("strict"));
        assert!(before.1.contains(&host("alias")));
        let now = |world: &World| (waf(world, &name), dns_names(world), world.fake.keys());
        for (policy, secret) in [("missing", "cert"), ("strict", "missing"), ("missing", "missing")] {
            world.apply(host_rule(&fqdn, policy, Some(secret)));
            world.run(Duration::from_mins(10));
            assert_eq!((now(&world), world.take_writes()), (before.clone(), Vec::new()), "{policy} {secret}");
            world.restart();
            world.run(Duration::from_mins(10));
            assert_eq!((now(&world), world.take_writes()), (before.clone(), Vec::new()), "{policy} {secret}");
            let told = world.desired().diagnostics().filter(|d| d.reason.as_str() == "RuleNotApplied");
            assert_eq!(told.count(), 1);
        }
        world.apply(host_rule(&fqdn, "missing", Some("cert")));
        world.apply(slice("web", &[1, 2]));
        world.run(Duration::from_mins(10));
        let written = world.take_writes();
        assert!(
            !written.is_empty() && written.iter().all(|write| write.starts_with("update pool ")),
            "{written:?}"
        );
        let mut more = plain_ingress("a", &[host(1)]);
        more.rules.push(crate::cluster::rule(Some(host(1)), "/more", "web"));
        world.apply(Resource::Ingress(more));
        world.run(Duration::from_mins(10));
        assert_eq!(waf(&world, &name).as_deref(), Some("strict"));
        assert!(world.fake.keys().len() > before.2.len());
        // Its names go on, so that the virtual service is written, with what it keeps.
        let Resource::HostRule(other) = host_rule(&fqdn, "missing", Some("cert")) else {
            panic!("no HostRule")
        };
        world.apply(Resource::HostRule(HostRule { aliases: vec![host("other")], ..other }));
        world.run(Duration::from_mins(10));
        assert!(dns_names(&world).contains(&host("other")));
        assert_eq!(waf(&world, &name).as_deref(), Some("strict"));
        if config.shard_size != ShardSize::Dedicated {
            let VirtualService { vh_domain_name, vh_matches, .. } = service(&world, &name);
            let names = vh_domain_name.into_iter().chain(vh_matches.into_iter().map(|matched| matched.host));
            assert!(names.collect::<Vec<_>>().contains(&host("other")));
        }
        world.delete(&rule(ResourceKind::HostRule));
        world.run(Duration::from_mins(10));
        assert!(!world.fake.names(Kind::VirtualService).iter().any(|name| waf(&world, name).is_some()));
        assert!(!dns_names(&world).contains(&host("other")));
    }
}

/// So does what it gave a virtual service that hosts share, which takes new hosts all the same.
#[test]
fn what_a_host_rule_gave_a_shared_virtual_service_stays_while_it_is_rejected() {
    for config in modes().into_iter().take(2) {
        let mut world = at_rest(config, [ingress("a", &[host(1)]), slice("web", &[1])]);
        let front = world.fake.find(Kind::VirtualService, "Shared").name;
        let name = format!("{front}.admin.example.com");
        world.apply(host_rule(&name, "strict", None));
        world.run(Duration::from_mins(10));
        assert_eq!(waf(&world, &front).as_deref(), Some("strict"));
        world.apply(host_rule(&name, "missing", None));
        world.run(Duration::from_mins(10));
        world.restart();
        world.run(Duration::from_mins(10));
        world.apply(ingress("b", &[host(2)]));
        world.run(Duration::from_mins(10));
        assert_eq!(waf(&world, &front).as_deref(), Some("strict"));
        assert!(dns_names(&world).contains(&host(2)));
    }
}

fn l7_rule(policy: &str) -> Resource {
    Resource::L7Rule(L7Rule {
        id: rule(ResourceKind::L7Rule).name,
        security_policy: Some(policy.into()),
        ..L7Rule::default()
    })
}

/// An L7Rule that is rejected leaves what it gave, and what its HostRule did.
#[test]
fn what_an_l7_rule_gave_stays_while_it_is_rejected() {
    for config in modes().into_iter().filter(|config| config.evh) {
        let Resource::HostRule(mut by) = host_rule(&host(1), "strict", None) else { panic!("no HostRule") };
        by.l7_rule = Some("r".into());
        let objects =
            [l7_rule("strict"), Resource::HostRule(by), ingress("a", &[host(1)]), slice("web", &[1])];
        let mut world = at_rest(config.clone(), objects);
        let name = own(&world);
        let before = service(&world, &name);
        world.apply(l7_rule("missing"));
        world.run(Duration::from_mins(10));
        world.restart();
        world.run(Duration::from_mins(10));
        assert_eq!((service(&world, &name), world.take_writes()), (before, Vec::new()));
        // A host that is new goes by the HostRule alone.
        let key = world.fake.find(Kind::VirtualService, &name);
        world.fake.remove(&key);
        world.observe();
        world.run(Duration::from_mins(10));
        assert_eq!(waf(&world, &name).as_deref(), Some("strict"));
    }
}

fn http_rule(monitor: &str) -> Resource {
    Resource::HTTPRule(HttpRule {
        id: rule(ResourceKind::HTTPRule).name,
        fqdn: host(1),
        paths: vec![HttpRulePath {
            target: "/".into(),
            health_monitors: vec![monitor.into()],
            ..HttpRulePath::default()
        }],
        ..HttpRule::default()
    })
}

#[test]
fn what_an_http_rule_gave_pools_stays_while_it_is_rejected() {
    for config in modes() {
        let objects = [http_rule("strict"), ingress("a", &[host(1)]), slice("web", &[1])];
        let mut world = at_rest(config, objects);
        let monitors = |world: &World| -> Vec<_> {
            let bodies = world.fake.keys().into_iter().filter_map(|key| world.fake.get(&key).cloned());
            let pools = bodies.filter_map(|body| match body {
                Object::Pool(pool) => Some(pool),
                _ => None,
            });
            pools.flat_map(|pool| pool.health_monitor_refs).filter_map(|monitor| monitor.name).collect()
        };
        assert_eq!(monitors(&world), ["strict".into()]);
        world.apply(http_rule("missing"));
        world.run(Duration::from_mins(10));
        world.restart();
        world.run(Duration::from_mins(10));
        assert_eq!(world.take_writes(), Vec::<String>::new());
        world.apply(slice("web", &[1, 2]));
        world.run(Duration::from_mins(10));
        assert_eq!((world.take_writes().len(), monitors(&world)), (1, vec!["strict".into()]));
        world.delete(&rule(ResourceKind::HTTPRule));
        world.run(Duration::from_mins(10));
        assert_eq!(monitors(&world), ["System-TCP".into()]);
    }
}

/// A certificate that an HTTPRule gave pools to trust stays with them.
#[test]
fn what_pools_trust_by_an_http_rule_stays_while_it_is_rejected() {
    let rule = |monitor: &str| {
        let Resource::HTTPRule(mut rule) = http_rule(monitor) else { panic!("no HTTPRule") };
        let tls = Reencryption { destination_ca: Some(pem(0).into()), ..Reencryption::default() };
        rule.paths[0].tls = Some(tls);
        Resource::HTTPRule(rule)
    };
    let mut world = at_rest(config(), [rule("strict"), ingress("a", &[host(1)]), slice("web", &[1])]);
    let before = world.fake.keys();
    assert_eq!(world.fake.names(Kind::PkiProfile).len(), 1);
    world.apply(rule("missing"));
    world.run(Duration::from_mins(10));
    assert_eq!((world.fake.keys(), world.take_writes()), (before, Vec::new()));
    assert!(world.engine.is_settled());
    world.delete(&ResourceId { kind: ResourceKind::HTTPRule, name: NamespacedName::new("red", "r") });
    world.run(Duration::from_mins(10));
    assert_eq!(world.fake.names(Kind::PkiProfile), Vec::<String>::new());
}

fn sso_rule(policy: &str) -> Resource {
    Resource::SSORule(SsoRule {
        id: rule(ResourceKind::SSORule).name,
        fqdn: host(1),
        sso_policy: policy.into(),
        sign_in: Some(saml()),
        ..SsoRule::default()
    })
}

/// A host whose virtual service stays under another name than it would have keeps its address, too.
#[test]
fn the_address_of_a_host_that_signs_in_stays() {
    let config = Config { evh: true, ..config() };
    let objects = [sso_rule("strict"), ingress("a", &[host(1), host(2)]), slice("web", &[1])];
    let mut world = at_rest(config.clone(), objects);
    let hosts = |world: &World| -> BTreeSet<Arc<str>> {
        let id = ResourceId { kind: ResourceKind::Ingress, name: NamespacedName::new("red", "a") };
        world.status(&id).addresses.into_iter().map(|address| address.hostname).collect()
    };
    assert_eq!(hosts(&world), BTreeSet::from([host(1), host(2)]));
    world.apply(sso_rule("missing"));
    world.restart_as(Config { shard_size: ShardSize::Dedicated, ..config });
    world.run(Duration::from_mins(10));
    assert_eq!(hosts(&world), BTreeSet::from([host(1), host(2)]));
}

/// Where annotations and addresses are written one after the other, a host that is served although its
/// rule is rejected gets both.
#[test]
fn a_new_host_whose_sign_in_is_rejected_gets_its_address_in_two_writes() {
    let config = Config { evh: true, ..config() };
    let Resource::Ingress(claim) = ingress("a", &[host(1)]) else { panic!("no Ingress") };
    let objects = [sso_rule("missing"), Resource::Ingress(claim.clone()), slice("web", &[1])];
    let mut world = at_rest(config, objects);
    let id = ResourceId { kind: ResourceKind::Ingress, name: NamespacedName::new("red", "a") };
    let whole = world.status(&id);
    assert_eq!(whole.addresses.len(), 1);
    let half = Published { addresses: Vec::new(), ..whole.clone() };
    world.apply(Resource::Ingress(Ingress { published: half, ..claim }));
    world.run(Duration::from_mins(10));
    assert_eq!(world.status(&id), whole);
}

/// Between the two writes the address that a host keeps is not lost.
#[test]
fn an_address_that_stays_survives_the_time_between_two_writes() {
    let config = Config { evh: true, ..config() };
    let Resource::Ingress(claim) = ingress("a", &[host(1)]) else { panic!("no Ingress") };
    let objects = [sso_rule("missing"), Resource::Ingress(claim.clone()), slice("web", &[1])];
    let mut world = at_rest(config, objects);
    let id = ResourceId { kind: ResourceKind::Ingress, name: NamespacedName::new("red", "a") };
    let mut both = world.status(&id);
    both.addresses.push(PublishedAddress { hostname: host(1), ip: "192.0.2.9".into() });
    let mixed = Published { is_mixed: true, ..both.clone() };
    world.apply(Resource::Ingress(Ingress { published: mixed, ..claim }));
    world.run(Duration::from_mins(10));
    assert_eq!(world.status(&id), both);
}

/// A host that asks people to sign in stays on its shared virtual service while its rule is rejected, and
/// so does its name, though its Ingress asks for another one.
#[test]
fn the_name_of_a_host_that_signs_in_stays_where_the_host_is() {
    let config = Config { evh: true, shard_size: ShardSize::Shared(1), ..config() };
    let gold = IngressClass {
        name: "gold".into(),
        controller: CONTROLLER_NAME.into(),
        is_default: false,
        setting: Some("s".into()),
    };
    let setting = AviInfraSetting { id: NamespacedName::cluster("s"), ..AviInfraSetting::default() };
    let Resource::Ingress(claim) = ingress("a", &[host(1)]) else { panic!("no Ingress") };
    let objects = [
        Resource::IngressClass(gold),
        Resource::AviInfraSetting(setting),
        Resource::Ingress(claim.clone()),
        ingress("b", &[host(2)]),
        sso_rule("strict"),
        slice("web", &[1]),
    ];
    let mut world = at_rest(config, objects);
    let places = |world: &World| -> Vec<Arc<str>> {
        let keys = world.fake.keys().into_iter().filter(|key| {
            matches!(world.fake.get(key), Some(Object::VsVip(_)) if world.fake.get(key).unwrap().has_dns_name(&host(1)))
        });
        keys.map(|key| key.name).collect()
    };
    let before = places(&world);
    assert_eq!(before.len(), 1);
    world.apply(sso_rule("missing"));
    world.run(Duration::from_mins(10));
    world.apply(Resource::Ingress(Ingress { class: Some("gold".into()), ..claim }));
    world.run(Duration::from_mins(10));
    assert_eq!(places(&world), before);
    world.take_writes();
    world.restart();
    world.run(Duration::from_mins(10));
    assert_eq!((world.take_writes(), places(&world)), (Vec::new(), before.clone()));
    assert!(world.engine.is_settled());
    // Nor does it go from there where nobody else is on that virtual service, and both carry it.
    let new = world.fake.find(Kind::VsVip, "-s-");
    let Some(Object::VsVip(mut vip)) = world.fake.get(&new).cloned() else { panic!("no VsVip") };
    vip.dns_info.push(DnsInfo { fqdn: host(1) });
    world.fake.edit(Object::VsVip(vip));
    world.delete(&ResourceId { kind: ResourceKind::Ingress, name: NamespacedName::new("red", "b") });
    world.restart();
    world.run(Duration::from_mins(10));
    assert!(places(&world).contains(&before[0]), "{:?}", places(&world));
    world.apply(sso_rule("strict"));
    world.run(Duration::from_mins(10));
    let [after] = places(&world).try_into().unwrap();
    assert!(after != before[0] && after.contains("-s-"), "{after}");
    assert!(world.engine.is_settled());
}

/// Nobody gets in without signing in who could not before.
#[test]
fn a_host_goes_on_asking_people_to_sign_in() {
    let config = Config { evh: true, ..config() };
    let objects = [sso_rule("strict"), ingress("a", &[host(1)]), slice("web", &[1])];
    let mut world = at_rest(config.clone(), objects);
    let child = |world: &World| -> Arc<str> {
        let children = world.fake.names(Kind::VirtualService).into_iter();
        children.filter(|name| !name.contains("Shared")).map(Into::into).next().unwrap()
    };
    let signs_in = |world: &World| {
        service(world, &child(world)).shaped.is_some_and(|shaped| shaped.saml_sp_config.is_some())
    };
    assert!(signs_in(&world));
    world.apply(sso_rule("missing"));
    world.run(Duration::from_mins(10));
    world.restart();
    world.run(Duration::from_mins(10));
    assert_eq!((world.take_writes(), signs_in(&world)), (Vec::new(), true));
    // Nor by a virtual service that would have another name.
    let before: BTreeSet<_> =
        world.fake.keys().into_iter().filter(|key| key.kind == Kind::VirtualService).collect();
    world.restart_as(Config { shard_size: ShardSize::Dedicated, ..config.clone() });
    world.run(Duration::from_mins(10));
    let now = |world: &World| -> BTreeSet<_> {
        world.fake.keys().into_iter().filter(|key| key.kind == Kind::VirtualService).collect()
    };
    assert_eq!((now(&world), signs_in(&world), world.engine.is_settled()), (before, true, true));
    let told = world.desired().diagnostics().filter(|d| d.reason.as_str() == "RuleNotApplied");
    assert_eq!(told.count(), 1);
    world.apply(sso_rule("strict"));
    world.run(Duration::from_mins(10));
    assert!(now(&world).len() == 1 && signs_in(&world));
    world.restart_as(config);
    world.run(Duration::from_mins(10));
    world.apply(sso_rule("strict"));
    world.run(Duration::from_mins(10));
    assert!(signs_in(&world));
    world.delete(&rule(ResourceKind::SSORule));
    world.run(Duration::from_mins(10));
    assert!(!signs_in(&world));
}
