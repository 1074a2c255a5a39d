//! What is put into the cluster and onto the controller.

use std::collections::BTreeMap;
use std::time::Duration;

use ako_core::annotation;
use serde_json::{Value, json};

use crate::profiles;
use crate::rules::{self, GOLD};
use crate::script::{Script, Served};
use crate::setup::{LIVELY, Member, STILL};

/// How many lively Ingresses there are at most.
pub const MOST: usize = 8;

/// How often the operator reads the controller completely.
pub const FULL_SYNC: Duration = Duration::from_mins(5);

/// The name of the cluster.
pub const CLUSTER: &str = "c1";

/// By what on the controller the name of the cluster is claimed.
pub const CLAIM: &str = "ako-cluster-c1";

/// Networks that addresses may come from instead of the usual ones.
pub const OTHER_NETWORKS: &str = r#"[{"networkName":"other-net"}]"#;
/// A Service Engine group that may be used instead of the usual one.
pub const OTHER_GROUP: &str = "Other-Group";
/// A route in the VRF that is somebody else's.
pub const FOREIGN_ROUTE: &str = "somebody";

/// The configuration of an instance.
pub fn config(member: &Member, evh: bool, routes: bool) -> BTreeMap<String, String> {
    let full_sync = FULL_SYNC.as_secs().to_string();
    let selector = member.team.map(|team| format!("team={team}"));
    let mut data = vec![
        ("clusterName", CLUSTER),
        ("controllerIP", "http://controller"),
        ("vipNetworkList", r#"[{"networkName":"vip-net"}]"#),
        ("disableStaticRouteSync", if routes { "false" } else { "true" }),
        ("shardVSSize", "SMALL"),
        ("enableEVH", if evh { "true" } else { "false" }),
        ("fullSyncFrequency", full_sync.as_str()),
    ];
    if let Some(selector) = &selector {
        data.push(("namespaceSelector", selector));
    }
    if member.namespace != "avi-system" {
        data.push(("primaryInstance", "false"));
    }
    data.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The ConfigMap and Secret of each instance, namespaces, the class, and the
/// applications that never change.
pub fn beginning(script: &Script) -> Vec<Value> {
    let Script { setup, evh, routes, served, .. } = *script;
    let mut objects: Vec<Value> =
        setup.operators().flat_map(|member| installation(member, evh, routes)).collect();
    objects.extend(setup.namespaces().iter().map(|(name, team)| namespace(name, *team)));
    objects.push(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": "avi-lb", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
        "spec": {"controller": "ako.vmware.com/avi-lb"},
    }));
    for still in setup.still() {
        for number in 0..3 {
            objects.extend(service(still, number, "ClusterIP", 2));
            objects.push(claim(served, still, number, "/"));
        }
        objects.extend(service(still, 9, "LoadBalancer", 1));
    }
    for number in 0..MOST {
        objects.extend(service(setup.lively(number), number, "ClusterIP", 2));
    }
    if served.rules {
        objects.push(rules::class(Some(0)));
    }
    if setup.crd_operator().is_some() {
        objects.extend(profiles::beginning());
    }
    if routes {
        objects.extend((0..3).map(|number| node(number, 0)));
    }
    objects
}

/// A Node, and which of its subnets is that of its pods.
pub fn node(number: usize, subnet: usize) -> Value {
    let cidr = format!("10.244.{}.0/24", number * 8 + subnet);
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("node-{number}")},
        "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
        "status": {"addresses": [{"type": "InternalIP", "address": format!("192.168.0.{}", number + 1)}]},
    })
}

/// What an instance starts with.
fn installation(member: &Member, evh: bool, routes: bool) -> [Value; 3] {
    let metadata = |name: &str| json!({"name": name, "namespace": member.namespace});
    [
        namespace(member.namespace, None),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": metadata("avi-k8s-config"), "data": config(member, evh, routes),
        }),
        credentials(member, PASSWORD),
    ]
}

/// The first password of the controller.
pub const PASSWORD: &str = "admin";

/// The Secret by which an instance logs in.
pub fn credentials(member: &Member, password: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "avi-secret", "namespace": member.namespace},
        "stringData": {"username": "admin", "password": password},
    })
}

/// What an installation consists of, as somebody makes it up who may write in one
/// namespace: older than any other, and asking for everything.
pub fn made_up(namespace: &str) -> [Value; 2] {
    let metadata = |name: &str| json!({"name": name, "namespace": namespace});
    let data = json!({
        "clusterName": CLUSTER, "controllerIP": "http://controller",
        "vipNetworkList": r#"[{"networkName":"vip-net"}]"#,
    });
    let labels = json!({"app": "ako"});
    let spec =
        json!({"serviceAccountName": "default", "containers": [{"name": "ako", "image": "ako:2.2.1"}]});
    [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("avi-k8s-config"), "data": data}),
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata("ako"),
            "spec": {
                "serviceName": "ako", "replicas": 1, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        }),
    ]
}

/// Whether an object is the StatefulSet of [`made_up`].
pub fn is_made_up(object: &Value) -> bool {
    object["kind"] == "StatefulSet" && object["metadata"]["namespace"] == LIVELY
}

/// A namespace of a team, or of nobody.
pub fn namespace(name: &str, team: Option<&str>) -> Value {
    let labels: BTreeMap<_, _> = team.map(|team| ("team", team)).into_iter().collect();
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// The host of an Ingress.
pub fn host(namespace: &str, number: usize) -> String {
    format!("{namespace}-{number}.avi.internal")
}

/// An Ingress for the Service of that number.
pub fn ingress(namespace: &str, number: usize, path: &str) -> Value {
    let backend = json!({"service": {"name": format!("web-{number}"), "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": format!("shop-{number}"), "namespace": namespace},
        "spec": {"rules": [{"host": host(namespace, number), "http": {"paths": [
            {"path": path, "pathType": "Prefix", "backend": backend},
        ]}}]},
    })
}

/// A Route for the Service of that number.
fn route(namespace: &str, number: usize, path: &str) -> Value {
    json!({
        "apiVersion": "route.openshift.io/v1", "kind": "Route",
        "metadata": {"name": format!("shop-{number}"), "namespace": namespace},
        "spec": {
            "host": host(namespace, number), "path": path,
            "to": {"kind": "Service", "name": format!("web-{number}"), "weight": 100},
        },
    })
}

/// What claims a host: an Ingress, or a Route.
pub fn claim(served: Served, namespace: &str, number: usize, path: &str) -> Value {
    if served.routes { route(namespace, number, path) } else { ingress(namespace, number, path) }
}

/// The same, served by an AviInfraSetting: that of its class, or a Route's own one.
pub fn of_setting(mut claim: Value, setting: usize) -> Value {
    if claim["kind"] == "Route" {
        claim["metadata"]["annotations"] = naming(None, Some(setting));
    } else {
        claim["spec"]["ingressClassName"] = GOLD.into();
    }
    claim
}

/// The annotations that name an L4Rule and an AviInfraSetting.
pub fn naming(rule: Option<usize>, setting: Option<usize>) -> Value {
    let rule = rule.map(|number| (annotation::L4_RULE, rules::name(number)));
    let setting = setting.map(|number| (annotation::INFRA_SETTING, rules::setting(number)));
    rule.into_iter()
        .chain(setting)
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .map(|(key, name)| (key.to_owned(), name))
        .collect()
}

/// What moves with a namespace as it is: a Service with an address of its own,
/// and a host with a certificate.
pub fn furniture(served: Served, namespace: &str) -> anyhow::Result<Vec<Value>> {
    let number = MOST + 2;
    let mut secure = claim(served, namespace, number, "/");
    secure["spec"]["tls"] = if served.routes {
        json!({"termination": "edge", "externalCertificate": {"name": "certificate"}})
    } else {
        json!([{"hosts": [host(namespace, number)], "secretName": "certificate"}])
    };
    let mut objects = vec![certificate(namespace)?];
    objects.extend(service(namespace, MOST + 1, "LoadBalancer", 1));
    objects.extend(service(namespace, number, "ClusterIP", 2));
    objects.push(secure);
    Ok(objects)
}

/// The Secret with a certificate, which is another one each time.
pub fn certificate(namespace: &str) -> anyhow::Result<Value> {
    let pair = rcgen::generate_simple_self_signed([host(namespace, MOST + 2)])?;
    Ok(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": "certificate", "namespace": namespace},
        "stringData": {"tls.crt": pair.cert.pem(), "tls.key": pair.signing_key.serialize_pem()},
    }))
}

/// A Service that may have an address of its own, with so many ports.
pub fn balanced(namespace: &str, number: usize, kind: &str, ports: usize) -> [Value; 2] {
    let [mut service, slice] = service(namespace, MOST + 10 + number, kind, 2);
    let port =
        |n: usize| json!({"name": format!("p{n}"), "port": 80 + n, "targetPort": 8080, "protocol": "TCP"});
    service["spec"]["ports"] = (0..ports).map(port).collect();
    let mut slice = slice;
    let port = |n: usize| json!({"name": format!("p{n}"), "port": 8080, "protocol": "TCP"});
    slice["ports"] = (0..ports).map(port).collect();
    [service, slice]
}

/// A Service and its endpoints.
pub fn service(namespace: &str, number: usize, kind: &str, endpoints: usize) -> [Value; 2] {
    let name = format!("web-{number}");
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "type": kind, "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
    });
    [service, slice(namespace, number, endpoints)]
}

/// The endpoints of a Service.
pub fn slice(namespace: &str, number: usize, endpoints: usize) -> Value {
    let third = match namespace {
        STILL => 1,
        LIVELY => 2,
        _ => 3,
    };
    let endpoint = |n: usize| {
        json!({
            "addresses": [format!("10.{third}.{number}.{}", n + 1)],
            "conditions": {"ready": true, "serving": true, "terminating": false},
        })
    };
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("web-{number}"), "namespace": namespace,
            "labels": {"kubernetes.io/service-name": format!("web-{number}")},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": (0..endpoints).map(endpoint).collect::<Vec<_>>(),
    })
}

/// An object of somebody else on the controller, named as if it were ours.
pub fn foreign() -> Value {
    json!({"name": "c1--foreign", "created_by": "somebody", "lb_algorithm": "LB_ALGORITHM_ROUND_ROBIN"})
}

/// What is on the controller beside the usual: another network and another Service
/// Engine group.
pub fn premises() -> Value {
    let cloud = "/api/cloud?name=Default-Cloud";
    json!({
        "network": {"admin/other-net": {
            "name": "other-net", "cloud_ref": cloud, "vrf_context_ref": "/api/vrfcontext?name=global",
            "configured_subnets": [subnet("100.65", "255.250")],
        }},
        "serviceenginegroup": {format!("admin/{OTHER_GROUP}"): {"name": OTHER_GROUP, "cloud_ref": cloud}},
    })
}

/// The IPAM profile of the cloud, with both networks.
pub fn usable_networks() -> Value {
    let networks =
        ["vip-net", "other-net"].map(|name| json!({"nw_ref": format!("/api/network?name={name}")}));
    json!({"internal_profile": {"usable_networks": networks}})
}

/// The usual network, with addresses to give or none: all that there are were given.
pub fn usual_network(has_addresses: bool) -> Value {
    json!({"configured_subnets": [subnet("100.64", if has_addresses { "255.246" } else { "0.10" })]})
}

fn subnet(network: &str, last: &str) -> Value {
    let address = |text: String| json!({"addr": text, "type": "V4"});
    let (begin, end) = (address(format!("{network}.0.10")), address(format!("{network}.{last}")));
    let range = json!({"type": "STATIC_IPS_FOR_VIP_AND_SE", "range": {"begin": begin, "end": end}});
    let prefix = json!({"ip_addr": address(format!("{network}.0.0")), "mask": 16});
    json!({"prefix": prefix, "static_ip_ranges": [range]})
}

/// The VRF's routes that are somebody else's.
pub fn foreign_routes() -> Value {
    let address = |text: &str| json!({"addr": text, "type": "V4"});
    json!([{
        "prefix": {"ip_addr": address("10.99.0.0"), "mask": 24}, "next_hop": address("192.168.9.9"),
        "route_id": FOREIGN_ROUTE,
    }])
}
