//! Nodes are created while the operator writes static routes.

use std::time::Duration;

use ako_harness::eventually;
use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Arguments;
use crate::journal::{Calls, is_write, seconds};
use crate::population;
use crate::report::{Figure, Target};
use crate::simulated::LATENCY;
use crate::stage::Stage;
use crate::translation::{Mode, configuration};
use crate::world::World;

const NODES: usize = 5_000;
/// Changes of Nodes are collected for so long at most.
const COLLECTED: f64 = 10.0;
/// How long anything may take before it counts as hung.
const PATIENCE: Duration = Duration::from_mins(2);

/// Measures with a cluster of its own.
pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let stage = Stage::new().await?;
    let mut config = configuration(Mode::Sni);
    config.remove("disableStaticRouteSync");
    let mut world = World::start_with(&stage, Mode::Sni, &config).await?;
    at_rest(&world, 0).await?;
    let mut figures = burst(&stage, &world).await?;

    world.restart(&stage)?;
    at_rest(&world, NODES).await?;
    world.keep_log(arguments.logs.as_deref(), "nodes")?;
    let calls = world.calls()?;
    figures.extend([
        Figure::count("restart: controller writes", calls.writes).target(Target::Exactly(0.0)),
        Figure::count("restart: controller reads", calls.reads),
        Figure::new("restart: memory at most", world.memory()?.peak, "MB"),
    ]);
    Ok(figures)
}

/// All are created, as fast as the API server takes them.
async fn burst(stage: &Stage, world: &World) -> anyhow::Result<Vec<Figure>> {
    let position = world.turn_page();
    let first_creation = Timestamp::now();
    population::create(&stage.client, (0..NODES).map(node)).await?;
    let last_creation = Timestamp::now();
    at_rest(world, NODES).await?;
    let mut writes = world.requests_since(position);
    writes.retain(is_write);
    anyhow::ensure!(writes.iter().all(|write| write.kind == "vrfcontext"), "{writes:#?}");
    let last = Calls::of(&writes)?.last_write.context("nothing was written")? - LATENCY;
    let mut during = 0;
    for write in &writes {
        let arrived = write.time.parse::<Timestamp>()? - LATENCY;
        during += u64::from(arrived < last_creation);
    }
    let burst = seconds(first_creation, last_creation);
    Ok(vec![
        Figure::count("Nodes", NODES as u64),
        Figure::seconds("first creation to last creation", burst),
        Figure::count("writes of the VRF until then", during)
            .target(Target::AtMost((burst / COLLECTED).floor())),
        Figure::count("writes of the VRF after that", writes.len() as u64 - during)
            .target(Target::Exactly(1.0)),
        Figure::seconds("last creation to the last write", seconds(last_creation, last)),
    ])
}

/// Waits until the VRF has so many routes, and the operator nothing to do.
async fn at_rest(world: &World, routes: usize) -> anyhow::Result<()> {
    eventually(PATIENCE, async || {
        let state = world.state().await.map_err(|error| error.to_string())?;
        let rests = state["settled"] == true && state["leadership"]["writes"] == true;
        let there = world.routes();
        if rests && there == routes { Ok(()) } else { Err(format!("{there} routes; at rest: {rests}")) }
    })
    .await
}

fn node(number: usize) -> Value {
    let (high, low) = (number / 250, number % 250);
    let subnet = format!("10.{}.{low}.0/24", 100 + high);
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("node-{number:04}")},
        "spec": {"podCIDR": subnet, "podCIDRs": [subnet]},
        "status": {"addresses": [{"type": "InternalIP", "address": format!("172.16.{high}.{}", low + 1)}]},
    })
}
