//! The kinds of Kubernetes objects that are read, slimmed to what translation needs of them.
//!
//! Conversion from the API's JSON is at the edge (`kube-types`); from here on
//! every value is trusted.

pub mod application_profile;
pub mod claim;
pub mod endpoint_slice;
pub mod health_monitor;
pub mod host_rule;
pub mod http_rule;
pub mod infra_setting;
pub mod ingress;
pub mod ingress_class;
pub mod installation;
pub mod kept;
pub mod key;
pub mod l4_rule;
pub mod l7_rule;
pub mod meta;
pub mod namespace;
pub mod node;
pub mod node_subnets;
pub mod pki_profile;
pub mod pod;
pub mod port;
pub mod published;
pub mod route;
pub mod route_backend_extension;
pub mod rule;
pub mod secret;
pub mod service;
pub mod sso_rule;
pub mod table;
pub mod told;
