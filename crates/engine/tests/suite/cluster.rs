//! Kubernetes objects for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_core::config::VipNetwork;
use ako_core::kinds::sso_rule::{AcsType, Saml, SignIn};
use ako_core::resource::{
    Backend, Endpoint, EndpointSlice, Ingress, IngressClass, IngressPath, IngressRule, IngressTls, Namespace,
    PathType, PortRef, Protocol, Secret, Service, ServicePort, ServiceType, SlicePort,
};
use ako_core::secret::Redacted;
use ako_core::{
    CONTROLLER_NAME, CloudType, Config, Facts, NamespacedName, Resource, ResourceId, ResourceKind, annotation,
};
use ako_translate::Translator;

pub(crate) fn config() -> Config {
    Config {
        cluster_name: "c1".into(),
        no_static_routes: true,
        vip_networks: vec![VipNetwork { name: "net".into(), ..VipNetwork::default() }],
        ..Config::default()
    }
}

pub(crate) fn translator(config: Config) -> Translator {
    // Where there are tier-1 routers.
    let cloud = if config.tier1_router.is_empty() { CloudType::VCenter } else { CloudType::NsxT };
    let facts = Facts {
        cluster_uuid: "cluster-uuid".into(),
        enterprise: true,
        cloud,
        vrf: "global".into(),
        vrf_tenant: "admin".into(),
        se_group_tenant: "admin".into(),
        subdomains: vec!["example.com".into()],
        node_networks: BTreeMap::new(),
        vip_networks: BTreeMap::new(),
        has_foreign_ipam: false,
    };
    Translator::new(config, facts)
}

/// `<n>.example.com`
pub(crate) fn host(n: impl std::fmt::Display) -> Arc<str> {
    format!("h{n}.example.com").into()
}

pub(crate) fn class() -> Resource {
    Resource::IngressClass(IngressClass {
        name: "avi".into(),
        controller: CONTROLLER_NAME.into(),
        is_default: true,
        setting: None,
    })
}

pub(crate) fn namespace(name: &str) -> Resource {
    Resource::Namespace(Namespace { name: name.into(), ..Namespace::default() })
}

pub(crate) fn rule(host: Option<Arc<str>>, path: &str, service: &str) -> IngressRule {
    let backend = Backend { service: service.into(), port: PortRef::Number(80) };
    let path = IngressPath { path: path.into(), path_type: PathType::Prefix, backend: Some(backend) };
    IngressRule { host, paths: Some(vec![path]) }
}

pub(crate) fn plain_ingress(name: &str, hosts: &[Arc<str>]) -> Ingress {
    Ingress {
        id: NamespacedName::new("red", name),
        class: Some("avi".into()),
        rules: hosts.iter().map(|host| rule(Some(host.clone()), "/", "web")).collect(),
        ..Ingress::default()
    }
}

/// An Ingress that leads hosts to Service `web`.
pub(crate) fn ingress(name: &str, hosts: &[Arc<str>]) -> Resource {
    Resource::Ingress(plain_ingress(name, hosts))
}

/// The same with TLS, under Secret `cert`.
pub(crate) fn secure_ingress(name: &str, hosts: &[Arc<str>]) -> Resource {
    let tls = vec![IngressTls { hosts: hosts.to_vec(), has_bad_hosts: false, secret: "cert".into() }];
    Resource::Ingress(Ingress { tls, ..plain_ingress(name, hosts) })
}

pub(crate) fn secret(name: &str, version: u32) -> Resource {
    Resource::Secret(Secret {
        id: NamespacedName::new("red", name),
        certificate: Some(pem(version).into()),
        key: Redacted::new(KEY),
        ..Secret::default()
    })
}

/// One of three certificates.
pub(crate) fn pem(version: u32) -> &'static str {
    let all = [
        include_str!("certificates/1.pem"),
        include_str!("certificates/2.pem"),
        include_str!("certificates/3.pem"),
    ];
    all[version as usize % all.len()]
}

/// Only its first line matters: nobody here makes connections with it.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";

pub(crate) fn port(name: &str, port: u16, protocol: Protocol) -> ServicePort {
    ServicePort { name: name.into(), port, target_port: None, protocol, node_port: None }
}

pub(crate) fn plain_service(name: &str, service_type: ServiceType) -> Service {
    Service {
        id: NamespacedName::new("red", name),
        service_type,
        ports: vec![port("http", 80, Protocol::Tcp)],
        ipv4: true,
        ..Service::default()
    }
}

pub(crate) fn service(name: &str, service_type: ServiceType) -> Resource {
    Resource::Service(plain_service(name, service_type))
}

/// A LoadBalancer Service that shares a VIP.
pub(crate) fn shared_service(name: &str, number: u16, key: &str) -> Resource {
    Resource::Service(Service {
        ports: vec![port("http", number, Protocol::Tcp)],
        annotations: BTreeMap::from([(annotation::SHARED_VIP.into(), key.into())]),
        ..plain_service(name, ServiceType::LoadBalancer)
    })
}

/// A slice of a Service with `10.0.0.<n>` for each number.
pub(crate) fn slice(service: &str, numbers: &[u8]) -> Resource {
    let endpoint = |n: &u8| Endpoint {
        address: format!("10.0.0.{n}").into(),
        ready: true,
        terminating: false,
        node: Some("node1".into()),
    };
    Resource::EndpointSlice(EndpointSlice {
        id: NamespacedName::new("red", format!("{service}-1")),
        service: Some(NamespacedName::new("red", service)),
        is_ipv6: false,
        endpoints: numbers.iter().map(endpoint).collect(),
        ports: vec![SlicePort { name: "http".into(), port: Some(8080), protocol: Protocol::Tcp }],
    })
}

pub(crate) fn id(kind: ResourceKind, name: &str) -> ResourceId {
    ResourceId { kind, name: NamespacedName::new("red", name) }
}

/// What nearly every test starts with: a class, a namespace, Service `web`
/// with two endpoints, Secret `cert`.
pub(crate) fn base() -> Vec<Resource> {
    vec![
        class(),
        namespace("red"),
        service("web", ServiceType::ClusterIp),
        slice("web", &[1, 2]),
        secret("cert", 0),
    ]
}

/// How people sign in by SAML.
pub(crate) fn saml() -> SignIn {
    SignIn::Saml(Saml {
        acs: AcsType::Url,
        acs_index: None,
        entity_id: "e".into(),
        single_sign_on_url: "https://sso".into(),
        cookie_name: None,
        cookie_timeout: 60,
        signing_certificate: None,
        use_idp_session_timeout: None,
    })
}
