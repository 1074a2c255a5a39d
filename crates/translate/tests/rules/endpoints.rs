//! The members of pools.

use ako_core::config::{IpFamily, ServiceMode};
use ako_core::facts::CloudType;
use ako_core::resource::{
    Endpoint, EndpointSlice, Node, PortRef, Protocol, Service, ServicePort, ServiceType, SlicePort,
};
use ako_core::{Config, Facts, Reason, Resource};

use crate::cluster::{
    Translated, config, endpoint, facts, ingress, port, service, slice, translate, translate_with,
};

const POOL: &str = "c1--foo.example.com_-red-i";

/// Service `web` behind Ingress `i`, with these slices.
fn behind(config: Config, service: Service, more: Vec<Resource>) -> Translated {
    let mut objects =
        vec![Resource::Ingress(ingress("red", "i", 1, "foo.example.com")), Resource::Service(service)];
    objects.extend(more);
    translate(config, objects)
}

fn web(ports: Vec<ServicePort>) -> Service {
    service("red", "web", ServiceType::ClusterIp, ports)
}

fn slices(list: impl IntoIterator<Item = EndpointSlice>) -> Vec<Resource> {
    list.into_iter().map(Resource::EndpointSlice).collect()
}

fn two_ports(mut slice: EndpointSlice, name: &str, number: u16) -> EndpointSlice {
    slice.ports.push(SlicePort { name: name.into(), port: Some(number), protocol: Protocol::Tcp });
    slice
}

#[test]
fn a_named_target_port_is_found_in_the_slice_by_the_ports_name() {
    let named =
        ServicePort { target_port: Some(PortRef::Name("web".into())), ..port("http", 80, Protocol::Tcp) };
    let slice = two_ports(slice("s", ("http", 8080), vec![endpoint("10.0.0.1")]), "metrics", 9090);
    let all = behind(config(), web(vec![named, port("metrics", 9090, Protocol::Tcp)]), slices([slice]));
    assert_eq!(all.servers(POOL), ["10.0.0.1:8080"]);
}

#[test]
fn a_numbered_target_port_is_found_by_its_number() {
    let numbered = ServicePort { target_port: Some(PortRef::Number(8081)), ..port("x", 80, Protocol::Tcp) };
    let slice = two_ports(slice("s", ("a", 8080), vec![endpoint("10.0.0.1")]), "b", 8081);
    let all = behind(config(), web(vec![numbered]), slices([slice]));
    assert_eq!(all.servers(POOL), ["10.0.0.1:8081"]);
}

#[test]
fn slices_are_put_together_and_an_address_counts_once() {
    let first = slice("s1", ("http", 8080), vec![endpoint("10.0.0.1"), endpoint("10.0.0.2")]);
    let second = slice("s2", ("http", 8080), vec![endpoint("10.0.0.2"), endpoint("10.0.0.3")]);
    let all = behind(config(), web(vec![port("http", 80, Protocol::Tcp)]), slices([first, second]));
    assert_eq!(all.servers(POOL), ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"]);
}

#[test]
fn slices_may_differ_in_the_number_of_a_named_port() {
    let named =
        ServicePort { target_port: Some(PortRef::Name("web".into())), ..port("http", 80, Protocol::Tcp) };
    let first = slice("s1", ("http", 8080), vec![endpoint("10.0.0.1")]);
    let second = slice("s2", ("http", 9090), vec![endpoint("10.0.0.2")]);
    let all = behind(config(), web(vec![named]), slices([first, second]));
    assert_eq!(all.servers(POOL), ["10.0.0.1:8080", "10.0.0.2:9090"]);
}

#[test]
fn what_ends_or_is_not_ready_stays_without_new_connections() {
    let ending = Endpoint { terminating: true, ..endpoint("10.0.0.1") };
    let unready = Endpoint { ready: false, ..endpoint("10.0.0.2") };
    let slice = slice("s", ("http", 8080), vec![ending, unready, endpoint("10.0.0.3")]);
    let all = behind(config(), web(vec![port("http", 80, Protocol::Tcp)]), slices([slice]));
    assert_eq!(all.pool(POOL).servers.len(), 3);
    assert_eq!(all.servers(POOL), ["10.0.0.3:8080"]);
}

#[test]
fn families_have_to_be_used_by_cluster_and_service() {
    let v4 = slice("s4", ("http", 8080), vec![endpoint("10.0.0.1")]);
    let v6 = EndpointSlice { is_ipv6: true, ..slice("s6", ("http", 8080), vec![endpoint("fd00::1")]) };
    let servers = |family, ipv6| {
        let service = Service { ipv6, ..web(vec![port("http", 80, Protocol::Tcp)]) };
        let config = Config { ip_family: family, ..config() };
        let all = behind(config, service, slices([v4.clone(), v6.clone()]));
        all.pool(POOL).servers.iter().map(|s| format!("{} {}", s.ip.family, s.ip.addr)).collect::<Vec<_>>()
    };
    assert_eq!(servers(None, true), ["V4 10.0.0.1", "V6 fd00::1"]);
    assert_eq!(servers(None, false), ["V4 10.0.0.1"]);
    assert_eq!(servers(Some(IpFamily::V6), true), ["V6 fd00::1"]);
    assert_eq!(servers(Some(IpFamily::V4), true), ["V4 10.0.0.1"]);
}

fn node(name: &str, address: &str) -> Resource {
    Resource::Node(Node { name: name.into(), internal_ips: vec![address.into()], ..Node::default() })
}

#[test]
fn node_ports_lead_to_all_nodes_or_to_those_with_endpoints() {
    let node_port = Config { service_mode: ServiceMode::NodePort, ..config() };
    let ports = vec![ServicePort { node_port: Some(30_080), ..port("http", 80, Protocol::Tcp) }];
    let mut service = service("red", "web", ServiceType::NodePort, ports);
    let more = || {
        let mut more = slices([slice("s", ("http", 8080), vec![endpoint("10.0.0.1")])]);
        more.extend([node("n1", "10.1.0.1"), node("n2", "10.1.0.2")]);
        more
    };
    let all = behind(node_port.clone(), service.clone(), more());
    assert_eq!(all.servers(POOL), ["10.1.0.1:30080", "10.1.0.2:30080"]);
    service.local_traffic_only = true;
    let all = behind(node_port.clone(), service.clone(), more());
    assert_eq!(all.servers(POOL), ["10.1.0.1:30080"]);
    service.service_type = ServiceType::ClusterIp;
    assert!(behind(node_port, service, more()).servers(POOL).is_empty());
}

#[test]
fn of_a_node_with_both_families_ipv4_is_taken_if_it_can_be_used() {
    let node = Resource::Node(Node {
        name: "n1".into(),
        internal_ips: vec!["fd01::1".into(), "10.1.0.1".into()],
        ..Node::default()
    });
    let servers = |family, cloud, ipv4, ipv6| {
        let ports = vec![ServicePort { node_port: Some(30_080), ..port("http", 80, Protocol::Tcp) }];
        let service = Service { ipv4, ipv6, ..service("red", "web", ServiceType::NodePort, ports) };
        let config = Config { service_mode: ServiceMode::NodePort, ip_family: family, ..config() };
        let objects = vec![
            Resource::Ingress(ingress("red", "i", 1, "foo.example.com")),
            Resource::Service(service),
            node.clone(),
        ];
        translate_with(config, Facts { cloud, ..facts() }, objects).servers(POOL)
    };
    let (v4, v6) = ("10.1.0.1:30080", "fd01::1:30080");
    let cases: [(_, _, _, _, &[&str]); 8] = [
        (None, CloudType::VCenter, true, true, &[v4]),
        (None, CloudType::VCenter, false, true, &[v6]),
        (Some(IpFamily::Both), CloudType::None, true, true, &[v4]),
        (Some(IpFamily::V6), CloudType::NsxT, true, true, &[v6]),
        (Some(IpFamily::V6), CloudType::NsxTVlan, true, true, &[v6]),
        (Some(IpFamily::V4), CloudType::None, false, true, &[]),
        // Clouds that have no IPv6, whatever is configured.
        (Some(IpFamily::V6), CloudType::Aws, true, true, &[v4]),
        (None, CloudType::Gcp, false, true, &[]),
    ];
    for (family, cloud, ipv4, ipv6, expected) in cases {
        assert_eq!(servers(family, cloud, ipv4, ipv6), expected, "{family:?} {cloud:?} {ipv4} {ipv6}");
    }
}

#[test]
fn a_service_that_cannot_be_used_is_told_and_its_pool_is_empty() {
    for service_type in [ServiceType::ExternalName, ServiceType::LoadBalancer] {
        let service = service("red", "web", service_type, vec![port("http", 80, Protocol::Tcp)]);
        let all = behind(config(), service, slices([slice("s", ("http", 8080), vec![endpoint("10.0.0.1")])]));
        assert!(all.is_told(Reason::MissingService, "Ingress red/i"));
        assert!(all.pool(POOL).servers.is_empty());
    }
}
