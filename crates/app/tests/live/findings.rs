//! Bad input: who is told, and what is served nevertheless.

use ako_harness::{cluster, eventually};
use serde_json::{Value, json};

use crate::lifecycle::has;
use crate::world::{SOON, World, config, ingress, ingress_class, object, service};

/// Waits for a Warning Event with a reason on an object (`Ingress`, `shop`);
/// answers the words of all of that reason.
pub(crate) async fn warned(world: &World, kind: &str, name: &str, reason: &str) -> Vec<String> {
    let selector = format!("involvedObject.kind={kind},involvedObject.name={name},type=Warning");
    eventually(SOON, async || {
        let arguments = ["get", "events", "-A", "-o", "json", "--field-selector", &selector];
        let output = world.control_plane.kubectl(&arguments).await.map_err(|e| e.to_string())?;
        let events: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        let items = events["items"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = items.iter().filter(|event| event["reason"] == reason).collect();
        let words =
            found.iter().map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect();
        if found.is_empty() { Err(format!("no Event {reason} on {name}: {items:?}")) } else { Ok(words) }
    })
    .await
    .unwrap_or_else(|e| world.fail(&e))
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_costs_one_object_a_finding_and_the_rest_is_served() {
    let Some(world) = World::start(&config(&[("enableEVH", "true")]), "avi-system").await else { return };
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    let mut no_secret = ingress("no-secret", "a.foo.com", "/", "web");
    no_secret["spec"]["tls"] = json!([{"hosts": ["a.foo.com"], "secretName": "missing"}]);
    let outside = ingress("outside", "foo.example.org", "/", "web");
    let mut resource = ingress("resource", "b.foo.com", "/", "web");
    resource["spec"]["rules"][0]["http"]["paths"][0]["backend"] =
        json!({"resource": {"apiGroup": "storage", "kind": "Bucket", "name": "files"}});
    let good = ingress("good", "c.foo.com", "/", "web");
    world.apply(&[no_secret, outside, resource, good]).await;
    world.published("Ingress", "default", "good").await;
    warned(&world, "Ingress", "no-secret", "MissingSecret").await;
    warned(&world, "Ingress", "outside", "HostOutsideSubdomain").await;
    warned(&world, "Ingress", "resource", "UnsupportedBackend").await;
    let state = world.operator.get_json("/api/v1/state").await.unwrap();
    let told: Vec<_> = state["diagnostics"].as_array().unwrap().iter().map(|d| d["object"].clone()).collect();
    for name in ["no-secret", "outside", "resource"] {
        assert!(told.contains(&json!(format!("Ingress default/{name}"))), "{told:?}");
    }
    // The certificate comes late, and is rotated.
    let (first, second) = (certificate("a.foo.com"), certificate("a.foo.com"));
    for pem in [&first, &second] {
        world.apply(&[secret("missing", pem)]).await;
        let expected = pem.0.clone();
        world
            .wait_for(|dump| {
                let any = dump["sslkeyandcertificate"].as_object().into_iter().flatten().map(|(_, c)| c);
                let found = any.filter(|c| c["certificate"]["certificate"] == json!(expected)).count();
                if found == 1 { Ok(()) } else { Err("the certificate is not there yet".to_owned()) }
            })
            .await;
    }
    world.published("Ingress", "default", "no-secret").await;
    let key = first.1.lines().nth(1).unwrap().to_owned();
    assert!(!world.operator.log().contains(&key), "a key is in the log");
    assert!(!world.operator.get("/api/v1/state").await.unwrap().1.contains(&key), "a key is in the status");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_does_not_exist_costs_its_namespace_one_finding() {
    let Some(world) = World::start(&config(&[("enableEVH", "true")]), "avi-system").await else { return };
    let in_tenant = |tenant: &str| {
        let annotations = json!({"ako.vmware.com/tenant-name": tenant});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "red", "annotations": annotations}})
    };
    world.apply(&[ingress_class(), in_tenant("nowhere")]).await;
    let mut objects = service("web", "ClusterIP", &["10.244.1.5"]);
    objects.push(ingress("good", "c.foo.com", "/", "web"));
    world.apply(&objects).await;
    for object in &mut objects {
        object["metadata"]["namespace"] = json!("red");
    }
    objects[2] = ingress("lost", "d.foo.com", "/", "web");
    objects[2]["metadata"]["namespace"] = json!("red");
    world.apply(&objects).await;
    world.published("Ingress", "default", "good").await;
    let told = warned(&world, "Ingress", "lost", "ControllerRefused").await;
    let expected = "tenant nowhere does not exist on the Avi Controller: create it, or correct annotation \
                    ako.vmware.com/tenant-name of the namespace";
    assert_eq!(told, [expected]);
    // Corrected, it is served there.
    world.apply(&[in_tenant("blue-tenant")]).await;
    world.published("Ingress", "red", "lost").await;
    let dump = world.sim.dump();
    assert!(dump["virtualservice"].as_object().unwrap().keys().any(|name| name.starts_with("blue-tenant/")));
}

/// A certificate and its key, PEM.
pub(crate) fn certificate(host: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

pub(crate) fn secret(name: &str, pem: &(String, String)) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": "default"},
        "stringData": {"tls.crt": pem.0, "tls.key": pem.1},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_used_is_waited_out() {
    // The last one is understood: it asks for what this version would take away.
    let mut broken = config(&[("shardVSSize", "HUGE"), ("istioEnabled", "true")]);
    broken.insert("vipNetworkList".to_owned(), "[".to_owned());
    let Some(world) = World::start_unready(&broken, "avi-system").await else { return };
    // Until the configuration has been read, the answer is that it is waited for.
    eventually(SOON, async || {
        let (status, reason) = world.operator.get("/readyz").await.map_err(|e| e.to_string())?;
        assert_eq!(status, 503, "{reason}");
        if reason.contains("a configuration that can be used") { Ok(()) } else { Err(reason) }
    })
    .await
    .unwrap_or_else(|e| world.fail(&e));
    let state = world.operator.get_json("/api/v1/state").await.unwrap();
    let keys: Vec<_> = state["issues"].as_array().unwrap().iter().map(|i| i["key"].clone()).collect();
    for key in ["shardVSSize", "vipNetworkList", "istioEnabled"] {
        assert!(keys.contains(&json!(key)), "{state:#}");
    }
    // Corrected, it runs without a restart.
    let data = config(&[]);
    let correction = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "avi-k8s-config", "namespace": "avi-system"},
        "data": {"shardVSSize": "LARGE", "istioEnabled": "false", "vipNetworkList": data["vipNetworkList"]},
    });
    let patch = correction.to_string();
    let arguments =
        ["-n", "avi-system", "patch", "configmap", "avi-k8s-config", "--type=merge", "-p", &patch];
    world.control_plane.kubectl(&arguments).await.unwrap();
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    world.apply(&[ingress("shop", "foo.com", "/", "web")]).await;
    world.wait_for(|dump| has(dump, "virtualservice", "c1--Shared-L7-0")).await;
    assert!(object(&world.sim.dump(), "pool", "c1--foo.com_-default-shop").is_some());
    cluster::remove_all(&world.client, &[ingress("shop", "foo.com", "/", "web")]).await.unwrap();
}
