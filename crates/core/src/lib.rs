//! What the operator knows and wants: configuration, facts about the
//! controller, the slim cluster snapshot, names, checksums, diagnostics.
//!
//! Invariants of this crate:
//! - It is pure: no I/O, no clock, no randomness, no log. Time is an argument.
//! - A [`Snapshot`] holds only validated, slimmed values; what could not be
//!   understood was refused at the edge with a [`Diagnostic`].
//! - Names and checksums equal AKO 2.2.1's to the byte.

pub mod annotation;
pub mod catalogue;
pub mod certificate;
pub mod checksum;
pub mod cloud;
pub mod config;
mod conflict;
pub mod contest;
pub mod diagnostic;
pub mod domains;
pub mod facts;
pub mod handover;
pub mod hostname;
pub mod id;
pub mod index;
pub mod instance;
pub mod kinds;
pub mod name;
pub mod owner;
pub mod program;
pub mod resource;
pub mod scope;
pub mod secret;
pub mod service_mode;
pub mod snapshot;
mod store;

pub use catalogue::{Catalogue, Look};
pub use cloud::CloudType;
pub use config::{Config, ConfigIssue};
pub use contest::{Conflict, Contest};
pub use diagnostic::{Diagnostic, Reason};
pub use domains::Domains;
pub use facts::Facts;
pub use id::NamespacedName;
pub use index::Index;
pub use instance::Instances;
pub use kinds::claim::{Claim, ServiceRule};
pub use kinds::installation::{Authority, Disregarded, Installation};
pub use kinds::key::{Key, Place};
pub use kinds::table::{ResourceId, ResourceKind};
pub use program::Program;
pub use resource::Resource;
pub use scope::Scope;
pub use snapshot::{Delta, Snapshot};
pub use store::Stored;

/// The controller name in an IngressClass, and the `loadBalancerClass` of a
/// Service, that make the object ours.
pub const CONTROLLER_NAME: &str = "ako.vmware.com/avi-lb";
