//! What a write needs before it may be handed over.

use std::time::Duration;

use ako_avi_types::{ErrorClass, Failure};
use ako_elect::{Moment, WritePermit};
use tokio::sync::watch;

use crate::answer::unanswered;

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

/// Leave to send a write: a permit that stands, of a process that leads and does
/// not hand over.
#[derive(Clone, Copy)]
pub(crate) struct Leave<'a> {
    permit: &'a dyn Permission,
    leads: &'a watch::Receiver<bool>,
}

impl<'a> Leave<'a> {
    pub(crate) fn new(permit: &'a dyn Permission, leads: &'a watch::Receiver<bool>) -> Self {
        Self { permit, leads }
    }

    /// The time left, or `None` if the write must not be sent.
    pub(crate) fn remaining(&self, now: Moment) -> Option<Duration> {
        // Where nobody tells it any more, nothing is sent.
        let leads = *self.leads.borrow() && self.leads.has_changed().is_ok();
        if leads { self.permit.remaining(now) } else { None }
    }

    /// Waits for something, but no longer than the process leads.
    async fn while_leading<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let mut leads = self.leads.clone();
        tokio::select! {
            biased;
            _ = leads.wait_for(|leads| !leads) => None,
            done = what => Some(done),
        }
    }
}

/// Waits for something that comes before the bytes of a call. A write is given up
/// as soon as the leader hands over: the next leader waits for what was sent, and
/// for nothing else.
pub(crate) fn before_sending<T, E>(
    leave: Option<Leave<'_>>,
    what: impl Future<Output = Result<T, E>>,
    withdrawn: impl FnOnce() -> E,
) -> impl Future<Output = Result<T, E>> {
    // A login is large, and every step of a call would hold it.
    let what = Box::pin(what);
    async move {
        match leave {
            None => what.await,
            Some(leave) => leave.while_leading(what).await.unwrap_or_else(|| Err(withdrawn())),
        }
    }
}

/// The failure of a write that was not sent because this process may not write.
pub(crate) fn no_permit() -> Failure {
    unanswered(
        ErrorClass::NoPermit,
        "nothing was sent: the permit to write ran out, or this replica hands the leadership over",
    )
}
