//! What is wrong with an object, said once and to the right people.

use std::fmt;
use std::sync::Arc;

use crate::resource::ResourceId;

/// Why an object, or a part of it, is not served. The name is the reason of
/// the Kubernetes Event and the label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Reason {
    DuplicateHostPath,
    DuplicateHost,
    HostAlreadyClaimed,
    HostOutsideSubdomain,
    MissingSecret,
    InvalidSecret,
    InvalidRule,
    NameTaken,
    NameTooLong,
    UnsupportedBackend,
    UnsupportedProtocol,
    DefaultBackendIgnored,
    MissingService,
    PathTypeIgnored,
    SharedVipConflict,
    PortConflict,
    InvalidAddress,
    InvalidObject,
    ControllerRefused,
    NotOwned,
    TenantNotRead,
    NoRoute,
    DuplicateRoute,
    SharedObjectMissing,
    LabelledByAnother,
}

impl Reason {
    /// The word in Events and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DuplicateHostPath => "DuplicateHostPath",
            Self::DuplicateHost => "DuplicateHost",
            Self::HostAlreadyClaimed => "HostAlreadyClaimed",
            Self::HostOutsideSubdomain => "HostOutsideSubdomain",
            Self::MissingSecret => "MissingSecret",
            Self::InvalidSecret => "InvalidSecret",
            Self::InvalidRule => "InvalidRule",
            Self::NameTaken => "NameTaken",
            Self::NameTooLong => "NameTooLong",
            Self::UnsupportedBackend => "UnsupportedBackend",
            Self::UnsupportedProtocol => "UnsupportedProtocol",
            Self::DefaultBackendIgnored => "DefaultBackendIgnored",
            Self::MissingService => "MissingService",
            Self::PathTypeIgnored => "PathTypeIgnored",
            Self::SharedVipConflict => "SharedVipConflict",
            Self::PortConflict => "PortConflict",
            Self::InvalidAddress => "InvalidAddress",
            Self::InvalidObject => "InvalidObject",
            Self::ControllerRefused => "ControllerRefused",
            Self::NotOwned => "NotOwned",
            Self::TenantNotRead => "TenantNotRead",
            Self::NoRoute => "NoRoute",
            Self::DuplicateRoute => "DuplicateRoute",
            Self::SharedObjectMissing => "SharedObjectMissing",
            Self::LabelledByAnother => "LabelledByAnother",
        }
    }
}

/// One finding about one object: the cause, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// The object that it is about.
    pub object: ResourceId,
    /// What kind of finding it is.
    pub reason: Reason,
    /// One sentence for the person who wrote the object. Holds no secrets.
    pub message: Arc<str>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.object, self.reason.as_str(), self.message)
    }
}
