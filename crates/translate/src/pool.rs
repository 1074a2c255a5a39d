//! Pools and pool groups of Ingress paths. Source: L7 objects, §3.2, §3.3, §4.2.

use std::sync::Arc;

use ako_avi_types::{Marker, Pool, PoolGroup, PoolGroupMember, Server, ServiceMetadata, go_json};
use ako_core::checksum::sha1_hex;
use ako_core::config::ServiceMode;
use ako_core::name::PathName;
use ako_core::resource::{Ingress, PathType, PortRef, Protocol, Service, ServiceType, UnusedField};
use ako_core::{NamespacedName, Reason};
use serde::Serialize;

use crate::claim::ClaimedPath;
use crate::context::Translator;
use crate::endpoints::{self, Members};
use crate::placement;
use crate::unit::{UnitOutput, ingress_id};
use crate::view::View;

/// The weight of an Ingress's pools: they have no siblings.
pub(crate) const INGRESS_RATIO: u32 = 100;

/// How many letters of a digest tell a path from the others of an Ingress.
const DIGEST: usize = 8;

/// A path of an Ingress, under a host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathOf<'a> {
    pub(crate) ingress: &'a Ingress,
    pub(crate) host: &'a Arc<str>,
    pub(crate) path: &'a ClaimedPath,
}

impl<'a> PathOf<'a> {
    pub(crate) fn name(&self) -> PathName<'a> {
        PathName {
            namespace: &self.ingress.id.namespace,
            ingress: &self.ingress.id.name,
            host: self.host,
            path: &self.path.path,
        }
    }

    /// `host/path`, the label that datascripts select by.
    pub(crate) fn label(&self) -> String {
        format!("{}{}", self.host, self.path.path)
    }

    /// What tells the path from all others of the Ingress, its type included.
    pub(crate) fn digest(&self) -> String {
        let kind = if self.path.path_type == PathType::Exact { "exact" } else { "prefix" };
        let mut digest = sha1_hex(&format!("{kind} {}", self.path.path));
        digest.truncate(DIGEST);
        digest
    }

    pub(crate) fn service(&self) -> NamespacedName {
        NamespacedName::new(self.ingress.id.namespace.clone(), self.path.backend.service.clone())
    }
}

/// The markers of what is made for a path; `service` only where upstream names
/// it.
pub(crate) fn path_markers(t: &Translator, of: PathOf<'_>, service: bool) -> Vec<Marker> {
    let service = if service { vec![of.path.backend.service.clone()] } else { Vec::new() };
    t.markers(vec![
        ("Namespace", vec![of.ingress.id.namespace.clone()]),
        ("Host", vec![of.host.clone()]),
        ("ServiceName", service),
        ("Path", vec![of.path.path.clone()]),
        ("IngressName", vec![of.ingress.id.name.clone()]),
    ])
}

/// The pool of a path. `label` goes into the checksum where upstream has one.
pub(crate) fn of_path(
    t: &Translator,
    view: &View<'_>,
    of: PathOf<'_>,
    name: String,
    label: &str,
    markers: Vec<Marker>,
    out: &mut UnitOutput,
) -> Pool {
    let (members, port_name) = members(t, view, of, out);
    let metadata = ServiceMetadata {
        ingress_name: of.ingress.id.name.clone(),
        namespace: of.ingress.id.namespace.clone(),
        hostnames: Some(vec![of.host.clone()]),
        pool_ratio: INGRESS_RATIO,
        ..ServiceMetadata::default()
    };
    let covered =
        Covered { protocol: "", members: &members, port_name: &port_name, label, metadata: &metadata };
    build(t, name, &covered, markers, Protocol::Tcp)
}

fn members(t: &Translator, view: &View<'_>, of: PathOf<'_>, out: &mut UnitOutput) -> (Members, String) {
    let id = of.service();
    let port = &of.path.backend.port;
    let service = view.service(&id);
    let backend = endpoints::backend_port(service.map(|s| &**s), port);
    let usable = service.filter(|s| can_back(t, s.service_type));
    if usable.is_none() {
        let why = match (service, t.config.service_mode) {
            (None, _) => "does not exist: create it",
            (Some(_), ServiceMode::NodePortLocal) => {
                "is of a type that cannot back an Ingress with NodePortLocal: use ClusterIP"
            }
            (Some(_), _) => "is of a type that cannot back an Ingress: use ClusterIP or NodePort",
        };
        let message = format!("Service {id} for {}{} {why}", of.host, of.path.path);
        out.tell(&ingress_id(&of.ingress.id), Reason::MissingService, message);
    }
    if usable.is_some() && t.requests_node_ports() {
        out.request(&id);
    }
    if let Some(service) = usable.filter(|_| backend.port.is_none()) {
        let message = missing_port(of, service, port);
        out.tell(&ingress_id(&of.ingress.id), Reason::MissingPort, message);
    }
    let mut members = usable.map(|s| endpoints::of_service(t, view, s, &backend)).unwrap_or_default();
    for (reason, remark) in members.remarks.drain(..) {
        let message = format!("Service {id} for {}{}: {remark}", of.host, of.path.path);
        out.tell(&ingress_id(&of.ingress.id), reason, message);
    }
    let spoken = backend.port.zip(usable).and_then(|(port, service)| spoken(service, port.port));
    if let Some(spoken) = spoken {
        let message = format!(
            "Service {id} for {}{}: appProtocol {spoken:?} has no effect; pods are spoken to in HTTP/1 without TLS",
            of.host, of.path.path
        );
        out.tell(&ingress_id(&of.ingress.id), Reason::UnsupportedField, message);
    }
    if members.port == 0 {
        // What upstream assumes where no endpoint tells.
        members.port = if let PortRef::Number(number) = port { *number } else { 80 };
    }
    (members, backend.name.to_owned())
}

/// What is to be spoken on a port of a Service, if that is not plain HTTP.
fn spoken(service: &Service, number: u16) -> Option<&Arc<str>> {
    service.unused.iter().find_map(|unused| match unused {
        UnusedField::AppProtocol(port, spoken) => Some(spoken).filter(|_| *port == number),
        _ => None,
    })
}

/// What to say of a port that a Service does not have, or has for another protocol. The
/// only port of a Service is taken all the same, as upstream does.
fn missing_port(of: PathOf<'_>, service: &Service, port: &PortRef) -> String {
    let named = match port {
        PortRef::Number(number) => number.to_string(),
        PortRef::Name(name) => format!("{name:?}"),
    };
    let usable = service.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
    let usable: Vec<_> = usable.map(|port| port.port.to_string()).collect();
    let way_out = match &*usable {
        [] => "it has none of protocol TCP, which HTTP needs: add one".to_owned(),
        [only] if service.ports.len() == 1 => format!("its only one, {only}, is tried: name that one"),
        _ => format!("it has {}: name one of them", usable.join(", ")),
    };
    format!("Service {} for {}{} has no TCP port {named}; {way_out}", service.id, of.host, of.path.path)
}

/// Whether a Service of a type can be behind an Ingress.
fn can_back(t: &Translator, service_type: ServiceType) -> bool {
    let mode = t.config.service_mode;
    match service_type {
        ServiceType::ClusterIp => true,
        ServiceType::NodePort => mode != ServiceMode::NodePortLocal,
        ServiceType::LoadBalancer => t.config.layer7_only || mode == ServiceMode::NodePort,
        ServiceType::ExternalName => false,
    }
}

/// What upstream's checksum of a pool covers.
#[derive(Debug)]
pub(crate) struct Covered<'a> {
    /// The protocol's name; empty for pools of Ingresses.
    pub(crate) protocol: &'a str,
    pub(crate) members: &'a Members,
    pub(crate) port_name: &'a str,
    pub(crate) label: &'a str,
    pub(crate) metadata: &'a ServiceMetadata,
}

/// A pool with the fields that all pools have.
pub(crate) fn build(
    t: &Translator,
    name: String,
    covered: &Covered<'_>,
    markers: Vec<Marker>,
    protocol: Protocol,
) -> Pool {
    let tier1_lr = t.tier1();
    let mut checksum = t.checksum().text(&covered_text(t, covered)).markers(&markers).text("");
    if let Some(router) = &tier1_lr {
        checksum = checksum.text(router);
    }
    Pool {
        name: name.into(),
        cloud_config_cksum: Some(checksum.finish()),
        created_by: Some(t.owner.clone()),
        tenant_ref: Some(t.tenant_ref.clone()),
        cloud_ref: Some(t.cloud_ref.clone()),
        vrf_ref: t.vrf_ref.clone(),
        tier1_lr,
        service_metadata: Some(covered.metadata.clone()),
        sni_enabled: false,
        graceful_disable_timeout: 1,
        health_monitor_refs: vec![t.monitor(protocol)],
        servers: covered.members.servers.clone(),
        placement_networks: placement::networks(t),
        markers,
    }
}

fn covered_text(t: &Translator, covered: &Covered<'_>) -> String {
    // Upstream has the ports with the servers where each has its own.
    let own_ports = t.config.service_mode == ServiceMode::NodePortLocal;
    let server = |server| ServerText::of(server, own_ports);
    let servers: Vec<_> = covered.members.servers.iter().map(server).collect();
    let servers = if servers.is_empty() { "null".to_owned() } else { go_json::marshal(&servers) };
    let mut parts = vec![
        covered.protocol.to_owned(),
        covered.members.port.to_string(),
        covered.port_name.to_owned(),
        servers,
        "false".to_owned(),
        covered.label.to_owned(),
        placement::text(t),
    ];
    parts.extend(covered.metadata.namespace_svc_name.as_ref().map(go_json::marshal));
    parts.extend(covered.metadata.hostnames.as_ref().map(go_json::marshal));
    parts.join(":")
}

/// A server as upstream's checksum spells it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServerText<'a> {
    ip: &'a ako_avi_types::IpAddress,
    server_node: &'a str,
    port: u16,
    enabled: Option<bool>,
}

impl<'a> ServerText<'a> {
    fn of(server: &'a Server, own_ports: bool) -> Self {
        Self {
            ip: &server.ip,
            server_node: server.server_node.as_deref().unwrap_or(""),
            port: if own_ports { server.port } else { 0 },
            enabled: server.enabled,
        }
    }
}

/// A pool group.
pub(crate) fn group(
    t: &Translator,
    name: &str,
    members: Vec<PoolGroupMember>,
    markers: Vec<Marker>,
    implicit: bool,
) -> PoolGroup {
    let mut members = members;
    members.sort();
    members.dedup();
    let texts: Vec<_> = members.iter().map(MemberText::from).collect();
    let text = if texts.is_empty() { "null".to_owned() } else { go_json::marshal(&texts) };
    PoolGroup {
        name: name.into(),
        cloud_config_cksum: Some(t.checksum().text(&text).markers(&markers).finish()),
        created_by: Some(t.owner.clone()),
        tenant_ref: Some(t.tenant_ref.clone()),
        cloud_ref: Some(t.cloud_ref.clone()),
        implicit_priority_labels: implicit,
        members,
        markers,
    }
}

/// A member as upstream's checksum spells it.
#[derive(Serialize)]
struct MemberText<'a> {
    pool_ref: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority_label: &'a Option<Arc<str>>,
    ratio: u32,
}

impl<'a> From<&'a PoolGroupMember> for MemberText<'a> {
    fn from(member: &'a PoolGroupMember) -> Self {
        Self {
            pool_ref: member.pool_ref.plain(),
            priority_label: &member.priority_label,
            ratio: member.ratio,
        }
    }
}
