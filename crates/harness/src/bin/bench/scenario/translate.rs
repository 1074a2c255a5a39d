//! Full translation on one thread, without anything around it.

use std::time::{Duration, Instant};

use crate::journal::quantile;
use crate::report::{Figure, Target};
use crate::translation::{Mode, Translation};

const RUNS: usize = 3;
/// The size that the target is about, and the target in seconds.
const TARGET: (usize, f64) = (10_000, 2.0);

/// Measures.
pub(crate) fn run(size: usize) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (mode, time, each, objects) in [
        (Mode::Sni, "SNI, median", "SNI, each Ingress", "SNI, objects"),
        (Mode::Evh, "EVH, median", "EVH, each Ingress", "EVH, objects"),
    ] {
        let translation = Translation::new(mode, size)?;
        let mut count = 0;
        let times: Vec<Duration> = (0..RUNS)
            .map(|_| {
                let started = Instant::now();
                let desired = translation.run();
                let took = started.elapsed();
                count = desired.len();
                took
            })
            .collect();
        let median = quantile(&times, 0.5);
        let limit = if size == TARGET.0 { Target::Below(TARGET.1) } else { Target::None };
        figures.push(Figure::seconds(time, median.as_secs_f64()).target(limit));
        #[allow(clippy::cast_precision_loss, reason = "thousands")]
        figures.push(Figure::new(each, median.as_secs_f64() * 1e6 / size as f64, "µs"));
        figures.push(Figure::count(objects, count as u64));
    }
    Ok(figures)
}
