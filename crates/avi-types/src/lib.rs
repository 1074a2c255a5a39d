//! Typed Avi objects: names, references and bodies as the Avi REST API spells
//! them (Avi REST API 30.2.1).
//!
//! Invariants of this crate:
//! - Every object that the operator writes is a variant of [`Object`]; its
//!   serialised form is the request body, nothing is added on the way. Of what
//!   is borrowed ([`Kind::BORROWED`]) it is the part that is ours.
//! - Lists whose order means nothing to Avi are kept sorted ([`Object::normalise`]),
//!   so equal intent is equal bytes.
//! - Nothing here knows Kubernetes, time or a network.

pub mod application_profile;
mod body;
pub mod certificate;
pub mod change;
pub mod datascript;
pub mod disabled;
pub mod go_json;
pub mod health_monitor;
pub mod http_policy;
pub mod kind;
pub mod l4_policy;
pub mod loss;
pub mod marker;
pub mod metadata;
pub mod network;
pub mod object;
pub mod operation;
pub mod pki_profile;
pub mod pool;
pub mod pool_group;
pub mod reference;
pub mod referred;
pub mod reply;
pub mod service_engine_group;
pub mod spec;
pub mod string_group;
mod table;
pub mod virtual_service;
pub mod vrf_context;
pub mod vsvip;

pub use application_profile::ApplicationProfile;
pub use certificate::{Certificate, PrivateKey, SslKeyAndCertificate};
pub use change::FieldChange;
pub use datascript::{DataScript, VsDataScriptSet};
pub use disabled::Disabled;
pub use health_monitor::HealthMonitor;
pub use http_policy::HttpPolicySet;
pub use kind::Kind;
pub use l4_policy::L4PolicySet;
pub use loss::Losses;
pub use marker::Marker;
pub use metadata::ServiceMetadata;
pub use network::Network;
pub use object::{NAME_LIMIT, Object, ObjectKey};
pub use operation::{Change, Observed, Operation};
pub use pki_profile::PkiProfile;
pub use pool::{IpAddress, Pool, Server};
pub use pool_group::{PoolGroup, PoolGroupMember};
pub use reference::Ref;
pub use referred::{Brief, By, Referred};
pub use reply::{ErrorClass, Failure, Meta};
pub use service_engine_group::{Label, ServiceEngineGroup};
pub use spec::Spec;
pub use string_group::StringGroup;
pub use virtual_service::{Listener, VhMatch, VirtualService};
pub use vrf_context::{StaticRoute, VrfContext};
pub use vsvip::{DnsInfo, Vip, VsVip};
