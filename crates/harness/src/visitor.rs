//! A client of the load balancer: asks an address as a browser would ask a host.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer.
const LONGEST: u64 = 1 << 20;

/// Asks for a page: the whole answer, head and body.
///
/// # Errors
/// If there is none.
pub async fn get(address: SocketAddr, host: &str, path: &str) -> anyhow::Result<String> {
    within(async { exchange(TcpStream::connect(address).await?, host, path).await }).await
}

/// Asks for a page over TLS, naming the host, whose certificate has to be this
/// one.
///
/// # Errors
/// If there is no answer, or the certificate is another one.
pub async fn get_secure(address: SocketAddr, host: &str, path: &str, pem: &str) -> anyhow::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(host.to_owned())?;
    within(async {
        let stream = connector.connect(name, TcpStream::connect(address).await?).await?;
        exchange(stream, host, path).await
    })
    .await
}

/// Sends a datagram and waits for one.
///
/// # Errors
/// If none comes.
pub async fn ask_udp(address: SocketAddr) -> anyhow::Result<String> {
    within(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.send_to(b"who is there?", address).await?;
        let mut bytes = [0; 2048];
        let (count, _) = socket.recv_from(&mut bytes).await?;
        Ok(String::from_utf8_lossy(&bytes[..count]).into_owned())
    })
    .await
}

async fn within<T>(exchange: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(PATIENCE, exchange).await.context("no answer in time")?
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    path: &str,
) -> anyhow::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // A peer that closes without a farewell has said all that it had to say.
    if let Err(error) = stream.take(LONGEST).read_to_end(&mut answer).await
        && error.kind() != std::io::ErrorKind::UnexpectedEof
    {
        return Err(error.into());
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
