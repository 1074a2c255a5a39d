//! The StatefulSet of an instance, as the others see it.
//! Source: leadership protocol and instance verdicts, §6.

use std::fmt;
use std::sync::Arc;

use crate::handover::Word;
use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::table;

/// Whether a ServiceAccount may do the work of an operator: write the status of
/// Ingresses in all namespaces. No Role can grant that, so nobody who may write in single
/// namespaces only can make such a ServiceAccount.
/// Source: Kubernetes documentation, "Using RBAC Authorization", "SubjectAccessReview".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authority {
    /// This instance lacks the permission to ask.
    #[default]
    Unknown,
    /// It may.
    Granted,
    /// It may not.
    Refused,
}

/// The StatefulSet of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The namespace that it is in.
    pub namespace: Arc<str>,
    /// The ServiceAccount of its pods.
    pub account: Arc<str>,
    /// Whether that may do the work of an operator.
    pub authority: Authority,
    /// Whether it is scaled to zero and has no pods.
    pub is_idle: bool,
    /// Whether its pods are of this implementation: they bear
    /// [`crate::annotation::LEADERSHIP_NOTE`]. Those of AKO 2.2.1 cannot give
    /// way.
    pub is_ours: bool,
    /// Annotation [`crate::annotation::CONTROLLER`]: the uuid of its controller.
    pub controller_id: Option<Arc<str>>,
    /// Annotation [`crate::annotation::REMOVAL`]: how far the removal of
    /// everything is.
    pub removal: Option<Arc<str>>,
    /// What it says of namespaces that change hands.
    pub word: Word,
}

impl Installation {
    /// The name of the StatefulSet of an instance.
    pub const STATEFUL_SET: &'static str = table::STATEFUL_SET;
    /// The ServiceAccount of pods whose template names none.
    pub const DEFAULT_ACCOUNT: &'static str = "default";

    /// One of this implementation of which nothing else is known.
    pub fn new(namespace: Arc<str>) -> Self {
        Self {
            namespace,
            account: Self::DEFAULT_ACCOUNT.into(),
            authority: Authority::Unknown,
            is_idle: false,
            is_ours: true,
            controller_id: None,
            removal: None,
            word: Word::default(),
        }
    }

    /// Why what its ConfigMap claims does not count, if it does not. One of ours that is
    /// scaled to zero counts: it is in its hand over whom it hands its namespaces to. AKO
    /// 2.2.1 says nothing, so without pods it is as if it were not there.
    pub fn disregarded(&self) -> Option<Disregarded> {
        if self.authority == Authority::Refused {
            Some(Disregarded::NoAuthority(self.account.clone()))
        } else if self.is_idle && !self.is_ours {
            Some(Disregarded::Idle)
        } else {
            None
        }
    }
}

/// Why what a ConfigMap claims takes nothing from anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disregarded {
    /// There is no StatefulSet `ako` beside it.
    NotInstalled,
    /// The ServiceAccount of its pods may not do the work of an operator.
    NoAuthority(Arc<str>),
    /// It is AKO 2.2.1, scaled to zero, and has no pods.
    Idle,
}

impl fmt::Display for Disregarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => {
                write!(f, "there is no StatefulSet {} beside it", Installation::STATEFUL_SET)
            }
            Self::NoAuthority(account) => {
                write!(f, "its ServiceAccount {account} may not patch ingresses/status in all namespaces")
            }
            Self::Idle => f.write_str("it is AKO 2.2.1, scaled to zero, and has no pods"),
        }
    }
}

impl Kept for Installation {
    fn id(&self) -> NamespacedName {
        NamespacedName::new(self.namespace.clone(), Self::STATEFUL_SET)
    }
}
