//! `ako check` on an installation that is broken in one way after the other.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::lifecycle::ako;
use crate::permissions::{documented_rules, service_account};
use crate::world::{World, config};

const NAMESPACE: &str = "avi-system";

/// Runs `ako check`: exit code, and the checks by what they are about.
async fn check(world: &World) -> (i32, Vec<Value>) {
    let port = world.installed.port.to_string();
    let (code, text) = ako(world, &["check", "--local", "--port", &port, "-o", "json"]).await;
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (code, report["checks"].as_array().cloned().unwrap_or_default())
}

/// What is not in order, as `<about>: <found>`.
fn not_in_order(checks: &[Value], outcome: &str) -> Vec<String> {
    let wrong = checks.iter().filter(|check| check["outcome"] == outcome);
    wrong
        .map(|check| format!("{}: {}", check["about"].as_str().unwrap(), check["found"].as_str().unwrap()))
        .collect()
}

/// Changes one key of the configuration.
async fn configure(world: &World, key: &str, value: &str) {
    let maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), NAMESPACE);
    let patch = Patch::Merge(json!({"data": {key: value}}));
    maps.patch("avi-k8s-config", &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_is_missing_is_named_with_the_way_out() {
    let Some(mut world) = World::start(&config(&[]), NAMESPACE).await else { return };
    world.settled().await;
    // Its operator runs as an administrator; the chart's ServiceAccount is not there yet.
    let (code, checks) = check(&world).await;
    let failed = not_in_order(&checks, "failed");
    assert_eq!((code, failed.len()), (1, 1), "{failed:?}");
    assert!(failed[0].starts_with("Permissions: ServiceAccount avi-system/ako-sa lacks "), "{failed:?}");

    service_account(&world).await;
    world.apply(&documented_rules()).await;
    let (code, checks) = check(&world).await;
    assert_eq!(not_in_order(&checks, "failed"), Vec::<String>::new());
    let warned = not_in_order(&checks, "warning");
    assert!(warned.iter().all(|warning| warning.starts_with("TLS: ")), "{warned:?}");
    assert_eq!(code, if warned.is_empty() { 0 } else { 3 });
    let about: Vec<_> = checks.iter().map(|check| check["about"].as_str().unwrap()).collect();
    for expected in
        ["Kubeconfig", "DNS", "Login", "Cloud", "VRF", "SE group", "Leader", "Freshness", "Conflicts"]
    {
        assert!(about.contains(&expected), "{about:?}");
    }

    // What cannot be used is asked of the same controller that the operator goes on with.
    world.operator.kill();
    let (_, checks) = check(&world).await;
    assert!(not_in_order(&checks, "failed")[0].starts_with("Operator: pod avi-system/ako-0 does not tell"));
    configure(&world, "cloudName", "nowhere").await;
    let (code, checks) = check(&world).await;
    let failed = not_in_order(&checks, "failed");
    assert_eq!(code, 1);
    assert!(failed[0].starts_with("Controller: cloud \"nowhere\" does not exist"), "{failed:?}");
    configure(&world, "cloudName", "").await;
    configure(&world, "serviceEngineGroupName", "nowhere").await;
    let (code, checks) = check(&world).await;
    let failed = not_in_order(&checks, "failed");
    assert_eq!(code, 1);
    assert!(failed[0].starts_with("SE group: nowhere does not exist in cloud Default-Cloud"), "{failed:?}");
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), NAMESPACE);
    let patch = Patch::Merge(json!({"stringData": {"password": "mistaken"}}));
    secrets.patch("avi-secret", &PatchParams::default(), &patch).await.unwrap();
    let (_, checks) = check(&world).await;
    let failed = not_in_order(&checks, "failed");
    assert!(failed[0].starts_with("Login: admin cannot log in: HTTP 401"), "{failed:?}");
    assert!(!format!("{checks:?}").contains("mistaken"), "the password is not shown");
    configure(&world, "controllerIP", "no-such-host.invalid").await;
    let (_, checks) = check(&world).await;
    let failed = not_in_order(&checks, "failed");
    assert!(failed[0].starts_with("DNS: no-such-host.invalid has no address"), "{failed:?}");
    configure(&world, "clusterName", "").await;
    let (_, checks) = check(&world).await;
    let failed = not_in_order(&checks, "failed");
    assert!(failed[0].starts_with("Configuration: the configuration cannot be used"), "{failed:?}");
}
