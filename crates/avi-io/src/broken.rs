//! Why there is no reply.

use std::time::Duration;

use ako_avi_types::{ErrorClass, Failure};

use crate::answer::unanswered;
use crate::call::Verb;
use crate::permission::no_permit;

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The permit ran out, or the leader hands over; nothing was sent.
    NoPermit,
    /// Nothing was sent.
    NotSent(String),
    /// Something was sent, then the connection failed.
    InDoubt(String),
    /// There was no whole reply in time; the connection was reset.
    TimedOut { limit: Duration, by_permit: bool },
}

impl Broken {
    /// The failure that it means. A read that was interrupted has no effect
    /// that could be in doubt.
    pub(crate) fn failure(&self, verb: &Verb<'_>) -> Failure {
        let sent = if verb.leave().is_some() { ErrorClass::Unknown } else { ErrorClass::Retry };
        match self {
            Self::NoPermit => no_permit(),
            Self::NotSent(why) => {
                unanswered(ErrorClass::Retry, format!("the controller cannot be reached: {why}"))
            }
            Self::InDoubt(why) => unanswered(sent, format!("the connection broke before the answer: {why}")),
            Self::TimedOut { limit, by_permit } => {
                let which = if *by_permit { " (what was left of the permit to write)" } else { "" };
                unanswered(
                    sent,
                    format!("no answer within {} ms{which}; connection reset", limit.as_millis()),
                )
            }
        }
    }
}
