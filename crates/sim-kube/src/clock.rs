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
    /// It is `epoch` now, or what the machine says.
    pub(crate) fn start(epoch: Option<Timestamp>) -> Self {
        Self { epoch: epoch.unwrap_or_else(Timestamp::now), started: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = Instant::now().saturating_duration_since(self.started);
        self.epoch.checked_add(elapsed).unwrap_or(self.epoch)
    }

    /// As `metav1.Time` is written: whole seconds.
    pub(crate) fn printed(&self) -> String {
        seconds(self.now())
    }

    pub(crate) fn printed_after(&self, delay: Duration) -> String {
        seconds(self.now().checked_add(delay).unwrap_or(Timestamp::MAX))
    }
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
