//! What is wrong with an object, said once and to the right people.

use std::fmt;
use std::sync::Arc;

use crate::resource::ResourceId;

macro_rules! reasons {
    ($($reason:ident,)*) => {
        /// Why an object, or a part of it, is not served. The name is the reason of
        /// the Kubernetes Event and the label in metrics; `docs/operations.md` tells
        /// what to do about each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum Reason {
            $($reason,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$reason,)*];

            /// The word in Events and output.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$reason => stringify!($reason),)*
                }
            }
        }
    };
}

reasons! {
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
    UnsupportedField,
    DefaultBackendIgnored,
    InvalidRoute,
    DuplicateBackend,
    RoutesServed,
    MissingService,
    MissingPort,
    NodesExcluded,
    WildcardNotServed,
    LimitReached,
    SharedVipConflict,
    PortConflict,
    InvalidAddress,
    AddressKept,
    DisabledByHand,
    InvalidObject,
    StatusRefused,
    StatusOverwritten,
    ControllerRefused,
    NotOwned,
    TenantNotRead,
    NoRoute,
    DuplicateRoute,
    SharedObjectMissing,
    MissingReference,
    SettingNotApplied,
    RuleNotApplied,
    ReferenceNotRead,
    LabelledByAnother,
    KindNotServed,
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
