//! The pool of a path of an Ingress. Source: L7 objects, §3.2.

use std::sync::Arc;

use ako_avi_types::{Marker, Pool, ServiceMetadata};
use ako_core::checksum::sha1_hex;
use ako_core::config::ServiceMode;
use ako_core::name::PathName;
use ako_core::resource::{Ingress, PathType, PortRef, Protocol, Service, ServiceType, UnusedField};
use ako_core::{NamespacedName, Reason};

use crate::context::Context;
use crate::endpoints::{self, Members};
use crate::http::claim::ClaimedPath;
use crate::output::Output;
use crate::pool::{self, Covered};
use crate::unit::ingress_id;
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
pub(crate) fn path_markers(context: &Context, of: PathOf<'_>, service: bool) -> Vec<Marker> {
    let service = if service { vec![of.path.backend.service.clone()] } else { Vec::new() };
    context.markers(vec![
        ("Namespace", vec![of.ingress.id.namespace.clone()]),
        ("Host", vec![of.host.clone()]),
        ("ServiceName", service),
        ("Path", vec![of.path.path.clone()]),
        ("IngressName", vec![of.ingress.id.name.clone()]),
    ])
}

/// The pool of a path. `label` goes into the checksum where upstream has one.
pub(crate) fn of_path(
    context: &Context,
    view: &View<'_>,
    of: PathOf<'_>,
    name: String,
    label: &str,
    markers: Vec<Marker>,
    out: &mut Output,
) -> Pool {
    let (members, port_name) = members(context, view, of, out);
    let metadata = ServiceMetadata {
        ingress_name: of.ingress.id.name.clone(),
        namespace: of.ingress.id.namespace.clone(),
        hostnames: Some(vec![of.host.clone()]),
        pool_ratio: INGRESS_RATIO,
        ..ServiceMetadata::default()
    };
    let covered =
        Covered { protocol: "", members: &members, port_name: &port_name, label, metadata: &metadata };
    pool::build(context, name, &covered, markers, Protocol::Tcp)
}

fn members(context: &Context, view: &View<'_>, of: PathOf<'_>, out: &mut Output) -> (Members, String) {
    let id = of.service();
    let port = &of.path.backend.port;
    let service = view.get::<Service>(&id);
    let backend = endpoints::backend_port(service.map(|s| &**s), port);
    let usable = service.filter(|s| can_back(context, s.service_type));
    if usable.is_none() {
        let why = match (service, context.config.service_mode) {
            (None, _) => "does not exist: create it",
            (Some(_), ServiceMode::NodePortLocal) => {
                "is of a type that cannot back an Ingress with NodePortLocal: use ClusterIP"
            }
            (Some(_), _) => "is of a type that cannot back an Ingress: use ClusterIP or NodePort",
        };
        let message = format!("Service {id} for {}{} {why}", of.host, of.path.path);
        out.tell(&ingress_id(&of.ingress.id), Reason::MissingService, message);
    }
    if usable.is_some() && context.requests_node_ports() {
        out.request_node_ports(&id);
    }
    if let Some(service) = usable.filter(|_| backend.port.is_none()) {
        let message = missing_port(of, service, port);
        out.tell(&ingress_id(&of.ingress.id), Reason::MissingPort, message);
    }
    let mut members = usable.map(|s| endpoints::of_service(context, view, s, &backend)).unwrap_or_default();
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
fn can_back(context: &Context, service_type: ServiceType) -> bool {
    let mode = context.config.service_mode;
    match service_type {
        ServiceType::ClusterIp => true,
        ServiceType::NodePort => mode != ServiceMode::NodePortLocal,
        ServiceType::LoadBalancer => context.config.layer7_only || mode == ServiceMode::NodePort,
        ServiceType::ExternalName => false,
    }
}
