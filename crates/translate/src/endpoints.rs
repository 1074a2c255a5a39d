//! The members of pools. Source: L7 objects, §6; L4 and network, A4, B11, B12.
//!
//! What the API says of a member of a load balancer, and what becomes of it, is in
//! `docs/fields.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ako_avi_types::{IpAddress, Server};
use ako_core::config::ServiceMode;
use ako_core::resource::{
    EndpointSlice, Node, NodePort, Pod, PortRef, Protocol, Service, ServicePort, ServiceType, SlicePort,
};
use ako_core::{Place, Reason, annotation};

use crate::context::Context;
use crate::view::View;

/// The label of nodes that are to be left out of load balancers.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// The servers of a pool, and the port that upstream's checksum knows it by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    pub(crate) servers: Vec<Server>,
    /// The servers' port; 0 if none was found, or every server has its own.
    pub(crate) port: u16,
    /// What people have to know about the servers.
    pub(crate) remarks: Vec<(Reason, String)>,
}

impl Members {
    fn without_servers(reason: Reason, why: String) -> Self {
        Self { remarks: vec![(reason, why)], ..Self::default() }
    }
}

/// The port that a backend is asked for by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WantedPort {
    /// A port of the Service, as Ingresses name it.
    OfService(PortRef),
    /// The number of a port of the pods, as Routes may have it.
    OfPods(u16),
    /// The name of a port of the Service, as Routes may have it.
    Named(Arc<str>),
    /// The only one that there is.
    Any,
}

impl WantedPort {
    /// The target port of a Route.
    pub(crate) fn of_route(target: Option<PortRef>) -> Self {
        match target {
            Some(PortRef::Number(number)) => Self::OfPods(number),
            Some(PortRef::Name(name)) => Self::Named(name),
            None => Self::Any,
        }
    }

    /// Its number, if it is asked for by one.
    pub(crate) fn number(&self) -> Option<u16> {
        match self {
            Self::OfService(PortRef::Number(number)) | Self::OfPods(number) => Some(*number),
            _ => None,
        }
    }
}

/// The port of a backend, as far as the Ingress, the Route or the Service tells.
#[derive(Clone, Debug)]
pub(crate) struct BackendPort<'a> {
    /// The name to look for in slices; empty if there is none.
    pub(crate) name: &'a str,
    /// The Service's port, if there is such a one.
    pub(crate) port: Option<&'a ServicePort>,
    /// The number to look for in slices, 0 if it has to be found by name.
    target: u16,
    /// Whether no other port will do, be it the only one.
    is_strict: bool,
}

impl<'a> BackendPort<'a> {
    /// A port of a Service.
    pub(crate) fn of_service(port: &'a ServicePort) -> Self {
        Self { name: &port.name, port: Some(port), target: target_number(port), is_strict: false }
    }

    /// The protocol: that of the Service's port, and for a host TCP.
    fn protocol(&self) -> Protocol {
        self.port.map_or(Protocol::Tcp, |port| port.protocol)
    }

    /// Whether the Service has no such port.
    pub(crate) fn is_missing(&self) -> bool {
        self.port.is_none() && self.target == 0
    }
}

/// Which members traffic is sent to: pods, nodes, or nodes' ports that lead to
/// pods.
pub(crate) fn of_service(
    context: &Context,
    view: &View<'_>,
    service: &Service,
    port: &BackendPort<'_>,
) -> Members {
    let skips_nodes = service.annotations.contains_key(annotation::SKIP_NODE_PORT);
    match context.config.service_mode {
        ServiceMode::NodePortLocal => node_ports_of_pods(context, view, service, port),
        ServiceMode::NodePort if !skips_nodes => nodes(context, view, service, port),
        ServiceMode::NodePort | ServiceMode::ClusterIp => pods(context, view, service, port),
    }
}

/// The node ports that Antrea keeps for the pods that a Service selects. It
/// keeps none for Services of type NodePort, which have their own.
fn node_ports_of_pods(
    context: &Context,
    view: &View<'_>,
    service: &Service,
    port: &BackendPort<'_>,
) -> Members {
    let Some(target) = port.port.filter(|_| service.service_type != ServiceType::NodePort) else {
        return Members::default();
    };
    let endpoints =
        view.under::<EndpointSlice>(Place::Endpoints, &service.id).flat_map(|slice| &slice.endpoints);
    let enabled: BTreeMap<_, _> =
        endpoints.map(|endpoint| (&endpoint.address, endpoint.ready && !endpoint.terminating)).collect();
    let mut servers = Vec::new();
    for pod in view.pods_of(service) {
        let Some(number) = port_of_pod(target, pod) else { continue };
        let enabled = pod.addresses.iter().find_map(|address| enabled.get(address).copied()).unwrap_or(true);
        let leads = |reached: &&NodePort| {
            reached.pod_port == number && reached.protocol.is_none_or(|protocol| protocol == target.protocol)
        };
        let reached = pod.node_ports.iter().filter(leads);
        let reached = reached.filter(|reached| family_used(context, service, reached.node_ip.contains(':')));
        servers.extend(reached.map(|reached| Server {
            ip: IpAddress::new(reached.node_ip.clone()),
            port: reached.node_port,
            external_uuid: Some(external_uuid(&reached.node_ip, reached.node_port)),
            enabled: Some(enabled),
            server_node: None,
        }));
    }
    servers.sort();
    // A node port that moves between pods is with both for a moment; it is
    // enabled if one of them is, which sorting puts last.
    servers.dedup_by(|later, kept| {
        let same = later.ip == kept.ip && later.port == kept.port;
        if same {
            kept.enabled = later.enabled;
        }
        same
    });
    Members { servers, ..Members::default() }
}

/// The port of a pod that a Service's port leads to, by its own name for it.
fn port_of_pod(port: &ServicePort, pod: &Pod) -> Option<u16> {
    match &port.target_port {
        Some(PortRef::Number(number)) => Some(*number),
        Some(PortRef::Name(name)) => pod.port_names.get(name).copied(),
        None => Some(port.port),
    }
}

fn external_uuid(address: &str, port: u16) -> Arc<str> {
    format!("{address}:{port}").into()
}

fn pods(context: &Context, view: &View<'_>, service: &Service, port: &BackendPort<'_>) -> Members {
    let slices = view.under::<EndpointSlice>(Place::Endpoints, &service.id);
    let only = is_only_port(service, slices.clone());
    let mut members = Members::default();
    let mut servers: BTreeMap<_, Server> = BTreeMap::new();
    let mut without_port = false;
    for slice in slices.filter(|s| family_used(context, service, s.is_ipv6)) {
        let Some(number) = matching_port(slice, port, only) else {
            without_port |= !slice.endpoints.is_empty();
            continue;
        };
        members.port = number;
        for endpoint in &slice.endpoints {
            let server = Server {
                ip: IpAddress::new(endpoint.address.clone()),
                port: number,
                external_uuid: Some(external_uuid(&endpoint.address, number)),
                enabled: Some(endpoint.ready && !endpoint.terminating),
                server_node: endpoint.node.clone(),
            };
            // An endpoint that moves between slices, or between nodes, is in both for a
            // while: the one that is ready is where it is now.
            let known = servers.entry((endpoint.address.clone(), number)).or_insert_with(|| server.clone());
            if known.enabled == Some(false) && server.enabled == Some(true) {
                *known = server;
            }
        }
    }
    members.servers = servers.into_values().collect();
    members.servers.sort();
    if let Some(port) = port.port.filter(|_| without_port && members.servers.is_empty()) {
        let why = format!("no pod has what its port {} leads to: correct targetPort, or the pods", port.port);
        members.remarks.push((Reason::MissingPort, why));
    }
    members
}

/// Whether there is one port on both sides: then one leads to the other, whatever they are
/// called.
fn is_only_port<'a>(service: &Service, slices: impl Iterator<Item = &'a Arc<EndpointSlice>>) -> bool {
    let numbers: Vec<_> = slices.map(|slice| slice.ports.len()).collect();
    service.ports.len() == 1 && numbers == [1]
}

fn matching_port(slice: &EndpointSlice, port: &BackendPort<'_>, only: bool) -> Option<u16> {
    let matches = |p: &&SlicePort| {
        let is_only = only && !port.is_strict;
        let is_meant = &*p.name == port.name || (port.target != 0 && p.port == Some(port.target)) || is_only;
        is_meant && p.protocol == port.protocol()
    };
    slice.ports.iter().find(matches).and_then(|p| p.port)
}

fn nodes(context: &Context, view: &View<'_>, service: &Service, port: &BackendPort<'_>) -> Members {
    if service.service_type == ServiceType::ClusterIp {
        let why = "it is of type ClusterIP, which has no node ports: use NodePort, or another serviceType";
        return Members::without_servers(Reason::UnsupportedBackend, why.to_owned());
    }
    // As with pods, the only port of a Service is taken for one that it does not have.
    let is_only =
        |only: &&ServicePort| !port.is_strict && service.ports.len() == 1 && only.protocol == port.protocol();
    let found = port.port.or_else(|| service.ports.first().filter(is_only));
    let Some(found) = found else { return Members::default() };
    let Some(node_port) = found.node_port else {
        let why = format!(
            "its port {} has no node port: set allocateLoadBalancerNodePorts to true, or use another serviceType",
            found.port
        );
        return Members::without_servers(Reason::MissingPort, why);
    };
    let local = service.local_traffic_only.then(|| nodes_with_endpoints(view, service, port));
    let selected: Vec<_> = view.all::<Node>().filter(|node| selected(context, node)).collect();
    let are_all_excluded = !selected.is_empty() && selected.iter().all(|node| is_excluded(node));
    let chosen = selected.into_iter().filter(|node| are_all_excluded || !is_excluded(node));
    let chosen = chosen.filter(|node| local.as_ref().is_none_or(|nodes| nodes.contains(&node.name)));
    let addresses = chosen.filter_map(|node| node_address(context, service, node));
    let mut servers: Vec<_> = addresses
        .map(|address| Server {
            external_uuid: Some(external_uuid(&address, node_port)),
            ip: IpAddress::new(address),
            port: node_port,
            enabled: None,
            server_node: None,
        })
        .collect();
    servers.sort();
    servers.dedup();
    let remark = || {
        let why = "so all of them are used: take it from those that shall be";
        (Reason::NodesExcluded, format!("every node has label {EXCLUDED}, {why}"))
    };
    Members { servers, port: node_port, remarks: are_all_excluded.then(remark).into_iter().collect() }
}

fn nodes_with_endpoints(view: &View<'_>, service: &Service, port: &BackendPort<'_>) -> BTreeSet<Arc<str>> {
    let slices = view.under::<EndpointSlice>(Place::Endpoints, &service.id);
    let only = is_only_port(service, slices.clone());
    let matching = slices.filter(|slice| matching_port(slice, port, only).is_some());
    matching.flat_map(|slice| slice.endpoints.iter().filter_map(|e| e.node.clone())).collect()
}

fn selected(context: &Context, node: &Node) -> bool {
    let selector = &context.config.node_selector;
    selector.key.is_empty() || node.labels.get(&selector.key) == Some(&selector.value)
}

/// Whether a node is to be left out of load balancers.
/// Source: Kubernetes documentation, "Well-Known Labels, Annotations and Taints".
fn is_excluded(node: &Node) -> bool {
    node.labels.get(EXCLUDED).is_some_and(|value| &**value != "false")
}

/// A node's address: what its CNI announces, else its first InternalIP; IPv4
/// if it can be used.
fn node_address(context: &Context, service: &Service, node: &Node) -> Option<Arc<str>> {
    let usable = |ipv6: bool| {
        family_used(context, service, ipv6).then(|| address_of_family(node, ipv6)).flatten().cloned()
    };
    usable(false).or_else(|| usable(true))
}

/// A node's address of a family: what its CNI announces, else its first
/// InternalIP.
pub(crate) fn address_of_family(node: &Node, ipv6: bool) -> Option<&Arc<str>> {
    let is_of_family = |a: &&Arc<str>| a.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6() == ipv6);
    node.cni_ips.iter().chain(&node.internal_ips).find(is_of_family)
}

/// Whether addresses of a family go into pools: the cloud, the configuration
/// and the Service all have to have it.
fn family_used(context: &Context, service: &Service, ipv6: bool) -> bool {
    context.uses_family(ipv6) && if ipv6 { service.ipv6 } else { service.ipv4 }
}

/// The port that the backend of a host means, looked up in the Service. HTTP is spoken over
/// TCP, so a port of another protocol is none.
pub(crate) fn backend_port<'a>(service: Option<&'a Service>, wanted: &'a WantedPort) -> BackendPort<'a> {
    let ports = || service.into_iter().flat_map(|s| &s.ports).filter(|p| p.protocol == Protocol::Tcp);
    let found = match wanted {
        WantedPort::OfService(PortRef::Number(number)) => ports().find(|p| p.port == *number),
        WantedPort::OfService(PortRef::Name(name)) | WantedPort::Named(name) => {
            ports().find(|p| p.name == *name)
        }
        WantedPort::OfPods(number) => ports().find(|p| target_number(p) == *number),
        WantedPort::Any => ports().next().filter(|_| ports().count() == 1),
    };
    let name = match (wanted, found) {
        (WantedPort::OfService(PortRef::Name(name)) | WantedPort::Named(name), _) => name,
        (WantedPort::OfService(PortRef::Number(_)), Some(p)) => &*p.name,
        _ => "",
    };
    let target = match wanted {
        WantedPort::OfPods(number) => *number,
        _ => found.map_or(0, target_number),
    };
    BackendPort { name, port: found, target, is_strict: matches!(wanted, WantedPort::Named(_)) }
}

/// The pods' port of a Service port, 0 if it is named.
pub(crate) fn target_number(port: &ServicePort) -> u16 {
    match port.target_port {
        Some(PortRef::Number(number)) => number,
        Some(PortRef::Name(_)) => 0,
        None => port.port,
    }
}
