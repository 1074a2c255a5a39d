//! Changes of leadership and of the number of replicas.

use ako_harness::{eventually, stateful_set};

use crate::replicas::{Replicas, backend};
use crate::world::{SOON, World, ingress};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_the_leader_another_one_goes_on() {
    assert_eq!(stateful_set::NOTE, ako_kube_io::NOTE);
    let Some(mut replicas) = Replicas::start(3).await else { return };
    replicas.world.apply(&backend()).await;
    replicas.served("first.example.com").await;

    // Killed: another one takes over when the leadership expires.
    let first = replicas.leader().await;
    let holder = replicas.lease_holder().await.unwrap();
    assert!(holder.starts_with(&first), "the Lease shows {holder}, {first} leads");
    let writes = replicas.world.writes();
    replicas.take(&first).kill();
    let second = replicas.leader().await;
    assert_ne!(first, second);
    assert_eq!(replicas.world.writes(), writes, "nothing changed, so nothing is written");
    replicas.served("second.example.com").await;

    // Frozen beyond its leadership: when it wakes it does not write.
    replicas.start_one(first.trim_start_matches("ako-").parse().unwrap()).await;
    replicas.of(&second).pause().unwrap();
    let frozen = replicas.take(&second);
    let third = replicas.leader().await;
    assert_ne!(second, third);
    replicas.served("third.example.com").await;
    let writes = replicas.world.writes();
    frozen.resume().unwrap();
    replicas.running.push((second.clone(), frozen));
    assert_eq!(replicas.leader().await, third);
    assert_eq!(replicas.world.writes(), writes, "the one that woke writes nothing");

    // Asked to yield, then to end: both are handovers.
    let (status, body) = replicas.of(&third).post("/api/v1/yield").await.unwrap();
    assert_eq!(status, 200, "{body}");
    let fourth = eventually(SOON, async || match replicas.leader().await {
        leader if leader == third => Err("still the same".to_owned()),
        leader => Ok(leader),
    })
    .await
    .unwrap();
    replicas.served("fourth.example.com").await;
    let status = replicas.take(&fourth).terminate(SOON).await.unwrap();
    assert!(status.success(), "{status}");
    assert_ne!(replicas.leader().await, fourth);
    replicas.served("fifth.example.com").await;
    replicas.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn scaling_under_load_loses_and_repeats_nothing() {
    let Some(mut replicas) = Replicas::start(1).await else { return };
    replicas.world.apply(&backend()).await;
    replicas.served("a0.example.com").await;
    assert_eq!(replicas.lease_holder().await, None, "one replica has no Lease");

    replicas.scale(3).await;
    let stream = async |world: &World, from: u32| {
        for number in from..from + 5 {
            let host = format!("a{number}.example.com");
            world.apply(&[ingress(&host, &host, "/", "web")]).await;
        }
    };
    stream(&replicas.world, 1).await;
    replicas.start_one(1).await;
    replicas.start_one(2).await;
    stream(&replicas.world, 6).await;
    eventually(SOON, async || {
        replicas.lease_holder().await.filter(|h| !h.is_empty()).ok_or("no Lease".to_owned())
    })
    .await
    .unwrap_or_else(|error| replicas.fail(&error));

    // The StatefulSet takes the highest ordinals first.
    replicas.scale(1).await;
    for pod in ["ako-2", "ako-1"] {
        stream(&replicas.world, if pod == "ako-2" { 11 } else { 16 }).await;
        assert!(replicas.take(pod).terminate(SOON).await.unwrap().success());
        stateful_set::remove_pod(&replicas.world.client, "avi-system", pod).await.unwrap();
    }
    assert_eq!(replicas.leader().await, "ako-0");
    for number in 0..21 {
        replicas.world.published("Ingress", "default", &format!("a{number}.example.com")).await;
    }
    eventually(SOON, async || match replicas.lease_holder().await {
        None => Ok(()),
        Some(holder) => Err(format!("the Lease is still there: {holder}")),
    })
    .await
    .unwrap_or_else(|error| replicas.fail(&error));
    replicas.assert_nothing_twice();
}
