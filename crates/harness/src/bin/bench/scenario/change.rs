//! One object of the cluster changes, many times: an EndpointSlice, or a HostRule.

use std::time::Duration;

use ako_harness::eventually;
use ako_sim_avi::RequestRecord;
use anyhow::Context as _;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::Arguments;
use crate::journal::{is_write, quantile};
use crate::population::{self, Application};
use crate::report::{Figure, Target};
use crate::simulated::LATENCY;
use crate::stage::Stage;
use crate::translation::Mode;
use crate::world::World;

/// How long a change may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the journal is looked at.
const GLANCE: Duration = Duration::from_millis(2);
/// The changes are so far apart that each is handled by itself.
const APART: Duration = Duration::from_millis(40);

/// A stride that leads through all shards and namespaces.
const STRIDE: usize = 7919;

/// Measures changes of endpoints in a world at rest.
pub(super) async fn run(
    stage: &mut Stage,
    world: &World,
    size: usize,
    changes: usize,
) -> anyhow::Result<Vec<Figure>> {
    let change = async |number: usize| stage.change_endpoints(Application((number * STRIDE) % size)).await;
    measure(world, size, changes, 1.0, change).await
}

/// Measures changes of HostRules with a cluster of its own, in which a fifth of the applications has one.
pub(super) async fn of_rules(size: usize, arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let mut stage = Stage::new().await?;
    let rules = size / 5;
    stage.add_rules(rules).await?;
    stage.prepare(size).await?;
    let mut world = World::start(&stage, Mode::Evh).await?;
    world.settled(&stage, size).await?;
    let change = async |number: usize| {
        let rule = Application((number * STRIDE) % rules);
        population::change_rule(&stage.client, rule, number).await
    };
    // The rule, its host, and the rule again when its new status is seen.
    let figures = measure(&world, size, arguments.changes, 3.0, change).await;
    world.keep_log(arguments.logs.as_deref(), &format!("rule-change-{size}"))?;
    figures
}

/// Makes changes of which each leads to one write and so many translations.
async fn measure(
    world: &World,
    size: usize,
    changes: usize,
    units: f64,
    mut make: impl AsyncFnMut(usize) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Figure>> {
    let before = world.translated().await?;
    let begun = world.turn_page();
    let mut position = begun;
    let mut delays = Vec::with_capacity(changes);
    for change in 0..changes {
        make(change).await?;
        let answered = Timestamp::now();
        let write = next_write(world, position).await.with_context(|| format!("change {change}"))?;
        position = write.seq;
        // The journal says when the write was answered.
        let arrived = write.time.parse::<Timestamp>()? - LATENCY;
        delays.push(Duration::try_from(arrived.duration_since(answered)).unwrap_or_default());
        tokio::time::sleep(APART).await;
    }
    at_rest(world).await?;
    let writes = world.requests_since(begun).iter().filter(|record| is_write(record)).count();
    let translated = world.translated().await? - before;
    let ms = |part| quantile(&delays, part).as_secs_f64() * 1e3;
    #[allow(clippy::cast_precision_loss, reason = "thousands")]
    let each = |count: u64| count as f64 / changes as f64;
    Ok(vec![
        Figure::new("change to first write, p50", ms(0.5), "ms"),
        Figure::new("change to first write, p99", ms(0.99), "ms").below_if(size == 10_000, 50.0),
        Figure::new("change to first write, max", ms(1.0), "ms"),
        Figure::new("controller writes for each change", each(writes as u64), "")
            .target(Target::Exactly(1.0)),
        Figure::new("units translated for each change", each(translated), "").target(Target::Exactly(units)),
    ])
}

/// The first write after a position of the journal.
async fn next_write(world: &World, position: u64) -> anyhow::Result<RequestRecord> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(write) = world.requests_since(position).into_iter().find(is_write) {
            return Ok(write);
        }
        anyhow::ensure!(Instant::now() < end, "no write within {PATIENCE:?}");
        tokio::time::sleep(GLANCE).await;
    }
}

async fn at_rest(world: &World) -> anyhow::Result<()> {
    eventually(PATIENCE, async || {
        let state = world.state().await.map_err(|error| error.to_string())?;
        if state["settled"] == true { Ok(()) } else { Err("it is not at rest".to_owned()) }
    })
    .await
}
