//! What the simulator was asked, summed up.

use std::time::Duration;

use ako_sim_avi::RequestRecord;
use anyhow::Context as _;
use jiff::Timestamp;

use crate::simulated::LATENCY;

/// The calls of a stretch of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    /// GETs.
    pub(crate) reads: u64,
    /// Other calls about objects.
    pub(crate) writes: u64,
    /// When the first write arrived.
    pub(crate) first_write: Option<Timestamp>,
    /// When the last write was answered.
    pub(crate) last_write: Option<Timestamp>,
}

impl Calls {
    /// Sums up.
    pub(crate) fn of(records: &[RequestRecord]) -> anyhow::Result<Self> {
        let mut calls = Self::default();
        for record in records {
            if record.method == "GET" {
                calls.reads += 1;
            } else if is_write(record) {
                calls.writes += 1;
                // The journal says when a call was answered.
                let answered: Timestamp = record.time.parse().context("a time in the journal")?;
                calls.first_write = calls.first_write.or(Some(answered - LATENCY));
                calls.last_write = Some(answered);
            }
        }
        Ok(calls)
    }
}

/// Whether a call was to change objects. The string group that claims the cluster's name is
/// made once, and serves nothing.
pub(crate) fn is_write(record: &RequestRecord) -> bool {
    record.method != "GET"
        && !matches!(record.kind.as_str(), "login" | "logout" | "user-token" | "stringgroup")
}

/// Seconds from one time to a later one; negative if it is earlier.
pub(crate) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// The smallest value that so much of all values does not exceed.
pub(crate) fn quantile(values: &[Duration], part: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of values, at least 0"
    )]
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(method: &str, kind: &str, time: &str) -> RequestRecord {
        RequestRecord {
            seq: 0,
            time: time.to_owned(),
            method: method.to_owned(),
            kind: kind.to_owned(),
            name: String::new(),
            tenant: String::new(),
            status: 200,
            path: String::new(),
            user_agent: String::new(),
            session: String::new(),
            committed: method != "GET",
            change: None,
        }
    }

    #[test]
    fn reads_and_writes_are_told_apart() {
        let records = [
            record("POST", "login", "2025-01-01T00:00:00Z"),
            record("GET", "pool", "2025-01-01T00:00:01Z"),
            record("POST", "pool", "2025-01-01T00:00:02Z"),
            record("PUT", "pool", "2025-01-01T00:00:03Z"),
        ];
        let calls = Calls::of(&records).unwrap();
        assert_eq!((calls.reads, calls.writes), (1, 2));
        assert_eq!(calls.first_write, "2025-01-01T00:00:01.995Z".parse().ok());
        assert_eq!(calls.last_write, "2025-01-01T00:00:03Z".parse().ok());
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(quantile(&values, 0.5), Duration::from_millis(100));
        assert_eq!(quantile(&values, 0.99), Duration::from_millis(198));
        assert_eq!(quantile(&values, 1.0), Duration::from_millis(200));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }
}
