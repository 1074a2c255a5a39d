//! Examples of what becomes of objects of the cluster, one YAML file each, with what is
//! expected beside it.
//!
//! `testdata/examples/<area>/<case>.yaml` has the objects; its first document may be
//! `config: {…}`, keys of the ConfigMap that differ from the default, and `environment: <name>`,
//! another controller than the default one. `<case>.expected.yaml` has
//! the objects on the controller, the statuses and the findings. What is the same in all of them
//! is left out. With `AKO_UPDATE_EXAMPLES=1` the expectations are written instead of compared:
//! read the difference before it is committed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken example should stop the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ako_app::offline::{Environment, Input, Output, translate};
use ako_core::Program;
use serde_json::{Map, Value, json};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/examples");
const ENVIRONMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../harness/golden/environment");
/// What every example starts from, in front of its own objects.
const CLUSTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/examples/cluster.yaml");

/// What says nothing about an example: it is the same in all, or follows from the rest.
const LEFT_OUT: [&str; 14] = [
    "name",
    "created_by",
    "tenant_ref",
    "cloud_ref",
    "vrf_ref",
    "vrf_context_ref",
    "cloud_config_cksum",
    "vsvip_cloud_config_cksum",
    "markers",
    "datascript",
    "east_west_placement",
    "ign_pool_net_reach",
    "graceful_disable_timeout",
    "implicit_priority_labels",
];

fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let documents = text.split("\n---\n").filter(|document| !document.trim().is_empty());
    documents
        .map(|document| {
            serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect()
}

fn input(path: &Path) -> Input {
    let mut objects = documents(Path::new(CLUSTER));
    let mut config = BTreeMap::from([("clusterName".to_owned(), "c1".to_owned())]);
    let defaults = [
        ("cloudName", "Default-Cloud"),
        ("shardVSSize", "LARGE"),
        ("vipNetworkList", r#"[{"networkName":"vip-net"}]"#),
    ];
    for (key, value) in defaults {
        config.insert(key.to_owned(), value.to_owned());
    }
    let mut environment = format!("{ENVIRONMENT}.json");
    let mut program = Program::Operator;
    for document in documents(path) {
        if document.get("kind").is_some() {
            objects.push(document);
            continue;
        }
        let own = document.get("config").and_then(Value::as_object).into_iter().flatten();
        config.extend(own.map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())));
        if document.get("program").is_some_and(|program| program == "crd-operator") {
            program = Program::CrdOperator;
        }
        if let Some(name) = document.get("environment").and_then(Value::as_str) {
            environment = format!("{ENVIRONMENT}-{name}.json");
        }
    }
    let environment = serde_json::from_str(&fs::read_to_string(environment).unwrap()).unwrap();
    let environment = Environment::new(environment);
    Input { program, config, namespace: "avi-system".to_owned(), objects, environment }
}

/// What became of an example, as it is expected.
fn shown(output: &Output) -> Value {
    let mut avi = output.avi();
    for kind in avi.as_object_mut().unwrap().values_mut() {
        kind.as_object_mut()
            .unwrap()
            .values_mut()
            .for_each(|object| shorten(object.as_object_mut().unwrap()));
    }
    // The VRF and the SE group of the configuration are the same in all examples.
    let is_common = |kind: &str, objects: &Value| {
        kind == "serviceenginegroup" || kind == "vrfcontext" && objects.as_object().unwrap().len() == 1
    };
    avi.as_object_mut().unwrap().retain(|kind, objects| !is_common(kind, objects));
    let mut statuses = output.status();
    statuses.as_object_mut().unwrap().values_mut().for_each(shorten_status);
    let findings: Vec<_> = output.diagnostics.iter().map(|finding| json!(finding.to_string())).collect();
    json!({ "avi": avi, "status": statuses, "findings": findings, "problems": output.problems })
}

fn shorten(object: &mut Map<String, Value>) {
    object.retain(|field, _| !LEFT_OUT.contains(&field.as_str()));
    if let Some(Value::String(metadata)) = object.remove("service_metadata") {
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        if metadata["crd_status"]["value"] != "" {
            object.insert("crd_status".to_owned(), metadata["crd_status"].clone());
        }
        if metadata["insecureedgetermallow"] == true {
            object.insert("insecureedgetermallow".to_owned(), json!(true));
        }
    }
    object.values_mut().for_each(shorten_texts);
}

/// The annotations, and the reason of an admission, which repeats them.
fn shorten_status(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(shorten_status),
        Value::Object(fields) => {
            fields.remove("annotations");
            fields.remove("lastTransitionTime");
            if fields.get("type").is_some_and(|kind| kind == "Admitted") && fields["status"] == "True" {
                fields.remove("reason");
            }
            fields.values_mut().for_each(shorten_status);
        }
        _ => {}
    }
}

fn shorten_texts(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("-----BEGIN") => {
            *text = text.lines().next().unwrap_or_default().trim_matches('-').to_owned();
        }
        Value::Array(values) => values.iter_mut().for_each(shorten_texts),
        Value::Object(fields) => {
            fields.values_mut().for_each(shorten_texts);
            fields.remove("external_uuid");
        }
        _ => {}
    }
}

fn cases() -> Vec<PathBuf> {
    let areas = fs::read_dir(EXAMPLES).unwrap().map(|area| area.unwrap().path()).filter(|area| area.is_dir());
    let files = areas.flat_map(|area| fs::read_dir(area).unwrap().map(|file| file.unwrap().path()));
    let is_case = |path: &PathBuf| {
        path.extension().is_some_and(|end| end == "yaml")
            && !path.to_string_lossy().ends_with(".expected.yaml")
    };
    let mut cases: Vec<_> = files.filter(is_case).collect();
    cases.sort();
    cases
}

#[test]
fn examples_come_to_what_is_expected() {
    let updates = std::env::var_os("AKO_UPDATE_EXAMPLES").is_some();
    let mut failed = Vec::new();
    let cases = cases();
    assert!(!cases.is_empty());
    for case in &cases {
        let output = translate(input(case)).unwrap_or_else(|error| panic!("{}: {error:#}", case.display()));
        let actual = serde_saphyr::to_string(&shown(&output)).unwrap();
        let expected = case.with_extension("expected.yaml");
        if updates {
            fs::write(&expected, &actual).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
            println!("{}: comes to\n{actual}", case.display());
            failed.push(case.display());
        }
    }
    assert!(
        failed.is_empty(),
        "differ, or have no expectation (AKO_UPDATE_EXAMPLES=1 writes it): {failed:?}"
    );
    println!("{} examples", cases.len());
}
