//! Pods of sample applications: small servers that say who they are.
//!
//! A pod is served at the place that its address has in the loopback range of
//! this process ([`Loopback::of_this_process`]), which is where the data plane
//! looks for it: an API server takes no loopback addresses in EndpointSlices,
//! and no packet is to leave the machine.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ako_sim_avi::Loopback;
use anyhow::Context as _;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A pod.
#[derive(Clone, Copy, Debug)]
pub struct Pod {
    /// What it answers with.
    pub name: &'static str,
    /// Its address in the cluster.
    pub address: Ipv4Addr,
    /// Where it listens.
    pub port: u16,
}

impl Pod {
    /// Where it really listens.
    fn place(&self) -> anyhow::Result<(Ipv4Addr, u16)> {
        let here = Loopback::of_this_process()?.address(self.address);
        Ok((
            here.with_context(|| format!("no loopback address is left for the pod {}", self.name))?,
            self.port,
        ))
    }
}

/// Serves HTTP in pods until the set is dropped; HTTPS if a configuration is
/// given.
///
/// # Errors
/// If a port is taken, or no address is left.
pub async fn serve(pods: &[Pod], tls: Option<Arc<ServerConfig>>) -> anyhow::Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for pod in pods.iter().copied() {
        let (address, port) = pod.place()?;
        let listener = TcpListener::bind((address, port)).await.with_context(|| {
            format!("the pod {} cannot listen on {address}:{port}; is it served already?", pod.name)
        })?;
        let acceptor = tls.clone().map(TlsAcceptor::from);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(pod, stream, acceptor.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
    }
    Ok(tasks)
}

/// Answers datagrams in pods with the pod's name until the set is dropped.
///
/// # Errors
/// If a port is taken, or no address is left.
pub async fn serve_udp(pods: &[Pod]) -> anyhow::Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for pod in pods.iter().copied() {
        let socket = UdpSocket::bind(pod.place()?).await.with_context(|| format!("the pod {}", pod.name))?;
        tasks.spawn(async move {
            let mut bytes = [0; 2048];
            while let Ok((_, client)) = socket.recv_from(&mut bytes).await {
                // A client that went away is no trouble.
                let _ = socket.send_to(pod.name.as_bytes(), client).await;
            }
        });
    }
    Ok(tasks)
}

/// A client that goes away is no trouble.
async fn converse(pod: Pod, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
    let service = service_fn(move |request| async move { Ok::<_, Infallible>(answer(pod, &request)) });
    let connection = hyper::server::conn::http1::Builder::new();
    match acceptor {
        None => {
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        }
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            }
        }
    }
}

fn answer(pod: Pod, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let header =
        |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("-").to_owned();
    let text = format!(
        "Hello from pod {} ({}:{})\n  {} {}\n  Host: {}\n  X-Forwarded-For: {}\n  X-Forwarded-Proto: {}\n",
        pod.name,
        pod.address,
        pod.port,
        request.method(),
        request.uri(),
        header("host"),
        header("x-forwarded-for"),
        header("x-forwarded-proto"),
    );
    Response::new(Full::new(Bytes::from(text)))
}
