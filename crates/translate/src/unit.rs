//! What is translated by itself.

use std::fmt;
use std::sync::Arc;

use ako_core::{Key, NamespacedName, Place, ResourceId, ResourceKind};

/// The kinds of rules of which it is said whether they are right.
pub(crate) const RULES: [ResourceKind; 6] = [
    ResourceKind::AviInfraSetting,
    ResourceKind::HostRule,
    ResourceKind::HTTPRule,
    ResourceKind::L4Rule,
    ResourceKind::L7Rule,
    ResourceKind::SSORule,
];

/// The kinds of which the CRD operator makes something, or says whether they are right.
pub(crate) const PROFILES: [ResourceKind; 4] = [
    ResourceKind::HealthMonitor,
    ResourceKind::ApplicationProfile,
    ResourceKind::PKIProfile,
    ResourceKind::RouteBackendExtension,
];

/// A unit of translation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitKey {
    /// The label of the SE group.
    ServiceEngineGroup,
    /// The static routes of the VRF.
    StaticRoutes,
    /// A host that Ingresses or Routes name.
    Host(Arc<str>),
    /// A Service of type LoadBalancer with a VIP of its own.
    Service(NamespacedName),
    /// The Services of a namespace that share a VIP under a key (in the place
    /// of the name).
    SharedVip(NamespacedName),
    /// An Ingress that names no host.
    Ingress(NamespacedName),
    /// A Route that names no host.
    Route(NamespacedName),
    /// One of AKO's rules: it is only said whether it is right.
    Rule(ResourceId),
    /// A custom resource of which the CRD operator makes something.
    Profile(ResourceId),
}

impl UnitKey {
    /// The units that are there whatever is in the cluster.
    pub const STANDING: [Self; 2] = [Self::ServiceEngineGroup, Self::StaticRoutes];

    /// Whether it is one of those that are there whatever is in the cluster.
    pub fn is_standing(&self) -> bool {
        matches!(self, Self::ServiceEngineGroup | Self::StaticRoutes)
    }

    /// The units that a touched key can bring into being. What exists already
    /// is found through its read-set.
    pub fn born_of(key: &Key) -> Option<Self> {
        match key {
            Key::Instances => Some(Self::ServiceEngineGroup),
            Key::All(ResourceKind::Node) => Some(Self::StaticRoutes),
            Key::Under(Place::Host, host) => Some(Self::Host(host.name.clone())),
            Key::Under(Place::SharedVip, key) => Some(Self::SharedVip(key.clone())),
            Key::One(ResourceKind::Service, id) => Some(Self::Service(id.clone())),
            Key::One(ResourceKind::Ingress, id) => Some(Self::Ingress(id.clone())),
            Key::One(ResourceKind::Route, id) => Some(Self::Route(id.clone())),
            Key::One(kind, id) if RULES.contains(kind) => {
                Some(Self::Rule(ResourceId { kind: *kind, name: id.clone() }))
            }
            Key::One(kind, id) if PROFILES.contains(kind) => {
                Some(Self::Profile(ResourceId { kind: *kind, name: id.clone() }))
            }
            _ => None,
        }
    }
}

impl UnitKey {
    /// The key under which it is found even before it looked at anything: that it is born of.
    pub fn own_key(&self) -> Key {
        match self {
            Self::ServiceEngineGroup => Key::Instances,
            Self::StaticRoutes => Key::All(ResourceKind::Node),
            Self::Host(host) => Key::host(host),
            Self::SharedVip(key) => Key::Under(Place::SharedVip, key.clone()),
            Self::Service(id) => Key::One(ResourceKind::Service, id.clone()),
            Self::Ingress(id) => Key::One(ResourceKind::Ingress, id.clone()),
            Self::Route(id) => Key::One(ResourceKind::Route, id.clone()),
            Self::Rule(id) | Self::Profile(id) => Key::One(id.kind, id.name.clone()),
        }
    }
}

impl fmt::Display for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceEngineGroup => f.write_str("the cluster"),
            Self::StaticRoutes => f.write_str("nodes"),
            Self::Host(host) => write!(f, "host {host}"),
            Self::Service(id) => write!(f, "service {id}"),
            Self::SharedVip(id) => write!(f, "shared VIP {id}"),
            Self::Ingress(id) => write!(f, "ingress {id}"),
            Self::Route(id) => write!(f, "route {id}"),
            Self::Rule(id) | Self::Profile(id) => write!(f, "{id}"),
        }
    }
}

pub(crate) fn ingress_id(id: &NamespacedName) -> ResourceId {
    ResourceId { kind: ResourceKind::Ingress, name: id.clone() }
}

pub(crate) fn route_id(id: &NamespacedName) -> ResourceId {
    ResourceId { kind: ResourceKind::Route, name: id.clone() }
}

pub(crate) fn node_id(name: &Arc<str>) -> ResourceId {
    ResourceId { kind: ResourceKind::Node, name: NamespacedName::cluster(name.clone()) }
}

pub(crate) fn service_id(id: &NamespacedName) -> ResourceId {
    ResourceId { kind: ResourceKind::Service, name: id.clone() }
}
