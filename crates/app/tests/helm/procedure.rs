//! One release, from its installation to its removal: AKO's steps to run in high availability, and
//! what else is done by helm meanwhile.

use ako_harness::kubelet::in_namespaces;
use serde_json::json;

use crate::applications::{
    self, are_not_on_the_controller, are_not_published, are_served, deploy, is_served,
};
use crate::judges::{Since, one_at_a_time, unused_rules};
use crate::release::{self, CHART, account, lease_holder, one_leads, rolled_out};
use crate::world::World;

const NAMESPACE: &str = "avi-system";

#[test]
fn a_release_is_installed_scaled_changed_and_removed() {
    in_namespaces("procedure::a_release_is_installed_scaled_changed_and_removed", async {
        let Some(mut world) = World::start().await? else { return Ok(()) };
        let release = install(&mut world).await;
        scale(&mut world, &release).await;
        change_the_log_level(&mut world, &release).await;
        roll(&mut world, &release).await;
        delete_and_restore(&mut world, &release).await;
        roll_back(&mut world, &release).await;
        let unused = unused_rules(&world, NAMESPACE).await;
        assert!(!unused.iter().any(|rule| rule.contains("leases")), "{unused:?}");
        one_at_a_time(&world, |_| true).await;
        uninstall(&mut world, &release).await;
        install_again(&mut world).await;
        Ok(())
    })
    .unwrap();
}

/// One replica, for namespaces with a label. The name of the release.
async fn install(world: &mut World) -> String {
    deploy(world, "red", &json!({"app": "migrate"})).await;
    deploy(world, "plain", &json!({})).await;
    release::unpack(world, &[]).await;
    world.kubectl(&format!("create namespace {NAMESPACE}")).await;
    let printed = world.helm(CHART, &install_command(world)).await;
    assert!(printed.contains("as the primary instance, with 1 replica(s)"), "{printed}");
    rolled_out(world, NAMESPACE, 1).await;
    are_served(world, "red").await;
    world.leader(NAMESPACE).await;
    are_not_published(world, "plain").await;
    are_not_on_the_controller(world, "plain");
    assert_eq!(lease_holder(world, NAMESPACE).await, None, "one replica has no Lease");
    world.done("helm install");
    release::name_of(&printed)
}

fn install_command(world: &World) -> String {
    format!(
        "install . --generate-name -f values.yaml {} --set AKOSettings.namespaceSelector.labelKey=app \
         --set AKOSettings.namespaceSelector.labelValue=migrate --set AKOSettings.primaryInstance=true \
         --namespace={NAMESPACE}",
        account(world)
    )
}

/// The documented command, with one more value perhaps; the others are in the chart's values.yaml.
async fn upgrade(world: &World, release: &str, more: &str) {
    let account = account(world);
    let command = format!(
        "upgrade {release} . {account} --set ako-crd-operator.enabled=false {more} --namespace={NAMESPACE}"
    );
    world.helm(CHART, &command).await;
}

/// From one replica to three.
async fn scale(world: &mut World, release: &str) {
    // What was set by --set at the installation is not kept by an upgrade.
    let selector =
        [("    labelKey: \"\"", "    labelKey: app"), ("    labelValue: \"\"", "    labelValue: migrate")];
    world.edit("ako/values.yaml", &selector);
    world.edit("ako/values.yaml", &[("replicaCount: 1", "replicaCount: 3")]);
    let since = Since::now(world).await;
    // As an older release installed it: helm leaves it so.
    let older = r#"{"metadata":{"annotations":{"ako-rs.io/release":"0.0.1"}},"spec":{"names":{"shortNames":["old"]}}}"#;
    world.kubectl(&format!("patch crd httprules.ako.vmware.com --type merge -p {older}")).await;
    upgrade(world, release, "").await;
    let definition = world.kubectl_json("get crd httprules.ako.vmware.com").await;
    assert_eq!(definition["spec"]["names"]["shortNames"], json!(["httprule"]), "{definition}");
    let left = world.kubectl("get pods,clusterroles,clusterrolebindings,serviceaccounts -A -o name").await;
    assert!(!left.contains("ako-crds"), "{left}");
    rolled_out(world, NAMESPACE, 3).await;
    one_leads(world, NAMESPACE).await;
    since.nothing_was_written(world).await;
    world.done("1 to 3 by helm upgrade");
}

/// What takes effect at run time restarts no pod.
async fn change_the_log_level(world: &mut World, release: &str) {
    let before = world.pods(NAMESPACE).await;
    upgrade(world, release, "--set AKOSettings.logLevel=INFO").await;
    assert_eq!(release::data(world, NAMESPACE).await["logLevel"], "INFO");
    world
        .eventually(async || {
            let silent = before.keys().find(|pod| !world.log(NAMESPACE, pod).contains(" INFO "));
            silent.map_or(Ok(()), |pod| Err(format!("{pod} logs nothing of level INFO")))
        })
        .await;
    rolled_out(world, NAMESPACE, 3).await;
    assert_eq!(world.pods(NAMESPACE).await, before, "a pod was replaced");
    world.done("another log level");
}

/// What takes effect after a restart replaces all pods, and nothing is lost meanwhile.
async fn roll(world: &mut World, release: &str) {
    let (before, since) = (world.pods(NAMESPACE).await, Since::now(world).await);
    upgrade(world, release, "--set L7Settings.passthroughShardSize=MEDIUM").await;
    world.apply(&[applications::ingress("red", "more")]).await;
    rolled_out(world, NAMESPACE, 3).await;
    let after = world.pods(NAMESPACE).await;
    assert!(after.iter().all(|(pod, uid)| before.get(pod) != Some(uid)), "{before:?}, then {after:?}");
    one_leads(world, NAMESPACE).await;
    is_served(world, "red", "more").await;
    since.nothing_was_lost(world).await;
    world.done("a rolling upgrade");
}

/// Everything goes, and comes again.
async fn delete_and_restore(world: &mut World, release: &str) {
    upgrade(world, release, "--set AKOSettings.deleteConfig=true").await;
    release::removed_everything(world, NAMESPACE).await;
    assert_eq!(world.sim.dump(), json!({}));
    are_not_published(world, "red").await;
    world.done("deleteConfig=true");
    upgrade(world, release, "--set AKOSettings.deleteConfig=false").await;
    are_served(world, "red").await;
    is_served(world, "red", "more").await;
    rolled_out(world, NAMESPACE, 3).await;
    world.leader(NAMESPACE).await;
    world.done("deleteConfig=false");
}

/// To what was installed at first.
async fn roll_back(world: &mut World, release: &str) {
    let since = Since::now(world).await;
    world.helm(CHART, &format!("rollback {release} 1 --namespace={NAMESPACE}")).await;
    rolled_out(world, NAMESPACE, 1).await;
    world.leader(NAMESPACE).await;
    world
        .eventually(async || match lease_holder(world, NAMESPACE).await {
            None => Ok(()),
            Some(holder) => Err(format!("one replica, and a Lease of {holder:?}")),
        })
        .await;
    since.nothing_was_written(world).await;
    world.done("helm rollback");
}

/// Everything on the controller and all statuses stay, and what helm does not know.
async fn uninstall(world: &mut World, release: &str) {
    let since = Since::now(world).await;
    world.helm(CHART, &format!("uninstall {release} --namespace={NAMESPACE}")).await;
    release::pods_are_gone(world, NAMESPACE).await;
    since.nothing_was_written(world).await;
    let left = world
        .kubectl(&format!(
            "-n {NAMESPACE} get all,configmaps,secrets,leases,pdb,roles,rolebindings,sa -o name"
        ))
        .await;
    let left: Vec<_> = left.lines().filter(|name| name.contains("ako") || name.contains("avi")).collect();
    assert_eq!(left, ["configmap/ako-crd-operator-leadership", "configmap/ako-leadership"]);
    let cluster = world.kubectl("get clusterroles,clusterrolebindings,ingressclasses -o name").await;
    let cluster: Vec<_> =
        cluster.lines().filter(|name| name.contains("ako") || name.contains("avi")).collect();
    assert_eq!(cluster, ["ingressclass.networking.k8s.io/avi-lb"]);
    let records = "configmap ako-leadership ako-crd-operator-leadership";
    world.kubectl(&format!("-n {NAMESPACE} delete {records} --ignore-not-found")).await;
    world.kubectl(&format!("-n {NAMESPACE} delete lease ako-lease-lock --ignore-not-found")).await;
    world.done("helm uninstall");
}

/// Under another name, which finds everything in place.
async fn install_again(world: &mut World) {
    world.edit("ako/values.yaml", &[("replicaCount: 3", "replicaCount: 1")]);
    let since = Since::now(world).await;
    world.helm(CHART, &install_command(world)).await;
    rolled_out(world, NAMESPACE, 1).await;
    world.leader(NAMESPACE).await;
    since.nothing_was_written(world).await;
    world.done("helm install again");
}
