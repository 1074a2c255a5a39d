//! One run, from its seed to what was wrong with it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ako_harness::cluster;
use ako_sim_avi::RequestRecord;
use anyhow::Context as _;
use serde_json::json;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::judgement::{self, Looks};
use crate::script::{Event, Script};
use crate::setup::{LIVELY, Setup};
use crate::workload;
use crate::world::World;

/// How long it may take until everything is as it should be, once nothing
/// fails any more: a full synchronisation and the longest pauses after errors.
const SETTLES_WITHIN: Duration = Duration::from_mins(15);
/// How long nothing may be written after that: longer than a lease and the
/// longest pause after an error.
const QUIET_FOR: Duration = Duration::from_mins(2);
/// So much later than at the next full synchronisation something is found at the
/// latest: a write that a fault delayed is still on its way, and clocks are slow by a
/// hundredth.
const LATEST: Duration = Duration::from_mins(1);
/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);

thread_local! {
    /// When the run of this thread began.
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// How much virtual time has passed in the run of this thread, for its log.
pub fn elapsed() -> Duration {
    BEGAN.get().map(|began| began.elapsed()).unwrap_or_default()
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What must not be, and was; empty if all is well.
    pub wrong: Vec<String>,
    /// How much virtual time passed.
    pub lasted: Duration,
    /// How long it took to settle after the faults.
    pub settled_after: Duration,
    /// Writes to the controller.
    pub writes: usize,
    /// How many processes led, one after the other.
    pub epochs: u64,
    /// How often each thing happened, and each fault was applied.
    pub tally: BTreeMap<String, u64>,
}

/// Runs a seed in a runtime of its own, on paused time.
///
/// # Errors
/// If the simulation itself fails.
pub fn run(setup: Setup, seed: u64) -> anyhow::Result<Outcome> {
    on_virtual_time(async {
        BEGAN.set(Some(Instant::now()));
        Box::pin(perform(setup, seed)).await
    })?
}

/// Runs something in a runtime of its own, on paused time.
///
/// # Errors
/// If there can be no runtime.
pub fn on_virtual_time<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(LocalSet::new().block_on(&runtime, future))
}

/// Runs seeds on all cores and hands each outcome on as it comes.
///
/// # Errors
/// If the simulation itself fails.
pub fn run_all(setup: Setup, seeds: Range<u64>, told: impl Fn(&Outcome) + Sync) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicU64::new(seeds.start);
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return Ok(());
                }
                told(&run(setup, seed).with_context(|| format!("seed {seed}"))?);
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a run panicked"))))
    })
}

async fn perform(setup: Setup, seed: u64) -> anyhow::Result<Outcome> {
    let script = Script::draw(setup, seed);
    let mut world = World::new(seed, &script).await?;
    plant_foreign(&world);
    for instance in 0..world.instances.len() {
        world.scale(instance, setup.replicas()).await?;
    }
    settle(&mut world).await?;
    let still = judgement::still(&world);
    let moving = if setup.moving().is_empty() { &[LIVELY] } else { setup.moving() };
    for namespace in moving {
        cluster::apply_all(&world.kube.client(), &workload::furniture(world.served, namespace)?).await?;
    }

    let begun = Instant::now();
    let mut untouched_until = None;
    for Event { at, instance, step } in &script.events {
        sleep_until(begun + *at).await;
        tracing::debug!(?step, instance, "step");
        // A process that ended is noticed before another one takes its place.
        supervise(&mut world).await?;
        if step.may_take_away() {
            untouched_until.get_or_insert_with(|| last(&world));
        }
        world.take(*instance, step).await?;
        supervise(&mut world).await?;
    }
    world.heal().await?;
    let settled_after = settle(&mut world).await?;
    if world.end_refusals().await? {
        settle(&mut world).await?;
    }
    // What was changed by hand on the controller, or arrived late, is found by a full
    // reading.
    sleep(workload::FULL_SYNC + LATEST).await;
    let settled = last(&world);
    sleep(QUIET_FOR).await;
    nothing_written(&mut world, settled, &BTreeSet::new(), "after it had settled").await?;
    let settled = last(&world);
    let empty = judgement::empty_fronts(&world.avi.dump());
    world.start_anew().await?;
    sleep(QUIET_FOR).await;
    nothing_written(&mut world, settled, &empty, "by processes that started anew").await?;
    judge(&world, &still, untouched_until.unwrap_or(u64::MAX));
    Ok(Outcome {
        seed,
        wrong: world.wrong(),
        lasted: world.elapsed(),
        settled_after,
        writes: judgement::writes(&world.avi.requests()).count(),
        epochs: epochs(&mut world).await,
        tally: world.tally(),
    })
}

/// Waits until everything is as it should be.
async fn settle(world: &mut World) -> anyhow::Result<Duration> {
    let (begun, mut looks) = (Instant::now(), Looks::default());
    loop {
        supervise(world).await?;
        world.release_deletions().await;
        let Some(why) = looks.unfinished(world)? else { return Ok(begun.elapsed()) };
        if begun.elapsed() > SETTLES_WITHIN {
            world.complain(&format!("not settled after {SETTLES_WITHIN:?}: {why}"));
            return Ok(begun.elapsed());
        }
        sleep(LOOK).await;
    }
}

/// The last request to the controller.
fn last(world: &World) -> u64 {
    world.avi.requests().last().map_or(0, |request| request.seq)
}

/// Complains about writes since a request, but for deletions of these.
async fn nothing_written(
    world: &mut World,
    before: u64,
    may_go: &BTreeSet<(String, String)>,
    when: &str,
) -> anyhow::Result<()> {
    supervise(world).await?;
    // Where nobody leads, nothing is written either.
    if !world.is_led().await {
        world.complain(&format!("nobody leads and is at rest {when}"));
    }
    let is_complained_of = |request: &&RequestRecord| {
        request.method != "DELETE" || !may_go.contains(&(request.kind.clone(), request.name.clone()))
    };
    let requests = world.avi.requests_since(before);
    let written: Vec<_> = judgement::writes(&requests).filter(is_complained_of).cloned().collect();
    if let Some(first) = written.first() {
        world.complain(&format!("{} writes {when}, the first: {first:?}", written.len()));
    }
    Ok(())
}

/// A process that ended though nobody asked it to.
async fn supervise(world: &mut World) -> anyhow::Result<()> {
    for (instance, number) in world.pods() {
        let replica = &mut world.instances[instance].replicas[number];
        if let Some(why) = replica.ended().await {
            let pod = replica.client();
            world.complain(&format!("the process of {pod} ended: {why}"));
            world.start(instance, number).await?;
        }
    }
    Ok(())
}

fn plant_foreign(world: &World) {
    for problem in world.avi.plant(&json!({"pool": {"admin/foreign": workload::foreign()}})) {
        world.complain(&problem);
    }
}

/// What has to be true of the whole run.
fn judge(world: &World, still: &BTreeSet<(String, String)>, untouched_until: u64) {
    let requests = world.avi.requests();
    if requests.first().is_some_and(|request| request.seq != 1) {
        world.complain("the journal of the controller is too short for the run");
    }
    for request in judgement::deleted(&requests, still).filter(|request| request.seq <= untouched_until) {
        world.complain(&format!("deleted what had to stay: {request:?}"));
    }
    let foreign = workload::foreign();
    let name = foreign["name"].as_str().unwrap_or_default();
    if requests.iter().any(|request| request.name == name && request.method != "GET") {
        world.complain(&format!("somebody else's pool {name} was written"));
    }
    let vrf = world.avi.named("vrfcontext", "global").unwrap_or_default();
    let mut routes = vrf["static_routes"].as_array().into_iter().flatten();
    if world.routes && !routes.any(|route| route["route_id"] == workload::FOREIGN_ROUTE) {
        world.complain("somebody else's static route is gone");
    }
}

async fn epochs(world: &mut World) -> u64 {
    let mut sum = 0;
    for instance in &mut world.instances {
        sum += instance.epochs().await;
    }
    sum
}
