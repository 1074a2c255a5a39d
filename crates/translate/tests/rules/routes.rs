//! Static routes, and the label of the SE group.

use std::sync::Arc;

use ako_avi_types::{Kind, Object};
use ako_core::config::{IpFamily, ServiceMode};
use ako_core::resource::{BlockAffinity, CiliumNode, HostSubnet, Node, NodeSubnets, ObjectMeta};
use ako_core::{
    Claim, CloudType, Config, Delta, Diagnostic, Facts, Installation, Key, Reason, Resource, ResourceKind,
    Snapshot,
};
use ako_translate::{Output, Translator, UnitKey};

use crate::cluster::{config, facts};

fn texts(list: &[&str]) -> Vec<Arc<str>> {
    list.iter().map(|text| (*text).into()).collect()
}

fn node(name: &str, ips: &[&str], cidrs: &[&str]) -> Node {
    Node {
        name: name.into(),
        meta: ObjectMeta { uid: format!("uid-{name}").into(), ..ObjectMeta::default() },
        internal_ips: texts(ips),
        pod_cidrs: texts(cidrs),
        ..Node::default()
    }
}

fn subnets(kind: ResourceKind, name: &str, node: &str, cidrs: &[&str]) -> Resource {
    let found = NodeSubnets { name: name.into(), node: node.into(), cidrs: texts(cidrs) };
    match kind {
        ResourceKind::BlockAffinity => Resource::BlockAffinity(BlockAffinity(found)),
        ResourceKind::HostSubnet => Resource::HostSubnet(HostSubnet(found)),
        _ => Resource::CiliumNode(CiliumNode(found)),
    }
}

fn routed(cni: &str) -> Config {
    Config { no_static_routes: false, cni: cni.into(), ..config() }
}

fn unit(config: Config, facts: Facts, key: &UnitKey, objects: Vec<Resource>) -> Output {
    let translator = Translator::new(config, facts);
    let mut snapshot = Snapshot::default();
    snapshot.act_by(translator.config(), None);
    for object in objects {
        snapshot.apply(Delta::Apply(object));
    }
    translator.unit(&snapshot, key)
}

/// `<prefix> via <next hop>` of each route, and what was told.
fn routes_of(config: Config, facts: Facts, objects: Vec<Resource>) -> (Option<Vec<String>>, Vec<Diagnostic>) {
    let output = unit(config, facts, &UnitKey::StaticRoutes, objects);
    let vrf = output.objects.first().map(|object| {
        let Object::VrfContext(vrf) = &**object else { panic!("no VRF") };
        let text = |route: &ako_avi_types::StaticRoute| {
            format!("{}/{} via {}", route.prefix.ip_addr.addr, route.prefix.mask, route.next_hop.addr)
        };
        vrf.static_routes.iter().map(text).collect()
    });
    (vrf, output.diagnostics)
}

fn routes(cni: &str, objects: Vec<Resource>) -> (Vec<String>, Vec<Diagnostic>) {
    let (routes, told) = routes_of(routed(cni), facts(), objects);
    (routes.unwrap(), told)
}

#[test]
fn each_cni_tells_the_subnets_in_its_own_way() {
    let everything = Node {
        annotated_cidrs: Some(texts(&["10.2.0.0/24", "10.22.0.0/24"])),
        ovn_cidrs: Some(texts(&["10.3.0.0/24"])),
        ..node("n", &["10.0.0.1"], &["10.1.0.0/24"])
    };
    let objects = vec![
        Resource::Node(everything),
        subnets(ResourceKind::BlockAffinity, "a", "n", &["10.4.0.64/26"]),
        subnets(ResourceKind::BlockAffinity, "b", "n", &["10.4.0.0/26"]),
        subnets(ResourceKind::BlockAffinity, "c", "other", &["10.4.1.0/26"]),
        subnets(ResourceKind::HostSubnet, "n", "n", &["10.5.0.0/23"]),
        subnets(ResourceKind::CiliumNode, "n", "n", &["10.6.0.0/24"]),
    ];
    for (cni, expected) in [
        ("calico", vec!["10.4.0.0/26", "10.4.0.64/26"]),
        ("openshift", vec!["10.5.0.0/23"]),
        ("cilium", vec!["10.6.0.0/24"]),
        ("ovn-kubernetes", vec!["10.3.0.0/24"]),
        ("antrea", vec!["10.2.0.0/24", "10.22.0.0/24"]),
        ("canal", vec!["10.2.0.0/24", "10.22.0.0/24"]),
        ("flannel", vec!["10.2.0.0/24", "10.22.0.0/24"]),
        ("", vec!["10.2.0.0/24", "10.22.0.0/24"]),
        ("unheard-of", vec!["10.2.0.0/24", "10.22.0.0/24"]),
    ] {
        let expected: Vec<_> = expected.iter().map(|prefix| format!("{prefix} via 10.0.0.1")).collect();
        assert_eq!(routes(cni, objects.clone()), (expected, vec![]), "{cni}");
    }
    let plain = vec![Resource::Node(node("n", &["10.0.0.1"], &["10.1.0.0/24"]))];
    assert_eq!(routes("flannel", plain).0, ["10.1.0.0/24 via 10.0.0.1"]);
}

#[test]
fn a_node_without_subnets_is_told_unless_calico_gives_none_yet() {
    let objects = vec![Resource::Node(node("n", &["10.0.0.1"], &[]))];
    let empty = subnets(ResourceKind::BlockAffinity, "a", "n", &[]);
    assert_eq!(routes("calico", objects.clone()), (vec![], vec![]));
    assert_eq!(routes("calico", [objects.clone(), vec![empty]].concat()), (vec![], vec![]));
    for (cni, word) in [
        ("openshift", "HostSubnet"),
        ("cilium", "leave cniPlugin empty"),
        ("ovn-kubernetes", "k8s.ovn.org/node-subnets"),
        ("flannel", "spec.podCIDRs"),
        ("unheard-of", "now \"unheard-of\""),
    ] {
        let (routes, told) = routes(cni, objects.clone());
        assert_eq!((routes.len(), told.len()), (0, 1), "{cni}");
        assert_eq!((told[0].reason, &*told[0].object.name.name), (Reason::NoRoute, "n"));
        assert!(told[0].message.contains(word), "{cni}: {}", told[0].message);
    }
}

#[test]
fn one_finding_names_all_that_is_wrong_with_a_node_and_the_rest_is_served() {
    let bad = node("bad", &[], &["ten", "10.1.0.0/33", "fd00::/129", "10.1.0.0"]);
    let good = node("good", &["10.0.0.2"], &["10.2.0.0/24", "junk"]);
    let (routes, told) = routes("", vec![Resource::Node(bad), Resource::Node(good)]);
    assert_eq!(routes, ["10.2.0.0/24 via 10.0.0.2"]);
    assert_eq!(told.len(), 2);
    for part in ["no address", "\"ten\"", "\"10.1.0.0/33\"", "\"fd00::/129\"", "\"10.1.0.0\""] {
        assert!(told[0].message.contains(part), "{part}: {}", told[0].message);
    }
    assert!(told[1].message.contains("\"junk\""));
}

#[test]
fn a_route_goes_by_the_nodes_address_of_the_same_family() {
    let dual = Node {
        cni_ips: texts(&["10.9.0.1"]),
        ..node("n", &["10.0.0.1", "fd01::1"], &["10.1.0.0/24", "fd00:1::/64"])
    };
    let of = |family, cloud| {
        let config = Config { ip_family: family, ..routed("") };
        routes_of(config, Facts { cloud, ..facts() }, vec![Resource::Node(dual.clone())]).0.unwrap()
    };
    let (v4, v6) = ("10.1.0.0/24 via 10.9.0.1", "fd00:1::/64 via fd01::1");
    assert_eq!(of(None, CloudType::VCenter), [v4, v6]);
    assert_eq!(of(Some(IpFamily::Both), CloudType::NsxT), [v4, v6]);
    assert_eq!(of(Some(IpFamily::V4), CloudType::VCenter), [v4]);
    assert_eq!(of(Some(IpFamily::V6), CloudType::None), [v6]);
    assert_eq!(of(None, CloudType::Gcp), [v4]);
    let only_v4 = node("n", &["10.0.0.1"], &["10.1.0.0/24", "fd00:1::/64"]);
    assert_eq!(routes("", vec![Resource::Node(only_v4)]), (vec!["10.1.0.0/24 via 10.0.0.1".into()], vec![]));
}

#[test]
fn ids_are_the_same_every_time_and_count_what_is_skipped() {
    let n = node("n", &["10.0.0.1"], &["fd00::/64", "junk", "10.1.0.0/24"]);
    let output = unit(routed(""), facts(), &UnitKey::StaticRoutes, vec![Resource::Node(n)]);
    let route = output.objects[0].body()["static_routes"][0].clone();
    assert_eq!(route["route_id"], "c1-uid-n-2");
    assert_eq!(route["labels"].to_string(), r#"[{"key":"clustername","value":"c1"}]"#);
    let prefix = r#"{"ip_addr":{"addr":"10.1.0.0","type":"V4"},"mask":24}"#;
    assert_eq!(route["prefix"].to_string(), prefix);
}

#[test]
fn of_two_nodes_with_one_subnet_the_younger_has_it() {
    let at = |name: &str, created, ip: &str, cidr: &str| {
        let mut node = node(name, &[ip], &[cidr]);
        node.meta.created = created;
        Resource::Node(node)
    };
    let twins = [at("a", 5, "10.0.0.1", "10.1.0.0/24"), at("b", 7, "10.0.0.2", "10.1.0.9/24")];
    for order in [[0, 1], [1, 0]] {
        let (routes, told) = routes("", order.map(|i| twins[i].clone()).to_vec());
        assert_eq!(routes, ["10.1.0.9/24 via 10.0.0.2"]);
        assert_eq!(
            (told.len(), told[0].reason, &*told[0].object.name.name),
            (1, Reason::DuplicateRoute, "a")
        );
        assert!(told[0].message.contains("\"b\""));
    }
    let same_age = vec![at("b", 5, "10.0.0.2", "10.1.0.0/24"), at("a", 5, "10.0.0.1", "10.1.0.0/24")];
    assert_eq!(routes("", same_age).0, ["10.1.0.0/24 via 10.0.0.1"]);
    let twice = vec![Resource::Node(node("a", &["10.0.0.1"], &["10.1.0.0/24", "10.1.0.0/24"]))];
    assert_eq!(routes("", twice), (vec!["10.1.0.0/24 via 10.0.0.1".into()], vec![]));
}

#[test]
fn the_vrf_is_wanted_by_its_owner_only_and_also_without_nodes() {
    assert_eq!(routes_of(routed(""), facts(), vec![]).0, Some(vec![]));
    for config in [
        Config { primary: false, ..routed("") },
        Config { service_mode: ServiceMode::NodePort, ..routed("") },
        Config { service_mode: ServiceMode::NodePortLocal, ..routed("") },
        config(),
    ] {
        assert_eq!(routes_of(config, facts(), vec![]).0, None);
    }
    let nsx = Facts { cloud: CloudType::NsxT, ..facts() };
    assert_eq!(routes_of(routed("ncp"), nsx, vec![]).0, None);
    // An older primary instance has them.
    let other = Config { operator_namespace: "older".into(), ..routed("") };
    assert_eq!(routes_of(routed(""), facts(), instance(&other)).0, None);
}

/// An older instance.
fn instance(config: &Config) -> Vec<Resource> {
    let installation = Installation::new(config.operator_namespace.clone());
    vec![Resource::ConfigMap(Claim::of(config, 1)), Resource::StatefulSet(installation)]
}

#[test]
fn every_instance_that_stands_labels_its_group() {
    let label = |config: Config, objects| {
        unit(config, facts(), &UnitKey::ServiceEngineGroup, objects).objects.first().map(|o| o.body())
    };
    for primary in [true, false] {
        let body = label(Config { primary, se_group: "g".into(), ..routed("") }, vec![]).unwrap();
        assert_eq!((&body["name"], &body["labels"][0]["value"]), (&"g".into(), &"c1".into()));
    }
    assert_eq!(label(config(), vec![]), None);
    // An instance that would share the owner's name with an older one is barred.
    let twin = Config { operator_namespace: "older".into(), ..routed("") };
    assert_eq!(label(routed(""), instance(&twin)), None);
}

#[test]
fn standing_units_are_among_all_units_and_born_by_their_keys() {
    let translator = Translator::new(routed(""), facts());
    let units = translator.units(&Snapshot::default());
    assert_eq!(units, [UnitKey::ServiceEngineGroup, UnitKey::StaticRoutes]);
    assert_eq!(UnitKey::born_of(&Key::All(ResourceKind::Node)), Some(UnitKey::StaticRoutes));
    let output = unit(routed("calico"), facts(), &UnitKey::StaticRoutes, vec![]);
    assert_eq!(
        output.reads,
        [Key::All(ResourceKind::Node), Key::All(ResourceKind::BlockAffinity), Key::Instances]
    );
    assert_eq!(output.objects[0].kind(), Kind::VrfContext);
}
