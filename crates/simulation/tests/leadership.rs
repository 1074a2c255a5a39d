//! Who leads when others would be better, or must not be disturbed. On virtual
//! time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::time::Duration;

use ako_harness::{Network, cluster};

use ako_sim_avi::{Action, Fault};
use ako_sim_kube::Cut;
use ako_simulation::judgement::{unfinished, writes};
use ako_simulation::scene::play;
use ako_simulation::script::Step;
use ako_simulation::setup::Setup;
use ako_simulation::world::World;
use serde_json::{Value, json};
use tokio::time::sleep;

const OPERATOR: &str = "avi-system";

#[test]
fn one_that_does_not_reach_the_controller_lets_another_lead() {
    play(Setup::One, async |mut world| {
        world.scale(0, 2).await.unwrap();
        let first = world.leader().await?;
        world.finished().await?;
        for network in [Network::Broken, Network::Silent] {
            let first = world.leader().await?;
            world.instances[0].replicas[first].link.set(network);
            world
                .take(0, &Step::Apply(0, if network == Network::Broken { "/" } else { "/api" }))
                .await
                .unwrap();
            world.finished().await?;
            assert_ne!(world.leader().await?, first, "{network:?}");
            world.instances[0].replicas[first].link.set(Network::Open);
            sleep(Duration::from_mins(1)).await;
        }
        // If nobody reaches it, leading does no good anywhere: nothing flaps.
        let before = epoch(&mut world, first).await;
        world.instances[0].replicas.iter().for_each(|replica| replica.link.set(Network::Broken));
        sleep(Duration::from_mins(5)).await;
        let after = epoch(&mut world, first).await;
        assert!(after - before <= 2, "{} leaderships in five minutes", after - before);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_write_that_arrives_late_is_repaired() {
    play(Setup::One, async |mut world| {
        world.scale(0, 2).await.unwrap();
        world.take(0, &Step::Apply(0, "/")).await.unwrap();
        let first = world.leader().await?;
        world.finished().await?;
        // A write leaves in time, and the controller executes it when another
        // leads, for whom there is nothing to write any more. It is not sent a second time.
        world.avi.inject(Fault::new(Action::Delay { ms: 28_000 }).method("POST").kind("pool").times(1));
        world.take(0, &Step::Apply(1, "/")).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        world.kube.partition(&world.instances[0].replicas[first].client(), Cut::Silence);
        world.instances[0].replicas[first].link.set(Network::Silent);
        world.take(0, &Step::Delete(1)).await.unwrap();
        while world.leader().await? == first {
            sleep(Duration::from_secs(1)).await;
        }
        world.finished().await?;
        assert_eq!(created_second(&world), 0);
        while created_second(&world) == 0 {
            sleep(Duration::from_millis(100)).await;
        }
        assert_ne!(unfinished(&world)?, None, "nothing came late");
        // Long before the next full reading.
        sleep(Duration::from_secs(20)).await;
        assert_eq!(unfinished(&world)?, None);
        assert_eq!(world.wrong(), Vec::<String>::new());
        Ok(())
    })
    .unwrap();
}

/// How often the pool of the second Ingress was created.
fn created_second(world: &World) -> usize {
    let requests = world.avi.requests();
    requests.iter().filter(|r| r.method == "POST" && r.name.contains("lively-1") && r.committed).count()
}

#[test]
fn a_write_that_is_executed_after_its_time_out_is_looked_after() {
    play(Setup::One, async |mut world| {
        world.scale(0, 1).await.unwrap();
        world.leader().await?;
        world.finished().await?;
        // The same leader gives the write up, and what it was for is gone.
        world.avi.inject(Fault::new(Action::Delay { ms: 20_000 }).method("POST").kind("pool").times(1));
        world.take(0, &Step::Apply(1, "/")).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        world.take(0, &Step::Delete(1)).await.unwrap();
        sleep(Duration::from_secs(12)).await;
        assert_eq!((unfinished(&world)?, created_second(&world)), (None, 0));
        while created_second(&world) == 0 {
            sleep(Duration::from_millis(100)).await;
        }
        assert_ne!(unfinished(&world)?, None, "nothing came late");
        // Long before the next full reading.
        sleep(Duration::from_secs(20)).await;
        assert_eq!(unfinished(&world)?, None);
        Ok(())
    })
    .unwrap();
}

async fn epoch(world: &mut World, number: usize) -> u64 {
    let state = world.instances[0].replicas[number].state().await.unwrap();
    state["leadership"]["epoch"].as_u64().unwrap()
}

fn lease(renewals: u32) -> Value {
    // Whatever its clock says: that it changes is what counts.
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "ako-lease-lock", "namespace": OPERATOR},
        "spec": {"holderIdentity": "ako-9", "leaseDurationSeconds": 15, "leaseTransitions": renewals},
    })
}

#[test]
fn nobody_writes_while_a_replica_of_the_reference_holds_the_lease() {
    play(Setup::One, async |mut world| {
        let client = world.kube.client();
        // Its pod has no note, and its Lease bears the pod's name alone.
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "ako-9", "namespace": OPERATOR, "labels": {"app.kubernetes.io/name": "ako"}},
            "spec": {"containers": [{"name": "ako", "image": "ako"}]}, "status": {"phase": "Running"},
        });
        cluster::apply(&client, &pod).await.unwrap();
        cluster::apply(&client, &lease(0)).await.unwrap();
        world.scale(0, 2).await.unwrap();
        for renewals in 1..60 {
            cluster::apply(&client, &lease(renewals)).await.unwrap();
            sleep(Duration::from_secs(2)).await;
            assert_eq!(writes(&world.avi.requests()).count(), 0, "after {renewals} renewals");
        }
        // It ends, and is replaced by one of ours.
        let mut gone = pod;
        gone["$delete"] = true.into();
        cluster::apply(&client, &gone).await.unwrap();
        world.leader().await?;
        world.finished().await?;
        assert_eq!(world.wrong(), Vec::<String>::new());
        Ok(())
    })
    .unwrap();
}
