//! NodePortLocal: pods behind node ports that Antrea keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::Kind;
use ako_core::config::{IpFamily, ServiceMode};
use ako_core::resource::{
    Endpoint, EndpointSlice, NodePort, Pod, PortRef, Protocol, Service, ServicePort, ServiceType,
};
use ako_core::{Config, NamespacedName, Reason, Resource};

use crate::cluster::{Translated, config, endpoint, ingress, port, service, slice, translate};

const POOL: &str = "c1--foo.example.com_-red-i";

fn local() -> Config {
    Config { service_mode: ServiceMode::NodePortLocal, cni: "antrea".into(), ..config() }
}

fn labels() -> BTreeMap<Arc<str>, Arc<str>> {
    BTreeMap::from([("app".into(), "web".into())])
}

fn selecting(service: Service) -> Service {
    Service { selector: labels(), ..service }
}

fn web(port: ServicePort) -> Service {
    selecting(service("red", "web", ServiceType::ClusterIp, vec![port]))
}

fn targeting(target: PortRef) -> ServicePort {
    ServicePort { target_port: Some(target), ..port("http", 80, Protocol::Tcp) }
}

/// A pod of Service `web` with one port, `http`.
fn pod(name: &str, address: &str, number: u16, reached: (&str, u16)) -> Pod {
    Pod {
        id: NamespacedName::new("red", name),
        labels: labels(),
        addresses: vec![address.into()],
        port_names: BTreeMap::from([("http".into(), number)]),
        node_ports: vec![NodePort {
            pod_port: number,
            protocol: None,
            node_ip: reached.0.into(),
            node_port: reached.1,
        }],
    }
}

fn pods() -> Vec<Resource> {
    let pods = [
        pod("p1", "10.0.0.1", 8080, ("10.1.0.1", 61_001)),
        pod("p2", "10.0.0.2", 9090, ("10.1.0.2", 61_002)),
        Pod { labels: BTreeMap::new(), ..pod("p3", "10.0.0.3", 8080, ("10.1.0.3", 61_003)) },
        Pod { id: NamespacedName::new("blue", "p4"), ..pod("p4", "10.0.0.4", 8080, ("10.1.0.4", 61_004)) },
    ];
    pods.into_iter().map(Resource::Pod).collect()
}

/// A Service behind Ingress `i`, with these objects.
fn behind(config: Config, service: Service, more: Vec<Resource>) -> Translated {
    let mut objects =
        vec![Resource::Ingress(ingress("red", "i", 1, "foo.example.com")), Resource::Service(service)];
    objects.extend(more);
    translate(config, objects)
}

#[test]
fn a_target_port_leads_to_the_node_ports_of_the_pods_that_have_it() {
    let cases: [(ServicePort, &[&str]); 5] = [
        (targeting(PortRef::Number(8080)), &["10.1.0.1:61001"]),
        (targeting(PortRef::Number(9090)), &["10.1.0.2:61002"]),
        // By a name that means another number in each pod.
        (targeting(PortRef::Name("http".into())), &["10.1.0.1:61001", "10.1.0.2:61002"]),
        (targeting(PortRef::Name("other".into())), &[]),
        // Without a target, the Service's own number.
        (port("http", 80, Protocol::Tcp), &[]),
    ];
    for (port, servers) in cases {
        let all = behind(local(), web(port.clone()), pods());
        assert_eq!(all.servers(POOL), servers, "{port:?}");
        let details = all.pool(POOL).servers.iter();
        assert!(details.clone().all(|server| server.server_node.is_none() && server.enabled == Some(true)));
        let uuids: Vec<_> = details.filter_map(|server| server.external_uuid.as_deref()).collect();
        assert_eq!(uuids, servers);
    }
}

#[test]
fn a_pod_whose_endpoint_is_not_ready_or_ends_takes_no_new_connections() {
    let cases = [
        (endpoint("10.0.0.1"), true),
        (Endpoint { ready: false, ..endpoint("10.0.0.1") }, false),
        (Endpoint { terminating: true, ..endpoint("10.0.0.1") }, false),
        // Of another pod: nothing is said about this one.
        (Endpoint { ready: false, ..endpoint("10.0.0.9") }, true),
    ];
    for (endpoint, enabled) in cases {
        let mut more = pods();
        more.push(Resource::EndpointSlice(slice("s", ("http", 8080), vec![endpoint.clone()])));
        let all = behind(local(), web(targeting(PortRef::Number(8080))), more);
        let found: Vec<_> = all.pool(POOL).servers.iter().map(|server| server.enabled).collect();
        assert_eq!(found, [Some(enabled)], "{endpoint:?}");
    }
}

#[test]
fn a_port_leads_to_node_ports_of_its_protocol() {
    let reached =
        |protocol, node_port| NodePort { pod_port: 8080, protocol, node_ip: "10.1.0.1".into(), node_port };
    let node_ports = vec![
        reached(Some(Protocol::Tcp), 61_001),
        reached(Some(Protocol::Udp), 61_002),
        reached(None, 61_003),
    ];
    let pod = Pod { node_ports, ..pod("p1", "10.0.0.1", 8080, ("10.1.0.1", 61_001)) };
    let ports = [Protocol::Tcp, Protocol::Udp]
        .map(|protocol| ServicePort { protocol, ..targeting(PortRef::Number(8080)) });
    let lb = selecting(service("red", "lb", ServiceType::LoadBalancer, ports.to_vec()));
    let all = translate(local(), vec![Resource::Service(lb), Resource::Pod(pod)]);
    assert_eq!(all.servers("c1--red-lb-TCP-80"), ["10.1.0.1:61001", "10.1.0.1:61003"]);
    assert_eq!(all.servers("c1--red-lb-UDP-80"), ["10.1.0.1:61002", "10.1.0.1:61003"]);
}

#[test]
fn a_node_port_that_moves_is_enabled_if_one_of_its_pods_is() {
    let more = vec![
        Resource::Pod(pod("old", "10.0.0.1", 8080, ("10.1.0.1", 61_001))),
        Resource::Pod(pod("new", "10.0.0.2", 8080, ("10.1.0.1", 61_001))),
        Resource::EndpointSlice(slice(
            "s",
            ("http", 8080),
            vec![Endpoint { terminating: true, ..endpoint("10.0.0.1") }, endpoint("10.0.0.2")],
        )),
    ];
    let all = behind(local(), web(targeting(PortRef::Number(8080))), more);
    assert_eq!(all.servers(POOL), ["10.1.0.1:61001"]);
}

#[test]
fn a_service_without_a_selector_has_no_servers() {
    let service = Service { selector: BTreeMap::new(), ..web(targeting(PortRef::Number(8080))) };
    let all = behind(local(), service, pods());
    assert!(all.pool(POOL).servers.is_empty());
}

#[test]
fn services_with_node_ports_of_their_own_are_not_served() {
    let ports = || vec![targeting(PortRef::Number(8080))];
    for service_type in [ServiceType::NodePort, ServiceType::LoadBalancer, ServiceType::ExternalName] {
        let service = selecting(service("red", "web", service_type, ports()));
        let all = behind(local(), service, pods());
        assert!(all.is_told(Reason::MissingService, "Ingress red/i"), "{service_type:?}");
        assert!(all.pool(POOL).servers.is_empty(), "{service_type:?}");
    }
    let balancer = selecting(service("red", "web", ServiceType::LoadBalancer, ports()));
    let all = behind(Config { layer7_only: true, ..local() }, balancer, pods());
    assert_eq!(all.servers(POOL), ["10.1.0.1:61001"]);
}

#[test]
fn families_have_to_be_used_by_cluster_and_service() {
    let more = || {
        let mut more = pods();
        more.push(Resource::Pod(pod("p6", "fd00::6", 8080, ("fd01::6", 61_006))));
        more
    };
    let servers = |family, ipv4, ipv6| {
        let service = Service { ipv4, ipv6, ..web(targeting(PortRef::Number(8080))) };
        behind(Config { ip_family: family, ..local() }, service, more()).servers(POOL)
    };
    assert_eq!(servers(None, true, true), ["10.1.0.1:61001", "fd01::6:61006"]);
    assert_eq!(servers(None, true, false), ["10.1.0.1:61001"]);
    assert_eq!(servers(None, false, true), ["fd01::6:61006"]);
    assert_eq!(servers(Some(IpFamily::V6), true, true), ["fd01::6:61006"]);
    assert_eq!(servers(Some(IpFamily::V4), true, true), ["10.1.0.1:61001"]);
    assert!(servers(Some(IpFamily::V4), false, true).is_empty());
}

#[test]
fn an_endpoint_is_found_by_any_address_of_its_pod() {
    let dual = Pod {
        addresses: vec!["10.0.0.1".into(), "fd00::1".into()],
        ..match pods().remove(0) {
            Resource::Pod(pod) => pod,
            other => panic!("{other:?}"),
        }
    };
    let unready = Endpoint { ready: false, ..endpoint("fd00::1") };
    let v6 = EndpointSlice { is_ipv6: true, ..slice("s", ("http", 8080), vec![unready]) };
    let more = vec![Resource::Pod(dual), Resource::EndpointSlice(v6)];
    let all = behind(local(), web(targeting(PortRef::Number(8080))), more);
    assert_eq!(all.pool(POOL).servers[0].enabled, Some(false));
}

#[test]
fn sctp_is_not_served_and_told() {
    let mut ports = vec![targeting(PortRef::Number(8080))];
    let lb = |ports: &Vec<ServicePort>| {
        let service = selecting(service("red", "lb", ServiceType::LoadBalancer, ports.clone()));
        translate(local(), vec![Resource::Service(service)])
    };
    assert_eq!(lb(&ports).names(Kind::VirtualService), ["c1--red-lb"]);
    ports.push(port("sctp", 90, Protocol::Sctp));
    let all = lb(&ports);
    assert!(all.objects.is_empty() && all.bindings.is_empty() && all.requests.is_empty());
    assert!(all.is_told(Reason::UnsupportedProtocol, "Service red/lb"));
}

#[test]
fn node_ports_are_asked_for_where_they_are_needed() {
    let objects = || {
        let mut objects = vec![
            Resource::Ingress(ingress("red", "i", 1, "foo.example.com")),
            Resource::Ingress(ingress("blue", "i", 1, "bar.example.com")),
            Resource::Service(web(port("http", 80, Protocol::Tcp))),
        ];
        for (name, service_type) in [("lb", ServiceType::LoadBalancer), ("idle", ServiceType::ClusterIp)] {
            objects.push(Resource::Service(service(
                "red",
                name,
                service_type,
                vec![port("", 80, Protocol::Tcp)],
            )));
        }
        objects.push(Resource::Service(service(
            "blue",
            "web",
            ServiceType::NodePort,
            vec![port("", 80, Protocol::Tcp)],
        )));
        objects
    };
    assert_eq!(translate(local(), objects()).requests, ["red/lb", "red/web"]);
    assert!(translate(Config { auto_annotate: false, ..local() }, objects()).requests.is_empty());
    assert!(translate(config(), objects()).requests.is_empty());
}
