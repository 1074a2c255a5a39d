//! The control plane itself: up, used, restarted, gone.
#![allow(clippy::unwrap_used, reason = "a test may end at any surprise, in its helpers too")]

mod definitions;

use std::time::Duration;

use ako_harness::control_plane::ControlPlane;
use ako_harness::operator::{CONFIG_MAP, Controller, SECRET, install};
use ako_harness::{cluster, eventually, golden, running_in_group};
use serde_json::json;

fn case(name: &str) -> golden::Case {
    golden::cases().unwrap().into_iter().find(|case| case.name == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_what_was_applied_over_a_restart_and_leaves_nothing_behind() {
    let Some(plane) = ControlPlane::start().await.unwrap() else { return };
    let groups = plane.process_groups();
    assert_eq!(groups.len(), 2);
    let client = plane.client().await.unwrap();

    let objects = case("l7-sni-nodeport").steps.remove(0).objects;
    cluster::apply_all(&client, &objects).await.unwrap();
    let node = objects.iter().find(|object| object["kind"] == "Node").unwrap();
    let read = cluster::get(&client, node).await.unwrap().unwrap();
    assert_eq!(read["status"]["addresses"], node["status"]["addresses"]);

    plane.restart_api_server().await.unwrap();
    for object in &objects {
        assert!(cluster::get(&client, object).await.unwrap().is_some(), "{object}");
    }
    let version = plane.kubectl(&["version", "-o", "json"]).await.unwrap();
    let version: serde_json::Value = serde_json::from_slice(&version.stdout).unwrap();
    assert_eq!(version["serverVersion"]["gitVersion"], "v1.36.3");

    drop(plane);
    eventually(Duration::from_secs(5), async || {
        let left: Vec<u32> = groups.iter().copied().flat_map(running_in_group).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("processes are left: {left:?}")) }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_case_applied_can_be_removed_again() {
    let Some(plane) = ControlPlane::shared().await.unwrap() else { return };
    let client = plane.client().await.unwrap();
    let case = case("l4-static-ip-changed");
    for step in &case.steps {
        cluster::apply_all(&client, &step.objects).await.unwrap();
    }
    let objects = case.all_objects();
    cluster::remove_all(&client, &objects).await.unwrap();
    for object in objects.iter().filter(|object| object["kind"] != "Namespace") {
        assert_eq!(cluster::get(&client, object).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_mark_deletes_and_may_be_repeated() {
    let Some(plane) = ControlPlane::shared().await.unwrap() else { return };
    let client = plane.client().await.unwrap();
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "marked", "namespace": "made-on-demand"},
        "data": {"a": "b"},
    });
    cluster::apply(&client, &object).await.unwrap();
    assert_eq!(cluster::get(&client, &object).await.unwrap().unwrap()["data"]["a"], "b");
    object["$delete"] = true.into();
    cluster::apply(&client, &object).await.unwrap();
    cluster::apply(&client, &object).await.unwrap();
    assert_eq!(cluster::get(&client, &object).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definitions_kind_is_served_at_once() {
    let Some(plane) = ControlPlane::shared().await.unwrap() else { return };
    let client = plane.client().await.unwrap();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "routes.route.openshift.io"},
        "spec": {
            "group": "route.openshift.io",
            "names": {"kind": "Route", "listKind": "RouteList", "plural": "routes", "singular": "route"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                "subresources": {"status": {}},
            }],
        },
    });
    cluster::apply(&client, &definition).await.unwrap();
    let route = json!({
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"name": "r", "namespace": "served-at-once"},
        "spec": {"host": "foo.com"},
        "status": {"ingress": [{"host": "foo.com"}]},
    });
    cluster::apply(&client, &route).await.unwrap();
    let observed = golden::observed_status(&client).await.unwrap();
    assert_eq!(observed["routes/served-at-once/r"]["status"]["ingress"][0]["host"], "foo.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_is_lent_again_without_what_was_put_into_it() {
    let Some(plane) = ControlPlane::lend().await.unwrap() else { return };
    let url = plane.url().to_owned();
    let client = plane.client().await.unwrap();
    let labelled = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "default", "labels": {"app": "x"}, "annotations": {"note": "y"}},
    });
    let held = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": "left-behind", "finalizers": ["example.com/held"]},
    });
    let class = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": "left-behind"}, "spec": {"controller": "example.com/x"},
    });
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "left-behind"}});
    cluster::apply_all(&client, &[labelled.clone(), held.clone(), class.clone()]).await.unwrap();
    plane.restart_api_server().await.unwrap();
    drop(plane);

    let plane = ControlPlane::lend().await.unwrap().unwrap();
    assert_eq!(plane.url(), url, "another one was started");
    let client = plane.client().await.unwrap();
    for object in [&held, &class, &namespace] {
        assert_eq!(cluster::get(&client, object).await.unwrap(), None);
    }
    let metadata = &cluster::get(&client, &labelled).await.unwrap().unwrap()["metadata"];
    assert_eq!(metadata["labels"], json!({"kubernetes.io/metadata.name": "default"}));
    assert!(metadata["annotations"].is_null(), "{metadata}");
    // Its namespace can be had again.
    cluster::apply(&client, &held).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_manager_works_and_users_have_only_their_rights() {
    let builder = ControlPlane::builder().controller_manager().user("weak-token", "weak", &[]);
    let Some(plane) = builder.start().await.unwrap() else { return };
    let client = plane.client().await.unwrap();
    let labels = json!({"app": "web"});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "web"}]},
            },
        },
    });
    cluster::apply(&client, &deployment).await.unwrap();
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::default_namespaced(client);
    eventually(Duration::from_secs(30), async || match pods.list(&kube::api::ListParams::default()).await {
        Ok(list) if list.items.len() == 1 => Ok(()),
        Ok(list) => Err(format!("{} pods", list.items.len())),
        Err(error) => Err(error.to_string()),
    })
    .await
    .unwrap();

    let weak = plane.client_as("weak", "weak-token").await.unwrap();
    let error = cluster::apply(&weak, &deployment).await.unwrap_err();
    assert!(format!("{error:#}").contains("forbidden"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn installing_creates_what_the_operator_reads() {
    let Some(plane) = ControlPlane::shared().await.unwrap() else { return };
    let client = plane.client().await.unwrap();
    let case = case("l4-secondary-instance");
    let controller = Controller {
        address: "127.0.0.1:9443",
        ca_pem: "a certificate",
        username: "admin",
        password: "secret",
    };
    let installed = install(&client, &case.namespace, &case.config, controller).await.unwrap();
    assert_eq!(installed.namespace, "blue-ako");

    let read = async |kind: &str, name: &str| {
        let metadata = json!({"name": name, "namespace": "blue-ako"});
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": metadata});
        cluster::get(&client, &object).await.unwrap().unwrap()
    };
    let data = &read("ConfigMap", CONFIG_MAP).await["data"];
    assert_eq!(data["controllerIP"], "127.0.0.1:9443");
    assert_eq!(data["apiServerPort"], installed.port.to_string());
    assert_eq!(data["clusterName"], case.config["clusterName"]);
    let keys: Vec<String> =
        read("Secret", SECRET).await["data"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["certificateAuthorityData", "password", "username"]);
}
