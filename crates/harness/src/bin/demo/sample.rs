//! What is put into the cluster.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ako_harness::pods::Pod;
use anyhow::Context as _;
use serde_json::{Value, json};

use crate::instances::Place;

/// The hosts of the sample Ingress.
pub(crate) const PLAIN_HOST: &str = "shop.avi.internal";
pub(crate) const SECURE_HOST: &str = "secure.avi.internal";
const NAMESPACE: &str = "shop";

/// The namespace and the host of the second instance's application.
pub(crate) const MARKET: &str = "market";
pub(crate) const MARKET_HOST: &str = "market.avi.internal";

/// The pods of the sample application: two of the shop, one of its API, one of
/// the market.
pub(crate) const PODS: [Pod; 4] = [
    Pod { name: "web-1", address: Ipv4Addr::new(10, 244, 1, 5), port: 8080 },
    Pod { name: "web-2", address: Ipv4Addr::new(10, 244, 2, 6), port: 8080 },
    Pod { name: "api-1", address: Ipv4Addr::new(10, 244, 3, 7), port: 8080 },
    Pod { name: "market-1", address: Ipv4Addr::new(10, 244, 4, 8), port: 8080 },
];

/// A certificate for the secure host, its key, and what to verify it with.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    key: String,
}

/// Makes one.
pub(crate) fn certificate() -> anyhow::Result<Certificate> {
    let made = rcgen::generate_simple_self_signed([SECURE_HOST.to_owned()]).context("a certificate")?;
    Ok(Certificate { pem: made.cert.pem(), key: made.signing_key.serialize_pem() })
}

/// All objects of the sample: the first instance's, and, where there are
/// several, the second's.
pub(crate) fn objects(certificate: &Certificate, places: &[Place]) -> Vec<Value> {
    let mut objects = shop(certificate);
    if let [first, second, ..] = places {
        objects.push(namespace(NAMESPACE, &[first.label]));
        objects.push(namespace(MARKET, &[second.label]));
        objects.push(ingress(MARKET, "market", MARKET_HOST, &[("/", "market")]));
        objects.extend(service(MARKET, "market", "ClusterIP", &PODS[3..]));
    }
    objects
}

/// A namespace with labels.
pub(crate) fn namespace(name: &str, labels: &[(&str, &str)]) -> Value {
    let labels: BTreeMap<_, _> = labels.iter().copied().collect();
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn shop(certificate: &Certificate) -> Vec<Value> {
    let mut objects = vec![
        namespace(NAMESPACE, &[]),
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": "avi-lb", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": "ako.vmware.com/avi-lb"},
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "secure-tls", "namespace": NAMESPACE},
            "stringData": {"tls.crt": certificate.pem, "tls.key": certificate.key},
        }),
        ingress(NAMESPACE, "shop", PLAIN_HOST, &[("/", "web"), ("/api", "api")]),
        secure(ingress(NAMESPACE, "secure", SECURE_HOST, &[("/", "web")])),
    ];
    objects.extend(service(NAMESPACE, "web", "ClusterIP", &PODS[..2]));
    objects.extend(service(NAMESPACE, "api", "ClusterIP", &PODS[2..3]));
    objects.extend(service(NAMESPACE, "direct", "LoadBalancer", &PODS[..2]));
    objects
}

fn ingress(namespace: &str, name: &str, host: &str, paths: &[(&str, &str)]) -> Value {
    let path = |(path, service): &(&str, &str)| json!({"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "ingressClassName": "avi-lb",
            "rules": [{"host": host, "http": {"paths": paths.iter().map(path).collect::<Vec<_>>()}}],
        },
    })
}

fn secure(mut ingress: Value) -> Value {
    ingress["spec"]["tls"] = json!([{"hosts": [SECURE_HOST], "secretName": "secure-tls"}]);
    ingress
}

fn service(namespace: &str, name: &str, kind: &str, pods: &[Pod]) -> [Value; 2] {
    let endpoint = |pod: &Pod| json!({"addresses": [pod.address.to_string()], "conditions": {"ready": true}});
    [
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
            "spec": {"type": kind, "ports": [{"port": 80, "targetPort": 8080}]},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {
                "name": format!("{name}-1"), "namespace": namespace, "labels": {"kubernetes.io/service-name": name},
            },
            "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>(),
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        }),
    ]
}
