//! Certificates: which one a client sees.

use std::fmt;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::watch;
use x509_parser::extensions::GeneralName;

use super::plan::Service;

/// Certificates of a chain at most.
const LONGEST_CHAIN: usize = 16;

/// A certificate with its key, and the names it is for.
#[derive(Debug)]
pub(super) struct Identity {
    names: Vec<String>,
    key: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads a certificate, its key and the chain above it, all in PEM.
    pub(super) fn read(certificate: &str, key: &str, chain: &[&str]) -> Result<Self, String> {
        let parts = std::iter::once(&certificate).chain(chain);
        let certificates: Vec<CertificateDer<'static>> = parts
            .flat_map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes()).flatten())
            .take(LONGEST_CHAIN)
            .collect();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| error.to_string())?;
        Self::assemble(certificates, &key)
    }

    /// A certificate for nobody, which clients see that ask for a name no certificate has.
    pub(super) fn self_signed() -> Result<Self, String> {
        let key = KeyPair::generate().map_err(|error| error.to_string())?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "System-Default-Cert");
        let certificate = parameters.self_signed(&key).map_err(|error| error.to_string())?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Self::assemble(vec![certificate.der().clone()], &key)
    }

    fn assemble(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<Self, String> {
        let leaf = chain.first().ok_or("there is no certificate")?;
        let names = names(leaf)?;
        let key = rustls::crypto::ring::sign::any_supported_type(key).map_err(|error| error.to_string())?;
        Ok(Self { names, key: Arc::new(CertifiedKey::new(chain, key)) })
    }

    /// Whether the certificate is for a host.
    pub(super) fn is_for(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|name| *name == host || (parent.is_some() && name.strip_prefix("*.") == parent))
    }
}

/// The names in a certificate: alternative names, and the common name.
fn names(leaf: &CertificateDer<'_>) -> Result<Vec<String>, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(leaf).map_err(|error| error.to_string())?;
    let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let mut names: Vec<String> = common.map(str::to_ascii_lowercase).collect();
    if let Ok(Some(alternatives)) = parsed.subject_alternative_name() {
        for name in &alternatives.value.general_names {
            if let GeneralName::DNSName(name) = name {
                names.push(name.to_ascii_lowercase());
            }
        }
    }
    Ok(names)
}

/// Presents the certificates of a service as they are at the time of the handshake.
pub(super) struct Presenter {
    pub(super) service: watch::Receiver<Arc<Service>>,
    pub(super) default: Arc<Identity>,
}

impl fmt::Debug for Presenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presenter").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Presenter {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let service = self.service.borrow().clone();
        let identities = service.identities(hello.server_name().unwrap_or_default())?;
        let usable =
            |identity: &&Arc<Identity>| identity.key.key.choose_scheme(hello.signature_schemes()).is_some();
        let chosen = identities.iter().find(usable).unwrap_or(&self.default);
        Some(chosen.key.clone())
    }
}
