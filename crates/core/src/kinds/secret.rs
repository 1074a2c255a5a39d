//! Secrets.

use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::secret::Redacted;

/// The parts of a Secret that certificates, and sign-in by OAuth, are made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secret {
    /// Its name.
    pub id: NamespacedName,
    /// `tls.crt`, PEM.
    pub certificate: Option<Arc<str>>,
    /// `tls.key`, PEM.
    pub key: Redacted,
    /// `alt.crt`, PEM: a second certificate for other clients.
    pub alternate_certificate: Option<Arc<str>>,
    /// `alt.key`, PEM.
    pub alternate_key: Redacted,
    /// `clientSecret`: what an authorization server knows a client by.
    pub client_secret: Option<Redacted>,
    /// `serverSecret`: what it knows a resource server by.
    pub server_secret: Option<Redacted>,
}

impl Kept for Secret {
    fn id(&self) -> NamespacedName {
        self.id.clone()
    }
}
