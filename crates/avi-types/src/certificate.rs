//! Certificates and their keys.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::{Body, named, owned};
use crate::marker::Marker;
use crate::reference::Ref;

/// `/api/sslkeyandcertificate`. Source: Avi REST API contract, §8.4.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SslKeyAndCertificate {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    /// The owner, `ako-<cluster>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    /// The public part.
    #[serde(default)]
    pub certificate: Certificate,
    /// The secret part. The controller never gives it back, so a change is
    /// known by the certificate alone.
    #[serde(default)]
    pub key: PrivateKey,
    /// `SSL_CERTIFICATE_TYPE_VIRTUALSERVICE` or `SSL_CERTIFICATE_TYPE_CA`.
    #[serde(rename = "type", default)]
    pub certificate_type: Arc<str>,
    /// The chain above it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ca_certs: Vec<CaCertificate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
}

impl Body for SslKeyAndCertificate {
    named!();
    owned!();

    fn references(&self) -> Vec<&Ref> {
        self.ca_certs.iter().filter_map(|certificate| certificate.ca_ref.as_ref()).collect()
    }
}

/// A certificate in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The PEM text.
    #[serde(default)]
    pub certificate: Arc<str>,
}

/// A link of the chain above a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaCertificate {
    /// Its name.
    pub name: Arc<str>,
    #[allow(missing_docs)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<Ref>,
}

/// A private key in PEM. It goes into request bodies and nowhere else: its
/// `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrivateKey(Arc<str>);

impl PrivateKey {
    /// Takes the PEM text.
    pub fn new(pem: impl Into<Arc<str>>) -> Self {
        Self(pem.into())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
