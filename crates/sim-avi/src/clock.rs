//! Time: the wall is read once, everything after follows the runtime's clock.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// A wall clock that a paused runtime can hold still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Timestamp,
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { epoch: Timestamp::now(), started: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = Instant::now().saturating_duration_since(self.started);
        self.epoch.checked_add(elapsed).unwrap_or(self.epoch)
    }

    /// Microseconds since 1970, the unit of `_last_modified`.
    pub(crate) fn micros(&self) -> u64 {
        u64::try_from(self.now().as_microsecond()).unwrap_or_default()
    }

    pub(crate) fn after(&self, delay: Duration) -> Timestamp {
        self.now().checked_add(delay).unwrap_or(Timestamp::MAX)
    }
}

/// `YYYY-MM-DD HH:MM:SS`, as the Controller prints times (§8.4).
pub(crate) fn printed(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
