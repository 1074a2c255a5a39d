//! What a translation can depend on.

use std::sync::Arc;

use ako_avi_types::Referred;

use crate::id::NamespacedName;
use crate::kinds::table::ResourceKind;

/// What a translation can depend on. Reading one of these records a dependency, present or
/// not; changing an object touches the keys that its old and its new version are found under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// One object.
    One(ResourceKind, NamespacedName),
    /// All objects of a kind: for kinds of which there are few.
    All(ResourceKind),
    /// The objects that are found there.
    Under(Place, NamespacedName),
    /// Whether the API server has a kind that it may lack.
    Served(ResourceKind),
    /// The instances of the cluster: there are few, and they decide on every
    /// namespace.
    Instances,
    /// What the instances say of namespaces that change hands.
    Handover,
    /// An object on the controller that is referred to. Last, so that of sorted keys these are
    /// the last ones.
    Controller(Referred),
}

/// By what objects are found, other than by their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A host: what names it.
    Host,
    /// A Service: its EndpointSlices, and the pods that it selects.
    Endpoints,
    /// A namespace, and a key under which Services of it share a VIP.
    SharedVip,
    /// A host: the rules for exactly it.
    RuleOf,
    /// A name: the HostRules that give it to their hosts, as an alias or as their name in several
    /// clusters.
    Alias,
    /// One place, without a name: the HostRules whose names are patterns, or parts of names of
    /// shared virtual services.
    Patterns,
}

impl Key {
    /// What names a host.
    pub fn host(host: &Arc<str>) -> Self {
        Self::Under(Place::Host, NamespacedName::cluster(host.clone()))
    }

    /// The rules for exactly a host.
    pub fn rule_of(host: &Arc<str>) -> Self {
        Self::Under(Place::RuleOf, NamespacedName::cluster(host.clone()))
    }

    /// The rules for the hosts that a pattern fits.
    pub fn patterns() -> Self {
        Self::Under(Place::Patterns, NamespacedName::default())
    }

    /// A Namespace.
    pub fn namespace(name: &Arc<str>) -> Self {
        Self::One(ResourceKind::Namespace, NamespacedName::cluster(name.clone()))
    }

    /// The name of the Namespace that it is.
    pub fn as_namespace(&self) -> Option<&Arc<str>> {
        match self {
            Self::One(ResourceKind::Namespace, id) => Some(&id.name),
            _ => None,
        }
    }

    /// What is referred to on the controller, if it is that.
    pub fn as_referred(&self) -> Option<&Referred> {
        match self {
            Self::Controller(referred) => Some(referred),
            _ => None,
        }
    }
}
