//! The CustomResourceDefinitions of AKO's rules, at a real API server.

use std::time::Duration;

use ako_harness::control_plane::ControlPlane;
use ako_harness::{cluster, eventually, golden};
use ako_kube_types::convert::from_json;
use ako_kube_types::schema::definitions;
use kube::Client;
use serde_json::{Value, json};

const RULES: &str = include_str!("../../../kube-types/testdata/rules.yaml");
const REFUSED: &str = include_str!("refused.yaml");
const GROUP: &str = "ako.vmware.com";
const SOON: Duration = Duration::from_secs(20);

fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

fn is_rule(object: &Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap();
    version.starts_with(GROUP) && object["$delete"] != true
}

/// All rules of the recorded cases, each with the name of its case.
fn recorded() -> Vec<(String, Value)> {
    let cases = golden::cases().unwrap().into_iter();
    let objects = cases.flat_map(|case| {
        let named = |object| (case.name.clone(), object);
        case.steps.iter().flat_map(|step| step.objects.clone()).map(named).collect::<Vec<_>>()
    });
    objects.filter(|(_, object)| is_rule(object)).collect()
}

/// Where a value lacks something of another one, or has it otherwise.
fn lost(sent: &Value, stored: &Value, path: &str) -> Vec<String> {
    match (sent, stored) {
        (Value::Object(sent), Value::Object(stored)) => sent
            .iter()
            .flat_map(|(key, value)| {
                lost(value, stored.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"))
            })
            .collect(),
        (Value::Array(sent), Value::Array(stored)) if sent.len() == stored.len() => {
            let pairs = sent.iter().zip(stored).enumerate();
            pairs
                .flat_map(|(index, (sent, stored))| lost(sent, stored, &format!("{path}[{index}]")))
                .collect()
        }
        _ if sent == stored => Vec::new(),
        _ => vec![format!("{path}: {sent} became {stored}")],
    }
}

/// What is kept of an object's spec, and what is wrong with it.
fn read(object: &Value) -> String {
    let spec_alone = json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": {"name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"]},
        "spec": object["spec"],
    });
    format!("{:#?}", from_json(&spec_alone))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_write_is_taken_and_kept_and_defaults_are_those_of_files() {
    let Some(plane) = ControlPlane::shared().await.unwrap() else { return };
    let client = plane.client().await.unwrap();
    cluster::apply_all(&client, &definitions()).await.unwrap();
    let ours = documents(RULES).into_iter().map(|object| ("rules.yaml".to_owned(), object));
    let all: Vec<_> = ours.chain(recorded()).collect();
    assert!(all.len() > 60, "{} objects", all.len());
    for (case, object) in all {
        let mut object = object.clone();
        // The cases' own Namespaces belong to other tests.
        object["metadata"]["name"] =
            format!("{case}-{}", object["metadata"]["name"].as_str().unwrap()).into();
        if object["metadata"].get("namespace").is_some() {
            object["metadata"]["namespace"] = "rules".into();
        }
        cluster::apply(&client, &object).await.unwrap_or_else(|error| panic!("{case}: {object}: {error:#}"));
        let stored = cluster::get(&client, &object).await.unwrap().unwrap();
        assert_eq!(lost(&object["spec"], &stored["spec"], "spec"), Vec::<String>::new(), "{case}: {object}");
        assert_eq!(read(&object), read(&stored), "{case}: {object}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_itself_is_refused_with_the_reason() {
    let Some(plane) = ControlPlane::shared().await.unwrap() else { return };
    let client = plane.client().await.unwrap();
    cluster::apply_all(&client, &definitions()).await.unwrap();
    let mut count = 0;
    for object in documents(REFUSED) {
        let reason = object["reason"].as_str().unwrap();
        let (kind, version) = match object["kind"].as_str().unwrap() {
            kind @ ("AviInfraSetting" | "HostRule" | "HTTPRule") => (kind, "v1beta1"),
            kind => (kind, "v1alpha2"),
        };
        let mut wrong = json!({
            "apiVersion": format!("{GROUP}/{version}"),
            "kind": kind,
            "metadata": {"name": "wrong"},
            "spec": object["spec"],
        });
        if kind != "AviInfraSetting" {
            wrong["metadata"]["namespace"] = "refused".into();
        }
        let error = cluster::apply(&client, &wrong).await.err().map(|error| format!("{error:#}"));
        let error = error.unwrap_or_else(|| panic!("{wrong} was taken"));
        assert!(error.contains(reason), "{wrong}: {error}, and nothing about {reason:?}");
        // Whoever gives it to the operator as a file is told as well.
        if let Ok(converted) = from_json(&wrong) {
            assert!(!converted.diagnostics.is_empty(), "{wrong} is nothing wrong with as a file");
        }
        count += 1;
    }
    assert!(count >= 30, "{count} objects");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_version_is_served_and_has_no_status_of_its_own() {
    let Some(plane) = ControlPlane::shared().await.unwrap() else { return };
    let client = plane.client().await.unwrap();
    cluster::apply_all(&client, &definitions()).await.unwrap();
    let old = json!({"apiVersion": "ako.vmware.com/v1alpha1", "kind": "HostRule",
        "metadata": {"name": "old", "namespace": "older"},
        "spec": {"virtualhost": {"fqdn": "foo.com", "wafPolicy": "waf", "l7Rule": "new"}}});
    // Server-side apply refuses what the version does not have; others are pruned.
    assert!(cluster::apply(&client, &old).await.is_err());
    let mut known = old.clone();
    known["spec"]["virtualhost"].as_object_mut().unwrap().remove("l7Rule");
    known["status"] = json!({"status": "Accepted", "error": ""});
    let error = format!("{:#}", cluster::apply(&client, &known).await.unwrap_err());
    assert!(error.contains("status"), "{error}");
    known["apiVersion"] = "ako.vmware.com/v1beta1".into();
    let stored = cluster::get(&client, &known).await.unwrap().unwrap();
    assert_eq!(stored["spec"]["virtualhost"]["fqdnType"], "Exact");
    cluster::apply(&client, &known).await.unwrap();
    let stored = cluster::get(&client, &known).await.unwrap().unwrap();
    assert_eq!(stored["status"]["status"], "Accepted");
}

/// The same definition in a group of its own, so that other tests do not see it.
fn of_another_group(definition: &Value, group: &str) -> Value {
    let mut other = definition.clone();
    other["spec"]["group"] = group.into();
    other["metadata"]["name"] =
        format!("{}.{group}", definition["spec"]["names"]["plural"].as_str().unwrap()).into();
    other["spec"]["names"].as_object_mut().unwrap().remove("shortNames");
    other
}

/// A definition without rules in CEL, as AKO's is.
fn without_cel(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-validations");
            fields.values_mut().for_each(without_cel);
        }
        Value::Array(entries) => entries.iter_mut().for_each(without_cel),
        _ => {}
    }
}

async fn label(client: &Client, object: &Value, value: &str) -> anyhow::Result<()> {
    let mut object = object.clone();
    object["metadata"]["labels"] = json!({"version": value});
    object["status"] = json!({"status": "Rejected", "error": value});
    cluster::apply(client, &object).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_before_can_still_be_changed() {
    let Some(plane) = ControlPlane::shared().await.unwrap() else { return };
    let client = plane.client().await.unwrap();
    let named = |definition: &Value| definition["spec"]["names"]["kind"] == "HostRule";
    let definition = definitions().into_iter().find(named).unwrap();
    let definition = of_another_group(&definition, "before.example.com");
    let mut before = definition.clone();
    without_cel(&mut before);
    cluster::apply(&client, &before).await.unwrap();
    let rule = |name: &str| {
        json!({"apiVersion": "before.example.com/v1beta1", "kind": "HostRule",
            "metadata": {"name": name, "namespace": "before"},
            "spec": {"virtualhost": {"fqdn": "foo", "fqdnType": "Contains", "aliases": ["bar.com"]}}})
    };
    cluster::apply(&client, &rule("stored")).await.unwrap();
    cluster::apply(&client, &definition).await.unwrap();
    eventually(SOON, async || match cluster::apply(&client, &rule("new")).await {
        Ok(()) => Err("a new one is still taken".to_owned()),
        Err(_) => Ok(()),
    })
    .await
    .unwrap();
    label(&client, &rule("stored"), "after").await.unwrap();
    let stored = cluster::get(&client, &rule("stored")).await.unwrap().unwrap();
    assert_eq!(
        (&stored["metadata"]["labels"]["version"], &stored["status"]["error"]),
        (&json!("after"), &json!("after"))
    );
}
