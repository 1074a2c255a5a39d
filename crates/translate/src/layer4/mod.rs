//! Layer 4: Services of type LoadBalancer.

mod fqdn;
mod namesake;
mod rule_fields;
pub(crate) mod service;
pub(crate) mod shared_vip;
