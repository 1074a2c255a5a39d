//! How long it takes from a need to its confirmation.

/// Upper bounds of the latency histogram, in milliseconds.
pub(crate) const BUCKETS_MS: [u64; 11] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 15_000, 60_000];

/// A histogram of the time from a need to its confirmation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    /// How many were at most as long as each of the bounds.
    pub(crate) buckets: [u64; BUCKETS_MS.len()],
    /// How many there were.
    pub(crate) count: u64,
    /// Their sum, in milliseconds.
    pub(crate) sum_ms: u64,
}

impl Latencies {
    /// The bound below which so many per cent lie, if there is one.
    pub(crate) fn quantile(&self, percent: u64) -> Option<u64> {
        let enough = |count: &u64| self.count > 0 && count * 100 >= self.count * percent;
        BUCKETS_MS.iter().zip(self.buckets).find(|(_, count)| enough(count)).map(|(bound, _)| *bound)
    }

    pub(crate) fn extend(&mut self, latencies_ms: &[u64]) {
        for latency in latencies_ms {
            self.count += 1;
            self.sum_ms += latency;
            for (bucket, bound) in self.buckets.iter_mut().zip(BUCKETS_MS) {
                *bucket += u64::from(*latency <= bound);
            }
        }
    }
}
