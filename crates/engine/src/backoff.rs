//! When to try again. Source: Avi REST API contract, §5, §10.

use std::time::Duration;

use ako_avi_types::{ErrorClass, Failure, ObjectKey};
use ako_core::checksum::hash;

/// Doublings beyond this make no difference to any limit below.
const MOST_DOUBLINGS: u32 = 16;

/// After so many failures, others stop waiting for an object.
const ATTEMPTS_OF_ONE: u32 = 4;

/// What follows a failed write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// How long to wait.
    pub(crate) wait: Duration,
    /// Whether the object has to be read again before anything else.
    pub(crate) read: bool,
    /// Whether only another body will do, so that others go on without it.
    pub(crate) refused: bool,
}

/// Decides what follows the `attempts`-th failure in a row.
pub(crate) fn after(key: &ObjectKey, failure: &Failure, attempts: u32) -> Verdict {
    let (first_ms, limit_ms, read, refused) = match failure.class {
        // Whether writing is permitted is told by another event.
        ErrorClass::NoPermit => (500, 500, false, false),
        // Nobody's object is to blame for the operator's credentials.
        ErrorClass::Retry | ErrorClass::Session | ErrorClass::Login => (500, 60_000, false, false),
        ErrorClass::Busy => (1_000, 60_000, false, false),
        // The first time there is nothing to wait for but the reading.
        ErrorClass::Unknown | ErrorClass::Conflict | ErrorClass::Gone if attempts <= 1 => (0, 0, true, false),
        // Where that goes on, it is the object's own trouble more likely than
        // the controller's, and others need not wait for it.
        ErrorClass::Unknown | ErrorClass::Conflict | ErrorClass::Gone => {
            (500, 60_000, true, attempts >= ATTEMPTS_OF_ONE)
        }
        ErrorClass::InUse => (1_000, 60_000, true, false),
        ErrorClass::Waiting => (5_000, 90_000, false, true),
        ErrorClass::Denied | ErrorClass::Rejected => (60_000, 1_800_000, false, true),
    };
    let doublings = attempts.saturating_sub(1).min(MOST_DOUBLINGS);
    let wait = (first_ms << doublings).min(limit_ms);
    let wait = Duration::from_millis(spread(key, attempts, wait));
    let asked = Duration::from_millis(failure.retry_after_ms.unwrap_or(0));
    Verdict { wait: wait.max(asked), read, refused }
}

/// Up to a quarter more, so that objects that failed together do not come back
/// together. The same for the same object and attempt: nothing here is random.
fn spread(key: &ObjectKey, attempts: u32, wait_ms: u64) -> u64 {
    let share = u64::from(hash(&format!("{}{attempts}", key.name)) % 25);
    wait_ms + wait_ms * share / 100
}

/// How long an object that many changes lead to rests between two writes: not
/// at all if it was quiet, longer the longer it goes on.
pub(crate) fn pace(writes_in_a_row: u32) -> Duration {
    match writes_in_a_row {
        0 => Duration::ZERO,
        1 => Duration::from_millis(500),
        2 => Duration::from_secs(1),
        _ => Duration::from_millis(1_500),
    }
}

/// After so long without a write, an object counts as quiet.
pub(crate) const QUIET: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use ako_avi_types::Kind;

    fn failure(class: ErrorClass, retry_after_ms: Option<u64>) -> Failure {
        Failure { class, status: None, message: String::new(), retry_after_ms }
    }

    #[test]
    fn waits_grow_to_a_limit() {
        let key = ObjectKey::new(Kind::Pool, "admin", "p");
        let wait = |attempts| after(&key, &failure(ErrorClass::Retry, None), attempts).wait;
        assert!(wait(1) >= Duration::from_millis(500) && wait(1) <= Duration::from_millis(625));
        assert!(wait(2) > wait(1));
        assert!(wait(40) <= Duration::from_secs(75));
    }

    #[test]
    fn the_controllers_wish_is_respected() {
        let key = ObjectKey::new(Kind::Pool, "admin", "p");
        assert_eq!(after(&key, &failure(ErrorClass::Busy, Some(90_000)), 1).wait, Duration::from_secs(90));
    }

    #[test]
    fn an_unknown_outcome_is_read_first() {
        let key = ObjectKey::new(Kind::Pool, "admin", "p");
        let verdict = after(&key, &failure(ErrorClass::Unknown, None), 1);
        assert_eq!(verdict, Verdict { wait: Duration::ZERO, read: true, refused: false });
    }
}
