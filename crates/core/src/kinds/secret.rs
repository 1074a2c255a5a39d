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
    /// What is in a Secret of type [`BasicAuth::TYPE`].
    pub basic_auth: Option<BasicAuth>,
}

/// What a health monitor signs in with. Source: Custom resources, §9.3.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BasicAuth {
    /// `username`
    pub username: Option<Arc<str>>,
    /// `password`
    pub password: Option<Redacted>,
    /// Whether there is any data.
    pub has_data: bool,
    /// The version of the Secret.
    pub version: Arc<str>,
}

impl BasicAuth {
    /// The type of such Secrets.
    pub const TYPE: &str = "ako.vmware.com/basic-auth";
}

impl Kept for Secret {
    fn id(&self) -> NamespacedName {
        self.id.clone()
    }
}
