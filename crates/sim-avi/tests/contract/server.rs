//! The simulator on a port.

use std::net::SocketAddr;
use std::sync::Arc;

use ako_sim_avi::{Action, Fault, Options, SimAvi, Tls};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Sends a GET and reads until the server closes.
async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: controller\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the request is taken");
    let mut reply = Vec::new();
    // A connection that ends in an error has still sent what was read.
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8(reply).expect("UTF-8")
}

#[tokio::test]
async fn https_with_its_own_authority() {
    let sim = SimAvi::new(Options::default());
    let running = sim.serve(LOCAL, Tls::SelfSigned).await.expect("a free port");
    let pem = running.ca_pem.as_deref().expect("an authority");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    for name in ["localhost", "127.0.0.1"] {
        let stream = TcpStream::connect(running.address).await.expect("it listens");
        let name = ServerName::try_from(name).expect("a name");
        let stream = TlsConnector::from(Arc::new(config.clone())).connect(name, stream).await.expect("TLS");
        let reply = get(stream, "/api/initial-data").await;
        assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("30.2.1"), "{reply}");
    }
}

#[tokio::test]
async fn connections_break_on_the_wire() {
    let sim = SimAvi::new(Options::default());
    let running = sim.serve(LOCAL, Tls::Off).await.expect("a free port");
    let address = running.address;
    let ask = async || get(TcpStream::connect(address).await.expect("it listens"), "/api/initial-data").await;
    sim.inject(Fault::new(Action::DropAfter).times(1));
    assert_eq!(ask().await, "");
    sim.inject(Fault::new(Action::Break).times(1));
    let broken = ask().await;
    assert!(broken.starts_with("HTTP/1.1 200") && !broken.ends_with("0\r\n\r\n"), "{broken}");
    assert!(broken.contains("session_cookie_name") && !broken.contains("min_version"), "{broken}");
    assert!(ask().await.ends_with('}'));

    drop(running);
    // The port is closed once the task has ended.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
