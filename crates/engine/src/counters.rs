//! What was done since it was last asked.

use std::time::Duration;

/// The most latencies kept between two looks.
const MOST_LATENCIES: usize = 4096;

/// What happened so far, for metrics and tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Units translated.
    pub translated: u64,
    /// Fronts assembled.
    pub assembled: u64,
    /// Writes that succeeded, by verb: create, update, delete.
    pub written: [u64; 3],
    /// Writes and readings that failed.
    pub failed: u64,
    /// The time from the first need to the last confirmation of each object
    /// that was written since the last look, in milliseconds.
    pub latencies_ms: Vec<u64>,
}

impl Counters {
    pub(crate) fn note_latency(&mut self, latency: Duration) {
        if self.latencies_ms.len() < MOST_LATENCIES {
            self.latencies_ms.push(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
        }
    }
}
