//! What is known of the cluster comes from these.

use std::fmt;

use ako_core::ResourceKind;

/// What a belief about the cluster comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The instance's own configuration.
    Configuration,
    /// The watch of a kind.
    Kind(ResourceKind),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration => f.write_str("ConfigMap avi-k8s-config"),
            Self::Kind(kind) => f.write_str(kind.as_str()),
        }
    }
}
