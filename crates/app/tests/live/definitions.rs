//! `ako crds apply`, which brings the CustomResourceDefinitions up to date.

use ako_core::Program;
use ako_harness::cluster;
use ako_kube_types::schema::definitions_of;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::{World, config};

/// Applies them: the exit code, and what is printed.
async fn apply(world: &World) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ako"));
    command.args(["crds", "apply", "--kubeconfig"]).arg(world.control_plane.kubeconfig());
    let output = command.output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// As it is printed if all of them came to this.
fn all(what: &str) -> (Option<i32>, String) {
    let definitions = definitions_of(Program::Operator);
    let name = |definition: &Value| definition["metadata"]["name"].as_str().unwrap().to_owned();
    let lines: Vec<_> =
        definitions.iter().map(|definition| format!("{}: {what}\n", name(definition))).collect();
    (Some(0), lines.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_created_changed_and_left_alone() {
    let Some(mut world) = World::start(&config(&[]), "avi-system").await else { return };
    world.operator.kill();
    assert_eq!(apply(&world).await, all("created"));
    assert_eq!(apply(&world).await, all("unchanged"));

    let api: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let change = async |name: &str, subresource: bool, patch: Value| {
        let (name, params) = (format!("{name}.ako.vmware.com"), PatchParams::default());
        let patch = Patch::Merge(patch);
        if subresource {
            api.patch_status(&name, &params, &patch).await.unwrap();
        } else {
            api.patch(&name, &params, &patch).await.unwrap();
        }
    };
    // As an older release, or AKO, left it; and with something of the cluster's own.
    let older = json!({
        "metadata": {"annotations": {"ako-rs.io/release": "0.0.1", "team": "web"}},
        "spec": {"names": {"shortNames": ["old"]}},
    });
    change("httprules", false, older).await;
    // Of a newer one, with a field that would get lost.
    let newer = json!({
        "metadata": {"annotations": {"ako-rs.io/release": "100.0.0"}},
        "spec": {"names": {"shortNames": ["new"]}},
    });
    change("l7rules", false, newer).await;
    // With objects in a version that nobody knows here.
    change("ssorules", true, json!({"status": {"storedVersions": ["v1alpha2", "v7"]}})).await;
    let (code, text) = apply(&world).await;
    assert_eq!(code, Some(1), "{text}");
    for line in [
        "httprules.ako.vmware.com: updated\n",
        "l7rules.ako.vmware.com: left as it is: it is of release 100.0.0, which is newer\n",
        "error: objects of ssorules.ako.vmware.com are stored in version v7, ",
        "hostrules.ako.vmware.com: unchanged\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    let short_names = async |name: &str| {
        let found = api.get(&format!("{name}.ako.vmware.com")).await.unwrap();
        (found.spec.names.short_names.unwrap_or_default(), found.metadata.annotations.unwrap_or_default())
    };
    let (names, annotations) = short_names("httprules").await;
    assert_eq!((names, &*annotations["team"]), (vec!["httprule".to_owned()], "web"));
    assert_eq!(short_names("l7rules").await.0, ["new"]);
    cluster::remove_all(&world.client, &definitions_of(Program::Operator)).await.unwrap();
}
