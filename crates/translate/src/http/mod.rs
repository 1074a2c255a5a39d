//! Layer 7: hosts that Ingresses or Routes name, and the virtual services that serve them.
//!
//! [`ingress`] and [`route`] say what one of them asks for, [`claim`] who may serve a host,
//! [`host`] leads each host to the mode that serves it. A [`site::Site`] is what the modes start from.

mod asked;
mod certificate;
pub(crate) mod claim;
mod dedicated;
mod evh;
pub(crate) mod host;
mod host_paths;
mod host_service;
pub(crate) mod ingress;
mod over_http;
mod passthrough;
mod path_policy;
mod path_pool;
mod pki_profile;
pub(crate) mod route;
mod rule_fields;
pub(crate) mod shared_service;
mod sign_in;
mod site;
mod sni;
mod tls;
mod tls_wish;
