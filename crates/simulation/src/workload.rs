//! What is put into the cluster and onto the controller.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// The namespace of the operator.
pub const OPERATOR: &str = "avi-system";
/// The namespace whose objects never change.
pub const STILL: &str = "still";
/// The namespace whose objects come, change and go.
pub const LIVELY: &str = "lively";
/// How many Ingresses there are at most in [`LIVELY`].
pub const MOST: usize = 8;

/// How often the operator reads the controller completely.
pub const FULL_SYNC: Duration = Duration::from_mins(5);

/// The operator's configuration.
pub fn config(evh: bool) -> BTreeMap<String, String> {
    let full_sync = FULL_SYNC.as_secs().to_string();
    let data = [
        ("clusterName", "c1"),
        ("controllerIP", "http://controller"),
        ("vipNetworkList", r#"[{"networkName":"vip-net"}]"#),
        ("disableStaticRouteSync", "true"),
        ("shardVSSize", "SMALL"),
        ("enableEVH", if evh { "true" } else { "false" }),
        ("fullSyncFrequency", full_sync.as_str()),
    ];
    data.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// The operator's ConfigMap and Secret, namespaces, the class, and the
/// applications that never change.
pub fn beginning(evh: bool) -> Vec<Value> {
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let mut objects: Vec<Value> = [OPERATOR, STILL, LIVELY].map(namespace).into();
    objects.push(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "avi-k8s-config", "namespace": OPERATOR}, "data": config(evh),
    }));
    objects.push(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "avi-secret", "namespace": OPERATOR},
        "stringData": {"username": "admin", "password": "admin"},
    }));
    objects.push(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": "avi-lb", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
        "spec": {"controller": "ako.vmware.com/avi-lb"},
    }));
    for number in 0..3 {
        objects.extend(service(STILL, number, "ClusterIP", 2));
        objects.push(ingress(STILL, number, "/"));
    }
    objects.extend(service(STILL, 9, "LoadBalancer", 1));
    for number in 0..MOST {
        objects.extend(service(LIVELY, number, "ClusterIP", 2));
    }
    objects
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
    let third = if namespace == STILL { 1 } else { 2 };
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
