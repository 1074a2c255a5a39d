//! Layer 7: hosts that Ingresses name, and the virtual services that serve them.
//!
//! [`ingress`] says whose an Ingress is, [`claim`] who may serve a host, [`host`] leads each
//! host to the mode that serves it. A [`site::Site`] is what the modes start from.

mod certificate;
pub(crate) mod claim;
mod dedicated;
mod evh;
pub(crate) mod host;
mod host_paths;
mod host_service;
pub(crate) mod ingress;
mod passthrough;
mod path_policy;
mod path_pool;
pub(crate) mod shared_service;
mod site;
mod sni;
mod tls_wish;
