//! The operator starts again, and nothing changed.

use crate::journal::seconds;
use crate::report::{Figure, Target};
use crate::stage::Stage;
use crate::world::World;

/// Measures a world at rest.
pub(super) async fn run(stage: &Stage, world: &mut World, size: usize) -> anyhow::Result<Vec<Figure>> {
    world.restart(stage)?;
    let rest = world.settled(stage, size).await?;
    let calls = world.calls()?;
    let memory = world.memory()?;
    let processor = world.processor_seconds()?;
    Ok(vec![
        Figure::seconds("process start to rest", seconds(world.started, rest)),
        Figure::count("controller writes", calls.writes).target(Target::Exactly(0.0)),
        Figure::count("controller reads", calls.reads),
        Figure::seconds("processor time of the operator", processor),
        Figure::new("memory at the end", memory.resident, "MB"),
        Figure::new("memory at most", memory.peak, "MB"),
    ])
}
