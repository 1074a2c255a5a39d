//! The members of pools.

use ako_avi_types::Kind;
use ako_core::config::{IpFamily, ServiceMode};
use ako_core::resource::{
    Endpoint, EndpointSlice, Node, PortRef, Protocol, Service, ServicePort, ServiceType, SlicePort,
};
use ako_core::{CloudType, Config, Facts, Reason, Resource};

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
fn pods_of_a_service_are_behind_all_that_lead_to_it() {
    let hosts = ["one.example.com", "two.example.com"];
    let mut objects: Vec<_> =
        hosts.iter().map(|host| Resource::Ingress(ingress("red", host, 1, host))).collect();
    objects.push(Resource::Service(web(vec![port("http", 80, Protocol::Tcp)])));
    objects.extend(slices([slice("s", ("http", 8080), vec![endpoint("10.0.0.1"), endpoint("10.0.0.2")])]));
    let all = translate(config(), objects);
    let pools = all.names(Kind::Pool);
    assert_eq!(pools.len(), 2);
    for pool in pools {
        assert_eq!(all.servers(pool), ["10.0.0.1:8080", "10.0.0.2:8080"], "{pool}");
    }
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

#[test]
fn an_ingress_leads_to_the_tcp_port_of_a_number() {
    let udp = ServicePort { target_port: Some(PortRef::Number(8444)), ..port("quic", 80, Protocol::Udp) };
    let tcp = ServicePort { target_port: Some(PortRef::Number(8443)), ..port("https", 80, Protocol::Tcp) };
    let mut ends = slice("s", ("https", 8443), vec![endpoint("10.0.0.1")]);
    ends.ports.insert(0, SlicePort { name: "quic".into(), port: Some(8444), protocol: Protocol::Udp });
    let all = behind(config(), web(vec![udp.clone(), tcp.clone()]), slices([ends.clone()]));
    assert_eq!(all.servers(POOL), ["10.0.0.1:8443"]);
    // A port of another protocol is none.
    let all = behind(config(), web(vec![udp]), slices([ends]));
    assert!(all.servers(POOL).is_empty());
    assert!(all.is_told(Reason::MissingPort, "Ingress red/i"));
    // Node ports likewise.
    let node_port = Config { service_mode: ServiceMode::NodePort, ..config() };
    let with = |port: ServicePort, number| ServicePort { node_port: Some(number), ..port };
    let ports =
        vec![with(port("quic", 80, Protocol::Udp), 30_001), with(port("https", 80, Protocol::Tcp), 30_002)];
    let servers = |ports| {
        let service = service("red", "web", ServiceType::NodePort, ports);
        behind(node_port.clone(), service, vec![node("n1", "10.1.0.1")]).servers(POOL)
    };
    assert_eq!(servers(ports.clone()), ["10.1.0.1:30002"]);
    assert_eq!(servers(ports[..1].to_vec()), Vec::<String>::new());
}

#[test]
fn a_port_that_the_pods_do_not_have_leads_nowhere() {
    let named = |name: &str, number| {
        let target = Some(PortRef::Name(name.into()));
        ServicePort { target_port: target, ..port(name, number, Protocol::Tcp) }
    };
    let mut asking = ingress("red", "i", 1, "foo.example.com");
    asking.rules[0].paths.as_mut().unwrap()[0].backend.as_mut().unwrap().port = PortRef::Number(9090);
    let ends = slice("s", ("http", 8080), vec![endpoint("10.0.0.1")]);
    let objects = |ports| {
        let mut objects = vec![Resource::Ingress(asking.clone()), Resource::Service(web(ports))];
        objects.extend(slices([ends.clone()]));
        objects
    };
    let all = translate(config(), objects(vec![named("http", 80), named("metrics", 9090)]));
    assert!(all.pool(POOL).servers.is_empty());
    assert!(all.is_told(Reason::MissingPort, "Ingress red/i"), "{:?}", all.told);
    // Without any pod there is nothing to say yet.
    let all = translate(config(), objects(vec![named("http", 80), named("metrics", 9090)])[..2].to_vec());
    assert_eq!(all.told, Vec::<String>::new());
}

#[test]
fn a_port_that_the_service_does_not_have_is_told() {
    for (number, name) in [(8080, None), (80, Some("misspelt"))] {
        let mut asking = ingress("red", "i", 1, "foo.example.com");
        let wanted = name.map_or(PortRef::Number(number), |name: &str| PortRef::Name(name.into()));
        asking.rules[0].paths.as_mut().unwrap()[0].backend.as_mut().unwrap().port = wanted;
        let ports = vec![port("http", 80, Protocol::Tcp), port("admin", 9090, Protocol::Tcp)];
        for (ports, servers) in [(ports.clone(), 0), (ports[..1].to_vec(), 1)] {
            let mut objects = vec![Resource::Ingress(asking.clone()), Resource::Service(web(ports))];
            objects.extend(slices([slice("s", ("http", 8080), vec![endpoint("10.0.0.1")])]));
            let all = translate(config(), objects);
            assert!(all.is_told(Reason::MissingPort, "Ingress red/i"), "{:?}", all.told);
            // With a single port there is no doubt what is meant, and upstream serves it.
            assert_eq!(all.pool(POOL).servers.len(), servers, "{number} {name:?}");
        }
    }
}

#[test]
fn an_address_in_two_slices_is_in_service_if_one_of_them_says_so() {
    let ending =
        Endpoint { terminating: true, ready: false, node: Some("old".into()), ..endpoint("10.0.0.1") };
    let ready = Endpoint { node: Some("new".into()), ..endpoint("10.0.0.1") };
    for (first, second) in [(&ending, &ready), (&ready, &ending)] {
        let pair = [("s1", first), ("s2", second)];
        let pair = pair.map(|(name, endpoint)| slice(name, ("http", 8080), vec![endpoint.clone()]));
        let all = behind(config(), web(vec![port("http", 80, Protocol::Tcp)]), slices(pair));
        let servers = &all.pool(POOL).servers;
        assert_eq!(servers.len(), 1);
        assert_eq!((servers[0].enabled, servers[0].server_node.as_deref()), (Some(true), Some("new")));
    }
}

#[test]
fn nodes_that_are_left_out_of_load_balancers_are_left_out() {
    let labelled = |name: &str, address: &str, value: Option<&str>| {
        let Resource::Node(mut node) = node(name, address) else { panic!("no node") };
        let key = "node.kubernetes.io/exclude-from-external-load-balancers";
        node.labels.extend(value.map(|value| (key.into(), value.into())));
        Resource::Node(node)
    };
    let servers = |nodes: Vec<Resource>| {
        let node_port = Config { service_mode: ServiceMode::NodePort, ..config() };
        let ports = vec![ServicePort { node_port: Some(30_080), ..port("http", 80, Protocol::Tcp) }];
        let all = behind(node_port, service("red", "web", ServiceType::NodePort, ports), nodes);
        (all.servers(POOL), all.is_told(Reason::NodesExcluded, "Ingress red/i"))
    };
    let some = vec![
        labelled("n1", "10.1.0.1", Some("")),
        labelled("n2", "10.1.0.2", None),
        labelled("n3", "10.1.0.3", Some("false")),
    ];
    assert_eq!(servers(some), (vec!["10.1.0.2:30080".to_owned(), "10.1.0.3:30080".to_owned()], false));
    // A cluster of one node that is its control plane, too, is served, and told.
    let all = vec![labelled("n1", "10.1.0.1", Some("true"))];
    assert_eq!(servers(all), (vec!["10.1.0.1:30080".to_owned()], true));
}
