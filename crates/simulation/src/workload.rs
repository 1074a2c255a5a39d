//! What is put into the cluster and onto the controller.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::setup::{LIVELY, Member, STILL, Setup};

/// How many lively Ingresses there are at most.
pub const MOST: usize = 8;

/// How often the operator reads the controller completely.
pub const FULL_SYNC: Duration = Duration::from_mins(5);

/// The configuration of an instance.
pub fn config(member: &Member, evh: bool) -> BTreeMap<String, String> {
    let full_sync = FULL_SYNC.as_secs().to_string();
    let selector = member.team.map(|team| format!("team={team}"));
    let mut data = vec![
        ("clusterName", "c1"),
        ("controllerIP", "http://controller"),
        ("vipNetworkList", r#"[{"networkName":"vip-net"}]"#),
        ("disableStaticRouteSync", "true"),
        ("shardVSSize", "SMALL"),
        ("enableEVH", if evh { "true" } else { "false" }),
        ("fullSyncFrequency", full_sync.as_str()),
    ];
    if let Some(selector) = &selector {
        data.push(("namespaceSelector", selector));
    }
    if member.owner != "ako-c1" {
        data.push(("primaryInstance", "false"));
    }
    data.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The ConfigMap and Secret of each instance, namespaces, the class, and the
/// applications that never change.
pub fn beginning(setup: Setup, evh: bool) -> Vec<Value> {
    let mut objects: Vec<Value> =
        setup.members().iter().flat_map(|member| installation(member, evh)).collect();
    objects.extend(setup.namespaces().iter().map(|(name, team)| namespace(name, *team)));
    objects.push(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": "avi-lb", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
        "spec": {"controller": "ako.vmware.com/avi-lb"},
    }));
    for still in setup.still() {
        for number in 0..3 {
            objects.extend(service(still, number, "ClusterIP", 2));
            objects.push(ingress(still, number, "/"));
        }
        objects.extend(service(still, 9, "LoadBalancer", 1));
    }
    for number in 0..MOST {
        objects.extend(service(setup.lively(number), number, "ClusterIP", 2));
    }
    objects
}

/// What an instance starts with.
fn installation(member: &Member, evh: bool) -> [Value; 3] {
    let metadata = |name: &str| json!({"name": name, "namespace": member.namespace});
    [
        namespace(member.namespace, None),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": metadata("avi-k8s-config"), "data": config(member, evh),
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata("avi-secret"),
            "stringData": {"username": "admin", "password": "admin"},
        }),
    ]
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

/// What moves with a namespace as it is: a Service with an address of its own,
/// and a host with a certificate.
pub fn furniture(namespace: &str) -> anyhow::Result<Vec<Value>> {
    let number = MOST + 2;
    let host = host(namespace, number);
    let pair = rcgen::generate_simple_self_signed([host.clone()])?;
    let mut secure = ingress(namespace, number, "/");
    secure["spec"]["tls"] = json!([{"hosts": [host], "secretName": "certificate"}]);
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": "certificate", "namespace": namespace},
        "stringData": {"tls.crt": pair.cert.pem(), "tls.key": pair.signing_key.serialize_pem()},
    })];
    objects.extend(service(namespace, MOST + 1, "LoadBalancer", 1));
    objects.extend(service(namespace, number, "ClusterIP", 2));
    objects.push(secure);
    Ok(objects)
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
