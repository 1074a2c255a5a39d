//! What Ingresses and Routes ask of a host.

use std::sync::Arc;

use ako_core::resource::PathType;

use crate::endpoints::WantedPort;
use crate::http::tls::Tls;

/// How a host is to be served for one claimant.
#[derive(Clone, Debug)]
pub(crate) enum Security<'a> {
    Insecure,
    Secure(Tls<'a>),
    Passthrough,
}

/// What becomes of requests without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverHttp {
    /// They are served.
    Served,
    /// They are redirected to HTTPS.
    Redirected,
    /// They are refused.
    Refused,
    /// The Route does not say. Upstream serves them in EVH mode and where a host has a virtual
    /// service of its own.
    NotSaid,
}

/// How pods are spoken to in TLS.
#[derive(Clone, Debug)]
pub(crate) struct Reencrypt<'a> {
    /// What their certificates are verified with, PEM; they are not without it.
    pub(crate) destination_ca: Option<&'a Arc<str>>,
}

/// What a claimant asks of a host.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) security: Security<'a>,
    pub(crate) over_http: OverHttp,
    pub(crate) reencrypt: Option<Reencrypt<'a>>,
    pub(crate) paths: Vec<ClaimedPath>,
}

/// One path of a claim.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedPath {
    pub(crate) path: Arc<str>,
    pub(crate) path_type: PathType,
    /// Where it leads; never empty.
    pub(crate) backends: Vec<ClaimedBackend>,
}

/// A Service that a path leads to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClaimedBackend {
    /// Its name, in the claimant's namespace.
    pub(crate) service: Arc<str>,
    pub(crate) port: WantedPort,
    /// Its part of the requests.
    pub(crate) weight: u32,
}
