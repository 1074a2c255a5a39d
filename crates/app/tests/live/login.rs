//! A password that becomes wrong while the operator runs.

use ako_harness::{eventually, stateful_set};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::lifecycle::ako;
use crate::permissions::told;
use crate::world::{SOON, World, config, ingress, ingress_class, service};

const NAMESPACE: &str = "avi-system";

async fn password(world: &World, password: &str) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "avi-secret", "namespace": NAMESPACE},
        "stringData": {"password": password},
    });
    world.apply(&[secret]).await;
}

async fn until_state(world: &World, holds: impl Fn(&Value) -> bool) -> Value {
    let found = eventually(SOON, async || {
        let state = world.operator.get_json("/api/v1/state").await.map_err(|e| format!("{e:#}"))?;
        if holds(&state) { Ok(state) } else { Err(format!("{state:#}")) }
    });
    found.await.unwrap_or_else(|e| world.fail(&e))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_the_operators_matter_and_not_an_ingresss() {
    let Some(mut world) = World::start_unready(&config(&[]), NAMESPACE).await else { return };
    world.operator.kill();
    stateful_set::scale(&world.client, NAMESPACE, 1).await.unwrap();
    stateful_set::add_pod(&world.client, NAMESPACE, "ako-0").await.unwrap();
    world.start_operator().await;
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    world.apply(&[ingress("shop", "foo.com", "/", "web")]).await;
    world.published("Ingress", "default", "shop").await;
    world.settled().await;

    password(&world, "wrong").await;
    let state = until_state(&world, |state| state["controller"]["login_refused"].is_string()).await;
    assert_eq!(state["controller"]["state"], "DISCONNECTED");
    world.apply(&[ingress("late", "bar.com", "/", "web")]).await;
    until_state(&world, |state| state["pending"].to_string().contains("login as admin")).await;
    let page = world.operator.get_json("/api/status").await.unwrap();
    assert_eq!(page["avi_api"]["connection_status"], "DISCONNECTED");
    let metrics = world.operator.get("/metrics").await.unwrap().1;
    assert!(metrics.contains("ako_controller_connected 0\n"), "{metrics}");
    let (_, shown) = ako(&world, &["status", "--local", "--port", &world.installed.port.to_string()]).await;
    let event = eventually(SOON, async || told(&world, "ControllerLoginRefused").await).await.unwrap();
    for text in [shown, event, world.operator.log()] {
        assert!(text.contains("in Secret avi-system/avi-secret"), "{text}");
    }

    password(&world, "admin").await;
    world.published("Ingress", "default", "late").await;
    let state = until_state(&world, |state| state["controller"]["state"] == "CONNECTED").await;
    assert_eq!(state["controller"]["login_refused"], Value::Null);
    eventually(SOON, async || told(&world, "ControllerLoginAccepted").await).await.unwrap();
    let selector = "involvedObject.kind=Ingress,type=Warning";
    let arguments = ["get", "events", "-A", "-o", "json", "--field-selector", selector];
    let warnings = world.control_plane.kubectl(&arguments).await.unwrap();
    let warnings: Value = serde_json::from_slice(&warnings.stdout).unwrap();
    assert_eq!(warnings["items"], json!([]), "nobody's Ingress is to blame");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_the_environment_says_how_to_log_in() {
    let Some(mut world) = World::start(&config(&[]), NAMESPACE).await else { return };
    world.operator.kill();
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), NAMESPACE);
    let secret = secrets.get("avi-secret").await.unwrap();
    secrets.delete("avi-secret", &DeleteParams::default()).await.unwrap();
    let ca = secret.data.unwrap().remove("certificateAuthorityData").unwrap();
    let file = std::env::temp_dir().join(format!("ako-ca-{}.pem", std::process::id()));
    std::fs::write(&file, ca.0).unwrap();
    let credentials = [
        ("CTRL_USERNAME", "admin"),
        ("CTRL_PASSWORD", "admin"),
        ("ROOT_CA_CERT_PATH", file.to_str().unwrap()),
    ];
    world.start_operator_in(&credentials).await;
    std::fs::remove_file(&file).unwrap();
    assert!(world.operator.log().contains("the credentials of the environment"), "{}", world.operator.log());
    let state = until_state(&world, |state| state["controller"]["state"] == "CONNECTED").await;
    assert_eq!(state["controller"]["certificate"], "verified by certificateAuthorityData", "{state:#}");
}
