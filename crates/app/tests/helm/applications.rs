//! What users of the cluster have in it.

use ako_harness::cluster;
use serde_json::{Value, json};

use crate::world::World;

/// The kinds whose status is published, with the names that [`deploy`] gives them.
const PUBLISHED: [(&str, &str, &str); 2] =
    [("networking.k8s.io/v1", "Ingress", "shop"), ("v1", "Service", "lb")];

/// A namespace with labels, an Ingress and a Service of type LoadBalancer.
pub(crate) async fn deploy(world: &World, namespace: &str, labels: &Value) {
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels},
    })];
    objects.extend(service(namespace, "web", "ClusterIP"));
    objects.extend(service(namespace, "lb", "LoadBalancer"));
    objects.push(ingress(namespace, "shop"));
    world.apply(&objects).await;
}

/// An Ingress with a host of its name.
pub(crate) fn ingress(namespace: &str, name: &str) -> Value {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "ingressClassName": "avi-lb",
            "rules": [{"host": host(namespace, name), "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": backend},
            ]}}],
        },
    })
}

fn host(namespace: &str, ingress: &str) -> String {
    format!("{ingress}.{namespace}.example.com")
}

/// A Service and where it leads to, which no selector finds.
fn service(namespace: &str, name: &str, kind: &str) -> [Value; 2] {
    let slice = json!({
        "name": format!("{name}-a"), "namespace": namespace, "labels": {"kubernetes.io/service-name": name},
    });
    [
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
            "spec": {"type": kind, "ports": [{"port": 80, "targetPort": 8080}]},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": slice,
            "endpoints": [{"addresses": ["10.244.9.9"], "conditions": {"ready": true}}],
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        }),
    ]
}

/// The addresses in the status of an object; none if there are none.
pub(crate) fn addresses(object: &Value) -> Vec<Value> {
    let found = object.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    found.cloned().unwrap_or_default()
}

async fn published_of(world: &World, version: &str, kind: &str, namespace: &str, name: &str) -> Vec<Value> {
    let wanted =
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}});
    addresses(&cluster::get(&world.client, &wanted).await.unwrap().unwrap_or_default())
}

/// Waits until the status of an Ingress has its host.
pub(crate) async fn is_served(world: &World, namespace: &str, ingress: &str) {
    world
        .eventually(async || {
            let version = "networking.k8s.io/v1";
            match &published_of(world, version, "Ingress", namespace, ingress).await[..] {
                [entry] if entry["hostname"] == host(namespace, ingress) && entry["ip"].is_string() => Ok(()),
                other => Err(format!("the status of Ingress {namespace}/{ingress} has {other:?}")),
            }
        })
        .await;
    let pool = format!("c1--{}_-{namespace}-{ingress}", host(namespace, ingress));
    assert!(world.sim.named("pool", &pool).is_some(), "published, but there is no pool {pool}");
}

/// Waits until everything of a namespace is served and published.
pub(crate) async fn are_served(world: &World, namespace: &str) {
    is_served(world, namespace, "shop").await;
    world
        .eventually(async || match &published_of(world, "v1", "Service", namespace, "lb").await[..] {
            [entry] if entry["ip"].is_string() => Ok(()),
            other => Err(format!("the status of Service {namespace}/lb has {other:?}")),
        })
        .await;
    let name = format!("c1--{namespace}-lb");
    assert!(world.sim.named("virtualservice", &name).is_some(), "published, but there is no {name}");
}

/// Waits until nothing of a namespace is published.
pub(crate) async fn are_not_published(world: &World, namespace: &str) {
    for (version, kind, name) in PUBLISHED {
        world
            .eventually(async || match published_of(world, version, kind, namespace, name).await {
                entries if entries.is_empty() => Ok(()),
                entries => Err(format!("the status of {kind} {namespace}/{name} has {entries:?}")),
            })
            .await;
    }
}

/// Nothing of a namespace is on the controller.
pub(crate) fn are_not_on_the_controller(world: &World, namespace: &str) {
    let dump = world.sim.dump().to_string();
    for text in [format!(".{namespace}.example.com"), format!("c1--{namespace}-")] {
        assert!(!dump.contains(&text), "{text} is in {dump}");
    }
}
