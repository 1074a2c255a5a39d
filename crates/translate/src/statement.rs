//! What units say of Kubernetes objects.

use std::sync::Arc;

use ako_avi_types::ObjectKey;
use ako_core::ResourceId;

/// Something that is to be written to a Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// The object.
    pub object: ResourceId,
    /// What is said of it.
    pub what: What,
}

/// What is said of an object. Several units may say the same, and none takes anything back
/// from another one: what nobody says any more goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A virtual service serves it.
    Address(Binding),
    /// Its pods need node ports: it is a Service, and has to ask for them.
    NodePorts,
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
            Self::NodePorts => None,
        }
    }
}
