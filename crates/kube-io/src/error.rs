//! What a failed request to the API server means.

use kube::runtime::watcher;

/// What the caller is to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The permit to write has ended: do nothing, another replica may lead.
    Fenced,
    /// May pass by itself: try again later. Whether a write had its effect is
    /// not known.
    Retry,
    /// The object changed under us: read it again first.
    Conflict,
    /// We are not allowed to: say so, and try again slowly.
    Auth,
    /// The server will never accept this: do not repeat it unchanged.
    Rejected,
    /// A mistake of ours.
    Bug,
}

impl ErrorClass {
    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fenced => "fenced",
            Self::Retry => "retry",
            Self::Conflict => "conflict",
            Self::Auth => "auth",
            Self::Rejected => "rejected",
            Self::Bug => "bug",
        }
    }
}

/// The class of a failed request.
pub(crate) fn class_of(error: &kube::Error) -> ErrorClass {
    match error {
        kube::Error::Api(status) => match status.code {
            401 | 403 => ErrorClass::Auth,
            409 => ErrorClass::Conflict,
            408 | 429 | 500.. => ErrorClass::Retry,
            _ => ErrorClass::Rejected,
        },
        kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => ErrorClass::Bug,
        _ => ErrorClass::Retry,
    }
}

/// The HTTP status that the server answered with, if it answered.
pub(crate) fn code_of(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// One line for a person. Of answers that did not decode it shows nothing:
/// they may be Secrets.
pub(crate) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        kube::Error::SerdeError(_) => "the answer does not have the form of the API".to_owned(),
        other => {
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other).and_then(std::error::Error::source);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text
        }
    }
}

/// The HTTP status that a watch was answered with, if it was.
pub(crate) fn watch_code_of(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => code_of(error),
        watcher::Error::WatchError(status) => Some(status.code),
        watcher::Error::NoResourceVersion => None,
    }
}

/// One line for a person about a watch, as [`describe`].
pub(crate) fn describe_watch(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error) => format!("list: {}", describe(error)),
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            format!("watch: {}", describe(error))
        }
        watcher::Error::WatchError(status) => format!("watch: {} ({})", status.message, status.code),
        watcher::Error::NoResourceVersion => "the answer has no resourceVersion".to_owned(),
    }
}
