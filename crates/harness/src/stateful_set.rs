//! The operator's StatefulSet and its pods, and those of the CRD operator, as the chart, the
//! controller manager and a kubelet would have them: for operators that run as processes.

use anyhow::Context as _;
use kube::Client;
use serde_json::{Value, json};

use crate::cluster;

/// The annotation by which replicas know each other; the pod template has it.
pub const NOTE: &str = "ako-rs.io/leadership";

const NAME: &str = "ako";
/// The ServiceAccount of AKO's chart.
pub const ACCOUNT: &str = "ako-sa";

/// Lets the ServiceAccount of a namespace do the part of an operator's work by which others
/// know it, as the chart does.
pub async fn allow(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let rules =
        json!([{"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["patch"]}]);
    let role =
        json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": "ako-cr"}, "rules": rules});
    let binding = json!({
        "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": format!("ako-crb-{namespace}")},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "ako-cr"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
    });
    cluster::apply(client, &role).await?;
    cluster::apply(client, &binding).await
}

/// Creates the StatefulSet, or changes its number of replicas, with a ServiceAccount that
/// may do the work of an operator. No pod comes or goes by it.
pub async fn scale(client: &Client, namespace: &str, replicas: usize) -> anyhow::Result<()> {
    scale_of(client, (namespace, NAME), replicas).await
}

/// The same of the StatefulSet of that namespace and name.
pub async fn scale_of(
    client: &Client,
    (namespace, name): (&str, &str),
    replicas: usize,
) -> anyhow::Result<()> {
    allow(client, namespace).await?;
    let labels = json!({"app.kubernetes.io/name": name});
    let mut set = named(namespace, name);
    set["spec"] = json!({
        "replicas": replicas, "serviceName": name, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels, "annotations": {NOTE: "starting"}}, "spec": pod_spec()},
    });
    cluster::apply(client, &set).await
}

/// Creates a pod of the StatefulSet, which runs at once.
pub async fn add_pod(client: &Client, namespace: &str, pod: &str) -> anyhow::Result<()> {
    add_pod_of(client, (namespace, NAME), pod).await
}

/// Creates a pod of the StatefulSet of that namespace and name, which runs at once.
pub async fn add_pod_of(client: &Client, set: (&str, &str), pod: &str) -> anyhow::Result<()> {
    add_pod_with(client, set, pod, &json!({NOTE: "starting"}), pod_spec()).await
}

/// The same of AKO 2.2.1: without the annotation, and of another image.
pub async fn add_pod_of_ako(client: &Client, namespace: &str, pod: &str) -> anyhow::Result<()> {
    let mut spec = pod_spec();
    spec["containers"][0]["image"] = json!("ako:2.2.1");
    add_pod_with(client, (namespace, NAME), pod, &json!({}), spec).await
}

async fn add_pod_with(
    client: &Client,
    (namespace, name): (&str, &str),
    pod: &str,
    annotations: &Value,
    spec: Value,
) -> anyhow::Result<()> {
    let set = cluster::get(client, &named(namespace, name)).await?;
    let set = set.with_context(|| format!("there is no StatefulSet {name}"))?;
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "uid": set["metadata"]["uid"],
        "controller": true,
    });
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": pod, "namespace": namespace, "labels": {"app.kubernetes.io/name": name},
            "annotations": annotations, "ownerReferences": [owner],
        },
        "spec": spec,
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

fn named(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": namespace}})
}

fn pod_spec() -> Value {
    json!({"serviceAccountName": ACCOUNT, "containers": [{"name": NAME, "image": NAME}]})
}
