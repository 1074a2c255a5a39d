//! Ten virtual minutes without faults: every change arrives, and nothing else is
//! written.

use std::time::Duration;

use tokio::time::sleep;

use crate::judgement::{unfinished, writes};
use crate::run::on_virtual_time;
use crate::script::{Script, Step};
use crate::setup::Setup;
use crate::world::World;

/// The time between two changes, twice.
const PAUSE: Duration = Duration::from_secs(15);
/// How many changes there are; with the beginning it is ten minutes.
const CHANGES: usize = 18;

/// What was wrong, if anything was, and how many writes there were.
///
/// # Errors
/// If the simulation itself fails.
pub fn ten_minutes() -> anyhow::Result<(Vec<String>, usize)> {
    on_virtual_time(Box::pin(perform()))?
}

async fn perform() -> anyhow::Result<(Vec<String>, usize)> {
    let mut world = World::new(1, &Script::empty(Setup::One)).await?;
    world.scale(0, 1).await?;
    sleep(Duration::from_mins(1)).await;
    let steps = [Step::Apply(0, "/"), Step::Endpoints(0, 3), Step::Apply(0, "/api"), Step::Delete(0)];
    for step in steps.iter().cycle().take(CHANGES) {
        world.take(0, step).await?;
        sleep(PAUSE).await;
        if let Some(why) = unfinished(&world)? {
            world.complain(&format!("{PAUSE:?} after {step:?}: {why}"));
        }
        let before = writes(&world.avi.requests()).count();
        sleep(PAUSE).await;
        let more = writes(&world.avi.requests()).count() - before;
        if more > 0 {
            world.complain(&format!("{more} writes while nothing changed, after {step:?}"));
        }
    }
    Ok((world.wrong(), writes(&world.avi.requests()).count()))
}
