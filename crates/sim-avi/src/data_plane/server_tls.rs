//! TLS to the servers of a pool.

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How servers are spoken to by TLS.
pub(super) struct ServerTls {
    connector: TlsConnector,
    /// Whether servers are told for whom a request is.
    names_sent: bool,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").field("names_sent", &self.names_sent).finish_non_exhaustive()
    }
}

/// What a pool says about TLS to its servers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ServerTlsFields {
    /// The authorities of its PKI profile, PEM. Without a profile any certificate is taken.
    pub(super) authorities: Option<Vec<String>>,
    /// `sni_enabled`
    pub(super) names_sent: bool,
    /// `host_check_enabled`: whether a certificate has to be for the host.
    pub(super) hosts_checked: bool,
    /// `domain_name`: the hosts that are checked; that of the request if there are none.
    pub(super) hosts: Vec<String>,
}

impl ServerTls {
    /// An error says why the authorities cannot be used.
    pub(super) fn new(fields: &ServerTlsFields) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let authority = match &fields.authorities {
            Some(texts) => Some(authority(texts, &provider)?),
            None => None,
        };
        let verifier = Verifier {
            authority,
            hosts_checked: fields.hosts_checked,
            hosts: fields.hosts.iter().filter_map(|host| ServerName::try_from(host.clone()).ok()).collect(),
            provider: provider.clone(),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), names_sent: fields.names_sent })
    }

    /// Does the handshake with a server, for a request to `host`.
    pub(super) async fn secure(&self, stream: TcpStream, host: &str) -> io::Result<TlsStream<TcpStream>> {
        // An address is not sent as a name.
        let address = ServerName::from(stream.peer_addr()?.ip());
        let named = Some(host).filter(|_| self.names_sent);
        let name = named.and_then(|host| ServerName::try_from(host.to_owned()).ok()).unwrap_or(address);
        self.connector.connect(name, stream).await
    }
}

fn authority(texts: &[String], provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in texts.iter().flat_map(|text| CertificateDer::pem_slice_iter(text.as_bytes())) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| error.to_string())
}

/// Decides whether a server is the one it says it is.
#[derive(Debug)]
struct Verifier {
    authority: Option<Arc<WebPkiServerVerifier>>,
    hosts_checked: bool,
    hosts: Vec<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        let verify = |name: &ServerName<'_>| authority.verify_server_cert(leaf, chain, name, ocsp, now);
        // The name is checked last, when an authority has vouched for the certificate.
        if !self.hosts_checked {
            return match verify(asked) {
                Err(error) if is_about_the_name(&error) => Ok(ServerCertVerified::assertion()),
                outcome => outcome,
            };
        }
        let mut others = self.hosts.iter();
        let first = others.next().map_or_else(|| verify(asked), &verify);
        others.fold(first, |outcome, host| outcome.or_else(|_| verify(host)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let supported = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, supported)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let supported = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, supported)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_about_the_name(error: &Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use rustls::ServerConfig;
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    struct Pod {
        address: std::net::SocketAddr,
        pem: String,
    }

    /// A server that has a certificate for `pod.internal`.
    async fn pod() -> Pod {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["pod.internal".to_owned()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let chain = vec![certificate.der().clone()];
        let config = builder.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        Pod { address, pem: certificate.pem() }
    }

    #[tokio::test]
    async fn servers_are_who_they_say() {
        let (pod, other) = (pod().await, pod().await);
        let of = |authorities: Option<&String>, hosts_checked, hosts: &[&str]| ServerTlsFields {
            authorities: authorities.map(|text| vec![text.clone()]),
            names_sent: true,
            hosts_checked,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        };
        let answers = async |fields: ServerTlsFields, host| {
            let Ok(tls) = ServerTls::new(&fields) else { return false };
            let stream = TcpStream::connect(pod.address).await.unwrap();
            tls.secure(stream, host).await.is_ok()
        };
        // Without authorities anybody, else those for whom one vouches, by any name.
        assert!(answers(of(None, false, &[]), "shop.com").await);
        assert!(answers(of(Some(&pod.pem), false, &[]), "shop.com").await);
        assert!(!answers(of(Some(&other.pem), false, &[]), "pod.internal").await);
        // By name, where that is checked.
        assert!(!answers(of(Some(&pod.pem), true, &[]), "shop.com").await);
        assert!(answers(of(Some(&pod.pem), true, &[]), "pod.internal").await);
        assert!(answers(of(Some(&pod.pem), true, &["a.b", "pod.internal"]), "shop.com").await);
        assert!(!answers(of(Some(&pod.pem), true, &["a.b"]), "pod.internal").await);
        // Authorities that cannot be read vouch for nobody.
        assert!(!answers(of(Some(&"junk".to_owned()), false, &[]), "pod.internal").await);
    }
}
