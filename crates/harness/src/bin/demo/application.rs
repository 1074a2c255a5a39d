//! The sample application: small servers that say who they are.
//!
//! A pod with address a.b.c.d is served at 127.b.c.d, which is where the data
//! plane looks for it: an API server takes no loopback addresses in
//! EndpointSlices, and no packet is to leave the machine.

use std::convert::Infallible;
use std::net::Ipv4Addr;

use anyhow::Context as _;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A pod of the sample application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pod {
    pub(crate) name: &'static str,
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u16,
}

/// Serves pods until the set is dropped.
pub(crate) async fn serve(pods: &[Pod]) -> anyhow::Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for pod in pods.iter().copied() {
        let [_, b, c, d] = pod.address.octets();
        let place = (Ipv4Addr::new(127, b, c, d), pod.port);
        let listener = TcpListener::bind(place).await.with_context(|| {
            format!(
                "the sample pod {} cannot listen on {}:{}; does another demo run?",
                pod.name, place.0, place.1
            )
        })?;
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service =
                    service_fn(move |request| async move { Ok::<_, Infallible>(answer(pod, &request)) });
                let connection = hyper::server::conn::http1::Builder::new();
                connections.spawn(async move {
                    // A client that goes away is no trouble.
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
    }
    Ok(tasks)
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
