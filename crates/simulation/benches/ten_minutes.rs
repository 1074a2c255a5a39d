//! `cargo bench -p ako-simulation`: the operator between both simulators for ten
//! virtual minutes.

use std::process::ExitCode;
use std::time::Instant;

use ako_simulation::quiet::ten_minutes;

const RUNS: usize = 5;
/// What a run may take, in seconds.
const TARGET: f64 = 2.0;

fn main() -> anyhow::Result<ExitCode> {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let begun = Instant::now();
        ten_minutes()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let median = times[RUNS / 2];
    let met = median < TARGET;
    println!(
        "ten virtual minutes: median of {RUNS} {median:.2} s, target < {TARGET} s, {}",
        if met { "met" } else { "missed" }
    );
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
