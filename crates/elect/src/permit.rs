//! The permit to write, and the grant of a process that writes alone.

use std::fmt;
use std::time::Duration;

use crate::moment::Moment;

/// Counts changes of leadership; a higher one supersedes all lower ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Permission to write to Avi and to statuses until a deadline.
///
/// It cannot be made outside of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WritePermit {
    epoch: Epoch,
    deadline: Option<Moment>,
}

impl WritePermit {
    /// The leadership that it was granted under.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How long it is valid still; `None` if it is not. A write may take no
    /// longer than that.
    pub fn remaining(&self, now: Moment) -> Option<Duration> {
        match self.deadline {
            None => Some(Duration::MAX),
            Some(deadline) if now < deadline => Some(deadline.since(now)),
            Some(_) => None,
        }
    }
}

/// Grants permits to a process that is known to be the only writer: there is
/// nobody to be fenced off from, so they have no deadline.
#[derive(Debug)]
pub struct SingleWriter(());

impl SingleWriter {
    /// Declares this process to be the only writer.
    ///
    /// Whoever calls this answers for it; call it once, at start.
    pub fn declare() -> Self {
        Self(())
    }

    /// A permit without a deadline.
    pub fn permit(&self) -> WritePermit {
        WritePermit { epoch: Epoch(1), deadline: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_ends_at_its_deadline() {
        let permit = WritePermit { epoch: Epoch(3), deadline: Some(Moment::from_millis(1000)) };
        assert_eq!(permit.remaining(Moment::from_millis(400)), Some(Duration::from_millis(600)));
        assert_eq!(permit.remaining(Moment::from_millis(1000)), None);
    }

    #[test]
    fn a_single_writer_is_never_fenced_off() {
        let permit = SingleWriter::declare().permit();
        assert_eq!(permit.remaining(Moment::from_millis(u64::MAX)), Some(Duration::MAX));
    }
}
