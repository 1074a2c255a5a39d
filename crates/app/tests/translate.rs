//! `ako translate` with files as people and generators write them.

#![allow(clippy::unwrap_used)] // in the functions that tests share

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

const CONFIG: &str = r#"
clusterName: c1
vipNetworkList: '[{"networkName": "vip-net"}]'
"#;

/// A class of ours, and a Service with one pod.
const CLUSTER: &str = r#"
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: avi
  annotations: {ingressclass.kubernetes.io/is-default-class: "true"}
spec: {controller: ako.vmware.com/avi-lb}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: red}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: red, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [10.244.1.5]}]
"#;

fn ingress(api_version: &str, name: &str, metadata: &str) -> String {
    format!(
        "---\napiVersion: {api_version}\nkind: Ingress\nmetadata: {{name: {name}, namespace: red{metadata}}}\nspec:\n  \
         rules:\n  - host: shop.example.com\n    http:\n      paths:\n      - {{path: /, pathType: Prefix, backend: \
         {{service: {{name: web, port: {{number: 80}}}}}}}}\n"
    )
}

/// What is printed: the objects, and the warnings.
fn translate(test: &str, objects: &str) -> (Value, String) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (config, objects) =
        (file("config.yaml", CONFIG), file("objects.yaml", &format!("{CLUSTER}{objects}")));
    let mut ako = Command::new(env!("CARGO_BIN_EXE_ako"));
    let ako = ako.arg("translate").arg("--config").arg(config).arg("--objects").arg(objects);
    let output = ako.output().unwrap();
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{warnings}");
    (serde_json::from_slice(&output.stdout).unwrap(), warnings)
}

fn pools(objects: &Value) -> Vec<&str> {
    objects["pool"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn what_is_right_is_translated_without_a_word() {
    let (objects, warnings) = translate("right", &ingress("networking.k8s.io/v1", "shop", ""));
    assert_eq!(pools(&objects), ["admin/c1--shop.example.com_-red-shop"]);
    assert_eq!(warnings, "");
}

/// Generators write it where there is no time, and it is no time.
#[test]
fn a_creation_time_of_null_is_none() {
    let first = ingress("networking.k8s.io/v1", "z-first", ", creationTimestamp: null");
    let second = ingress("networking.k8s.io/v1", "a-second", "");
    let (objects, warnings) = translate("null", &(first + &second));
    assert_eq!(pools(&objects), ["admin/c1--shop.example.com_-red-z-first"]);
    assert!(warnings.contains("DuplicateHostPath") && warnings.contains("red/a-second"), "{warnings}");
}

#[test]
fn an_object_of_a_version_that_is_not_read_is_named_with_the_one_that_is() {
    for version in ["extensions/v1beta1", "networking.k8s.io/v1beta1"] {
        let (objects, warnings) = translate("old", &ingress(version, "shop", ""));
        assert_eq!(pools(&objects), Vec::<&str>::new());
        assert!(
            warnings.contains(version)
                && warnings.contains("shop")
                && warnings.contains("networking.k8s.io/v1"),
            "{warnings}"
        );
    }
}

#[test]
fn a_bad_object_costs_itself_and_is_named() {
    let good = ingress("networking.k8s.io/v1", "shop", "");
    let bad = ingress("networking.k8s.io/v1", "bad", "").replace("rules:\n", "rules: 7\n  tls:\n");
    for bad in [bad.as_str(), "---\n: [ }\n", "---\njust text\n", "---\nkind: Ingress\n"] {
        for objects in [format!("{good}{bad}"), format!("{bad}{good}")] {
            let (objects, warnings) = translate("bad", &objects);
            assert_eq!(pools(&objects), ["admin/c1--shop.example.com_-red-shop"], "{bad}");
            assert!(warnings.starts_with("warning: "), "{bad}: {warnings}");
        }
    }
}

/// 2 means that something would be changed, so it must not mean a mistyped option, too.
#[test]
fn a_command_line_that_is_not_understood_has_an_exit_code_of_its_own() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ako")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for arguments in [&["plan", "--kubeconfg", "x"][..], &["plam"], &[], &["translate"]] {
        let (code, errors) = run(arguments);
        assert_eq!(code, Some(64), "{arguments:?}: {errors}");
        assert!(errors.contains("Usage: ako"), "{arguments:?}: {errors}");
    }
    for arguments in [&["--help"][..], &["--version"], &["help", "plan"], &["plan", "--help"]] {
        assert_eq!(run(arguments), (Some(0), String::new()), "{arguments:?}");
    }
}

/// As in `ako crds print | head`.
#[test]
fn a_reader_who_has_seen_enough_is_no_reason_to_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut ako = Command::new(env!("CARGO_BIN_EXE_ako"));
    let ended = ako.args(["crds", "print"]).stdout(writer).output().unwrap();
    assert_eq!(ended.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
