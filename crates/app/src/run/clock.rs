//! The clocks of the process.

use std::sync::Arc;

use ako_avi_io::Clock;
use ako_elect::Moment;
use ako_kube_io::WallClock;
use rustix::time::{ClockId, clock_gettime};

/// A monotonic clock that counts suspend: what permits are judged by.
pub fn boot_time() -> Clock {
    Arc::new(now)
}

fn now() -> Moment {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let millis = u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0);
    Moment::from_millis(seconds * 1000 + millis)
}

/// The time of day, for what people read.
pub fn wall_time() -> WallClock {
    Arc::new(jiff::Timestamp::now)
}
