//! A service account with the ClusterRole of AKO's chart, whose image was
//! replaced.

use ako_harness::operator::{Installed, Operator, OperatorOptions};
use ako_harness::{eventually, free_port, stateful_set};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::lifecycle::ako;
use crate::world::{SOON, World, config};

const NAMESPACE: &str = "avi-system";
const GROUP: &str = "rbac.authorization.k8s.io";

/// The rules of AKO's ClusterRole, without those for its custom resources.
fn rules_of_ako() -> Value {
    let read = ["get", "watch", "list"];
    let write = ["get", "watch", "list", "patch", "update"];
    json!([
        {"apiGroups": [""], "resources": ["*"], "verbs": read},
        {"apiGroups": ["apps"], "resources": ["statefulsets", "statefulsets/status"], "verbs": write},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingresses/status"], "verbs": write},
        {"apiGroups": [""], "resources": ["services", "services/status"], "verbs": write},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses"], "verbs": read},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
        {"apiGroups": [""], "resources": ["secrets"],
         "verbs": ["get", "watch", "list", "patch", "update", "create"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch", "update"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]},
    ])
}

/// What `docs/operations.md` has people apply.
pub(crate) fn documented_rules() -> Vec<Value> {
    let text = include_str!("../../../../docs/operations.md");
    let begin = text.find("apiVersion: rbac.authorization.k8s.io/v1").expect("rules in the documentation");
    let yaml = text[begin..].split("```").next().unwrap();
    yaml.split("\n---\n").map(|object| serde_saphyr::from_str(object).unwrap()).collect()
}

pub(crate) async fn service_account(world: &World) -> String {
    let subject = json!({"kind": "ServiceAccount", "name": "ako-sa", "namespace": NAMESPACE});
    let objects = [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ako-sa", "namespace": NAMESPACE}}),
        json!({"apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRole", "metadata": {"name": "ako-cr"},
               "rules": rules_of_ako()}),
        json!({"apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "ako-crb"},
               "subjects": [subject], "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "ako-cr"}}),
    ];
    world.apply(&objects).await;
    let accounts: Api<ServiceAccount> = Api::namespaced(world.client.clone(), NAMESPACE);
    let (params, request) = (PostParams::default(), TokenRequest::default());
    accounts.create_token_request("ako-sa", &params, &request).await.unwrap().status.unwrap().token
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_with_akos_role_says_what_it_lacks_and_leads_when_it_has_it() {
    let Some(mut world) = World::start_unready(&config(&[]), NAMESPACE).await else { return };
    world.operator.kill();
    stateful_set::scale(&world.client, NAMESPACE, 1).await.unwrap();
    stateful_set::add_pod(&world.client, NAMESPACE, "ako-0").await.unwrap();
    let token = service_account(&world).await;
    let kubeconfig = world.control_plane.kubeconfig_as("ako-sa", &token).unwrap();
    let port = free_port().unwrap();
    let installed = Installed { port, ..world.installed.clone() };
    let options = OperatorOptions::new(env!("CARGO_BIN_EXE_ako"), kubeconfig, &installed);
    world.operator = Operator::start(options.env("AKO_API_PORT", &port.to_string())).unwrap();

    let lacking = [
        "create configmaps (group core) in namespace avi-system, needed to lead",
        "update configmaps \"ako-leadership\" (group core) in namespace avi-system, needed to lead",
        "delete leases \"ako-lease-lock\" (group coordination.k8s.io) in namespace avi-system, needed to lead",
        "patch pods (group core) in namespace avi-system, needed to lead",
    ];
    let unasked = "create subjectaccessreviews (group authorization.k8s.io) in the cluster, needed to tell other instances \
         from made-up ones";
    // In sync, so that nothing else keeps it from being ready.
    let only_lacking = async || {
        let (status, text) = world.operator.get("/readyz").await.map_err(|e| format!("{e:#}"))?;
        let named = lacking.iter().all(|rule| text.contains(rule));
        if status == 503 && named && !text.contains("waiting") {
            Ok(())
        } else {
            Err(format!("{status}: {text}"))
        }
    };
    eventually(SOON, only_lacking).await.unwrap_or_else(|e| world.fail(&e));
    let (_, shown) = ako(&world, &["status", "--local", "--port", &port.to_string()]).await;
    let event = eventually(SOON, async || told(&world, "PermissionsMissing").await).await.unwrap();
    let state = world.operator.get_json("/api/v1/state").await.unwrap();
    assert_eq!(
        state["permissions"]["missing"].as_array().map(Vec::len),
        Some(lacking.len() + 1),
        "{state:#}"
    );
    for rule in lacking.into_iter().chain([unasked]) {
        for (place, text) in [("status", &shown), ("Event", &event), ("log", &world.operator.log())] {
            assert!(text.replace("\\\"", "\"").contains(rule), "{place} does not name {rule}: {text}");
        }
    }
    let refusals = world.operator.log().matches("create ConfigMap avi-system/ako-leadership").count();
    assert_eq!(refusals, 1, "the election says it once");

    world.apply(&documented_rules()).await;
    world.operator.wait_ready().await.unwrap();
    eventually(SOON, async || {
        let state = world.operator.get_json("/api/v1/state").await.map_err(|e| format!("{e:#}"))?;
        if state["role"] == "leader" { Ok(()) } else { Err(format!("{state:#}")) }
    })
    .await
    .unwrap_or_else(|e| world.fail(&e));
    eventually(SOON, async || told(&world, "PermissionsGranted").await).await.unwrap();
}

/// The words of the Event of a reason on the operator's own pod.
pub(crate) async fn told(world: &World, reason: &str) -> Result<String, String> {
    let selector = format!("involvedObject.kind=Pod,involvedObject.name=ako-0,reason={reason}");
    let arguments = ["get", "events", "-A", "-o", "json", "--field-selector", &selector];
    let output = world.control_plane.kubectl(&arguments).await.map_err(|e| e.to_string())?;
    let events: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    let message = events["items"][0]["message"].as_str();
    message.map(str::to_owned).ok_or_else(|| format!("no Event {reason} on pod ako-0"))
}
