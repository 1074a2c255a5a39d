//! How long a leadership lasts and how often it is renewed.

use std::time::Duration;

use thiserror::Error;

use crate::record::LONGEST_LEASE;

/// The rates of two processes' clocks differ by no more than this, each way.
const CLOCK_MARGIN_PERCENT: u32 = 1;

/// The shortest time between two attempts that anyone may configure.
const SHORTEST_RETRY: Duration = Duration::from_millis(1);

/// The durations of the protocol. All replicas of an instance have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    lease: Duration,
    renew: Duration,
    retry: Duration,
}

/// Why durations do not make a safe protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TimingError {
    /// A duration of nothing.
    #[error(
        "{name} is {value:?}: it must be at least {SHORTEST_RETRY:?}; set it, or leave it out for the default"
    )]
    TooShort {
        /// Which duration.
        name: &'static str,
        /// Its value.
        value: Duration,
    },
    /// Longer than any replica believes.
    #[error(
        "leaseDuration is {value:?}, but replicas believe at most {LONGEST_LEASE:?} of each other; \
         set {LONGEST_LEASE:?} or less"
    )]
    TooLong {
        /// Its value.
        value: Duration,
    },
    /// The permit could outlive the lease on a clock that is slower.
    #[error(
        "renewDeadline {renew:?} is too close to leaseDuration {lease:?}: a leader must stop before others take \
         over, with {CLOCK_MARGIN_PERCENT} % between their clocks; set renewDeadline to two thirds of leaseDuration"
    )]
    NoMargin {
        /// renewDeadline.
        renew: Duration,
        /// leaseDuration.
        lease: Duration,
    },
    /// One lost renewal would end the leadership.
    #[error(
        "retryPeriod {retry:?} is not less than half of renewDeadline {renew:?}: one lost renewal would end the \
         leadership; set retryPeriod to a fifth of renewDeadline"
    )]
    FewAttempts {
        /// retryPeriod.
        retry: Duration,
        /// renewDeadline.
        renew: Duration,
    },
}

impl Default for Timing {
    /// 15 s, 10 s, 2 s: what the reference implementation uses.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { lease: seconds(15), renew: seconds(10), retry: seconds(2) }
    }
}

impl Timing {
    /// 6 s, 4 s, 1 s: fails over sooner, for API servers that answer quickly.
    pub fn fast() -> Self {
        let seconds = Duration::from_secs;
        Self { lease: seconds(6), renew: seconds(4), retry: seconds(1) }
    }

    /// Durations of one's own, if they make a safe protocol.
    pub fn custom(lease: Duration, renew: Duration, retry: Duration) -> Result<Self, TimingError> {
        for (name, value) in [("leaseDuration", lease), ("renewDeadline", renew), ("retryPeriod", retry)] {
            if value < SHORTEST_RETRY {
                return Err(TimingError::TooShort { name, value });
            }
        }
        if lease > LONGEST_LEASE {
            return Err(TimingError::TooLong { value: lease });
        }
        // Of the two sides of the comparison the holder's clock may be slow
        // and the candidate's fast.
        if renew.saturating_mul(100 + CLOCK_MARGIN_PERCENT) > lease.saturating_mul(100 - CLOCK_MARGIN_PERCENT)
        {
            return Err(TimingError::NoMargin { renew, lease });
        }
        if retry.saturating_mul(2) >= renew {
            return Err(TimingError::FewAttempts { retry, renew });
        }
        Ok(Self { lease, renew, retry })
    }

    /// leaseDuration: how long candidates must see the record unchanged.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// renewDeadline: how long a permit lasts from before the request that it
    /// was granted for.
    pub fn renew(&self) -> Duration {
        self.renew
    }

    /// retryPeriod: how often a leader renews and a candidate reads.
    pub fn retry(&self) -> Duration {
        self.retry
    }

    /// How long one request may take: a renewal has time for a second attempt.
    pub(crate) fn request(&self) -> Duration {
        self.renew / 2
    }

    /// The least time between two requests that something unexpected asks for:
    /// a watch, a conflict.
    pub(crate) fn gap(&self) -> Duration {
        self.retry / 10
    }

    /// What a candidate waits more than the one before it, so that not all of
    /// them try at once; less than half a retryPeriod for any ordinal.
    pub(crate) fn spread(&self, ordinal: u32) -> Duration {
        self.retry / 20 * ordinal.min(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(lease: u64, renew: u64, retry: u64) -> Result<Timing, TimingError> {
        Timing::custom(Duration::from_secs(lease), Duration::from_secs(renew), Duration::from_secs(retry))
    }

    #[test]
    fn the_profiles_are_what_custom_would_accept() {
        assert_eq!(seconds(15, 10, 2), Ok(Timing::default()));
        assert_eq!(seconds(6, 4, 1), Ok(Timing::fast()));
    }

    #[test]
    fn refusals_name_value_cause_and_way_out() {
        let text = |refused: Result<Timing, TimingError>| refused.unwrap_err().to_string();
        assert_eq!(
            text(seconds(15, 0, 2)),
            "renewDeadline is 0ns: it must be at least 1ms; set it, or leave it out for the default"
        );
        assert!(text(seconds(15, 15, 2)).contains("set renewDeadline to two thirds of leaseDuration"));
        assert!(text(seconds(15, 4, 2)).contains("set retryPeriod to a fifth of renewDeadline"));
        assert!(text(seconds(3600, 4, 1)).contains("set 180s or less"));
    }

    #[test]
    fn clocks_have_a_margin() {
        assert!(matches!(seconds(100, 99, 1), Err(TimingError::NoMargin { .. })));
        assert!(seconds(100, 98, 1).is_ok());
    }

    #[test]
    fn a_clean_handover_takes_less_than_a_second_at_any_ordinal() {
        assert!(Timing::default().spread(u32::MAX) + Timing::default().gap() <= Duration::from_secs(1));
    }
}
