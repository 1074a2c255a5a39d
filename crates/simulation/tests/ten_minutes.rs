//! The operator between both simulators for ten virtual minutes, without faults.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use ako_simulation::judgement::{unfinished, writes};
use ako_simulation::script::{REPLICAS, Script, Step};
use ako_simulation::world::World;
use tokio::task::LocalSet;
use tokio::time::sleep;

#[test]
fn every_change_arrives_and_nothing_else_is_written() {
    let begun = Instant::now();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let written = LocalSet::new().block_on(&runtime, Box::pin(ten_minutes()));
    println!("ten virtual minutes: {:.2} s, {written} writes", begun.elapsed().as_secs_f64());
}

async fn ten_minutes() -> usize {
    let script = Script { evh: false, fast_ppm: [0; REPLICAS], steps: Vec::new() };
    let mut world = World::new(1, &script).await.unwrap();
    world.scale(1).await.unwrap();
    sleep(Duration::from_mins(1)).await;
    assert_eq!(unfinished(&world, false).await.unwrap(), None);
    let steps = [Step::Apply(0, "/"), Step::Endpoints(0, 3), Step::Apply(0, "/api"), Step::Delete(0)];
    let mut quiet = 0;
    for step in steps.iter().cycle().take(18) {
        world.take(step).await.unwrap();
        sleep(Duration::from_secs(15)).await;
        assert_eq!(unfinished(&world, false).await.unwrap(), None, "after {step:?}");
        let before = writes(&world.avi.requests()).count();
        sleep(Duration::from_secs(15)).await;
        quiet += writes(&world.avi.requests()).count() - before;
    }
    assert_eq!(quiet, 0, "writes while nothing changed");
    assert!(world.elapsed() >= Duration::from_mins(10));
    assert_eq!(*world.wrong.lock().unwrap(), Vec::<String>::new());
    writes(&world.avi.requests()).count()
}
