//! A small cluster, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::http_policy::HttpRequestRule;
use ako_avi_types::{Kind, Object, Pool, VirtualService};
use ako_core::resource::{
    Backend, Endpoint, EndpointSlice, Ingress, IngressClass, IngressPath, IngressRule, IngressTls,
    ObjectMeta, PathType, PortRef, Protocol, Secret, Service, ServicePort, ServiceType, SlicePort,
};
use ako_core::secret::Redacted;
use ako_core::{
    CONTROLLER_NAME, CloudType, Config, Delta, Facts, NamespacedName, Reason, Resource, Snapshot,
};
use ako_translate::{Contribution, FrontKey, Statement, Translator, What};

pub(crate) const CERTIFICATE: &str = include_str!("../../testdata/certificate.pem");
pub(crate) const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n";

pub(crate) fn config() -> Config {
    Config { cluster_name: "c1".into(), no_static_routes: true, ..Config::default() }
}

pub(crate) fn evh() -> Config {
    Config { evh: true, ..config() }
}

pub(crate) fn facts() -> Facts {
    Facts {
        cluster_uuid: "uuid".into(),
        enterprise: true,
        cloud: CloudType::VCenter,
        vrf: "global".into(),
        vrf_tenant: "admin".into(),
        se_group_tenant: "admin".into(),
        subdomains: vec!["example.com".into()],
        node_networks: BTreeMap::new(),
        vip_networks: BTreeMap::new(),
        has_foreign_ipam: false,
    }
}

/// The objects of a cluster, translated.
pub(crate) struct Translated {
    pub(crate) objects: BTreeMap<(Kind, Arc<str>), Arc<Object>>,
    /// `<reason> <kind> <object>`
    pub(crate) told: Vec<String>,
    /// `<object> <host> <virtual service>`
    pub(crate) bindings: Vec<String>,
    /// Services that are to be annotated.
    pub(crate) requests: Vec<String>,
}

pub(crate) fn translate(config: Config, objects: Vec<Resource>) -> Translated {
    translate_with(config, facts(), objects)
}

pub(crate) fn translate_with(config: Config, facts: Facts, objects: Vec<Resource>) -> Translated {
    let translator = Translator::new(config, facts);
    let mut snapshot = Snapshot::default();
    snapshot.act_by(translator.config(), translator.subdomain());
    snapshot.apply(Delta::Apply(class()));
    for object in objects {
        snapshot.apply(Delta::Apply(object));
    }
    let mut all =
        Translated { objects: BTreeMap::new(), told: Vec::new(), bindings: Vec::new(), requests: Vec::new() };
    let mut fronts: BTreeMap<FrontKey, Vec<Contribution>> = BTreeMap::new();
    for key in translator.units(&snapshot) {
        let output = translator.unit(&snapshot, &key);
        for object in output.objects {
            // Units that make the same object have to agree.
            let known = all.objects.insert((object.kind(), object.name().clone()), object.clone());
            let agrees = |known: Arc<Object>| known == object || known.tenant() != object.tenant();
            assert!(known.is_none_or(agrees), "{}", object.name());
        }
        output.contributions.into_iter().for_each(|(key, part)| fronts.entry(key).or_default().push(part));
        all.told.extend(output.diagnostics.iter().map(|d| format!("{} {}", d.reason.as_str(), d.object)));
        for Statement { object, what } in &output.statements {
            match what {
                What::Address(b) => {
                    all.bindings.push(format!("{} {} {}", object.name, b.hostname, b.vs.name));
                }
                What::NodePorts => all.requests.push(object.name.to_string()),
                other => panic!("{other:?} is said of {object}"),
            }
        }
    }
    for (key, parts) in &fronts {
        let placed_by = parts.iter().find_map(|part| part.placed_by.as_ref());
        for object in translator.front(&snapshot, key, placed_by, parts).objects {
            all.objects.insert((object.kind(), object.name().clone()), object);
        }
    }
    all.told.sort();
    all.requests.sort();
    all.requests.dedup();
    all
}

impl Translated {
    pub(crate) fn names(&self, kind: Kind) -> Vec<&str> {
        self.objects.keys().filter(|(k, _)| *k == kind).map(|(_, name)| &**name).collect()
    }

    pub(crate) fn object(&self, kind: Kind, name: &str) -> &Object {
        let found = self.objects.get(&(kind, name.into()));
        found.unwrap_or_else(|| panic!("no {kind} {name} in {:?}", self.names(kind)))
    }

    pub(crate) fn pool(&self, name: &str) -> &Pool {
        let Object::Pool(pool) = self.object(Kind::Pool, name) else { panic!("{name} is no pool") };
        pool
    }

    pub(crate) fn vs(&self, name: &str) -> &VirtualService {
        let object = self.object(Kind::VirtualService, name);
        let Object::VirtualService(service) = object else { panic!("{name} is no virtual service") };
        service
    }

    /// The names under which a VsVip is found.
    pub(crate) fn fqdns(&self, name: &str) -> Vec<&str> {
        let Object::VsVip(vip) = self.object(Kind::VsVip, name) else { panic!("{name} is no VsVip") };
        vip.dns_info.iter().map(|name| &*name.fqdn).collect()
    }

    /// The addresses of a pool's servers that take new connections.
    pub(crate) fn servers(&self, pool: &str) -> Vec<String> {
        let enabled = self.pool(pool).servers.iter().filter(|server| server.enabled != Some(false));
        enabled.map(|server| format!("{}:{}", server.ip.addr, server.port)).collect()
    }

    /// The rules of all policy sets.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &HttpRequestRule> {
        self.objects.values().flat_map(|object| match &**object {
            Object::HttpPolicySet(set) => &*set.http_request_policy.rules,
            _ => &[],
        })
    }

    pub(crate) fn is_told(&self, reason: Reason, object: &str) -> bool {
        self.told.contains(&format!("{} {object}", reason.as_str()))
    }
}

pub(crate) fn class() -> Resource {
    Resource::IngressClass(IngressClass {
        name: "avi".into(),
        controller: CONTROLLER_NAME.into(),
        is_default: true,
        setting: None,
    })
}

pub(crate) fn path(path: &str, service: &str) -> IngressPath {
    let backend = Backend { service: service.into(), port: PortRef::Number(80) };
    IngressPath { path: path.into(), path_type: PathType::Prefix, backend: Some(backend) }
}

pub(crate) fn rule(host: &str, paths: Vec<IngressPath>) -> IngressRule {
    IngressRule { host: Some(host.into()), paths: Some(paths) }
}

/// An Ingress that leads `/` of one host to Service `web`.
pub(crate) fn ingress(namespace: &str, name: &str, created: i64, host: &str) -> Ingress {
    Ingress {
        id: NamespacedName::new(namespace, name),
        meta: ObjectMeta::created(created),
        rules: vec![rule(host, vec![path("/", "web")])],
        ..Ingress::default()
    }
}

/// The same with TLS by Secret `cert`.
pub(crate) fn secure(namespace: &str, name: &str, created: i64, host: &str) -> Ingress {
    let tls = vec![IngressTls { hosts: vec![host.into()], has_bad_hosts: false, secret: "cert".into() }];
    Ingress { tls, ..ingress(namespace, name, created, host) }
}

pub(crate) fn secret(namespace: &str, name: &str) -> Secret {
    Secret {
        id: NamespacedName::new(namespace, name),
        certificate: Some(CERTIFICATE.into()),
        key: Redacted::new(KEY),
        ..Secret::default()
    }
}

pub(crate) fn port(name: &str, number: u16, protocol: Protocol) -> ServicePort {
    ServicePort { name: name.into(), port: number, target_port: None, protocol, node_port: None }
}

pub(crate) fn service(
    namespace: &str,
    name: &str,
    service_type: ServiceType,
    ports: Vec<ServicePort>,
) -> Service {
    Service {
        id: NamespacedName::new(namespace, name),
        service_type,
        ports,
        ipv4: true,
        ..Service::default()
    }
}

pub(crate) fn endpoint(address: &str) -> Endpoint {
    Endpoint { address: address.into(), ready: true, terminating: false, node: Some("n1".into()) }
}

/// A slice of Service `web` in namespace `red` with one port.
pub(crate) fn slice(name: &str, port: (&str, u16), endpoints: Vec<Endpoint>) -> EndpointSlice {
    EndpointSlice {
        id: NamespacedName::new("red", name),
        service: Some(NamespacedName::new("red", "web")),
        is_ipv6: false,
        endpoints,
        ports: vec![SlicePort { name: port.0.into(), port: Some(port.1), protocol: Protocol::Tcp }],
    }
}
