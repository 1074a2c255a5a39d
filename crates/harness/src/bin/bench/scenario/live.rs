//! Ingresses are created while the operator runs.

use anyhow::Context as _;
use jiff::Timestamp;

use crate::Arguments;
use crate::journal::{Calls, seconds};
use crate::report::{Figure, Target};
use crate::stage::Stage;
use crate::translation::Mode;
use crate::world::World;

/// So many are there, and so many are created.
pub(super) const NUMBER: usize = 300;

/// Measures.
pub(super) async fn run(stage: &mut Stage, arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    stage.prepare(NUMBER).await?;
    stage.add_services(2 * NUMBER).await?;
    let mut world = World::start(stage, Mode::Sni).await?;
    world.settled(stage, NUMBER).await?;
    let position = world.turn_page();
    let first_creation = Timestamp::now();
    stage.add_ingresses(2 * NUMBER).await?;
    let last_creation = Timestamp::now();
    let rest = world.settled(stage, 2 * NUMBER).await?;
    world.keep_log(arguments.logs.as_deref(), "live-300")?;
    let calls = Calls::of(&world.requests_since(position))?;
    let programmed = calls.last_write.context("nothing was written")?;
    #[allow(clippy::cast_precision_loss, reason = "hundreds")]
    let each = calls.writes as f64 / NUMBER as f64;
    Ok(vec![
        Figure::seconds("first creation to last creation", seconds(first_creation, last_creation)),
        Figure::seconds("last creation to programmed", seconds(last_creation, programmed))
            .target(Target::Below(2.0)),
        Figure::seconds("last creation to published", seconds(last_creation, rest))
            .target(Target::Below(2.0)),
        Figure::count("controller writes", calls.writes),
        Figure::new("controller writes for each Ingress", each, "").target(Target::AtMost(1.2)),
        Figure::count("controller reads", calls.reads),
    ])
}
