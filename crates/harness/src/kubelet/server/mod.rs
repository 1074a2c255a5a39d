//! What a kubelet serves to the API server: logs and exec.
//!
//! Over HTTPS, with a certificate that it signed itself: an API server that was given no
//! authority for kubelets takes any. Nor is the caller asked who it is, as nobody else reaches
//! the address.

mod exec;
mod logs;

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::runs::Directory;

/// Open connections at most; more wait to be accepted.
const MOST_CONNECTIONS: usize = 256;
/// How long a client may take for the TLS handshake or the head of a request.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait after a connection could not be accepted.
const RECOVERY: Duration = Duration::from_millis(10);

type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// What is done with a connection after the answer: it is a WebSocket then.
type Session = BoxFuture<'static, ()>;

/// The listening server. Dropping it ends all connections, and what runs for them.
#[derive(Debug)]
pub(super) struct Server(JoinHandle<()>);

impl Server {
    pub(super) async fn start(address: Ipv4Addr, port: u16, pods: Directory) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((address, port)).await;
        let listener =
            listener.with_context(|| format!("listening on {address}:{port}, as a kubelet does"))?;
        let acceptor = TlsAcceptor::from(Arc::new(identity(address)?));
        Ok(Self(tokio::spawn(accept(listener, acceptor, pods))))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, pods: Directory) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    // Dropping the set with this task closes all connections.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(RECOVERY).await;
            continue;
        };
        let (acceptor, pods) = (acceptor.clone(), pods.clone());
        connections.spawn(async move {
            let _permit = permit;
            converse(stream, acceptor, pods).await;
        });
    }
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, pods: Directory) {
    let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await else { return };
    let session: Arc<Mutex<Option<Session>>> = Arc::default();
    let begun = session.clone();
    let service = service_fn(move |request| {
        let (answer, session) = answer(request, &pods);
        *begun.lock().unwrap_or_else(PoisonError::into_inner) = session;
        async { Ok::<_, Infallible>(answer) }
    });
    let http = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // Whoever is gone needs no answer.
    let _ = http.await;
    let session = session.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(session) = session {
        session.await;
    }
}

fn answer(request: Request<Incoming>, pods: &Directory) -> (Answer, Option<Session>) {
    let path = request.uri().path().to_owned();
    let answered = match path.trim_start_matches('/').split('/').collect::<Vec<_>>()[..] {
        ["containerLogs", namespace, pod, container] if request.method() == Method::GET => {
            logs::answer(&request, pods, [namespace, pod, container]).map(|answer| (answer, None))
        }
        ["exec", namespace, pod, container] => exec::answer(request, pods, [namespace, pod, container])
            .map(|(answer, session)| (answer, Some(session))),
        _ => Err(Refusal(
            StatusCode::NOT_FOUND,
            format!("this kubelet serves /containerLogs and /exec, not {} {path}", request.method()),
        )),
    };
    answered.unwrap_or_else(|refusal| (refusal.into(), None))
}

/// Why nothing is served, as the user of kubectl reads it.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }

    fn no_pod(namespace: &str, pod: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("there is no pod {namespace}/{pod} on this node"))
    }
}

impl From<Refusal> for Answer {
    fn from(Refusal(status, why): Refusal) -> Self {
        let mut answer =
            Response::new(Full::new(Bytes::from(why)).map_err(|never| match never {}).boxed_unsync());
        *answer.status_mut() = status;
        answer
    }
}

/// The parameters of a request, in their order.
fn parameters(request: &Request<Incoming>) -> Vec<(String, String)> {
    let query = request.uri().query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// How the API server writes what is wanted in a parameter.
fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true")
}

fn identity(address: Ipv4Addr) -> anyhow::Result<ServerConfig> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec![address.to_string()])?.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
