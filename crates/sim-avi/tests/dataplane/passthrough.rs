//! TLS that goes through to the servers, which have the certificates.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::world::{Certificate, World, raw, tls};

const OBJECTS: &str = include_str!("data/passthrough.json");

/// A TLS server that says its name and closes.
async fn serve(address: SocketAddr, name: &'static str, identity: &Certificate) {
    let certificate = CertificateDer::from_pem_slice(identity.pem.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("PEM");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(address).await.expect("a free address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.write_all(name.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
}

async fn who(address: SocketAddr, host: &str, root: &Certificate) -> String {
    let mut stream = tls(address, host, Some(root)).await.expect("a handshake");
    let mut said = String::new();
    stream.read_to_string(&mut said).await.expect("a name");
    said
}

#[tokio::test]
async fn the_server_name_chooses_the_pool_group() {
    let mut world = World::new(41).await;
    world.program(OBJECTS).await;
    let (foo, a_foo) = (Certificate::new(&["foo.com"]), Certificate::new(&["a.foo.com"]));
    serve(world.server(1, 1, 9443), "foo", &foo).await;
    serve(world.server(1, 2, 9443), "a-foo", &a_foo).await;
    let port = world.vip(10, 8443);
    assert_eq!(who(port, "foo.com", &foo).await, "foo");
    assert_eq!(who(port, "A.foo.com", &a_foo).await, "a-foo");
    assert!(tls(port, "unknown.com", Some(&foo)).await.is_err());
    assert!(tls(port, "b.foo.com", Some(&foo)).await.is_err());

    let counters = world.plane.counters();
    let vs = counters.virtual_services["admin/c1--Shared-Passthrough-0"];
    assert_eq!((vs.connections, vs.failures), (4, 2));
}

#[tokio::test]
async fn without_a_server_name_the_connection_is_closed() {
    let mut world = World::new(42).await;
    world.program(OBJECTS).await;
    let port = world.vip(10, 8443);
    assert!(tls(port, "127.0.0.1", None).await.is_err());
    let stream = TcpStream::connect(port).await.expect("it listens");
    assert_eq!(raw(stream, b"GET / HTTP/1.1\r\nhost: foo.com\r\n\r\n").await.status, None);
}

#[tokio::test]
async fn the_companion_redirects() {
    let mut world = World::new(43).await;
    world.program(OBJECTS).await;
    let answer = world.http("foo.com", "/x").await;
    assert_eq!((answer.status(), answer.header("location")), (302, Some("https://foo.com/x")));
    assert_eq!(world.http("a.foo.com", "/").await.status(), 404);
}
