//! What is typed to install and change a release of the chart.

use ako_harness::helm::Helm;
use serde_json::{Value, json};

use crate::world::World;

/// Where the chart is, in the user's folder.
pub(crate) const CHART: &str = "ako";

/// The chart as a package that was downloaded and unpacked, with the user's values in its
/// `values.yaml`.
pub(crate) async fn unpack(world: &World, changes: &[(&str, &str)]) {
    let chart = Helm::chart();
    world.helm("", &format!("package {}", chart.display())).await;
    let package = format!("ako-{}.tgz", env!("CARGO_PKG_VERSION"));
    let shown = world.helm("", &format!("show chart {package}")).await;
    assert!(
        shown.contains("condition: ako-crd-operator.enabled") && shown.contains("name: ako\n"),
        "{shown}"
    );
    let mut tar = std::process::Command::new("tar");
    assert!(tar.args(["xzf", &package]).current_dir(world.folder()).status().unwrap().success());
    world.helm(CHART, "dependency build").await;
    let values = format!("{CHART}/values.yaml");
    world.edit(
        &values,
        &[
            ("  clusterName: my-cluster", "  clusterName: c1"),
            ("  vipNetworkList: []", "  vipNetworkList: [{networkName: vip-net}]"),
            ("  disableStaticRouteSync: \"false\"", "  disableStaticRouteSync: \"true\""),
            // A leader that died is replaced sooner than by default.
            ("  leaseDuration: \"\"", "  leaseDuration: 3s"),
            ("  renewDeadline: \"\"", "  renewDeadline: 2s"),
            ("  retryPeriod: \"\"", "  retryPeriod: 300ms"),
        ],
    );
    world.edit(&values, changes);
}

/// The values that the documents have in every command.
pub(crate) fn account(world: &World) -> String {
    format!(
        "--set ControllerSettings.controllerHost={} --set avicredentials.username=admin \
         --set avicredentials.password=admin",
        world.controller()
    )
}

/// The name that helm gave a release.
pub(crate) fn name_of(printed: &str) -> String {
    let name = printed.lines().find_map(|line| line.strip_prefix("NAME: "));
    name.unwrap_or_else(|| panic!("no name in {printed}")).to_owned()
}

/// Waits until the pods are as they should be.
pub(crate) async fn rolled_out(world: &World, namespace: &str, replicas: usize) {
    world.kubectl(&format!("-n {namespace} rollout status statefulset ako --timeout 90s")).await;
    world
        .eventually(async || {
            let pods = world.pods(namespace).await;
            if pods.len() == replicas { Ok(()) } else { Err(format!("not {replicas}: {pods:?}")) }
        })
        .await;
}

/// The Lease `ako-lease-lock`, if there is one.
pub(crate) async fn lease_holder(world: &World, namespace: &str) -> Option<String> {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "ako-lease-lock", "namespace": namespace},
    });
    let found = ako_harness::cluster::get(&world.client, &lease).await.unwrap();
    found.map(|lease| lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
}

/// Waits until one of several replicas leads, which the Lease names and all others know.
pub(crate) async fn one_leads(world: &World, namespace: &str) -> String {
    let (leader, _) = world.leader(namespace).await;
    world
        .eventually(async || {
            let holder = lease_holder(world, namespace).await.unwrap_or_default();
            if !holder.starts_with(&format!("{leader}_")) {
                return Err(format!("{leader} leads, and the Lease names {holder:?}"));
            }
            for pod in world.pods(namespace).await.into_keys() {
                let state = world.state(namespace, &pod).await?;
                let role = if pod == leader { "leader" } else { "standby" };
                if state["role"] != role || state["leadership"]["leader"] != json!(leader) {
                    return Err(format!("{pod}: {}, {}", state["role"], state["leadership"]));
                }
            }
            Ok(())
        })
        .await;
    leader
}

/// Waits until the leader has said that it removed everything.
pub(crate) async fn removed_everything(world: &World, namespace: &str) {
    world
        .kubectl(&format!(
            "-n {namespace} wait statefulset ako --timeout 60s \
             --for jsonpath={{.metadata.annotations.AviObjectDeletionStatus}}=Done"
        ))
        .await;
}

/// Waits until no pod of an instance is left.
pub(crate) async fn pods_are_gone(world: &World, namespace: &str) {
    world
        .eventually(async || {
            let pods = world.pods(namespace).await;
            if pods.is_empty() { Ok(()) } else { Err(format!("still there: {pods:?}")) }
        })
        .await;
}

/// A ConfigMap's data.
pub(crate) async fn data(world: &World, namespace: &str) -> Value {
    world.kubectl_json(&format!("-n {namespace} get configmap avi-k8s-config")).await["data"].clone()
}
