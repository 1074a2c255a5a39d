//! The pages of a running operator, as its own commands read them.

use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::admin::{FRESH_HEADER, ORDER_HEADER};

/// How long the operator may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 16 << 20;

/// What is said of an operator that does not answer.
const SILENT: &str = "the operator does not answer in time";

/// Calls the operator on this machine, and answers the JSON that it sends.
///
/// # Errors
/// If none answers, or something else does.
pub(crate) async fn call_here(port: u16, method: &str, path: &str) -> anyhow::Result<Value> {
    let call = async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let stream = stream.with_context(|| format!("no operator answers on 127.0.0.1:{port}"))?;
        exchange(stream, method, path).await
    };
    timeout(ANSWER_WITHIN, call).await.context(SILENT)?
}

/// The same in a pod, given by namespace and name, through a port-forward.
///
/// # Errors
/// As [`call_here`].
pub(crate) async fn call_pod(
    client: &Client,
    (namespace, name): (&str, &str),
    port: u16,
    method: &str,
    path: &str,
) -> anyhow::Result<Value> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let place = format!("pod {namespace}/{name}");
    let call = async {
        let forward = pods.portforward(name, &[port]).await;
        let mut forward = forward.with_context(|| format!("no port-forward to {place}"))?;
        let stream = forward.take_stream(port).with_context(|| format!("no stream to {place}"))?;
        exchange(stream, method, path).await
    };
    timeout(ANSWER_WITHIN, call).await.context(SILENT)?
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    method: &str,
    path: &str,
) -> anyhow::Result<Value> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    // Each page looks at the header that it needs.
    let request = hyper::Request::builder().method(method).uri(path).header("host", "localhost");
    let request = request.header(ORDER_HEADER, "1").header(FRESH_HEADER, "1");
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the answer cannot be read: {error}"))?.to_bytes();
    connection.abort();
    if !status.is_success() {
        bail!("the operator answers {status}: {}", String::from_utf8_lossy(&body).trim());
    }
    serde_json::from_slice(&body).context("the answer is no JSON; is that port the operator's?")
}
