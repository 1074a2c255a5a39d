//! A write that the API server refuses is tried again after a pause. On virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::time::Duration;

use ako_sim_kube::{Action, Fault};
use ako_simulation::scene::play;
use ako_simulation::script::Step;
use ako_simulation::setup::Setup;
use tokio::time::sleep;

/// How long writes are refused.
const REFUSED_FOR: Duration = Duration::from_mins(1);

/// Refuses patches of a resource, takes a step, and looks how often it was tried.
fn is_tried_with_pauses(resource: &str, step: &Step) {
    play(Setup::One, async |mut world| {
        world.scale(0, 1).await?;
        world.leader().await?;
        world.finished().await?;
        let refuse = Action::Status { code: 403, message: "not allowed".to_owned(), retry_after: None };
        world.kube.inject(Fault::new(refuse).verb("patch").resource(resource).lasting(REFUSED_FOR));
        world.kube.clear_requests();
        world.take(0, step).await?;
        sleep(REFUSED_FOR).await;
        let refused = world.kube.requests().iter().filter(|r| r.verb == "patch" && r.status == 403).count();
        assert!(refused > 0, "nothing was refused");
        assert_eq!(world.wrong(), Vec::<String>::new(), "{refused} were refused");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_status_that_is_refused() {
    is_tried_with_pauses("services", &Step::Configure("deleteConfig", Some("true")));
}

#[test]
fn the_note_of_a_removal_that_is_refused() {
    is_tried_with_pauses("statefulsets", &Step::Configure("deleteConfig", Some("true")));
}
