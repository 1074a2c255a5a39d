//! Layer 4: Services of type LoadBalancer.

mod fqdn;
mod namesake;
pub(crate) mod service;
pub(crate) mod shared_vip;
