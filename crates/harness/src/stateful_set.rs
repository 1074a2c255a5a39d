//! The operator's StatefulSet and its pods, as its chart, the controller manager
//! and a kubelet would have them: for operators that run as processes.

use anyhow::Context as _;
use kube::Client;
use serde_json::{Value, json};

use crate::cluster;

/// The annotation by which replicas know each other; the pod template has it.
pub const NOTE: &str = "ako-rs.io/leadership";

const NAME: &str = "ako";

/// Creates the StatefulSet, or changes its number of replicas. No pod comes or
/// goes by it.
pub async fn scale(client: &Client, namespace: &str, replicas: usize) -> anyhow::Result<()> {
    let labels = json!({"app.kubernetes.io/name": NAME});
    let mut set = named(namespace);
    set["spec"] = json!({
        "replicas": replicas, "serviceName": NAME, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels, "annotations": {NOTE: "starting"}}, "spec": containers()},
    });
    cluster::apply(client, &set).await
}

/// Creates a pod of the StatefulSet, which runs at once.
pub async fn add_pod(client: &Client, namespace: &str, pod: &str) -> anyhow::Result<()> {
    let set = cluster::get(client, &named(namespace)).await?.context("there is no StatefulSet ako")?;
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": NAME, "uid": set["metadata"]["uid"],
        "controller": true,
    });
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": pod, "namespace": namespace, "labels": {"app.kubernetes.io/name": NAME},
            "annotations": {NOTE: "starting"}, "ownerReferences": [owner],
        },
        "spec": containers(),
        "status": {"phase": "Running"},
    });
    cluster::apply(client, &object).await
}

/// Deletes a pod.
pub async fn remove_pod(client: &Client, namespace: &str, pod: &str) -> anyhow::Result<()> {
    let metadata = json!({"name": pod, "namespace": namespace});
    cluster::apply(client, &json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "$delete": true}))
        .await
}

fn named(namespace: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": NAME, "namespace": namespace}})
}

fn containers() -> Value {
    json!({"containers": [{"name": NAME, "image": NAME}]})
}
