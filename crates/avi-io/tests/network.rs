//! Real sockets: resets, refusals and TLS.

#![allow(clippy::unwrap_used)] // in the functions that tests share

use std::sync::Arc;
use std::time::Duration;

use ako_avi_io::{AviClient, Endpoint, Options, Tenant, Tls};
use ako_avi_types::ErrorClass;
use ako_elect::Moment;
use rcgen::{CertifiedKey, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

mod controller;

use controller::{Answer, Double, password};

fn options(address: &str, tls: Tls) -> Options {
    let clock = Arc::new(|| Moment::from_millis(0));
    Options::new(Endpoint::parse(address).unwrap(), tls, password("hunter2"), clock)
}

async fn ask(options: Options) -> Result<serde_json::Value, ako_avi_types::Failure> {
    AviClient::new(options).unwrap().get_json("/api/cluster", &[], &Tenant::named("admin")).await
}

#[tokio::test]
async fn a_request_that_is_given_up_ends_in_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = options(&format!("http://{}", listener.local_addr().unwrap()), Tls::Unverified);
    options.request_timeout = Duration::from_millis(20);
    let asking = tokio::spawn(ask(options));
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut buffer = [0; 4096];
    let end = loop {
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => {}
            end => break end,
        }
    };
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(asking.await.unwrap().unwrap_err().class, ErrorClass::Retry);
}

#[tokio::test]
async fn a_controller_that_is_not_there_is_tried_again_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = ask(options(&address, Tls::Unverified)).await.unwrap_err();
    assert_eq!((failure.class, failure.status), (ErrorClass::Retry, None));
    assert!(failure.message.starts_with("the controller cannot be reached"), "{failure}");
}

/// A controller behind TLS whose certificate can be replaced; answers its
/// address.
async fn behind_tls(config: watch::Receiver<Arc<ServerConfig>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let double = Double::new(|_| Answer::Json(200, json!({"uuid": "cluster-1"})));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, double) = (TlsAcceptor::from(config.borrow().clone()), double.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    double.serve(stream).await;
                }
            });
        }
    });
    address
}

fn certificate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap()
}

fn server(certificate: &CertifiedKey<KeyPair>) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![certificate.cert.der().clone()];
    Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

#[tokio::test]
async fn the_certificate_is_verified_against_the_given_ca_or_not_at_all() {
    let (ours, other) = (certificate(), certificate());
    let (_served, config) = watch::channel(server(&ours));
    let address = behind_tls(config).await;
    let verified = |pem: String| options(&address, Tls::Verified { ca_pem: pem });
    assert_eq!(ask(verified(ours.cert.pem())).await.unwrap(), json!({"uuid": "cluster-1"}));
    assert_eq!(ask(options(&address, Tls::Unverified)).await.unwrap(), json!({"uuid": "cluster-1"}));
    let failure = ask(verified(other.cert.pem())).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Retry);
    assert!(failure.message.contains("certificate"), "{failure}");
    assert!(AviClient::new(verified("not PEM".into())).is_err());
}

#[tokio::test]
async fn a_certificate_authority_is_replaced_while_running() {
    let (old, new) = (certificate(), certificate());
    let (served, config) = watch::channel(server(&old));
    let address = behind_tls(config).await;
    let trusting = |certificate: &CertifiedKey<KeyPair>| Tls::Verified { ca_pem: certificate.cert.pem() };
    let client = AviClient::new(options(&address, trusting(&old))).unwrap();
    let ask = async || client.get_json("/api/cluster", &[], &Tenant::named("admin")).await;
    ask().await.unwrap();
    // A connection that was made under another authority is not used again.
    client.set_tls(trusting(&new)).unwrap();
    let failure = ask().await.unwrap_err();
    assert!(failure.message.contains("certificate"), "{failure}");
    served.send_replace(server(&new));
    ask().await.unwrap();
    // What cannot be read changes nothing.
    assert!(client.set_tls(Tls::Verified { ca_pem: "not PEM".to_owned() }).is_err());
    ask().await.unwrap();
}

/// A controller that is reached by an address, and whose certificate bears a name.
#[tokio::test]
async fn the_certificate_may_bear_another_name_than_the_host() {
    let ours = certificate();
    let (_served, config) = watch::channel(server(&ours));
    let address = behind_tls(config).await.replace("localhost", "127.0.0.1");
    let verified = |name: &str| {
        let mut options = options(&address, Tls::Verified { ca_pem: ours.cert.pem() });
        options.endpoint = options.endpoint.with_server_name(name).unwrap();
        options
    };
    assert!(ask(verified("")).await.unwrap_err().message.contains("certificate"));
    assert_eq!(ask(verified("localhost")).await.unwrap(), json!({"uuid": "cluster-1"}));
    assert!(ask(verified("elsewhere")).await.unwrap_err().message.contains("certificate"));
    let junk = options(&address, Tls::Unverified).endpoint.with_server_name("no name");
    assert!(junk.unwrap_err().to_string().contains("controllerServerName"));
}
