//! The Node, and which Pods it takes.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use kube::{Client, Error, ResourceExt as _};
use serde_json::json;

use super::namespaces::BRIDGE_ADDRESS;
use crate::cluster;

/// Its name.
pub const NODE: &str = "node-1";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// Adds the Node to the cluster.
pub(super) async fn register(client: &Client, port: u16) -> anyhow::Result<()> {
    let now = Timestamp::from_second(Timestamp::now().as_second())?;
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": NODE, "labels": labels()},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": BRIDGE_ADDRESS},
                {"type": "Hostname", "address": NODE},
            ],
            "capacity": {"pods": "1000", "cpu": "64", "memory": "64Gi"},
            "allocatable": {"pods": "1000", "cpu": "64", "memory": "64Gi"},
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "Pods run as processes",
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            }],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            // By this the API server passes exec on as WebSocket.
            "declaredFeatures": ["ExtendWebSocketsToKubelet"],
        },
    });
    cluster::apply(client, &node).await
}

fn labels() -> BTreeMap<&'static str, &'static str> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    BTreeMap::from([(HOSTNAME, NODE), ("kubernetes.io/os", "linux"), ("kubernetes.io/arch", arch)])
}

/// Whether a Pod waits for a Node, and this one will do.
pub(super) fn takes(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let labels = labels();
    let mut selector = spec.node_selector.iter().flatten();
    spec.node_name.is_none()
        && pod.metadata.deletion_timestamp.is_none()
        && spec.scheduling_gates.as_ref().is_none_or(Vec::is_empty)
        && spec.scheduler_name.as_deref().is_none_or(|name| name == "default-scheduler")
        && selector.all(|(key, value)| labels.get(key.as_str()) == Some(&value.as_str()))
}

/// Binds a Pod to this Node.
pub(super) async fn bind(client: &Client, pod: &Pod) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let name = pod.name_any();
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "uid": pod.uid()},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
    });
    let params = PostParams::default();
    match pods.create_subresource::<_, serde_json::Value>("binding", &name, &params, &binding).await {
        Ok(_) => Ok(()),
        // It is gone, or was bound already.
        Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("binding the Pod {name}")),
    }
}
