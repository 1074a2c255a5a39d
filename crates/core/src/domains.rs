//! The domains under which hosts are generated.

use std::sync::Arc;

/// The domains under which hosts are generated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains {
    /// That of Ingress rules without a host: the configured one if the cloud serves it, else the
    /// first one of the cloud.
    pub of_ingresses: Option<Arc<str>>,
    /// That of Routes with a sub-domain in place of a host: the configured one.
    pub of_routes: Option<Arc<str>>,
}
