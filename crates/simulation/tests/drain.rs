//! A handover while there is much to write. On virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::time::Duration;

use ako_avi_io::limiter::START;
use ako_harness::cluster;
use ako_simulation::judgement::{unfinished, writes};
use ako_simulation::scene::play;
use ako_simulation::setup::Setup;
use ako_simulation::workload;
use tokio::time::{Instant, sleep};

/// How long a call to the controller takes.
const SLOW: Duration = Duration::from_millis(1_500);
/// More Services than calls run at a time.
const SERVICES: std::ops::Range<usize> = 20..60;

#[test]
fn a_process_that_is_told_to_end_finishes_what_is_under_way_and_no_more() {
    play(Setup::One, async |mut world| {
        world.scale(0, 2).await?;
        let first = world.leader().await?;
        world.finished().await?;
        world.avi.set_latency(SLOW);
        let objects: Vec<_> =
            SERVICES.flat_map(|number| workload::service("still", number, "LoadBalancer", 1)).collect();
        cluster::apply_all(&world.kube.client(), &objects).await?;
        sleep(Duration::from_secs(4)).await;
        let (before, began) = (world.last_request(), Instant::now());
        let mut replica = world.instances[0].replicas.remove(first);
        let ended = replica.stop().await;
        assert_eq!(ended, Ok(()));
        let took = began.elapsed();
        let requests = world.avi.requests_since(before);
        let written: Vec<_> = writes(&requests).collect();
        assert!(written.len() <= START, "{} writes after it was told to end: {written:?}", written.len());
        assert!(!written.is_empty(), "it had nothing to write");
        // One call of those that were under way, and the release of the record.
        assert!(took < SLOW + Duration::from_millis(500), "it took {took:?}");
        world.avi.set_latency(Duration::from_millis(5));
        sleep(Duration::from_mins(1)).await;
        assert_eq!(unfinished(&world)?, None);
        assert_eq!(world.wrong(), Vec::<String>::new());
        Ok(())
    })
    .unwrap();
}
