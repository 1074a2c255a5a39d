//! The clocks of the process.

use std::sync::Arc;

use ako_avi_io::Clock;
use ako_elect::Moment;
use ako_kube_io::WallClock;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// A monotonic clock that counts suspend: what permits are judged by.
pub(crate) fn boot_time() -> Clock {
    Arc::new(|| moment(clock_gettime))
}

/// The time since the machine started, of the clocks that can be read.
fn moment(read: impl Fn(ClockId) -> Timespec) -> Moment {
    let time = read(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let millis = u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0);
    Moment::from_millis(seconds * 1000 + millis)
}

/// The time of day, for what people read.
pub(crate) fn wall_time() -> WallClock {
    Arc::new(jiff::Timestamp::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that was suspended for an hour: only one clock counts that.
    #[test]
    fn permits_are_judged_by_the_clock_that_counts_suspend() {
        let read = |id| {
            let tv_sec = if matches!(id, ClockId::Boottime) { 3_605 } else { 5 };
            Timespec { tv_sec, tv_nsec: 678_000_000 }
        };
        assert_eq!(moment(read), Moment::from_millis(3_605_678));
        let (first, second) = (boot_time()(), boot_time()());
        assert!(first.as_millis() > 0 && second >= first);
    }
}
