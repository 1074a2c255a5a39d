//! The members of pools. Source: L7 objects, §6; L4 and network, A4, B11.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ako_avi_types::{IpAddress, Server};
use ako_core::annotation;
use ako_core::config::ServiceMode;
use ako_core::resource::{EndpointSlice, Node, PortRef, Service, ServicePort, ServiceType};

use crate::context::Translator;
use crate::view::View;

/// The servers of a pool, and the port that upstream's checksum knows it by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    pub(crate) servers: Vec<Server>,
    /// The servers' port; 0 if none was found.
    pub(crate) port: u16,
}

/// The port of a backend, as far as the Ingress or the Service tells.
#[derive(Clone, Debug)]
pub(crate) struct BackendPort<'a> {
    /// The name to look for in slices; empty if there is none.
    pub(crate) name: &'a str,
    /// The number to look for in slices, 0 if it has to be found by name.
    pub(crate) target: u16,
}

/// Which members traffic is sent to: pods, or nodes.
pub(crate) fn of_service(
    t: &Translator,
    view: &View<'_>,
    service: &Service,
    port: &BackendPort<'_>,
) -> Members {
    let node_port = t.config.service_mode == ServiceMode::NodePort;
    if node_port && !service.annotations.contains_key(annotation::SKIP_NODE_PORT) {
        nodes(t, view, service, port)
    } else {
        pods(t, view, service, port)
    }
}

fn pods(t: &Translator, view: &View<'_>, service: &Service, port: &BackendPort<'_>) -> Members {
    let slices = view.slices_of(&service.id);
    let only = slices.clone().count() == 1 && slices.clone().all(|s| s.ports.len() == 1);
    let mut members = Members::default();
    let mut seen = BTreeMap::new();
    for slice in slices.filter(|s| family_used(t, service, s.is_ipv6)) {
        let Some(number) = matching_port(slice, port, only) else { continue };
        members.port = number;
        for endpoint in &slice.endpoints {
            let server = Server {
                ip: IpAddress::new(endpoint.address.clone()),
                port: number,
                external_uuid: Some(format!("{}:{number}", endpoint.address).into()),
                enabled: Some(endpoint.ready && !endpoint.terminating),
                server_node: endpoint.node.clone(),
            };
            // An endpoint that moves between slices is in both for a moment.
            seen.entry((endpoint.address.clone(), number)).or_insert(server);
        }
    }
    members.servers = seen.into_values().collect();
    members.servers.sort();
    members
}

fn matching_port(slice: &EndpointSlice, port: &BackendPort<'_>, only: bool) -> Option<u16> {
    let matches = |p: &&ako_core::resource::SlicePort| {
        &*p.name == port.name || (port.target != 0 && p.port == Some(port.target)) || only
    };
    slice.ports.iter().find(matches).and_then(|p| p.port)
}

fn nodes(t: &Translator, view: &View<'_>, service: &Service, port: &BackendPort<'_>) -> Members {
    if service.service_type == ServiceType::ClusterIp {
        return Members::default();
    }
    let single = service.ports.len() == 1;
    let found = service.ports.iter().find(|p| single || &*p.name == port.name).and_then(|p| p.node_port);
    let Some(node_port) = found else { return Members::default() };
    let local = service.local_traffic_only.then(|| nodes_with_endpoints(view, service, port));
    let chosen = view.nodes().filter(|node| selected(t, node));
    let chosen = chosen.filter(|node| local.as_ref().is_none_or(|nodes| nodes.contains(&node.name)));
    let addresses = chosen.filter_map(|node| node_address(t, service, node));
    let mut servers: Vec<_> = addresses
        .map(|address| Server {
            external_uuid: Some(format!("{address}:{node_port}").into()),
            ip: IpAddress::new(address),
            port: node_port,
            enabled: None,
            server_node: None,
        })
        .collect();
    servers.sort();
    servers.dedup();
    Members { servers, port: node_port }
}

fn nodes_with_endpoints(view: &View<'_>, service: &Service, port: &BackendPort<'_>) -> BTreeSet<Arc<str>> {
    let slices = view.slices_of(&service.id);
    let only = slices.clone().count() == 1 && slices.clone().all(|s| s.ports.len() == 1);
    let matching = slices.filter(|slice| matching_port(slice, port, only).is_some());
    matching.flat_map(|slice| slice.endpoints.iter().filter_map(|e| e.node.clone())).collect()
}

fn selected(t: &Translator, node: &Node) -> bool {
    let selector = &t.config.node_selector;
    selector.key.is_empty() || node.labels.get(&selector.key) == Some(&selector.value)
}

/// A node's address: what its CNI announces, else its first InternalIP; IPv4
/// if it can be used.
fn node_address(t: &Translator, service: &Service, node: &Node) -> Option<Arc<str>> {
    let usable =
        |ipv6: bool| family_used(t, service, ipv6).then(|| address_of_family(node, ipv6)).flatten().cloned();
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
fn family_used(t: &Translator, service: &Service, ipv6: bool) -> bool {
    t.uses_family(ipv6) && if ipv6 { service.ipv6 } else { service.ipv4 }
}

/// The port that an Ingress backend means, looked up in the Service.
pub(crate) fn backend_port<'a>(service: Option<&'a Service>, port: &'a PortRef) -> BackendPort<'a> {
    let matches = |p: &&ServicePort| match port {
        PortRef::Number(number) => p.port == *number,
        PortRef::Name(name) => p.name == *name,
    };
    let found = service.and_then(|s| s.ports.iter().find(matches));
    let name = match (port, found) {
        (PortRef::Name(name), _) => name,
        (PortRef::Number(_), Some(p)) => &*p.name,
        (PortRef::Number(_), None) => "",
    };
    BackendPort { name, target: found.map_or(0, target_number) }
}

/// The pods' port of a Service port, 0 if it is named.
pub(crate) fn target_number(port: &ServicePort) -> u16 {
    match port.target_port {
        Some(PortRef::Number(number)) => number,
        Some(PortRef::Name(_)) => 0,
        None => port.port,
    }
}
