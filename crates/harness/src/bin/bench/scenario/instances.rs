//! Ten instances share a cluster and a controller.

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Arguments;
use crate::fleet::{Fleet, LABEL};
use crate::journal::{Calls, seconds};
use crate::population::{self, Application};
use crate::report::{Figure, Target};
use crate::simulated::LATENCY;
use crate::stage::Stage;
use crate::translation::{Mode, Translation};

const INSTANCES: usize = 10;
const NAMESPACES: usize = 500;
/// The namespace that is labelled later…
const LATE: &str = "late";
/// …and its Ingresses.
const LATECOMERS: usize = 100;

/// Measures with a cluster of its own.
pub(super) async fn run(size: usize, arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let stage = Stage::new().await?;
    populate(&stage, size).await?;
    let own = (0..size).filter(|number| instance_of(*number) == 0).count();
    let alone = restart_reads(&mut Fleet::start(&stage, 1).await?, &stage, own).await?;
    population::clear_statuses(&stage.client).await.context("clearing statuses")?;

    let mut fleet = Fleet::start(&stage, INSTANCES).await?;
    let mut figures = start(&stage, &mut fleet, size).await?;
    figures.extend(restart(&stage, &mut fleet, size, alone).await?);
    let labelled = label(&stage, &mut fleet, size).await;
    fleet.keep_logs(arguments.logs.as_deref(), &format!("instances-{size}"))?;
    figures.extend(labelled?);
    Ok(figures)
}

/// Applications in namespaces of each instance, and some in one of nobody.
async fn populate(stage: &Stage, size: usize) -> anyhow::Result<()> {
    let namespaces = (0..NAMESPACES).map(|number| {
        let labels = json!({LABEL: instance_of(number).to_string()});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace(number), "labels": labels}})
    });
    let late = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LATE}});
    population::create(&stage.client, namespaces.chain([late])).await?;
    let selected = (0..size).flat_map(|number| objects(number, &namespace(number)));
    let latecomers = (size..size + LATECOMERS).flat_map(|number| objects(number, LATE));
    population::create(&stage.client, selected.chain(latecomers)).await
}

fn namespace(number: usize) -> String {
    format!("instances-{:03}", number % NAMESPACES)
}

/// Which instance has a namespace of that number, and an application of it: the
/// namespaces are a multiple of the instances.
fn instance_of(number: usize) -> usize {
    number % INSTANCES
}

/// An application in a namespace.
fn objects(number: usize, namespace: &str) -> [Value; 3] {
    let application = Application(number);
    [application.service(), application.slice(), application.ingress()].map(|mut object| {
        object["metadata"]["namespace"] = json!(namespace);
        object
    })
}

/// All start on an empty controller.
async fn start(stage: &Stage, fleet: &mut Fleet, size: usize) -> anyhow::Result<Vec<Figure>> {
    let rest = fleet.settled(size).await?;
    let published = population::published(&stage.client).await?;
    anyhow::ensure!(published == size, "only {published} of {size} statuses are there");
    let calls = Calls::of(&fleet.requests_since(0))?;
    let memory = fleet.memory()?;
    // Each instance has virtual services, and what belongs to them, of its own.
    let one = Translation::new(Mode::Sni, size)?.run().len();
    let most = one + (INSTANCES - 1) * (one - size);
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (exactly, at_most) = (Target::Exactly(size as f64), Target::AtMost(most as f64));
    Ok(vec![
        Figure::seconds("process start to rest of all", seconds(fleet.started, rest)),
        Figure::count("pools on the controller", fleet.pools() as u64).target(exactly),
        Figure::count("controller writes", calls.writes).target(at_most),
        Figure::count("controller writes of one instance for all", one as u64),
        Figure::count("controller reads", calls.reads),
        Figure::new("memory of all at the end", memory.resident, "MB"),
        Figure::new("memory of all at most", memory.peak, "MB"),
    ])
}

/// All start again, and nothing changed: this time there is something to read.
/// The reads should be those of ten that are alone, but a slow start takes further
/// rounds of lists: more is a miss, not a mistake.
async fn restart(stage: &Stage, fleet: &mut Fleet, size: usize, alone: u64) -> anyhow::Result<Vec<Figure>> {
    fleet.restart(stage)?;
    let rest = fleet.settled(size).await?;
    let calls = Calls::of(&fleet.requests_since(0))?;
    #[allow(clippy::cast_precision_loss, reason = "thousands")]
    let ratio = calls.reads as f64 / (INSTANCES as u64 * alone) as f64;
    Ok(vec![
        Figure::seconds("restart: process start to rest of all", seconds(fleet.started, rest)),
        Figure::count("restart: controller writes", calls.writes).target(Target::Exactly(0.0)),
        Figure::count("restart: controller reads", calls.reads),
        Figure::count("restart: reads of one, alone with its part", alone),
        Figure::new("restart: reads, of ten times that", ratio, "").target(Target::Below(1.1)),
    ])
}

/// What the restart of one instance reads that is alone on the controller.
async fn restart_reads(fleet: &mut Fleet, stage: &Stage, own: usize) -> anyhow::Result<u64> {
    fleet.settled(own).await?;
    fleet.restart(stage)?;
    fleet.settled(own).await?;
    Ok(Calls::of(&fleet.requests_since(0))?.reads)
}

/// A namespace that nobody had gets the label of one of them.
async fn label(stage: &Stage, fleet: &mut Fleet, size: usize) -> anyhow::Result<Vec<Figure>> {
    let position = fleet.position();
    let labels = json!({"metadata": {"labels": {LABEL: "3"}}});
    population::merge(&stage.client, &format!("/api/v1/namespaces/{LATE}"), &labels).await?;
    let answered = Timestamp::now();
    let rest = fleet.settled(size + LATECOMERS).await?;
    let calls = Calls::of(&fleet.requests_since(position))?;
    let last = calls.last_write.context("nothing was written")? - LATENCY;
    Ok(vec![
        Figure::seconds("label: answer to the last write", seconds(answered, last))
            .target(Target::Below(2.0)),
        Figure::seconds("label: answer to rest", seconds(answered, rest)),
        Figure::count("label: controller writes", calls.writes),
    ])
}
