//! What holds for any cluster and any order of changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ako_avi_types::{Change, Meta, Object, ObjectKey, Observed, Operation};
use ako_core::config::{FqdnReuse, ServiceMode, ShardSize};
use ako_core::resource::{
    Backend, BlockAffinity, Endpoint, EndpointSlice, Ingress, IngressClass, IngressPath, IngressRule,
    IngressTls, Node, NodePort, NodeSubnets, ObjectMeta, PathType, Pod, PortRef, Protocol, Secret, Service,
    ServicePort, ServiceType, SlicePort, UnusedField,
};
use ako_core::secret::Redacted;
use ako_core::{
    CONTROLLER_NAME, Catalogue, Config, Delta, NamespacedName, Reason, Resource, ResourceId, ResourceKind,
    Snapshot, annotation,
};
use ako_elect::Moment;
use ako_engine::{Action, Desired, Reading, dry_run, lint};
use ako_translate::UnitKey;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::cluster::{config, pem, translator};
use crate::fake::Fake;
use crate::world::{World, cluster_events, noted};

fn configs() -> impl Strategy<Value = Config> {
    let sizes = prop::sample::select(vec![
        ShardSize::Shared(1),
        ShardSize::Shared(4),
        ShardSize::Shared(8),
        ShardSize::Dedicated,
    ]);
    let modes =
        prop::sample::select(vec![ServiceMode::ClusterIp, ServiceMode::NodePort, ServiceMode::NodePortLocal]);
    let flags = any::<[bool; 5]>();
    let cni = pick(&["", "calico"]);
    (sizes, modes, flags, cni).prop_map(|(shard_size, service_mode, flags, cni)| {
        let [evh, per_namespace, strict, no_groups, no_static_routes] = flags;
        Config {
            no_static_routes,
            cni,
            shard_size,
            service_mode,
            evh,
            vip_per_namespace: per_namespace,
            fqdn_reuse: if strict { FqdnReuse::Strict } else { FqdnReuse::InterNamespaceAllowed },
            no_pool_group_for_sni: no_groups,
            ..config()
        }
    })
}

fn pick(of: &'static [&'static str]) -> impl Strategy<Value = Arc<str>> + Clone {
    prop::sample::select(of).prop_map(Arc::from)
}

/// Two Services of these, and a shared VIP, would have one name on the controller.
const NAMESPACES: &[&str] = &["red", "red-s1"];
const HOSTS: &[&str] = &["a.example.com", "b.example.com", "c.example.com", "*.example.com", "elsewhere.org"];
const SERVICES: &[&str] = &["s1-s2", "s2", "s3"];

fn id(names: &'static [&'static str]) -> impl Strategy<Value = NamespacedName> {
    (pick(NAMESPACES), pick(names)).prop_map(|(namespace, name)| NamespacedName { namespace, name })
}

fn port_ref() -> impl Strategy<Value = PortRef> {
    prop_oneof![Just(PortRef::Number(80)), Just(PortRef::Number(81)), pick(&["http"]).prop_map(PortRef::Name)]
}

fn path() -> impl Strategy<Value = IngressPath> {
    let backend = (pick(SERVICES), port_ref()).prop_map(|(service, port)| Backend { service, port });
    (pick(&["/", "/x", "/x/y", ""]), option::weighted(0.9, backend)).prop_map(|(path, backend)| IngressPath {
        path,
        path_type: PathType::Prefix,
        backend,
    })
}

fn rule() -> impl Strategy<Value = IngressRule> {
    (option::weighted(0.9, pick(HOSTS)), option::weighted(0.9, vec(path(), 0..3)))
        .prop_map(|(host, paths)| IngressRule { host, paths })
}

fn ingress() -> impl Strategy<Value = Resource> {
    let tls = (vec(pick(HOSTS), 0..3), pick(&["cert", "other"])).prop_map(|(hosts, secret)| IngressTls {
        hosts,
        has_bad_hosts: false,
        secret,
    });
    let class = option::of(pick(&["avi", "foreign"]));
    let parts = (id(&["i1", "i2", "i3"]), 0..3i64, class, vec(rule(), 0..3), vec(tls, 0..2));
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (parts, flags).prop_map(|((id, created, class, rules, tls), (enable_tls, passthrough, default))| {
        Resource::Ingress(Ingress {
            id,
            meta: ObjectMeta::created(created),
            class,
            enable_tls,
            passthrough,
            rules,
            tls,
            has_default_backend: default,
            ..Ingress::default()
        })
    })
}

fn service() -> impl Strategy<Value = Resource> {
    let types = prop::sample::select(vec![
        ServiceType::ClusterIp,
        ServiceType::NodePort,
        ServiceType::LoadBalancer,
        ServiceType::LoadBalancer,
        ServiceType::ExternalName,
    ]);
    let protocols = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    let target = option::of(port_ref());
    let port = (pick(&["http", ""]), 80..83u16, target, protocols, option::of(30_000..30_003u16)).prop_map(
        |(name, port, target_port, protocol, node_port)| ServicePort {
            name,
            port,
            target_port,
            protocol,
            node_port,
        },
    );
    let address = option::weighted(0.2, pick(&["192.0.2.9", "nonsense"]));
    let annotations =
        btree_map(pick(&[annotation::SHARED_VIP, annotation::EXTERNAL_DNS]), pick(&["k"]), 0..2);
    let unused =
        vec(prop::sample::select(vec![UnusedField::SourceRanges, UnusedField::SessionAffinity]), 0..2);
    let own = (id(SERVICES), 0..3i64, types, vec(port, 0..3));
    let parts = (own, address, annotations, any::<bool>(), labels(), unused);
    parts.prop_map(
        |((id, created, service_type, ports), load_balancer_ip, annotations, local, selector, unused)| {
            Resource::Service(Service {
                id,
                meta: ObjectMeta::created(created),
                service_type,
                ports,
                load_balancer_ip,
                annotations,
                ipv4: true,
                local_traffic_only: local,
                selector,
                unused,
                ..Service::default()
            })
        },
    )
}

/// Of a pod, or what a Service selects.
fn labels() -> impl Strategy<Value = BTreeMap<Arc<str>, Arc<str>>> {
    btree_map(pick(&["app"]), pick(&["x", "y"]), 0..2)
}

fn pod() -> impl Strategy<Value = Resource> {
    let node_port =
        (prop::sample::select(vec![80u16, 81]), 61_000..61_003u16).prop_map(|(pod_port, node_port)| {
            NodePort { pod_port, protocol: None, node_ip: "10.1.0.1".into(), node_port }
        });
    let address = (0..4u8).prop_map(|n| Arc::from(format!("10.0.0.{n}")));
    let names = btree_map(pick(&["http"]), 80..82u16, 0..2);
    (id(&["p1", "p2"]), labels(), vec(address, 0..2), names, vec(node_port, 0..3)).prop_map(
        |(id, labels, addresses, port_names, node_ports)| {
            Resource::Pod(Pod { id, labels, addresses, port_names, node_ports })
        },
    )
}

fn slice() -> impl Strategy<Value = Resource> {
    let endpoint = (0..4u8, any::<bool>(), any::<bool>()).prop_map(|(n, ready, terminating)| Endpoint {
        address: format!("10.0.0.{n}").into(),
        ready,
        terminating,
        node: Some("n1".into()),
    });
    let port = (pick(&["http", ""]), option::of(8080..8082u16)).prop_map(|(name, port)| SlicePort {
        name,
        port,
        protocol: Protocol::Tcp,
    });
    (id(&["e1", "e2"]), option::of(pick(SERVICES)), vec(endpoint, 0..3), vec(port, 0..3)).prop_map(
        |(id, service, endpoints, ports)| {
            let service = service.map(|name| NamespacedName { namespace: id.namespace.clone(), name });
            Resource::EndpointSlice(EndpointSlice { id, service, is_ipv6: false, endpoints, ports })
        },
    )
}

fn secret() -> impl Strategy<Value = Resource> {
    let certificate = option::weighted(0.8, (0..3u32).prop_map(|n| Arc::from(pem(n))));
    let id =
        prop_oneof![id(&["cert", "other"]), Just(NamespacedName::new("avi-system", "router-certs-default"))];
    (id, certificate, any::<bool>()).prop_map(|(id, certificate, alternate)| {
        let key = Redacted::new("-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n");
        Resource::Secret(Secret {
            id,
            alternate_certificate: certificate.clone().filter(|_| alternate),
            certificate,
            key: key.clone(),
            alternate_key: key,
            ..Secret::default()
        })
    })
}

fn class() -> impl Strategy<Value = Resource> {
    (pick(&["avi", "foreign"]), prop::bool::weighted(0.8), any::<bool>()).prop_map(
        |(name, ours, is_default)| {
            let controller = if ours { CONTROLLER_NAME } else { "other" }.into();
            Resource::IngressClass(IngressClass { name, controller, is_default, setting: None })
        },
    )
}

fn node() -> impl Strategy<Value = Resource> {
    let cidrs = vec(pick(&["10.2.0.0/24", "10.2.1.0/24", "fd00::/64", "nonsense"]), 0..3);
    (pick(&["n1", "n2"]), 0..2i64, vec(pick(&["10.1.0.1", "10.1.0.2", "fe80::1"]), 0..3), cidrs).prop_map(
        |(name, created, internal_ips, pod_cidrs)| {
            Resource::Node(Node {
                name,
                meta: ObjectMeta::created(created),
                internal_ips,
                pod_cidrs,
                ..Node::default()
            })
        },
    )
}

fn subnets() -> impl Strategy<Value = Resource> {
    (pick(&["b1", "b2"]), pick(&["n1", "n2"]), vec(pick(&["10.3.0.0/26", "10.3.0.64/26"]), 0..2)).prop_map(
        |(name, node, cidrs)| Resource::BlockAffinity(BlockAffinity(NodeSubnets { name, node, cidrs })),
    )
}

fn resource() -> impl Strategy<Value = Resource> {
    prop_oneof![
        5 => ingress(),
        3 => service(),
        3 => slice(),
        2 => pod(),
        2 => secret(),
        1 => class(),
        1 => node(),
        1 => subnets(),
    ]
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "few of them, and never many at a time")]
enum Step {
    Apply(Resource),
    Delete(prop::sample::Index),
    Reset(ResourceKind, Vec<Resource>),
}

fn step() -> impl Strategy<Value = Step> {
    let reset = vec(resource(), 0..4).prop_filter_map("one kind", |list| {
        let kind = list.first()?.id().kind;
        Some(Step::Reset(kind, list.into_iter().filter(|r| r.id().kind == kind).collect()))
    });
    prop_oneof![
        8 => resource().prop_map(Step::Apply),
        3 => any::<prop::sample::Index>().prop_map(Step::Delete),
        1 => reset,
    ]
}

/// What stands in a cluster after a step, and the step as the snapshot sees it.
fn carry_out(step: Step, cluster: &mut BTreeMap<ResourceId, Resource>) -> Option<Delta> {
    match step {
        Step::Apply(resource) => {
            cluster.insert(resource.id(), resource.clone());
            Some(Delta::Apply(resource))
        }
        Step::Delete(index) => {
            let ids: Vec<_> = cluster.keys().cloned().collect();
            let id = (!ids.is_empty()).then(|| index.get(&ids).clone())?;
            cluster.remove(&id);
            Some(Delta::Delete(id))
        }
        Step::Reset(kind, list) => {
            cluster.retain(|id, _| id.kind != kind);
            cluster.extend(list.iter().map(|resource| (resource.id(), resource.clone())));
            Some(Delta::Reset(kind, list))
        }
    }
}

fn base() -> Vec<Resource> {
    vec![crate::cluster::class(), Resource::Node(Node { name: "n1".into(), ..Node::default() })]
}

fn snapshot_of<'a>(config: &Config, objects: impl Iterator<Item = &'a Resource>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.act_by(config, translator(config.clone()).subdomain());
    objects.for_each(|object| _ = snapshot.apply(Delta::Apply(object.clone())));
    snapshot
}

fn graph(desired: &Desired) -> BTreeMap<ObjectKey, Arc<Object>> {
    desired.objects().map(|(key, object)| (key.clone(), object.clone())).collect()
}

fn diagnostics(desired: &Desired) -> BTreeSet<String> {
    desired.diagnostics().map(ToString::to_string).collect()
}

/// The keys that belong to a front that nothing contributes to any more: they
/// are kept, and hold nothing of anybody.
fn without_retained(
    mut graph: BTreeMap<ObjectKey, Arc<Object>>,
    fresh: &Desired,
) -> BTreeMap<ObjectKey, Arc<Object>> {
    graph.retain(|key, _| fresh.get(key).is_some() || !key.name.contains("--Shared-"));
    graph
}

/// Whether an Ingress is ours, by the classes that there are.
fn is_ours(ingress: &Ingress, objects: &BTreeMap<ResourceId, Resource>) -> bool {
    let classes = objects.values().filter_map(|object| match object {
        Resource::IngressClass(class) if &*class.controller == CONTROLLER_NAME => Some(class),
        _ => None,
    });
    let mut classes = classes.filter(|class| match &ingress.class {
        Some(name) => class.name == *name,
        None => class.is_default,
    });
    classes.next().is_some()
}

/// What an Ingress asks for and is neither on the controller nor told.
fn unmentioned(ingress: &Ingress, desired: &Desired) -> Vec<String> {
    let has = |object: &Object, key: &str, value: &str| {
        let markers = object.markers().iter().filter(|marker| marker.key == key);
        markers.flat_map(|marker| &marker.values).any(|known| **known == *value)
    };
    let id = ResourceId { kind: ResourceKind::Ingress, name: ingress.id.clone() };
    let told = |words: &[&str]| {
        let mut found = desired.diagnostics().filter(|found| found.object == id);
        // Some findings are about the Ingress as a whole.
        found.any(|found| {
            found.reason == Reason::HostAlreadyClaimed
                || words.iter().all(|word| found.message.contains(word))
        })
    };
    let made = |fields: &[(&str, &str)]| {
        desired.objects().any(|(_, object)| fields.iter().all(|(key, value)| has(object, key, value)))
    };
    let hosts = ingress.rules.iter().map(|rule| {
        let generated = || format!("{}.{}.example.com", ingress.id.name, ingress.id.namespace);
        rule.host.as_ref().map_or_else(generated, ToString::to_string)
    });
    let hosts: Vec<_> = hosts.collect();
    let mut missing = Vec::new();
    for (rule, host) in ingress.rules.iter().zip(&hosts) {
        let paths = rule.paths.iter().flatten();
        for path in paths.clone() {
            let service = path.backend.as_ref().map(|backend| &*backend.service).unwrap_or_default();
            let own = [("Host", &**host), ("Path", &path.path), ("IngressName", &ingress.id.name)];
            let passed = [("Host", &**host), ("ServiceName", service)];
            let is_made = made(&own) || ingress.passthrough && made(&passed);
            if !is_made && !told(&[host]) {
                missing.push(format!("{host}{}", path.path));
            }
        }
        if paths.count() == 0 && !told(&[host]) {
            missing.push(format!("{host} without paths"));
        }
    }
    for name in ingress.tls.iter().flat_map(|entry| &entry.hosts) {
        let is_covered = ingress.passthrough || made(&[("Host", name)]) || ingress.enable_tls;
        let is_used = hosts.iter().any(|host| *host == **name);
        if is_used && !is_covered && !told(&[name]) {
            missing.push(format!("TLS of {name}"));
        }
    }
    let asks_for_nothing = ingress.rules.is_empty() || ingress.has_default_backend;
    if asks_for_nothing && !told(&[]) {
        missing.push("anything".to_owned());
    }
    missing
}

/// What a Service asks for and is neither on the controller nor told.
fn unmentioned_of_service(service: &Service, desired: &Desired) -> Vec<String> {
    let id = ResourceId { kind: ResourceKind::Service, name: service.id.clone() };
    let told: Vec<_> = desired.diagnostics().filter(|found| found.object == id).collect();
    let is_told = |words: &str| told.iter().any(|found| found.message.contains(words));
    let mut missing = Vec::new();
    let Some(binding) = desired.bindings(&id).next() else {
        // Findings say why there is nothing, but for a Service without a port.
        let is_explained = told.iter().any(|found| found.reason != Reason::UnsupportedField);
        if !service.ports.is_empty() && !is_explained {
            missing.push("a virtual service".to_owned());
        }
        return missing;
    };
    let (Some(Object::VirtualService(vs)), Some(Object::VsVip(vsvip))) =
        (desired.get(&binding.vs).map(|o| &**o), desired.get(&binding.vsvip).map(|o| &**o))
    else {
        return vec!["what its binding names".to_owned()];
    };
    for field in &service.unused {
        let field = match field {
            UnusedField::SourceRanges => "loadBalancerSourceRanges",
            UnusedField::SessionAffinity => "sessionAffinity",
            UnusedField::AppProtocol(..) => "appProtocol",
        };
        if !is_told(field) {
            missing.push(field.to_owned());
        }
    }
    for port in &service.ports {
        let is_open = vs.services.iter().any(|listener| listener.port == port.port);
        if !is_open && !is_told(&port.port.to_string()) {
            missing.push(format!("port {}", port.port));
        }
    }
    if let Some(address) = &service.load_balancer_ip {
        let held = vsvip.vip.iter().any(|vip| vip.ip_address.as_ref().is_some_and(|ip| ip.addr == *address));
        if !held && !is_told(address) {
            missing.push(format!("address {address}"));
        }
    }
    if let Some(name) = service.annotations.get(annotation::EXTERNAL_DNS) {
        let is_there = vsvip.dns_info.iter().any(|dns| dns.fqdn == *name);
        if !is_there && !is_told(name) {
            missing.push(format!("name {name}"));
        }
    }
    missing
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_update_comes_to_the_same_as_translating_everything(
        config in configs(),
        start in vec(resource(), 0..12),
        batches in vec(vec(step(), 1..4), 1..6),
    ) {
        let mut cluster: BTreeMap<_, _> =
            base().into_iter().chain(start).map(|resource| (resource.id(), resource)).collect();
        let mut snapshot = snapshot_of(&config, cluster.values());
        let mut desired = Desired::of(translator(config.clone()), &snapshot);
        for batch in batches {
            let mut touched = BTreeSet::new();
            for step in batch {
                if let Some(delta) = carry_out(step, &mut cluster) {
                    touched.extend(snapshot.apply(delta));
                }
            }
            let before = graph(&desired);
            let changes = desired.update(&snapshot, &touched);
            let after = graph(&desired);
            let fresh_snapshot = snapshot_of(&config, cluster.values());
            let fresh = Desired::of(translator(config.clone()), &fresh_snapshot);
            prop_assert_eq!(without_retained(after.clone(), &fresh), graph(&fresh));
            prop_assert_eq!(diagnostics(&desired), diagnostics(&fresh));
            prop_assert_eq!(lint(&desired), vec![]);
            let bound = |d: &Desired| d.subjects().map(|id| {
                (id.clone(), d.bindings(id).cloned().collect::<Vec<_>>())
            }).collect::<Vec<_>>();
            prop_assert_eq!(bound(&desired), bound(&fresh));
            for service in cluster.keys().filter(|id| id.kind == ResourceKind::Service) {
                prop_assert_eq!(desired.needs_node_ports(service), fresh.needs_node_ports(service));
            }
            // What changed is named, and nothing is left out.
            let keys: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
            for key in keys.into_iter().filter(|key| before.get(key) != after.get(key)) {
                prop_assert!(changes.objects.contains(&key), "{} is not named", key);
            }
        }
    }

    #[test]
    fn whatever_an_ingress_asks_for_is_done_or_told(config in configs(), objects in vec(resource(), 0..16)) {
        let objects: BTreeMap<_, _> =
            base().into_iter().chain(objects).map(|resource| (resource.id(), resource)).collect();
        let desired = Desired::of(translator(config.clone()), &snapshot_of(&config, objects.values()));
        for object in objects.values() {
            let Resource::Ingress(ingress) = object else { continue };
            if is_ours(ingress, &objects) {
                prop_assert_eq!(unmentioned(ingress, &desired), Vec::<String>::new(), "{:?}", ingress);
            }
        }
    }

    #[test]
    fn whatever_a_service_asks_for_is_done_or_told(config in configs(), objects in vec(resource(), 0..16)) {
        let objects: BTreeMap<_, _> =
            base().into_iter().chain(objects).map(|resource| (resource.id(), resource)).collect();
        let desired = Desired::of(translator(config.clone()), &snapshot_of(&config, objects.values()));
        for object in objects.values() {
            let Resource::Service(service) = object else { continue };
            if service.service_type == ServiceType::LoadBalancer {
                prop_assert_eq!(
                    unmentioned_of_service(service, &desired), Vec::<String>::new(), "{:?}", service
                );
            }
        }
    }

    #[test]
    fn the_order_in_which_objects_appear_means_nothing(
        config in configs(),
        objects in vec(resource(), 0..16),
        seed in any::<[u8; 16]>(),
    ) {
        let objects: BTreeMap<_, _> =
            base().into_iter().chain(objects).map(|resource| (resource.id(), resource)).collect();
        let mut shuffled: Vec<_> = objects.values().zip(seed.iter().cycle()).collect();
        shuffled.sort_by_key(|(_, order)| **order);
        let one = Desired::of(translator(config.clone()), &snapshot_of(&config, objects.values()));
        let mut snapshot = Snapshot::default();
        snapshot.act_by(&config, translator(config.clone()).subdomain());
        let mut other = Desired::new(translator(config));
        other.update(&snapshot, &UnitKey::STANDING.map(|unit| unit.own_key()).into());
        for (object, _) in shuffled {
            let touched = snapshot.apply(Delta::Apply(object.clone()));
            other.update(&snapshot, &touched);
        }
        prop_assert_eq!(graph(&one), without_retained(graph(&other), &one));
        prop_assert_eq!(diagnostics(&one), diagnostics(&other));
    }

    #[test]
    fn a_plan_leads_from_any_state_to_any_other_without_a_dangling_reference(
        config in configs(),
        old in vec(resource(), 0..12),
        new in vec(resource(), 0..12),
    ) {
        let mut config = config;
        config.guard.minimum = 10_000;
        let mut fake = Fake::default();
        let borrowed = fake.lend();
        for objects in [old, new, vec![]] {
            let objects: BTreeMap<_, _> =
                base().into_iter().chain(objects).map(|resource| (resource.id(), resource)).collect();
            let goal = Desired::of(translator(config.clone()), &snapshot_of(&config, objects.values()));
            let plan = |fake: &Fake| {
                let reading = Reading { started: Moment::from_millis(1), objects: fake.observe(|by| by == "ako-c1") };
                dry_run(translator(config.clone()), cluster_events(&objects), reading, &Catalogue::default())
            };
            let run = plan(&fake);
            prop_assert!(run.is_complete && run.pending.is_empty(), "{:?}", run.pending);
            for planned in run.writes {
                let meta = || fake.read(&planned.key).unwrap().unwrap().meta;
                let body = || goal.get(&planned.key).unwrap().clone();
                let change = match planned.action {
                    Action::Create => Change::Create(body()),
                    Action::Update(_) => Change::Update(meta(), body()),
                    Action::Delete => Change::Delete(meta()),
                };
                let result = fake.send(&Operation { key: planned.key, change });
                prop_assert!(result.is_ok(), "{:?}", fake.premature);
                prop_assert_eq!(fake.dangling(), Vec::<String>::new());
            }
            prop_assert_eq!(plan(&fake).writes, vec![]);
            let keys = graph(&goal).into_keys().chain(borrowed.clone());
            prop_assert_eq!(fake.keys(), keys.collect());
        }
    }

    #[test]
    fn a_snapshot_tells_which_hosts_there_are(objects in vec(ingress(), 0..8)) {
        let snapshot = snapshot_of(&config(), objects.iter());
        for host in snapshot.hosts() {
            prop_assert!(snapshot.ingresses_of(host).count() > 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_gets_there_from_anywhere(
        config in configs(),
        start in vec(resource(), 0..10),
        steps in vec((step(), 0..60u64, 0..10u8), 1..12),
    ) {
        let mut config = config;
        config.guard.minimum = 10_000;
        let mut world = World::new(config, base().into_iter().chain(start).collect());
        world.fake.lend();
        world.start();
        for (step, pause, fault) in steps {
            world.carry_out(step_of(step));
            world.disturb(fault);
            world.run(std::time::Duration::from_millis(pause));
        }
        world.settle();
        prop_assert_eq!(world.fake.dangling(), Vec::<String>::new());
        // A host that is refused rests for minutes, in which nothing else is left to do.
        world.fake.heal();
        world.restart();
        world.settle();
        world.take_writes();
        world.restart();
        world.settle();
        prop_assert_eq!(world.take_writes(), Vec::<String>::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_dry_run_is_what_the_next_process_writes(
        config in configs(),
        start in vec(resource(), 0..12),
        steps in vec(step(), 0..12),
        minimum in 0..10_usize,
    ) {
        let mut config = config;
        config.guard.minimum = minimum;
        let mut world = World::new(config, base().into_iter().chain(start).collect());
        world.fake.lend();
        world.start();
        world.settle();
        // All this happens while nobody runs.
        world.stop();
        for step in steps {
            world.change_unseen(step_of(step));
        }
        let run = world.dry_run();
        world.start();
        world.run(std::time::Duration::from_secs(10));
        prop_assert_eq!(world.take_writes(), run.writes.iter().map(noted).collect::<Vec<_>>());
        prop_assert_eq!(world.engine.held(), run.held);
    }
}

fn step_of(step: Step) -> impl FnOnce(&mut BTreeMap<ResourceId, Resource>) -> Option<Delta> {
    move |cluster| carry_out(step, cluster)
}

fn junk() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![".{0,300}", "[a-z./*-]{0,80}", Just(String::new())].prop_map(Arc::from)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn junk_costs_a_diagnostic_and_nothing_else(
        config in configs(),
        texts in vec(junk(), 24),
        created in any::<i64>(),
        number in any::<u16>(),
        flags in any::<[bool; 4]>(),
    ) {
        let mut texts = texts.into_iter();
        let mut text = || texts.next().unwrap_or_default();
        let name = NamespacedName { namespace: text(), name: text() };
        let service_name = text();
        let backend = Backend { service: service_name.clone(), port: PortRef::Name(text()) };
        let path = IngressPath { path: text(), path_type: PathType::Exact, backend: Some(backend) };
        let host = text();
        let objects = [crate::cluster::class(),
            Resource::Ingress(Ingress {
                id: name.clone(),
                meta: ObjectMeta::created(created),
                class: Some("avi".into()),
                enable_tls: flags[0],
                passthrough: flags[1],
                rules: vec![
                    IngressRule { host: Some(host.clone()), paths: Some(vec![path.clone(), path.clone()]) },
                    IngressRule { host: None, paths: Some(vec![path]) },
                ],
                tls: vec![IngressTls { hosts: vec![host], has_bad_hosts: false, secret: "cert".into() }],
                ..Ingress::default()
            }),
            Resource::Secret(Secret {
                id: NamespacedName { namespace: name.namespace.clone(), name: "cert".into() },
                certificate: Some(text()),
                key: Redacted::new(text()),
                alternate_certificate: Some(text()),
                alternate_key: Redacted::new(text()), ..Secret::default() }),
            Resource::Service(Service {
                id: NamespacedName { namespace: name.namespace.clone(), name: service_name.clone() },
                service_type: ServiceType::LoadBalancer,
                meta: ObjectMeta::created(created),
                ports: vec![ServicePort {
                    name: text(),
                    port: number,
                    target_port: Some(PortRef::Name(text())),
                    protocol: Protocol::Sctp,
                    node_port: Some(number),
                }],
                load_balancer_ip: flags[2].then(&mut text),
                ipv4: flags[3],
                ipv6: flags[0],
                annotations: BTreeMap::from([(annotation::EXTERNAL_DNS.into(), text())]),
                ..Service::default()
            }),
            Resource::EndpointSlice(EndpointSlice {
                id: NamespacedName { namespace: name.namespace.clone(), name: "slice".into() },
                service: Some(NamespacedName { namespace: name.namespace, name: service_name }),
                is_ipv6: flags[1],
                endpoints: vec![Endpoint { address: text(), ready: true, terminating: false, node: Some(text()) }],
                ports: vec![SlicePort { name: text(), port: Some(number), protocol: Protocol::Tcp }],
            })];
        let desired = Desired::of(translator(config.clone()), &snapshot_of(&config, objects.iter()));
        prop_assert_eq!(lint(&desired), vec![]);
    }
}

#[test]
fn a_lint_finding_names_the_object_and_the_flaw() {
    let key = ObjectKey::new(ako_avi_types::Kind::Pool, "admin", "p");
    let finding = ako_engine::Finding { key, flaw: ako_engine::Flaw::EmptyHost };
    assert_eq!(finding.to_string(), "pool admin/p: names an empty host");
    let observed = Observed {
        meta: Meta { uuid: "u".into(), last_modified: None },
        body: Arc::new(Object::Pool(ako_avi_types::Pool::default())),
    };
    assert!(observed.body.hostnames().next().is_none());
}
