//! A namespace goes from one instance to another and back, many times.

use std::time::Duration;

use ako_harness::eventually;
use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::json;

use crate::Arguments;
use crate::fleet::{Fleet, LABEL};
use crate::journal::{Calls, quantile};
use crate::population::{self, Application};
use crate::report::{Figure, Target};
use crate::simulated::LATENCY;
use crate::stage::Stage;

const NAMESPACE: &str = "moving";
/// How many Ingresses are in it.
pub(super) const SIZE: usize = 100;
const MOVES: usize = 20;
/// An instance that has just begun does not know what went before, and waits so long with
/// what another one had.
const KNOWS: Duration = Duration::from_secs(16);
/// After so long, objects that many changes lead to are written at once again.
const QUIET: Duration = Duration::from_secs(4);
/// How long a move may take before it counts as hung.
const PATIENCE: Duration = Duration::from_mins(1);

/// Measures with a cluster of its own.
pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let stage = Stage::new().await?;
    let labels = json!({LABEL: "0"});
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}});
    population::create(&stage.client, [namespace]).await?;
    let objects = (0..SIZE).map(Application).flat_map(|application| {
        [application.service(), application.slice(), application.ingress()].map(|mut object| {
            object["metadata"]["namespace"] = json!(NAMESPACE);
            object
        })
    });
    population::create(&stage.client, objects).await?;
    let mut fleet = Fleet::start(&stage, 2).await?;
    fleet.settled(SIZE).await?;
    tokio::time::sleep(KNOWS).await;
    let figures = figures(&stage, &mut fleet).await;
    fleet.keep_logs(arguments.logs.as_deref(), "moves")?;
    figures
}

/// What came of moves.
struct Moves {
    /// From the label to the new owner's first write.
    first: Vec<Duration>,
    /// From the label to the last write of both.
    last: Vec<Duration>,
    /// The most writes of one.
    writes: u64,
    /// Pools that were deleted.
    deleted: usize,
}

async fn figures(stage: &Stage, fleet: &mut Fleet) -> anyhow::Result<Vec<Figure>> {
    let single = moves(stage, fleet, QUIET).await?;
    let row = moves(stage, fleet, Duration::ZERO).await?;
    let at = |of: &[Duration], part| quantile(of, part).as_secs_f64();
    let first: Vec<_> = single.first.iter().chain(&row.first).copied().collect();
    let deleted = single.deleted + row.deleted;
    Ok(vec![
        Figure::seconds("label to the new owner's first write, p50", at(&first, 0.5)),
        Figure::seconds("label to the new owner's first write, max", at(&first, 1.0))
            .target(Target::Below(1.0)),
        Figure::seconds("label to the last write of both, p50", at(&single.last, 0.5)),
        Figure::seconds("label to the last write of both, max", at(&single.last, 1.0))
            .target(Target::Below(2.0)),
        Figure::seconds("one move after the other, max", at(&row.last, 1.0)).target(Target::Below(2.0)),
        Figure::count("controller writes of a move, at most", single.writes.max(row.writes)),
        Figure::count("pools deleted", deleted as u64).target(Target::Exactly(0.0)),
    ])
}

async fn moves(stage: &Stage, fleet: &mut Fleet, pause: Duration) -> anyhow::Result<Moves> {
    let (mut first, mut last) = (Vec::new(), Vec::new());
    let (mut writes, mut deleted) = (0, 0);
    for number in 1..=MOVES {
        tokio::time::sleep(pause).await;
        let to = number % 2;
        let position = fleet.position();
        let labels = json!({"metadata": {"labels": {LABEL: to.to_string()}}});
        population::merge(&stage.client, &format!("/api/v1/namespaces/{NAMESPACE}"), &labels).await?;
        let answered = Timestamp::now();
        eventually(PATIENCE, async || fleet.has_moved(to).await).await?;
        fleet.settled(SIZE).await?;
        let requests = fleet.requests_since(position);
        let calls = Calls::of(&requests)?;
        let since = |at: Timestamp| Duration::try_from(at.duration_since(answered)).unwrap_or_default();
        first.push(since(calls.first_write.context("nothing was written")?));
        last.push(since(calls.last_write.context("nothing was written")? - LATENCY));
        writes = writes.max(calls.writes);
        deleted += requests.iter().filter(|call| call.method == "DELETE" && call.kind == "pool").count();
    }
    Ok(Moves { first, last, writes, deleted })
}
