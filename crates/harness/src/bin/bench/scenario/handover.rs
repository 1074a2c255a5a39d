//! The leadership changes: on request, by a crash, and with much to take over.

use std::time::Duration;

use ako_harness::eventually;
use jiff::Timestamp;

use crate::journal::{is_write, quantile, seconds};
use crate::population::Application;
use crate::replicas::Replicas;
use crate::report::{Figure, Target};
use crate::stage::Stage;

/// Upstream's durations, and the shorter ones.
const TIMINGS: [&[(&str, &str)]; 2] = [
    &[("leaseDuration", "15s"), ("renewDeadline", "10s"), ("retryPeriod", "2s")],
    &[("leaseDuration", "6s"), ("renewDeadline", "4s"), ("retryPeriod", "1s")],
];
/// Short ones where only handovers count: whoever handed over stands aside for
/// one lease.
const SHORT: &[(&str, &str)] =
    &[("leaseDuration", "1500ms"), ("renewDeadline", "1s"), ("retryPeriod", "300ms")];
/// When it does not any more.
const ASIDE: Duration = Duration::from_millis(1_800);
/// How many leaders are killed with each timing.
const CRASHES: usize = 5;

/// How long it takes from an event to the new leader's first write. There is
/// always something to write: an endpoint changes right after the event.
pub(super) async fn graceful(
    stage: &mut Stage,
    size: usize,
    handovers: usize,
) -> anyhow::Result<Vec<Figure>> {
    let replicas = Replicas::start(stage, SHORT).await?;
    let mut delays = Vec::with_capacity(handovers);
    let mut leader = replicas.at_rest(true).await?;
    for handover in 0..handovers {
        tokio::time::sleep(ASIDE).await;
        let (position, asked) = (replicas.position(), Timestamp::now());
        replicas.hand_over(leader).await?;
        stage.change_endpoints(Application(handover * 7919 % size)).await?;
        let wrote = replicas.first_write(position).await?;
        delays.push(Duration::try_from(wrote.duration_since(asked)).unwrap_or_default());
        let next = replicas.at_rest(true).await?;
        anyhow::ensure!(next != leader, "handover {handover}: the leader stayed the same");
        leader = next;
    }
    let ms = |part| quantile(&delays, part).as_secs_f64() * 1e3;
    Ok(vec![
        Figure::new("yield to the successor's first write, p50", ms(0.5), "ms").target(Target::Below(100.0)),
        Figure::new("yield to the successor's first write, p99", ms(0.99), "ms").target(Target::Below(300.0)),
        Figure::new("yield to the successor's first write, max", ms(1.0), "ms"),
    ])
}

/// The leader is killed.
pub(super) async fn crash(stage: &mut Stage, size: usize) -> anyhow::Result<Vec<Figure>> {
    let names = [
        ("15/10/2: kill to the successor's first write", "15/10/2: at worst", 15.5),
        ("6/4/1: kill to the successor's first write", "6/4/1: at worst", 6.3),
    ];
    let mut figures = Vec::new();
    for (timing, (median, worst, limit)) in TIMINGS.into_iter().zip(names) {
        let mut replicas = Replicas::start(stage, timing).await?;
        let mut delays = Vec::new();
        for number in 0..CRASHES {
            let leader = replicas.at_rest(true).await?;
            let (position, killed) = (replicas.position(), Timestamp::now());
            replicas.kill(leader);
            stage.change_endpoints(Application(number * 7919 % size)).await?;
            let wrote = replicas.first_write(position).await?;
            delays.push(Duration::try_from(wrote.duration_since(killed)).unwrap_or_default());
            replicas.begin(stage, leader)?;
        }
        let at = |part| quantile(&delays, part).as_secs_f64();
        figures.push(Figure::seconds(median, at(0.5)));
        figures.push(Figure::seconds(worst, at(1.0)).target(Target::Below(limit)));
    }
    Ok(figures)
}

/// A standby takes everything over, and nothing changed.
pub(super) async fn takeover(stage: &mut Stage, size: usize) -> anyhow::Result<Vec<Figure>> {
    let replicas = Replicas::start(stage, TIMINGS[0]).await?;
    let leader = replicas.at_rest(true).await?;
    let calls = replicas.by_session(0);
    let standby = calls.get(1).copied().unwrap_or_default();
    let (position, asked) = (replicas.position(), Timestamp::now());
    let grants = replicas.state(1 - leader).await?["leadership"]["grants"].clone();
    replicas.hand_over(leader).await?;
    eventually(Duration::from_mins(2), async || {
        let other = replicas.state(1 - leader).await.map_err(|error| error.to_string())?;
        let leads = other["leadership"]["grants"] != grants && other["leadership"]["writes"] == true;
        if leads && other["settled"] == true {
            Ok(())
        } else {
            Err("the other one is not at rest".to_owned())
        }
    })
    .await?;
    let took = seconds(asked, Timestamp::now());
    let requests = replicas.requests_since(position);
    let writes = requests.iter().filter(|record| is_write(record)).count();
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let share = standby as f64 / calls.first().copied().unwrap_or(1).max(1) as f64 * 100.0;
    Ok(vec![
        Figure::seconds("yield to the successor's rest", took).below_if(size == 10_000, 10.0),
        Figure::count("controller writes", writes as u64).target(Target::Exactly(0.0)),
        Figure::count("controller reads", (requests.len() - writes) as u64),
        Figure::new("calls of the standby, of the leader's before", share, "%").below_if(size >= 1_000, 5.0),
    ])
}
