//! The permit to write.

use std::fmt;
use std::time::Duration;

use crate::moment::Moment;

/// Counts changes of leadership within one leadership record. Of two epochs of
/// the same record the higher one supersedes the lower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub(crate) u64);

impl Epoch {
    /// The number itself, for what people read.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The one that follows. A record that was forged to the last number
    /// starts again: only equality decides anything.
    pub(crate) fn next(self) -> Self {
        Self(self.0.checked_add(1).unwrap_or(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Permission to write to Avi and to statuses until a deadline.
///
/// It cannot be made outside of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WritePermit {
    epoch: Epoch,
    deadline: Moment,
}

impl WritePermit {
    pub(crate) fn until(epoch: Epoch, deadline: Moment) -> Self {
        Self { epoch, deadline }
    }

    /// The same leadership, but ending no later than that.
    #[must_use]
    pub fn capped(self, at: Moment) -> Self {
        Self { deadline: self.deadline.min(at), ..self }
    }

    /// When it ends.
    pub fn deadline(&self) -> Moment {
        self.deadline
    }

    /// How long it is valid still; `None` if it is not. A write may take no
    /// longer than that.
    pub fn remaining(&self, now: Moment) -> Option<Duration> {
        (now < self.deadline).then(|| self.deadline.since(now))
    }

    /// The permit on a clock that started so much later.
    #[cfg(feature = "model")]
    #[must_use]
    pub fn rebased(self, by: Duration) -> Self {
        Self { deadline: self.deadline.rebased(by), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_ends_at_its_deadline() {
        let permit = WritePermit::until(Epoch(3), Moment::from_millis(1000));
        assert_eq!(permit.remaining(Moment::from_millis(400)), Some(Duration::from_millis(600)));
        assert_eq!(permit.remaining(Moment::from_millis(1000)), None);
    }

    #[test]
    fn a_cap_only_shortens() {
        let permit = WritePermit::until(Epoch(3), Moment::from_millis(1000));
        assert_eq!(permit.capped(Moment::from_millis(2000)), permit);
        assert_eq!(permit.capped(Moment::from_millis(500)).remaining(Moment::from_millis(500)), None);
    }

    #[test]
    fn the_last_epoch_is_followed_by_another() {
        assert_eq!(Epoch(3).next(), Epoch(4));
        assert_ne!(Epoch(u64::MAX).next(), Epoch(u64::MAX));
    }
}
