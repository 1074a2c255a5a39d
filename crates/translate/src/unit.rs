//! What is translated by itself, and what comes out.

use std::fmt;
use std::sync::Arc;

use ako_avi_types::{Kind, Object};
use ako_core::{Diagnostic, Key, NamespacedName, Place, Reason, ResourceId, ResourceKind};

use crate::context::Context;
use crate::contribution::Contribution;
use crate::front::FrontKey;
use crate::statement::{Binding, Statement, What};

/// A unit of translation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitKey {
    /// The label of the SE group.
    ServiceEngineGroup,
    /// The static routes of the VRF.
    StaticRoutes,
    /// A host that Ingresses name.
    Host(Arc<str>),
    /// A Service of type LoadBalancer with a VIP of its own.
    Service(NamespacedName),
    /// The Services of a namespace that share a VIP under a key (in the place
    /// of the name).
    SharedVip(NamespacedName),
    /// An Ingress that names no host.
    Ingress(NamespacedName),
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
        }
    }
}

impl UnitKey {
    /// The kind of the object that its age is of.
    pub fn kind_of_age(&self) -> ResourceKind {
        match self {
            Self::Service(_) | Self::SharedVip(_) => ResourceKind::Service,
            _ => ResourceKind::Ingress,
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
        }
    }
}

/// What becomes of a unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnitOutput {
    /// Its own objects.
    pub objects: Vec<Arc<Object>>,
    /// What it adds to fronts.
    pub contributions: Vec<(FrontKey, Contribution)>,
    /// What it says of Kubernetes objects.
    pub statements: Vec<Statement>,
    /// What is wrong with its input.
    pub diagnostics: Vec<Diagnostic>,
    /// Everything that it looked at, sorted.
    pub reads: Vec<Key>,
    /// The oldest Ingress or Service that asks for it: of two units that ask for one
    /// name the older one has it.
    pub age: Option<(i64, NamespacedName)>,
}

impl UnitOutput {
    /// Adds an object, unless Avi would not take its name; then whoever asked
    /// for it is told. Answers whether it was added.
    pub(crate) fn add(&mut self, object: Object, source: &ResourceId) -> bool {
        let (kind, name) = (object.kind(), object.name().clone());
        if !ako_core::name::fits(&name) {
            let message = format!(
                "the Avi {kind} would be called {name:?}, which is {} bytes long and Avi takes 255: \
                 use shorter names, hosts or paths",
                name.len()
            );
            self.tell(source, Reason::NameTooLong, message);
            return false;
        }
        let same = |o: &Arc<Object>| o.kind() == kind && *o.name() == name && o.tenant() == object.tenant();
        if self.objects.iter().any(same) {
            let message = format!("two paths lead to the same Avi {kind} {name:?}; the first is served");
            self.tell(source, Reason::DuplicateHostPath, message);
            return false;
        }
        let mut object = object;
        object.normalise();
        self.objects.push(Arc::new(object));
        true
    }

    /// Whether the unit has an object of that name already.
    pub(crate) fn has(&self, context: &Context, kind: Kind, name: &str) -> bool {
        self.objects
            .iter()
            .any(|o| o.kind() == kind && **o.name() == *name && o.tenant() == Some(&context.placement.tenant))
    }

    /// Gives back what memory was taken in advance: there are many of these,
    /// and they stay.
    pub(crate) fn shrink(&mut self) {
        self.objects.shrink_to_fit();
        self.contributions.shrink_to_fit();
        for (_, contribution) in &mut self.contributions {
            contribution.members.shrink_to_fit();
        }
        self.statements.shrink_to_fit();
        self.reads.shrink_to_fit();
    }

    /// The Kubernetes objects that its addresses are published on.
    pub fn served(&self) -> impl Iterator<Item = &ResourceId> {
        let addresses = self.statements.iter().filter(|statement| statement.what.binding().is_some());
        addresses.map(|statement| &statement.object)
    }

    /// Asks for node ports of a Service's pods.
    pub(crate) fn request_node_ports(&mut self, service: &NamespacedName) {
        let statement = Statement { object: service_id(service), what: What::NodePorts };
        if !self.statements.contains(&statement) {
            self.statements.push(statement);
        }
    }

    /// Publishes the addresses of a virtual service on an object.
    pub(crate) fn bind(&mut self, object: ResourceId, binding: Binding) {
        self.statements.push(Statement { object, what: What::Address(binding) });
    }

    pub(crate) fn tell(&mut self, object: &ResourceId, reason: Reason, message: impl Into<Arc<str>>) {
        let diagnostic = Diagnostic { object: object.clone(), reason, message: message.into() };
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }
}

pub(crate) fn ingress_id(id: &NamespacedName) -> ResourceId {
    ResourceId { kind: ResourceKind::Ingress, name: id.clone() }
}

pub(crate) fn node_id(name: &Arc<str>) -> ResourceId {
    ResourceId { kind: ResourceKind::Node, name: NamespacedName::cluster(name.clone()) }
}

pub(crate) fn service_id(id: &NamespacedName) -> ResourceId {
    ResourceId { kind: ResourceKind::Service, name: id.clone() }
}
