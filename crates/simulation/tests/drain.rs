//! A handover while there is much to write. On virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::time::Duration;

use ako_harness::cluster;
use ako_simulation::scene::play;
use ako_simulation::setup::Setup;
use ako_simulation::workload;
use tokio::time::{Instant, sleep};

/// How long a call to the controller takes.
const SLOW: Duration = Duration::from_millis(1_500);
/// How many writes may be under way, and so leave the process no more.
const UNDER_WAY: usize = 16;

#[test]
fn a_process_that_is_told_to_end_finishes_what_is_under_way_and_no_more() {
    play(Setup::One, async |mut world| {
        world.scale(0, 2).await?;
        let first = world.leader().await?;
        world.finished().await?;
        world.avi.set_latency(SLOW);
        let objects: Vec<_> =
            (20..60).flat_map(|number| workload::service("still", number, "LoadBalancer", 1)).collect();
        cluster::apply_all(&world.kube.client(), &objects).await?;
        sleep(Duration::from_secs(4)).await;
        let (before, began) = (world.last_request(), Instant::now());
        let mut replica = world.instances[0].replicas.remove(first);
        let ended = replica.stop().await;
        assert_eq!(ended, Ok(()));
        let (written, took) = (world.written_since(before), began.elapsed());
        assert!(written.len() <= UNDER_WAY, "{} writes after it was told to end", written.len());
        assert!(took < SLOW * 2, "it took {took:?}");
        assert_eq!(world.wrong(), Vec::<String>::new());
        Ok(())
    })
    .unwrap();
}
