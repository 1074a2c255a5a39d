//! How the controller's certificate is judged.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// How the controller's certificate is judged.
/// Source: Avi REST API contract, §1.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Verified against the system's roots and this CA (PEM, one or more
    /// certificates; empty for the system's roots alone).
    Verified {
        /// `certificateAuthorityData`.
        ca_pem: String,
    },
    /// Not verified at all. Whoever chooses this has to warn.
    Unverified,
}

/// A TLS set-up that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA text holds no certificate that can be read.
    #[error("certificateAuthorityData holds no certificate in PEM that can be read: {0}")]
    Ca(String),
    /// There is nothing to verify against.
    #[error("there are neither system roots nor a CA to verify the controller's certificate against")]
    NoRoots,
    /// The library refuses the set-up.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

impl Tls {
    /// The client's side of the handshake.
    pub(crate) fn config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let config = match self {
            Self::Verified { ca_pem } => builder.with_root_certificates(roots(ca_pem)?).with_no_client_auth(),
            Self::Unverified => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                .with_no_client_auth(),
        };
        Ok(config)
    }
}

fn roots(ca_pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // A system without roots, or with some that cannot be read, is one that
    // trusts less; the CA that was given is what counts.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let mut given = 0;
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let certificate = certificate.map_err(|e| TlsError::Ca(e.to_string()))?;
        roots.add(certificate).map_err(|e| TlsError::Ca(e.to_string()))?;
        given += 1;
    }
    if given == 0 && !ca_pem.trim().is_empty() {
        return Err(TlsError::Ca("no certificate in it".into()));
    }
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

/// Takes any certificate, as long as the server has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
