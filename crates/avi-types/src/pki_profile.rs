//! PKI profiles: what certificates of servers are verified with.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::{Body, named, owned};
use crate::marker::Marker;
use crate::reference::Ref;

/// `/api/pkiprofile`. Source: Avi REST API contract, §8.5; L7 objects, §3.2.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PkiProfile {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    /// The owner, `ako-<cluster>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    /// Whether revocation lists are looked at.
    #[serde(default)]
    pub crl_check: bool,
    /// The certificates that others are verified with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ca_certs: Vec<CaCert>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
}

/// A certificate that others are verified with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaCert {
    /// The PEM text.
    #[serde(default)]
    pub certificate: Arc<str>,
}

impl Body for PkiProfile {
    named!();
    owned!();
}
