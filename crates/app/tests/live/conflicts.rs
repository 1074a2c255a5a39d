//! What another instance in the same cluster has is told.

use ako_harness::{cluster, eventually, stateful_set};
use serde_json::{Value, json};

use crate::world::{SOON, World, config};

/// Says on a StatefulSet which controller its instance uses.
const CONTROLLER: &str = "ako-rs.io/controller";

/// AKO 2.2.1 with a configuration of its own: what one sees of it.
fn ako(namespace: &str, data: &Value) -> [Value; 3] {
    let template = json!({
        "metadata": {"labels": {"app": "ako"}},
        "spec": {"serviceAccountName": stateful_set::ACCOUNT, "containers": [{"name": "ako", "image": "ako:2.2.1"}]},
    });
    [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "avi-k8s-config", "namespace": namespace},
            "data": data,
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "ako", "namespace": namespace},
            "spec": {
                "serviceName": "ako", "selector": {"matchLabels": {"app": "ako"}}, "template": template,
            },
        }),
    ]
}

async fn says(world: &World, path: &str, parts: &[&str]) {
    eventually(SOON, async || {
        let (status, page) = world.operator.get(path).await.map_err(|e| e.to_string())?;
        let is_said = status == 200 && parts.iter().all(|part| page.contains(part));
        if is_said { Ok(()) } else { Err(format!("{path}: {status}: {page}")) }
    })
    .await
    .unwrap_or_else(|e| world.fail(&e));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_instance_has_is_told_where_people_look() {
    let Some(world) = World::start(&config(&[]), "avi-system").await else { return };
    let label = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"key": "v"}}});
    world.apply(&[label]).await;
    let data = json!({
        "clusterName": "c1", "controllerIP": world.address, "primaryInstance": "false",
        "nsSyncLabelKey": "key", "nsSyncLabelValue": "v",
    });
    stateful_set::allow(&world.client, "blue").await.unwrap();
    world.apply(&ako("blue", &data)).await;
    says(&world, "/readyz", &["ok\nNamespaceContested: ", "both select namespace shop, "]).await;
    says(
        &world,
        "/metrics",
        &["ako_instance_conflicts{contest=\"NamespaceContested\",refused=\"true\"} 1\n"],
    )
    .await;
    says(&world, "/", &["<h2>Instances</h2>", "AKO 2.2.1"]).await;
    let selector = "involvedObject.kind=Namespace,involvedObject.name=shop,type=Warning";
    eventually(SOON, async || {
        let arguments = ["-n", "default", "get", "events", "-o", "json", "--field-selector", selector];
        let output = world.control_plane.kubectl(&arguments).await.map_err(|e| e.to_string())?;
        let events: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        let found =
            events["items"].as_array().is_some_and(|e| e.iter().any(|e| e["reason"] == "NamespaceContested"));
        if found { Ok(()) } else { Err(format!("no Event on the namespace: {events}")) }
    })
    .await
    .unwrap_or_else(|e| world.fail(&e));
    // It changes its mind.
    let data = json!({"clusterName": "c1", "controllerIP": world.address, "primaryInstance": "true"});
    world.apply(&ako("blue", &data)).await;
    let barred = "this instance writes nothing: SameOwner with the instance in blue";
    says(&world, "/readyz", &[barred, "set primaryInstance=false in ConfigMap avi-system/avi-k8s-config"])
        .await;
    says(&world, "/metrics", &["ako_served_namespaces 0\n"]).await;
}

/// Whoever may write in one namespace can make all that an instance consists of, but no
/// ServiceAccount that may do its work.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_team_made_up_takes_nothing_from_anybody() {
    let Some(world) = World::start(&config(&[]), "avi-system").await else { return };
    let data = json!({"clusterName": "c1", "controllerIP": world.address});
    world.apply(&ako("team", &data)).await;
    let why = "its ServiceAccount ako-sa may not patch ingresses/status in all namespaces";
    says(&world, "/", &["ConfigMap <code>team/avi-k8s-config</code> does not count", why]).await;
    says(&world, "/readyz", &["ok\n"]).await;
    says(&world, "/metrics", &["ako_served_namespaces "]).await;
    let (_, metrics) = world.operator.get("/metrics").await.unwrap();
    assert!(!metrics.contains("ako_served_namespaces 0\n"), "{metrics}");
    assert!(!metrics.contains("ako_instance_conflicts{"), "{metrics}");
    // An administrator makes it one.
    stateful_set::allow(&world.client, "team").await.unwrap();
    says(&world, "/readyz", &["this instance writes nothing: SameOwner with the instance in team"]).await;
}

/// Two that spell their controller differently may mean one, until both say which one it is.
#[tokio::test(flavor = "multi_thread")]
async fn another_controller_is_told_by_what_its_instance_says() {
    let Some(world) = World::start(&config(&[]), "avi-system").await else { return };
    let data = json!({"clusterName": "c1", "controllerIP": "another.example.com"});
    stateful_set::allow(&world.client, "blue").await.unwrap();
    let mut other = ako("blue", &data);
    world.apply(&other).await;
    says(&world, "/readyz", &["this instance writes nothing: SameOwner with the instance in blue"]).await;
    // With a StatefulSet of its own it says which one it uses.
    let [.., mut own] = ako("avi-system", &json!({}));
    own["spec"]["template"]["metadata"]["annotations"] = json!({stateful_set::NOTE: "starting"});
    stateful_set::allow(&world.client, "avi-system").await.unwrap();
    world.apply(std::slice::from_ref(&own)).await;
    eventually(SOON, async || {
        let found = cluster::get(&world.client, &own).await.map_err(|e| e.to_string())?;
        let said = found.as_ref().and_then(|o| o["metadata"]["annotations"][CONTROLLER].as_str());
        said.map(drop).ok_or_else(|| format!("it does not say which controller it uses: {found:?}"))
    })
    .await
    .unwrap_or_else(|e| world.fail(&e));
    other[2]["metadata"]["annotations"] = json!({CONTROLLER: "cluster-of-another-one"});
    world.apply(&other).await;
    eventually(SOON, async || {
        let (_, ready) = world.operator.get("/readyz").await.map_err(|e| e.to_string())?;
        if ready.contains("writes nothing") { Err(ready) } else { Ok(()) }
    })
    .await
    .unwrap_or_else(|e| world.fail(&e));
    says(
        &world,
        "/metrics",
        &["ako_instance_conflicts{contest=\"DifferentController\",refused=\"false\"} 1\n"],
    )
    .await;
}
