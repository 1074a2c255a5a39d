//! A key of the ConfigMap that needs a restart does nothing without one. On virtual
//! time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::time::Duration;

use ako_simulation::scene::play;
use ako_simulation::script::Step;
use ako_simulation::setup::Setup;
use tokio::time::sleep;

#[test]
fn a_key_that_needs_a_restart_does_nothing_whatever_changes_after_it() {
    for (key, value) in [("clusterName", "c2"), ("shardVSSize", "LARGE"), ("enableEVH", "true")] {
        play(Setup::One, async |mut world| {
            world.scale(0, 1).await?;
            world.leader().await?;
            world.finished().await?;
            let before = world.last_request();
            world.take(0, &Step::Configure(key, Some(value))).await?;
            sleep(Duration::from_mins(1)).await;
            assert_eq!(world.written_since(before), Vec::<String>::new(), "{key}={value}");
            world.take(0, &Step::Configure("logLevel", Some("DEBUG"))).await?;
            sleep(Duration::from_mins(1)).await;
            assert_eq!(world.written_since(before), Vec::<String>::new(), "{key}={value} and logLevel=DEBUG");
            world.take(0, &Step::Password).await?;
            world.avi.expire_sessions();
            sleep(Duration::from_mins(6)).await;
            assert_eq!(world.written_since(before), Vec::<String>::new(), "{key}={value} and a new password");
            assert_eq!(world.wrong(), Vec::<String>::new());
            Ok(())
        })
        .unwrap();
    }
}
