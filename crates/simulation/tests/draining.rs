//! A leader that hands over while it has much to write and the controller is slow.
//! On virtual time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::time::Duration;

use ako_avi_io::limiter::START;
use ako_harness::cluster;
use ako_simulation::judgement::{unfinished, writes};
use ako_simulation::run::on_virtual_time;
use ako_simulation::script::Script;
use ako_simulation::setup::Setup;
use ako_simulation::workload;
use ako_simulation::world::World;
use tokio::time::{Instant, sleep};

/// How long the controller takes for a call.
const SLOW: Duration = Duration::from_millis(1_500);
/// More Services than calls run at a time.
const SERVICES: std::ops::Range<usize> = 20..60;

/// The number of the replica that leads; waits until one does.
async fn leader(world: &mut World) -> usize {
    for _ in 0..600 {
        for (number, replica) in world.instances[0].replicas.iter_mut().enumerate() {
            let state = replica.state().await.unwrap_or_default();
            if state["role"] == "leader" && state["leadership"]["writes"] == true {
                return number;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("nobody leads");
}

#[test]
fn a_hand_over_waits_only_for_the_calls_that_were_sent() {
    on_virtual_time(Box::pin(async {
        let mut world = World::new(1, &Script::empty(Setup::One)).await.unwrap();
        world.scale(0, 2).await.unwrap();
        let first = leader(&mut world).await;
        sleep(Duration::from_mins(1)).await;
        assert_eq!(unfinished(&world).await.unwrap(), None);
        world.avi.set_latency(SLOW);
        let services: Vec<_> =
            SERVICES.flat_map(|n| workload::service("still", n, "LoadBalancer", 1)).collect();
        cluster::apply_all(&world.kube.client(), &services).await.unwrap();
        sleep(Duration::from_secs(4)).await;
        let before = world.avi.requests().last().unwrap().seq;
        let began = Instant::now();
        let mut replica = world.instances[0].replicas.remove(first);
        replica.stop().await.unwrap();
        // One call of those that were under way, and the release of the record.
        assert!(began.elapsed() < SLOW + Duration::from_millis(500), "it took {:?}", began.elapsed());
        let after = world.avi.requests_since(before);
        let after: Vec<_> = writes(&after).collect();
        assert!(after.len() <= START, "{} writes after it: {after:?}", after.len());
        assert!(!after.is_empty(), "it had nothing to write");
        world.avi.set_latency(Duration::from_millis(5));
        sleep(Duration::from_mins(1)).await;
        assert_eq!(unfinished(&world).await.unwrap(), None);
        assert_eq!(world.wrong(), Vec::<String>::new());
    }))
    .unwrap();
}
