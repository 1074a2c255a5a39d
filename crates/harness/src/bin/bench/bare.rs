//! What the API server takes from a client that does nothing but send.

use std::time::Instant;

use ako_engine::MOST_STATUSES_UNDER_WAY;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Client;
use serde_json::{Value, json};

use crate::population::{create, delete, merge, send};

/// How many statuses a second the API server takes when they are patched as the operator does it:
/// addresses and annotations of an Ingress in one request, and as many requests under way.
pub(crate) async fn patches_per_second(client: &Client, ingresses: usize) -> anyhow::Result<f64> {
    // They are of no class, so no operator serves them.
    let namespace = format!("bench-bare-{}", jiff::Timestamp::now().as_millisecond());
    send(client, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await?;
    let names: Vec<String> = (0..ingresses).map(|number| format!("bare-{number:05}")).collect();
    create(client, names.iter().map(|name| ingress(&namespace, name))).await?;
    let path = |name: &String| format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}");
    let started = Instant::now();
    stream::iter(&names)
        .map(|name| {
            let path = format!("{}/status", path(name));
            async move { merge(client, &path, &published()).await }
        })
        .buffer_unordered(MOST_STATUSES_UNDER_WAY)
        .try_collect::<()>()
        .await?;
    let took = started.elapsed().as_secs_f64();
    delete(client, names.iter().map(path)).await?;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let patches = ingresses as f64;
    Ok(patches / took)
}

fn ingress(namespace: &str, name: &str) -> Value {
    let backend = json!({"service": {"name": name, "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"defaultBackend": backend},
    })
}

fn published() -> Value {
    let addresses = json!([{"hostname": "bare.avi.internal", "ip": "10.1.2.3"}]);
    json!({
        "metadata": {"annotations": {"bench/published": "{\"bare.avi.internal\":\"virtualservice-00000000\"}"}},
        "status": {"loadBalancer": {"ingress": addresses}},
    })
}
