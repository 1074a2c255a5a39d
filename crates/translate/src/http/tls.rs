//! The certificate that a host is served with. Source: L7 objects, §3.5, §5.3.

use std::sync::Arc;

use ako_core::resource::Secret;
use ako_core::secret::Redacted;
use ako_core::{NamespacedName, Reason, certificate};

use crate::context::Context;

/// The certificate of a host, PEM, with its key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls<'a> {
    pub(crate) pair: Option<(&'a Arc<str>, &'a Redacted)>,
    /// A second pair for other clients, and the Secret that it is in.
    pub(crate) alternate: Option<(&'a Arc<str>, &'a Redacted, &'a NamespacedName)>,
    /// The chain above the certificate, where it is given by itself.
    pub(crate) ca: Option<&'a Arc<str>>,
    /// Whether it is the one that all hosts share which have none.
    pub(crate) is_default: bool,
    /// The names of certificates of the controller, beside it or in its place.
    pub(crate) of_controller: Vec<&'a Arc<str>>,
}

impl<'a> Tls<'a> {
    /// A certificate with nothing else.
    pub(crate) fn of_pair(certificate: &'a Arc<str>, key: &'a Redacted) -> Self {
        Self { pair: Some((certificate, key)), ..Self::default() }
    }
}

/// The Secret of the certificate that hosts share.
pub(crate) fn default_secret(context: &Context) -> NamespacedName {
    NamespacedName::new(context.config.operator_namespace.clone(), "router-certs-default")
}

/// The certificate in a Secret; an error says why there is none.
pub(crate) fn of_secret<'a>(
    found: Option<&'a Arc<Secret>>,
    secret: &NamespacedName,
    host: &str,
) -> Result<Tls<'a>, (Reason, String)> {
    let Some(found) = found else {
        let message =
            format!("Secret {secret} for host {host} does not exist, or holds no tls.crt: create it");
        return Err((Reason::MissingSecret, message));
    };
    let certificate = found.certificate.as_ref().filter(|certificate| !certificate.is_empty());
    let Some(certificate) = certificate.filter(|_| !found.key.is_empty()) else {
        let message = format!("Secret {secret} for host {host} needs both tls.crt and tls.key");
        return Err((Reason::InvalidSecret, message));
    };
    if let Err(error) = certificate::check(certificate, &found.key) {
        let message = format!("Secret {secret} for host {host} cannot be used: {error}; replace it");
        return Err((Reason::InvalidSecret, message));
    }
    let alternate = found.alternate_certificate.as_ref();
    let alternate = alternate.filter(|other| !other.is_empty() && !found.alternate_key.is_empty());
    let alternate = alternate.map(|other| (other, &found.alternate_key, &found.id));
    Ok(Tls { alternate, ..Tls::of_pair(certificate, &found.key) })
}
