//! The CRD operator: switched on, scaled, switched off and on again, beside the operator.

use ako_harness::cluster;
use ako_harness::kubelet::in_namespaces;
use serde_json::{Value, json};

use crate::documented::succeeds;
use crate::judges::unused_rules_of;
use crate::release::{self, CHART, account, rolled_out};
use crate::world::World;

const NAMESPACE: &str = "avi-system";

#[test]
fn the_crd_operator_is_switched_on_scaled_and_switched_off() {
    in_namespaces("crd_operator::the_crd_operator_is_switched_on_scaled_and_switched_off", async {
        let Some(mut world) = World::start().await? else { return Ok(()) };
        install_without(&mut world).await;
        switch_on(&mut world).await;
        look_at_it(&mut world).await;
        scale(&mut world).await;
        a_second_one_is_left_out(&mut world).await;
        switch_off_and_on(&mut world).await;
        Ok(())
    })
    .unwrap();
}

fn monitor() -> Value {
    json!({
        "apiVersion": "ako.vmware.com/v1alpha1", "kind": "HealthMonitor",
        "metadata": {"name": "my-hm", "namespace": "default"}, "spec": {"type": "HEALTH_MONITOR_PING"},
    })
}

fn profile() -> Value {
    json!({
        "apiVersion": "ako.vmware.com/v1alpha1", "kind": "ApplicationProfile",
        "metadata": {"name": "my-ap", "namespace": "default"},
        "spec": {"type": "APPLICATION_PROFILE_TYPE_HTTP", "http_profile": {"xff_enabled": true}},
    })
}

/// The same object, to be deleted.
fn deleted(object: &Value) -> Value {
    let mut object = object.clone();
    object["$delete"] = json!(true);
    object
}

/// An extension, and the PKI profile that it names.
fn extension() -> [Value; 2] {
    let of = |kind: &str, name: &str, spec: Value| {
        json!({
            "apiVersion": "ako.vmware.com/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": "default"}, "spec": spec,
        })
    };
    let authority = rcgen::generate_simple_self_signed(["svc.local".to_owned()]).unwrap().cert.pem();
    let named = json!({"backendTLS": {"pkiProfile": {"kind": "CRD", "name": "my-ca"}}});
    [
        of("PKIProfile", "my-ca", json!({"ca_certs": [{"certificate": authority}]})),
        of("RouteBackendExtension", "my-rbe", named),
    ]
}

async fn upgrade(world: &World, values: &str) {
    let command = format!("upgrade ako . {} {values} --namespace={NAMESPACE}", account(world));
    world.helm(CHART, &command).await;
}

/// Waits until there are so many pods of it, all of them ready.
async fn pods_are(world: &World, count: usize) {
    let command = format!("get pods -n {NAMESPACE} -l app.kubernetes.io/name=ako-crd-operator");
    world
        .eventually(async || {
            let pods = world.kubectl_json(&command).await["items"].as_array().cloned().unwrap_or_default();
            let is_ready = |pod: &&Value| {
                let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
                conditions.filter(|condition| condition["type"] == "Ready").any(|it| it["status"] == "True")
            };
            let ready = pods.iter().filter(is_ready).count();
            if ready == count && pods.len() == count { Ok(()) } else { Err(format!("{ready} of {pods:#?}")) }
        })
        .await;
}

/// Waits until an object is on the controller, and says so.
async fn is_programmed(world: &World, object: &Value) {
    world
        .eventually(async || {
            let found = cluster::get(&world.client, object).await.map_err(|error| format!("{error:#}"))?;
            let found = found.unwrap_or_default();
            let condition = &found["status"]["conditions"][0];
            if condition["status"] == "True" { Ok(()) } else { Err(format!("{found:#}")) }
        })
        .await;
}

async fn is_gone(world: &World, object: &Value) {
    world
        .eventually(async || match cluster::get(&world.client, object).await {
            Ok(None) => Ok(()),
            found => Err(format!("{found:?}")),
        })
        .await;
}

async fn definitions(world: &World) -> usize {
    let all = world.kubectl("get crds -o name").await;
    let of_crd_operator =
        ["healthmonitors.", "applicationprofiles.", "pkiprofiles.", "routebackendextensions."];
    all.lines().filter(|line| of_crd_operator.iter().any(|name| line.contains(name))).count()
}

/// Nothing of it is there.
async fn install_without(world: &mut World) {
    release::unpack(world, &[]).await;
    let command = format!(
        "install ako . --namespace {NAMESPACE} --create-namespace {} --set ako-crd-operator.enabled=false",
        account(world)
    );
    let notes = world.helm(CHART, &command).await;
    assert!(!notes.contains("crd-operator"), "{notes}");
    rolled_out(world, NAMESPACE, 1).await;
    let all = world.kubectl("get statefulsets,clusterroles,roles,serviceaccounts -A -o name").await;
    assert!(!all.contains("ako-crd-operator"), "{all}");
    assert_eq!(definitions(world).await, 0);
    world.done("helm install without it");
}

/// The upgrade brings the CustomResourceDefinitions, which helm itself does not.
async fn switch_on(world: &mut World) {
    let before = world.pods(NAMESPACE).await;
    upgrade(world, "--set ako-crd-operator.enabled=true").await;
    assert_eq!(definitions(world).await, 4);
    pods_are(world, 1).await;
    let [authority, extension] = extension();
    world.apply(&[monitor(), profile(), authority.clone(), extension.clone()]).await;
    for object in [monitor(), profile(), authority, extension] {
        is_programmed(world, &object).await;
    }
    assert_eq!(world.pods(NAMESPACE).await, before, "a pod of the operator was replaced");
    world.done("switched on");
}

async fn look_at_it(world: &mut World) {
    succeeds(world, "kubectl -n avi-system exec ako-crd-operator-0 -- ako status", "Role").await;
    let explained =
        "kubectl -n avi-system exec ako-crd-operator-0 -- ako explain healthmonitor/default/my-hm";
    succeeds(world, explained, "ako-crd-operator-c1--").await;
    succeeds(world, "kubectl -n avi-system exec ako-crd-operator-0 -- ako plan", "no changes").await;
    succeeds(world, "kubectl -n avi-system get healthmonitors -n default", "Created").await;
    let (_, checked) = world.typed("kubectl -n avi-system exec ako-crd-operator-0 -- ako check").await;
    println!("{checked}");
    assert!(checked.contains("✔ Permissions") && checked.contains("✔ Role"), "{checked}");
    world.done("status, explain, plan and check");
}

async fn scale(world: &mut World) {
    let position = world.position();
    upgrade(world, "--set ako-crd-operator.controllerManager.replicas=2").await;
    pods_are(world, 2).await;
    world.kubectl(&format!("-n {NAMESPACE} delete pod ako-crd-operator-0 --wait=false")).await;
    world
        .apply(&[json!({
            "apiVersion": "ako.vmware.com/v1alpha1", "kind": "HealthMonitor",
            "metadata": {"name": "another", "namespace": "default"}, "spec": {"type": "HEALTH_MONITOR_PING"},
        })])
        .await;
    let mut another = monitor();
    another["metadata"]["name"] = json!("another");
    is_programmed(world, &another).await;
    pods_are(world, 2).await;
    let writes = world.writes_since(position);
    assert_eq!(writes.len(), 1, "{writes:#?}");
    let roles = ("ako-crd-operator", "ako-crd-operator", "ako-crd-operator");
    assert_eq!(unused_rules_of(world, NAMESPACE, roles).await, UNUSED.map(str::to_owned).into());
    world.done("1 to 2, and the leader deleted");
}

/// What its roles allow and is not asked for here.
const UNUSED: [&str; 7] = [
    "delete leases in avi-system",
    "get applicationprofiles",
    "get healthmonitors",
    "get pkiprofiles",
    "get routebackendextensions",
    "patch routebackendextensions",
    "patch secrets in avi-system",
];

/// There is one in a cluster: the documented command for a second instance brings no other one.
async fn a_second_one_is_left_out(world: &mut World) {
    let command = format!(
        "install blue . --namespace blue --create-namespace {} --set AKOSettings.primaryInstance=false",
        account(world)
    );
    let notes = world.helm(CHART, &command).await;
    assert!(notes.contains("is that of release ako in namespace avi-system"), "{notes}");
    let all = world.kubectl("get statefulsets,roles,serviceaccounts -n blue -o name").await;
    assert!(all.contains("statefulset.apps/ako\n") && !all.contains("ako-crd-operator"), "{all}");
    world.helm(CHART, "uninstall blue --namespace blue").await;
    world.done("a second one");
}

/// What it made stays; what is deleted meanwhile goes when it is back.
async fn switch_off_and_on(world: &mut World) {
    let position = world.position();
    upgrade(world, "--set ako-crd-operator.enabled=false").await;
    pods_are(world, 0).await;
    assert_eq!(definitions(world).await, 4);
    world.apply(&[deleted(&profile())]).await;
    let writes = world.writes_since(position);
    assert!(writes.is_empty(), "{writes:#?}");
    upgrade(world, "--set ako-crd-operator.enabled=true").await;
    is_gone(world, &profile()).await;
    is_programmed(world, &monitor()).await;
    let writes = world.writes_since(position);
    assert_eq!(writes.len(), 1, "{writes:#?}");
    world.done("off and on again");
}
