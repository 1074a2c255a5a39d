//! What the operator knows and wants: configuration, facts about the
//! controller, the slim cluster snapshot, names, checksums, diagnostics.
//!
//! Invariants of this crate:
//! - It is pure: no I/O, no clock, no randomness, no log. Time is an argument.
//! - A [`Snapshot`] holds only validated, slimmed values; what could not be
//!   understood was refused at the edge with a [`Diagnostic`].
//! - Names and checksums equal AKO 2.2.1's to the byte.

pub mod annotation;
pub mod certificate;
pub mod checksum;
pub mod config;
pub mod conflict;
pub mod diagnostic;
pub mod facts;
pub mod handover;
pub mod hostname;
pub mod id;
pub mod index;
pub mod instance;
pub mod name;
pub mod resource;
pub mod scope;
pub mod secret;
pub mod snapshot;

pub use config::{Config, ConfigIssue};
pub use diagnostic::{Diagnostic, Reason};
pub use facts::Facts;
pub use id::NamespacedName;
pub use index::Index;
pub use instance::{Authority, Claim, Disregarded, Installation, Instances, ServiceRule};
pub use resource::{Resource, ResourceId, ResourceKind};
pub use scope::Scope;
pub use snapshot::{Delta, Key, Snapshot};

/// The controller name in an IngressClass, and the `loadBalancerClass` of a
/// Service, that make the object ours.
pub const CONTROLLER_NAME: &str = "ako.vmware.com/avi-lb";
