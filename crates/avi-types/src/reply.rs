//! What the controller answers: an object's identity, or a failure and its class.

use std::fmt;
use std::sync::Arc;

/// How the controller knows an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// `pool-6426d0be-…`.
    pub uuid: Arc<str>,
    /// The version of the object: microseconds since the epoch, as text.
    pub last_modified: Option<Arc<str>>,
}

impl Meta {
    /// When it was changed last, if the version tells.
    pub fn changed_at(&self) -> Option<jiff::Timestamp> {
        let micros = self.last_modified.as_ref()?.parse().ok()?;
        let at = jiff::Timestamp::from_microsecond(micros).ok()?;
        at.round(jiff::Unit::Second).ok()
    }
}

/// What a failed call means for what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The controller or the way to it is in trouble; the same call may succeed
    /// soon.
    Retry,
    /// As [`ErrorClass::Retry`], and it is not known whether the call took
    /// effect: the object has to be read again first.
    Unknown,
    /// The controller asks for fewer calls.
    Busy,
    /// The object is not what we think it is: read it again, plan again.
    Conflict,
    /// The object, or one that it refers to, does not exist.
    Gone,
    /// The object is still referred to.
    InUse,
    /// Something has to happen on the controller first (addresses freed, an
    /// upgrade finished, a tenant or network made); try again at leisure.
    Waiting,
    /// The session is not valid.
    Session,
    /// The credentials are not valid: no call succeeds until they are. It says
    /// nothing about the object of the call.
    Login,
    /// The role does not allow the call.
    Denied,
    /// The body is not acceptable; only another one will be.
    Rejected,
    /// The permit to write ran out before the call was sent: nothing happened.
    NoPermit,
}

impl ErrorClass {
    /// The label in metrics and in machine-readable output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Unknown => "unknown",
            Self::Busy => "busy",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::InUse => "in_use",
            Self::Waiting => "waiting",
            Self::Session => "session",
            Self::Login => "login",
            Self::Denied => "denied",
            Self::Rejected => "rejected",
            Self::NoPermit => "no_permit",
        }
    }

    /// The class of an answer with an error status.
    ///
    /// Only what upstream's error catalogue matches on is matched on here:
    /// texts differ between releases. Source: Avi REST API contract, §5.
    pub fn of(status: u16, message: &str) -> Self {
        let says = |texts: &[&str]| texts.iter().any(|t| message.contains(t));
        match status {
            400 if says(&["No available free IPs", "VrfContext", "Network object not found"]) => {
                Self::Waiting
            }
            401 if says(&["Invalid credentials"]) => Self::Login,
            401 | 419 => Self::Session,
            403 if says(&["Cannot delete, object is referred by"]) => Self::InUse,
            403 if says(&["Configuration is disallowed during upgrade", "does not exist!"]) => Self::Waiting,
            403 => Self::Denied,
            404 => Self::Gone,
            409 | 412 => Self::Conflict,
            429 | 503 => Self::Busy,
            500 if says(&["Import error", "Bad pb"]) => Self::Rejected,
            408 | 500.. => Self::Unknown,
            _ => Self::Rejected,
        }
    }
}

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub class: ErrorClass,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The controller's words, or what happened on the way. Never holds a
    /// request body.
    pub message: String,
    /// How long the controller asks to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "HTTP {status}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::ErrorClass;

    #[test]
    fn the_catalogue_maps_to_classes() {
        for (status, text, class) in [
            (400, "No available free IPs", ErrorClass::Waiting),
            (400, "VrfContext not found", ErrorClass::Waiting),
            (400, "Changing an existing VIP's vip_id is not supported", ErrorClass::Rejected),
            (401, "Invalid credentials", ErrorClass::Login),
            (401, "CSRF token missing or incorrect.", ErrorClass::Session),
            (403, "Cannot delete, object is referred by: ['Pool p']", ErrorClass::InUse),
            (403, "Configuration is disallowed during upgrade", ErrorClass::Waiting),
            (403, "Tenant 'x' does not exist!", ErrorClass::Waiting),
            (403, "permission denied", ErrorClass::Denied),
            (404, "Pool object not found!", ErrorClass::Gone),
            (409, "already exists", ErrorClass::Conflict),
            (412, "Need to reload object data VsVip", ErrorClass::Conflict),
            (419, "", ErrorClass::Session),
            (429, "", ErrorClass::Busy),
            (500, "Import error: common_name", ErrorClass::Rejected),
            (502, "<html>", ErrorClass::Unknown),
            (503, "", ErrorClass::Busy),
        ] {
            assert_eq!(ErrorClass::of(status, text), class, "{status} {text}");
        }
    }
}
