//! What a request needs before it may be handed over.

use std::time::Duration;

use ako_elect::{Moment, WritePermit};

/// How long a write may still take. In production this is a [`WritePermit`];
/// tests of deadlines bring their own, because nobody else can make a permit.
pub(crate) trait Permission: Sync {
    /// The time left, or `None` if the write must not be sent.
    fn remaining(&self, now: Moment) -> Option<Duration>;
}

impl Permission for WritePermit {
    fn remaining(&self, now: Moment) -> Option<Duration> {
        WritePermit::remaining(self, now)
    }
}
