//! Numbers of replicas, and leaders that go away: with a user that the cluster chose, as OpenShift
//! does, and a root file system that nobody can write to.

use ako_harness::kubelet::in_namespaces;
use serde_json::json;

use crate::applications::{self, are_served, deploy, is_served};
use crate::judges::{Since, nothing_was_forbidden, one_at_a_time};
use crate::release::{self, CHART, account, lease_holder, one_leads, pods_are_gone, rolled_out};
use crate::world::World;

const NAMESPACE: &str = "avi-system";
/// A user that the cluster chose, and a controller whose certificate is verified.
const MORE: &str = "--set securityContext.runAsUser=1000680000 --set securityContext.runAsNonRoot=true \
                    --set securityContext.readOnlyRootFilesystem=true \
                    --set-file avicredentials.certificateAuthorityData=controller-ca.pem";

#[test]
fn one_replica_becomes_two_and_leaders_go_away() {
    in_namespaces("replicas::one_replica_becomes_two_and_leaders_go_away", async {
        let Some(mut world) = World::start().await? else { return Ok(()) };
        install(&mut world).await;
        by_way_of_zero(&mut world).await;
        directly(&mut world).await;
        kill_the_leader(&mut world).await;
        delete_the_leader(&mut world).await;
        nothing_was_forbidden(&world).await;
        // One of one replica, one after zero, one after the scaling, one after each end of a leader.
        let writers = one_at_a_time(&world, |_| true).await;
        assert!(writers >= 3, "{writers} processes wrote");
        Ok(())
    })
    .unwrap();
}

async fn install(world: &mut World) {
    deploy(world, "red", &json!({})).await;
    release::unpack(world, &[]).await;
    std::fs::write(world.folder().join("ako/controller-ca.pem"), world.controller_ca()).unwrap();
    world.kubectl(&format!("create namespace {NAMESPACE}")).await;
    let command =
        format!("install ako-1593523840 . -f values.yaml {} {MORE} --namespace={NAMESPACE}", account(world));
    world.helm(CHART, &command).await;
    rolled_out(world, NAMESPACE, 1).await;
    are_served(world, "red").await;
    let (pod, state) = world.leader(NAMESPACE).await;
    assert_eq!(state["controller"]["certificate"], "verified by certificateAuthorityData", "{state:#}");
    let set = world.kubectl_json(&format!("-n {NAMESPACE} get pod {pod}")).await;
    assert_eq!(set["spec"]["containers"][0]["securityContext"]["runAsUser"], 1_000_680_000);
    world.done("helm install, with a user of the cluster's choice");
}

/// What the document says: change the replicaCount in values.yaml, and execute helm upgrade.
async fn set_replicas(world: &World, from: usize, to: usize) {
    world.edit("ako/values.yaml", &[(&format!("replicaCount: {from}"), &format!("replicaCount: {to}"))]);
    let account = account(world);
    let command = format!("upgrade ako-1593523840 . -f values.yaml {account} {MORE} --namespace={NAMESPACE}");
    world.helm(CHART, &command).await;
}

/// The documented sequence of AKO 2.2.1.
async fn by_way_of_zero(world: &mut World) {
    let since = Since::now(world).await;
    set_replicas(world, 1, 0).await;
    pods_are_gone(world, NAMESPACE).await;
    set_replicas(world, 0, 2).await;
    rolled_out(world, NAMESPACE, 2).await;
    one_leads(world, NAMESPACE).await;
    since.nothing_was_written(world).await;
    world.done("1 to 0 to 2");
}

/// The documented sequence of AKO 1.9.2, after which both write there.
async fn directly(world: &mut World) {
    let since = Since::now(world).await;
    set_replicas(world, 2, 1).await;
    rolled_out(world, NAMESPACE, 1).await;
    world
        .eventually(async || match lease_holder(world, NAMESPACE).await {
            None => Ok(()),
            Some(holder) => Err(format!("one replica, and a Lease of {holder:?}")),
        })
        .await;
    set_replicas(world, 1, 2).await;
    rolled_out(world, NAMESPACE, 2).await;
    one_leads(world, NAMESPACE).await;
    since.nothing_was_written(world).await;
    world.done("2 to 1 to 2");
}

/// Its process is killed, and nobody released the leadership.
async fn kill_the_leader(world: &mut World) {
    lose_the_leader(world, "--grace-period=0 --force", "killed").await;
    world.done("the leader is killed");
}

/// It releases the leadership, and ends.
async fn delete_the_leader(world: &mut World) {
    lose_the_leader(world, "--wait=false", "ended").await;
    world.done("the leader is deleted");
}

/// An Ingress that is created at that moment is served by the other one.
async fn lose_the_leader(world: &World, how: &str, ingress: &str) {
    let since = Since::now(world).await;
    let first = one_leads(world, NAMESPACE).await;
    let before = world.pods(NAMESPACE).await;
    world.kubectl(&format!("-n {NAMESPACE} delete pod {first} {how}")).await;
    world.apply(&[applications::ingress("red", ingress)]).await;
    is_served(world, "red", ingress).await;
    rolled_out(world, NAMESPACE, 2).await;
    let second = one_leads(world, NAMESPACE).await;
    assert_ne!(first, second);
    let after = world.pods(NAMESPACE).await;
    assert_ne!(before[&first], after[&first], "the pod was replaced");
    since.nothing_was_lost(world).await;
}
