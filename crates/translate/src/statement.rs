//! What units say of Kubernetes objects.

use std::sync::Arc;

use ako_avi_types::ObjectKey;
use ako_core::ResourceId;
use ako_core::resource::{Part, Truth};

/// Something that is to be written to a Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// The object.
    pub object: ResourceId,
    /// What is said of it.
    pub what: What,
}

/// What is said of an object. Several units may say something of one, and it does not matter
/// in which order they do. Addresses of ours that nobody says any more go; what else a status
/// tells stays until something else is said of the object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A virtual service serves it.
    Address(Binding),
    /// The addresses that it has for this host stay, as what serves it is left alone.
    AddressStays(Arc<str>),
    /// Its pods need node ports: it is a Service, and has to ask for them.
    NodePorts,
    /// It has a condition.
    Condition {
        /// The part of it that the condition is about.
        part: Part,
        /// The type of the condition.
        kind: &'static str,
        /// Whether it is so.
        state: State,
        /// The generation of the object that this was found out of.
        generation: i64,
    },
    /// A field of its status has this text.
    Field(&'static str, Arc<str>),
    /// One more object belongs to a part of it.
    Count(Part),
    /// One object of the controller is made of it alone.
    Made(Made),
}

/// An object of the controller that is made of one object of the cluster, whose status tells which
/// that is and how far it is. The object is held by a finalizer while it is not asked to be deleted,
/// and then while what was made of it is there. Source: Custom resources, §9.2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Made {
    /// What is made.
    pub key: ObjectKey,
    /// Where it was before, if the status tells of another tenant.
    pub former: Option<ObjectKey>,
    /// The generation that it is made of.
    pub generation: i64,
    /// Whether it is asked to be deleted.
    pub is_deleting: bool,
    /// Whether it is to be written though the controller shows no difference: what is secret in
    /// it has changed since the status was written.
    pub is_outdated: bool,
    /// What the status tells in `dependencySum`.
    pub sum: Option<Arc<str>>,
    /// Why it cannot be made as it is asked for.
    pub problem: Option<Problem>,
}

/// Why something cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// For programs.
    pub reason: &'static str,
    /// For people.
    pub message: Arc<str>,
}

/// Whether a condition is so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is known, with a reason for programs and one for people.
    Known(Truth, &'static str, Arc<str>),
    /// It is so once all of these are on the controller as they are wanted.
    WhenProgrammed(Vec<ObjectKey>),
}

/// Says that an object is served under a host by a virtual service, so that the
/// addresses of the VsVip go into its status.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// The host; empty for a Service without one.
    pub hostname: Arc<str>,
    /// The virtual service whose uuid is published.
    pub vs: ObjectKey,
    /// The VsVip whose addresses are published.
    pub vsvip: ObjectKey,
}

impl What {
    /// The binding, if it is one.
    pub fn binding(&self) -> Option<&Binding> {
        match self {
            Self::Address(binding) => Some(binding),
            _ => None,
        }
    }

    /// The objects of the controller that decide what is written.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectKey> {
        let (binding, keys, made): (_, &[ObjectKey], _) = match self {
            Self::Address(binding) => (Some(binding), &[], None),
            Self::Condition { state: State::WhenProgrammed(keys), .. } => (None, keys, None),
            Self::Made(made) => (None, &[], Some(made)),
            _ => (None, &[], None),
        };
        let bound = binding.into_iter().flat_map(|binding| [&binding.vs, &binding.vsvip]);
        bound.chain(keys).chain(made.into_iter().flat_map(|made| [&made.key].into_iter().chain(&made.former)))
    }
}
