//! The operator starts on a cluster and an empty controller.

use anyhow::Context as _;

use crate::bare;
use crate::journal::seconds;
use crate::report::{Figure, Target};
use crate::stage::Stage;
use crate::translation::{Mode, Translation};
use crate::world::World;

/// How many Ingresses a bare client writes to at most.
const MOST_BARE: usize = 2000;

/// Measures a world whose operator has just been started.
pub(super) async fn run(stage: &Stage, world: &mut World, size: usize) -> anyhow::Result<Vec<Figure>> {
    let rest = world.settled(stage, size).await?;
    let calls = world.calls()?;
    let memory = world.memory()?;
    let processor = world.processor_seconds()?;
    let bare = bare::patches_per_second(&stage.client, size.min(MOST_BARE)).await?;
    let translation = Translation::new(world.mode, size)?.run();
    let objects = translation.len() as u64;
    let first = calls.first_write.context("nothing was written")?;
    let last = calls.last_write.context("nothing was written")?;
    let limit = match (size, world.mode) {
        (1_000, Mode::Sni) => Some(4.0),
        (1_000, Mode::Evh) => Some(6.0),
        (10_000, _) => Some(40.0),
        _ => None,
    };
    let limited = |figure: Figure| match limit {
        Some(limit) => figure.target(Target::Below(limit)),
        None => figure,
    };
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let ours = size as f64 / seconds(first, rest);
    // Every object is created once, and nothing has to be corrected.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let exactly = Target::Exactly(objects as f64);
    Ok(vec![
        limited(Figure::seconds("first write to programmed", seconds(first, last))),
        limited(Figure::seconds("first write to published", seconds(first, rest))),
        Figure::seconds("process start to first write", seconds(world.started, first)),
        Figure::seconds("process start to programmed", seconds(world.started, last)),
        Figure::seconds("process start to published", seconds(world.started, rest)),
        Figure::new("statuses", ours, "/s"),
        Figure::new("statuses of a bare client", bare, "/s"),
        Figure::new("ratio of the two", ours / bare, ""),
        Figure::count("controller writes", calls.writes).target(exactly),
        Figure::count("controller reads", calls.reads),
        Figure::seconds("processor time of the operator", processor),
        Figure::new("memory at the end", memory.resident, "MB").below_if(size == 10_000, 150.0),
        Figure::new("memory at most", memory.peak, "MB").below_if(size == 10_000, 150.0),
    ])
}
