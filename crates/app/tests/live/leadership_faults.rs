//! What goes wrong around the leadership: networks, clocks that went on without
//! a process, people who edit.

use ako_harness::operator::{Operator, OperatorOptions};
use ako_harness::{Network, cluster, eventually, stateful_set};
use ako_sim_avi::{Action, Fault};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::replicas::{Replicas, backend};
use crate::world::{SOON, World, config, ingress, ingress_class, service};

const NAMESPACE: &str = "avi-system";

/// What a replica says of itself.
async fn role(replicas: &Replicas, pod: &str) -> String {
    let state = replicas.of(pod).get_json("/api/v1/state").await.unwrap_or_default();
    state["role"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cut_off_from_the_cluster_stops_and_all_cut_off_stop() {
    let Some(mut replicas) = Replicas::start(3).await else { return };
    replicas.world.apply(&backend()).await;
    replicas.served("first.example.com").await;

    // The leader hears nothing any more, and is not told that it does not.
    let first = replicas.leader().await;
    replicas.way(&first).set(Network::Silent);
    let cut_off = replicas.take(&first);
    let second = replicas.leader().await;
    assert_ne!(first, second);
    replicas.served("second.example.com").await;
    replicas.running.push((first.clone(), cut_off));
    assert_eq!(role(&replicas, &first).await, "standby");
    replicas.way(&first).set(Network::Open);
    assert_eq!(replicas.leader().await, second);

    // Nobody reaches the cluster: nobody writes. What was asked for meanwhile
    // is done when somebody does.
    let pods: Vec<String> = replicas.running.iter().map(|(pod, _)| pod.clone()).collect();
    for pod in &pods {
        replicas.way(pod).set(Network::Broken);
    }
    eventually(SOON, async || {
        for pod in &pods {
            let role = role(&replicas, pod).await;
            if role != "standby" {
                return Err(format!("{pod} is {role}"));
            }
        }
        Ok(())
    })
    .await
    .unwrap_or_else(|error| replicas.fail(&error));
    let writes = replicas.world.writes();
    replicas.world.apply(&[ingress("third", "third.example.com", "/", "web")]).await;
    assert_eq!(replicas.world.writes(), writes, "somebody wrote without leading");
    for pod in &pods {
        replicas.way(pod).set(Network::Open);
    }
    replicas.world.published("Ingress", "default", "third").await;
    replicas.leader().await;
    replicas.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_frozen_in_the_middle_of_a_slow_write_does_no_harm() {
    let Some(mut replicas) = Replicas::start(2).await else { return };
    replicas.world.apply(&backend()).await;
    replicas.served("first.example.com").await;
    let first = replicas.leader().await;

    // The controller is slow with one write. Meanwhile its sender is frozen, and
    // another replica leads and does the same.
    replicas.world.sim.inject(Fault::new(Action::Delay { ms: 20_000 }).method("POST").kind("pool").times(1));
    replicas.world.apply(&[ingress("slow", "slow.example.com", "/", "web")]).await;
    eventually(SOON, async || {
        let state = replicas.of(&first).get_json("/api/v1/state").await.map_err(|e| e.to_string())?;
        let under_way = state["last_writes"].to_string().contains("under way");
        if under_way { Ok(()) } else { Err("nothing is under way".to_owned()) }
    })
    .await
    .unwrap_or_else(|error| replicas.fail(&error));
    replicas.of(&first).pause().unwrap();
    let frozen = replicas.take(&first);
    let second = replicas.leader().await;
    assert_ne!(first, second);
    replicas.world.published("Ingress", "default", "slow").await;
    // The slow write is executed at last, by nobody's leave: it is refused, as
    // the object is there.
    let pools = |world: &World| {
        let requests = world.sim.requests();
        let creations = requests.iter().filter(|r| r.method == "POST" && r.kind == "pool");
        creations.filter(|r| r.name.contains("slow")).map(|r| r.status).collect::<Vec<_>>()
    };
    eventually(SOON, async || match pools(&replicas.world).as_slice() {
        [_, _, ..] => Ok(()),
        other => Err(format!("the slow write is still to come: {other:?}")),
    })
    .await
    .unwrap_or_else(|error| replicas.fail(&error));
    assert_eq!(pools(&replicas.world), [201, 409]);
    let writes = replicas.world.writes();
    frozen.resume().unwrap();
    replicas.running.push((first, frozen));
    assert_eq!(replicas.leader().await, second);
    assert_eq!(replicas.world.writes(), writes, "the one that woke writes nothing");
    replicas.served("last.example.com").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_does_not_reach_the_controller_hands_over() {
    let Some(replicas) = Replicas::start(2).await else { return };
    replicas.world.apply(&backend()).await;
    replicas.served("first.example.com").await;
    let first = replicas.leader().await;
    let requests = replicas.world.sim.requests();
    let written = requests.iter().rev().find(|request| request.committed).unwrap();
    // Its connections are closed whenever it asks; the other one's are not.
    replicas.world.sim.inject(Fault::new(Action::DropBefore).session(&written.session));
    replicas.world.apply(&[ingress("second", "second.example.com", "/", "web")]).await;
    replicas.world.published("Ingress", "default", "second").await;
    let second = replicas.leader().await;
    assert_ne!(first, second);
    replicas.world.sim.clear_faults();
    replicas.served("third.example.com").await;
    assert_eq!(replicas.leader().await, second, "nothing is won by changing back");
}

fn lease() -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "ako-lease-lock", "namespace": NAMESPACE},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_edit_the_record_and_the_lease_do_no_harm() {
    let Some(replicas) = Replicas::start(2).await else { return };
    replicas.world.apply(&backend()).await;
    replicas.served("first.example.com").await;
    let records: Api<ConfigMap> = Api::namespaced(replicas.world.client.clone(), NAMESPACE);
    let edit = async |patch: Value| {
        let params = PatchParams::default();
        records.patch("ako-leadership", &params, &Patch::Merge(patch)).await.unwrap();
    };

    records.delete("ako-leadership", &kube::api::DeleteParams::default()).await.unwrap();
    replicas.served("deleted.example.com").await;
    replicas.leader().await;
    edit(json!({"data": null})).await;
    replicas.served("cleared.example.com").await;
    replicas.leader().await;
    edit(json!({"data": {"holder": "ako-9_somebody_else", "epoch": "77"}})).await;
    replicas.served("forged.example.com").await;
    // The host may have been served before the edit was seen.
    let leader = eventually(SOON, async || {
        let leader = replicas.leader().await;
        let record = records.get("ako-leadership").await.unwrap().data.unwrap_or_default();
        let leads = leader != "ako-9" && record["holder"].starts_with(&leader);
        if leads { Ok(leader) } else { Err(format!("{leader} leads: {record:?}")) }
    });
    let leader = leader.await.unwrap_or_else(|error| replicas.fail(&error));

    cluster::remove_all(&replicas.world.client, &[lease()]).await.unwrap();
    let held = async || {
        eventually(SOON, async || match replicas.lease_holder().await {
            Some(holder) if holder.starts_with(&leader) => Ok(()),
            other => Err(format!("the Lease shows {other:?}, {leader} leads")),
        })
        .await
        .unwrap_or_else(|error| replicas.fail(&error));
    };
    held().await;
    let mut forged = lease();
    forged["spec"] = json!({"holderIdentity": "ako-9_somebody_else"});
    cluster::apply(&replicas.world.client, &forged).await.unwrap();
    replicas.served("lease.example.com").await;
    held().await;
    replicas.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_the_same_name_and_a_scale_to_zero_are_ordinary() {
    let Some(mut replicas) = Replicas::start(1).await else { return };
    replicas.world.apply(&backend()).await;
    replicas.served("first.example.com").await;

    // Deleted by force and created anew at once, under the same name.
    replicas.take("ako-0").kill();
    stateful_set::remove_pod(&replicas.world.client, NAMESPACE, "ako-0").await.unwrap();
    let writes = replicas.world.writes();
    replicas.start_one(0).await;
    assert_eq!(replicas.leader().await, "ako-0");
    assert_eq!(replicas.world.writes(), writes, "nothing changed, so nothing is written");
    replicas.served("second.example.com").await;

    // The documented way to two replicas: by zero.
    replicas.scale(0).await;
    assert!(replicas.take("ako-0").terminate(SOON).await.unwrap().success());
    stateful_set::remove_pod(&replicas.world.client, NAMESPACE, "ako-0").await.unwrap();
    replicas.world.apply(&[ingress("third", "third.example.com", "/", "web")]).await;
    replicas.scale(2).await;
    replicas.start_one(0).await;
    replicas.start_one(1).await;
    let leader = replicas.leader().await;
    replicas.world.published("Ingress", "default", "third").await;
    let holder = replicas.lease_holder().await.unwrap_or_default();
    assert!(holder.starts_with(&leader), "the Lease shows {holder:?}, {leader} leads");
    replicas.assert_nothing_twice();
}

/// AKO that began with a single replica writes without the Lease: `helm upgrade` from its
/// chart to ours adds `ako-1` beside it, and replaces `ako-0` afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_leads_beside_a_pod_of_ako_and_one_does_when_it_is_gone() {
    let Some(mut world) = World::start_unready(&config(&[]), NAMESPACE).await else { return };
    world.operator.kill();
    stateful_set::scale(&world.client, NAMESPACE, 2).await.unwrap();
    stateful_set::add_pod_of_ako(&world.client, NAMESPACE, "ako-0").await.unwrap();
    stateful_set::add_pod(&world.client, NAMESPACE, "ako-1").await.unwrap();
    let kubeconfig = world.control_plane.kubeconfig();
    let options = OperatorOptions::new(env!("CARGO_BIN_EXE_ako"), kubeconfig, &world.installed);
    world.operator = Operator::start(options.pod_name("ako-1")).unwrap();
    world.operator.wait_ready().await.unwrap();
    world.apply(&[ingress_class(), ingress("shop", "foo.com", "/", "web")]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    // Ready, so that the rolling update goes on, and it says what it waits for.
    eventually(SOON, async || {
        let (status, page) = world.operator.get("/readyz").await.map_err(|e| e.to_string())?;
        let (_, shown) = world.operator.get("/").await.map_err(|e| e.to_string())?;
        let is_said = [&page, &shown]
            .iter()
            .all(|text| text.contains("pod ako-0 of the same StatefulSet runs AKO 2.2.1"));
        if status == 200 && is_said { Ok(()) } else { Err(format!("{status}: {page}")) }
    })
    .await
    .unwrap_or_else(|e| world.fail(&e));
    assert_eq!(world.writes(), 0);
    let state = world.operator.get_json("/api/v1/state").await.unwrap();
    assert_ne!(state["role"], "leader");
    stateful_set::remove_pod(&world.client, NAMESPACE, "ako-0").await.unwrap();
    world.published("Ingress", "default", "shop").await;
}
