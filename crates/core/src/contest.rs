//! What instances cannot both have.
//! Source: leadership protocol and instance verdicts, §6; configuration, §5.2.

use std::fmt;
use std::sync::Arc;

/// How many contested namespaces are named.
pub const NAMED: usize = 5;

/// What two instances cannot both have, or had better have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contest {
    /// The instance acts by what its ConfigMap said before, and another one has
    /// that by now.
    Restart,
    /// Their objects bear the same owner's name: each would take the other's
    /// for its own, and for superfluous.
    Owner,
    /// They send traffic to pods in different ways.
    ServiceType,
    /// Both are primary: the VRF's static routes.
    Primary,
    /// Namespaces that both select.
    Namespaces,
    /// They use different controllers. Nothing is refused because of it.
    Controller,
    /// They use different clouds of one controller. Nothing is refused because
    /// of it.
    Cloud,
    /// They call the cluster differently. Nothing is refused because of it.
    Cluster,
}

impl Contest {
    /// The word in metrics, Events and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "RestartNeeded",
            Self::Owner => "SameOwner",
            Self::ServiceType => "MixedServiceTypes",
            Self::Primary => "TwoPrimaries",
            Self::Namespaces => "NamespaceContested",
            Self::Controller => "DifferentController",
            Self::Cloud => "DifferentCloud",
            Self::Cluster => "DifferentCluster",
        }
    }

    /// Whether it is only told, and nobody refuses anything because of it.
    pub fn is_note(self) -> bool {
        matches!(self, Self::Controller | Self::Cloud | Self::Cluster)
    }
}

/// A conflict of two instances, from the point of view of one of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// What is contested.
    pub contest: Contest,
    /// The other instance.
    pub with: Arc<str>,
    /// Whether it is the other one that has it, and this one that refuses.
    pub refused: bool,
    /// The contested namespaces, the first [`NAMED`] of them.
    pub namespaces: Vec<Arc<str>>,
    /// Who leaves what to whom, and the way out.
    pub message: Arc<str>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.contest.as_str(), self.message)
    }
}
