//! The pools of a path of an Ingress or Route. Source: L7 objects, §3.2.

use std::sync::Arc;

use ako_avi_types::metadata::CrdStatus;
use ako_avi_types::{Kind, Marker, Pool, Ref, ServiceMetadata};
use ako_core::checksum::sha1_hex;
use ako_core::config::ServiceMode;
use ako_core::kinds::http_rule::HttpRulePath;
use ako_core::name::PathName;
use ako_core::resource::{HttpRule, PathType, PortRef, Protocol, Service, ServiceType, UnusedField};
use ako_core::{NamespacedName, Reason};

use crate::context::Context;
use crate::endpoints::{self, Members, WantedPort};
use crate::http::asked::{ClaimedBackend, ClaimedPath};
use crate::http::claim::HostClaim;
use crate::http::pki_profile;
use crate::output::{Keep, Output};
use crate::pool::{self, Covered, Made, PkiProfileOf, Ruled, TlsToServers};
use crate::rules::http_rule;
use crate::view::View;

/// How many letters of a digest tell a path from the others of an Ingress.
const DIGEST: usize = 8;

/// A path of a claim, under a host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathOf<'a> {
    pub(crate) claim: &'a HostClaim<'a>,
    pub(crate) host: &'a Arc<str>,
    pub(crate) path: &'a ClaimedPath,
}

impl<'a> PathOf<'a> {
    pub(crate) fn name(&self) -> PathName<'a> {
        let by = self.claim.by.name();
        PathName { namespace: &by.namespace, ingress: &by.name, host: self.host, path: &self.path.path }
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

    fn service(&self, backend: &ClaimedBackend) -> NamespacedName {
        NamespacedName::new(self.claim.namespace().clone(), backend.service.clone())
    }

    /// The backends that get requests, each with its part of them. Where none is to get any,
    /// one is there for requests to end at; [`of_backend`] gives it no servers.
    pub(crate) fn backends(&self) -> Vec<(&'a ClaimedBackend, u32)> {
        let chosen = self.path.backends.iter().filter(|backend| backend.weight > 0);
        let chosen: Vec<_> = chosen.map(|backend| (backend, backend.weight)).collect();
        if chosen.is_empty() {
            return self.path.backends.iter().take(1).map(|backend| (backend, 1)).collect();
        }
        chosen
    }
}

/// The markers of what is made for a path; `service` only where upstream names
/// it.
pub(crate) fn path_markers(
    context: &Context,
    of: PathOf<'_>,
    service: Option<&ClaimedBackend>,
) -> Vec<Marker> {
    let by = of.claim.by.name();
    context.markers(vec![
        ("Namespace", vec![by.namespace.clone()]),
        ("Host", vec![of.host.clone()]),
        ("ServiceName", service.map(|backend| backend.service.clone()).into_iter().collect()),
        ("Path", vec![of.path.path.clone()]),
        ("IngressName", vec![by.name.clone()]),
    ])
}

/// The pool of a backend of a path.
pub(crate) fn of_backend(
    context: &Context,
    view: &View<'_>,
    of: PathOf<'_>,
    backend: &ClaimedBackend,
    made: Made<'_>,
    out: &mut Output,
) -> Pool {
    let (mut members, port_name) = members(context, view, of, backend, out);
    if backend.weight == 0 {
        members.servers.clear();
    }
    let by = of.claim.by.name();
    let mut metadata = ServiceMetadata {
        ingress_name: by.name.clone(),
        namespace: by.namespace.clone(),
        hostnames: Some(vec![of.host.clone()]),
        pool_ratio: backend.weight,
        ..ServiceMetadata::default()
    };
    let best = http_rule::of_path(context, view, of.host, &by.namespace, &of.path.path);
    if let Some(rejected) = best.rejected {
        let message = format!(
            "HTTPRule {} is rejected: pools of {}{} that are there keep what it gave them, and new ones are made without \
             it; correct or remove it",
            rejected.id, of.host, of.path.path
        );
        out.tell(&of.claim.by.id(), Reason::RuleNotApplied, message);
        out.goes_by::<HttpRule>(&rejected.id);
        out.kept.push((context.key(Kind::Pool, made.name.as_str()), Keep::Shape));
    }
    if let Some((rule, target)) = best.target {
        out.goes_by::<HttpRule>(&rule.id);
        metadata.crd_status = CrdStatus {
            kind: "HTTPRule".into(),
            value: format!("{}/{}", rule.id, target.target).into(),
            status: "ACTIVE".into(),
        };
    }
    let target = best.target.map(|(_, target)| target);
    let tls = tls_to_servers(context, of, target, &made, out);
    let ruled = target.map(ruled);
    let covered = Covered {
        protocol: "",
        members: &members,
        port_name: &port_name,
        label: made.label,
        metadata: &metadata,
        tls: tls.as_ref(),
        ruled: ruled.as_ref(),
    };
    pool::build(context, made.name, &covered, made.markers, Protocol::Tcp)
}

/// How the pods are spoken to in TLS, if they are: what an HTTPRule says counts before what the
/// Route does.
fn tls_to_servers(
    context: &Context,
    of: PathOf<'_>,
    target: Option<&HttpRulePath>,
    made: &Made<'_>,
    out: &mut Output,
) -> Option<TlsToServers> {
    let by_rule = target.and_then(|target| target.tls.as_ref());
    let by_route = of.claim.asked.reencrypt.as_ref();
    if by_rule.is_none() && by_route.is_none() {
        return None;
    }
    let ca = by_rule.and_then(|tls| tls.destination_ca.as_ref());
    let profile = by_rule.and_then(|tls| tls.pki_profile.as_ref());
    // A profile of the controller takes the place of the Route's certificate.
    let ca = ca.or_else(|| by_route.and_then(|tls| tls.destination_ca).filter(|_| profile.is_none()));
    let ssl_profile = by_rule.and_then(|tls| tls.ssl_profile.as_ref());
    let tls = pki_profile::tls_to_servers(context, ca, ssl_profile, made, &of.claim.by.id(), out);
    let of_controller =
        profile.map(|name| PkiProfileOf::Controller(Ref::named(Kind::PkiProfile, name.clone())));
    Some(TlsToServers { pki_profile: of_controller.or(tls.pki_profile), ..tls })
}

/// What a rule asks for beside TLS.
fn ruled(target: &HttpRulePath) -> Ruled {
    let reference = |kind, name: &Arc<str>| Ref::named(kind, name.clone());
    let policy = target.load_balancer_policy.as_ref();
    let algorithm = policy.and_then(|policy| policy.algorithm.clone());
    let is_hashed = algorithm.as_deref() == Some(http_rule::CONSISTENT_HASH);
    let hash = policy.and_then(|policy| policy.hash.clone()).filter(|_| is_hashed);
    let by_header = hash.as_deref() == Some(http_rule::HASH_OF_HEADER);
    Ruled {
        health_monitors: target
            .health_monitors
            .iter()
            .map(|name| reference(Kind::HealthMonitor, name))
            .collect(),
        lb_algorithm: algorithm,
        lb_algorithm_hash: hash,
        lb_algorithm_header: policy.and_then(|policy| policy.host_header.clone()).filter(|_| by_header),
        persistence: target
            .application_persistence
            .as_ref()
            .map(|name| reference(Kind::ApplicationPersistenceProfile, name)),
        enable_http2: target.enable_http2,
        ..Ruled::default()
    }
}

fn members(
    context: &Context,
    view: &View<'_>,
    of: PathOf<'_>,
    backend: &ClaimedBackend,
    out: &mut Output,
) -> (Members, String) {
    let id = of.service(backend);
    let port = &backend.port;
    let service = view.get::<Service>(&id);
    let found = endpoints::backend_port(service.map(|s| &**s), port);
    let usable = service.filter(|s| can_back(context, s.service_type));
    if usable.is_none() {
        let why = match (service, context.config.service_mode) {
            (None, _) => "does not exist: create it",
            (Some(_), ServiceMode::NodePortLocal) => {
                "is of a type that cannot be behind a host with NodePortLocal: use ClusterIP"
            }
            (Some(_), _) => "is of a type that cannot be behind a host: use ClusterIP or NodePort",
        };
        let message = format!("Service {id} for {}{} {why}", of.host, of.path.path);
        out.tell(&of.claim.by.id(), Reason::MissingService, message);
    }
    if usable.is_some() && context.requests_node_ports() {
        out.request_node_ports(&id);
    }
    if let Some(service) = usable.filter(|_| found.is_missing()) {
        let message = missing_port(of, service, port);
        out.tell(&of.claim.by.id(), Reason::MissingPort, message);
    }
    let mut members = usable.map(|s| endpoints::of_service(context, view, s, &found)).unwrap_or_default();
    for (reason, remark) in members.remarks.drain(..) {
        let message = format!("Service {id} for {}{}: {remark}", of.host, of.path.path);
        out.tell(&of.claim.by.id(), reason, message);
    }
    let spoken = found.port.zip(usable).and_then(|(port, service)| spoken(service, port.port));
    if let Some(spoken) = spoken {
        let message = format!(
            "Service {id} for {}{}: appProtocol {spoken:?} has no effect; pods are spoken to in HTTP/1 without TLS",
            of.host, of.path.path
        );
        out.tell(&of.claim.by.id(), Reason::UnsupportedField, message);
    }
    if members.port == 0 {
        // What upstream assumes where no endpoint tells.
        members.port = port.number().unwrap_or(80);
    }
    (members, found.name.to_owned())
}

/// What is to be spoken on a port of a Service, if that is not plain HTTP.
fn spoken(service: &Service, number: u16) -> Option<&Arc<str>> {
    service.unused.iter().find_map(|unused| match unused {
        UnusedField::AppProtocol(port, spoken) => Some(spoken).filter(|_| *port == number),
        _ => None,
    })
}

/// What to say of a port that a Service does not have, or has for another protocol. The
/// only port of a Service is taken for that of an Ingress all the same, as upstream does.
fn missing_port(of: PathOf<'_>, service: &Service, port: &WantedPort) -> String {
    let usable = service.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
    let start = format!("Service {} for {}{}", service.id, of.host, of.path.path);
    if matches!(port, WantedPort::Any | WantedPort::OfPods(_) | WantedPort::Named(_)) {
        let names: Vec<_> = usable.map(|port| format!("{:?}", port.name)).collect();
        let names = if names.is_empty() { "none of protocol TCP".to_owned() } else { names.join(", ") };
        return match port {
            WantedPort::Named(name) => format!(
                "{start} has no TCP port named {name:?}, so it gets no requests; it has {names}: correct \
                 spec.port.targetPort"
            ),
            _ => format!("{start} has several ports: name one of {names} in spec.port.targetPort"),
        };
    }
    let named = match port {
        WantedPort::OfService(PortRef::Name(name)) => format!("{name:?}"),
        _ => port.number().unwrap_or_default().to_string(),
    };
    let usable: Vec<_> = usable.map(|port| port.port.to_string()).collect();
    let way_out = match &*usable {
        [] => "it has none of protocol TCP, which HTTP needs: add one".to_owned(),
        [only] if service.ports.len() == 1 => format!("its only one, {only}, is tried: name that one"),
        _ => format!("it has {}: name one of them", usable.join(", ")),
    };
    format!("{start} has no TCP port {named}; {way_out}")
}

/// Whether a Service of a type can be behind a host.
fn can_back(context: &Context, service_type: ServiceType) -> bool {
    let mode = context.config.service_mode;
    match service_type {
        ServiceType::ClusterIp => true,
        ServiceType::NodePort => mode != ServiceMode::NodePortLocal,
        ServiceType::LoadBalancer => context.config.layer7_only || mode == ServiceMode::NodePort,
        ServiceType::ExternalName => false,
    }
}
