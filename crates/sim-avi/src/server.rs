//! Serving the simulator on a port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::front::ConnectionDropped;

/// Open connections at most; more wait to be accepted.
const MOST_CONNECTIONS: usize = 2048;
/// How long a client may take for the TLS handshake or the head of a request.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait after a connection could not be accepted.
const RECOVERY: Duration = Duration::from_millis(10);

/// How the port is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plain HTTP.
    Off,
    /// HTTPS with a certificate for `127.0.0.1` and `localhost` by a new authority.
    SelfSigned,
}

/// A served simulator. It stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Where it listens; the port is real even if 0 was asked for.
    pub address: SocketAddr,
    /// The certificate of the authority, in PEM; `None` for plain HTTP.
    pub ca_pem: Option<String>,
    task: JoinHandle<()>,
}

impl Running {
    /// `https://127.0.0.1:8443`
    pub fn url(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens and answers until the result is dropped.
pub(crate) async fn serve(router: Router, address: SocketAddr, tls: Tls) -> io::Result<Running> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let (acceptor, ca_pem) = match tls {
        Tls::Off => (None, None),
        Tls::SelfSigned => {
            let (config, ca_pem) = identity(address).map_err(io::Error::other)?;
            (Some(TlsAcceptor::from(Arc::new(config))), Some(ca_pem))
        }
    };
    let task = tokio::spawn(accept(listener, acceptor, router));
    Ok(Running { address, ca_pem, task })
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, router: Router) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    // Dropping the set with this task closes all connections.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // The client went away, or descriptors ran out: the next may succeed.
                tracing::debug!(%error, "accepting a connection failed");
                tokio::time::sleep(RECOVERY).await;
                continue;
            }
        };
        let (acceptor, router) = (acceptor.clone(), router.clone());
        connections.spawn(async move {
            let _permit = permit;
            let _ = stream.set_nodelay(true);
            match acceptor {
                None => converse(stream, router).await,
                Some(acceptor) => match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, router).await,
                    Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                    Err(_) => tracing::debug!("TLS handshake took too long"),
                },
            }
        });
    }
}

pub(crate) async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let service = service_fn(move |request| respond(router.clone(), request));
    let outcome = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection ended");
    }
}

/// Turns a dropped connection into an error, upon which hyper closes without a reply.
async fn respond(router: Router, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let Ok(response) = router.oneshot(request.map(Body::new)).await;
    if response.extensions().get::<ConnectionDropped>().is_some() {
        return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "connection closed by a fault"));
    }
    Ok(response)
}

/// An authority, and a leaf of it for the loop-back addresses and the given one.
fn identity(address: SocketAddr) -> Result<(ServerConfig, String), Box<dyn std::error::Error + Send + Sync>> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    authority.distinguished_name.push(DnType::CommonName, "sim-avi authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_pem = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);

    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let own = address.ip().to_string();
    if !address.ip().is_unspecified() && !names.contains(&own) {
        names.push(own);
    }
    let leaf_key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name.push(DnType::CommonName, "sim-avi");
    let certificate = leaf.signed_by(&leaf_key, &issuer)?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, ca_pem))
}
