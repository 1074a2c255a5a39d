//! An HTTP proxy between one process and the API server, for what goes wrong with
//! some of its requests and not with the others.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use futures::StreamExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What happens to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Watches are begun and say nothing, nor do they end; what they would have
    /// said comes when the trouble is over.
    Silent,
    /// Watches and lists are refused with this status, and watches end.
    Refused(u16),
}

/// A trouble, and the resources that it is about, by their plural names; all, if
/// there are none.
type Troubles = Vec<(Trouble, Vec<String>)>;

type Answer = Response<UnsyncBoxBody<Bytes, kube::Error>>;

/// A listening proxy; it ends when this is dropped.
#[derive(Debug)]
pub struct ApiProxy {
    address: SocketAddr,
    troubles: watch::Sender<Troubles>,
    task: JoinHandle<()>,
}

impl ApiProxy {
    /// Listens on loopback, without TLS, and asks the API server by a client.
    pub async fn to(client: Client) -> anyhow::Result<Self> {
        Self::split(client.clone(), client, &[]).await
    }

    /// The same with two API servers: the other one is asked about some resources.
    pub async fn split(main: Client, other: Client, resources: &'static [&str]) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("a port for a proxy")?;
        let address = listener.local_addr()?;
        let (troubles, told) = watch::channel(Troubles::new());
        let task = tokio::spawn(async move {
            // Dropping the set with this task closes all connections.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let (main, other, told) = (main.clone(), other.clone(), told.clone());
                connections.spawn(async move {
                    let serve = service_fn(move |request: Request<Incoming>| {
                        let is_of_other =
                            request.uri().path().split('/').any(|part| resources.contains(&part));
                        let client = if is_of_other { other.clone() } else { main.clone() };
                        let told = told.clone();
                        async move { Ok::<_, Infallible>(pass(client, told, request).await) }
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    // Whoever is gone needs no answer.
                    let _ = http.serve_connection(TokioIo::new(stream), serve).await;
                });
            }
        });
        Ok(Self { address, troubles, task })
    }

    /// Begins a trouble with some resources, or with all.
    pub fn trouble(&self, trouble: Trouble, resources: &[&str]) {
        let resources = resources.iter().map(ToString::to_string).collect();
        self.troubles.send_modify(|troubles| troubles.push((trouble, resources)));
    }

    /// Ends all troubles.
    pub fn heal(&self) {
        self.troubles.send_replace(Troubles::new());
    }

    /// Writes a kubeconfig that leads to the proxy.
    pub fn kubeconfig(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let path = folder.join(format!("kubeconfig-port-{}", self.address.port()));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{}", self.address)}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "users": [{"name": "proxy", "user": {}}],
        });
        std::fs::write(&path, config.to_string()).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the present troubles mean for a request.
fn trouble_of(troubles: &Troubles, path: &str) -> Option<Trouble> {
    let is_in = |resource: &String| path.split('/').any(|part| part == resource);
    let is_about = |resources: &Vec<String>| resources.is_empty() || resources.iter().any(is_in);
    troubles.iter().find(|(_, resources)| is_about(resources)).map(|(trouble, _)| *trouble)
}

async fn pass(client: Client, told: watch::Receiver<Troubles>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    let is_read = request.method() == http::Method::GET;
    let trouble = trouble_of(&told.borrow(), &path);
    if let Some(Trouble::Refused(code)) = trouble.filter(|_| is_read) {
        return refusal(code);
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return refusal(400) };
    let request = Request::from_parts(parts, Body::from(body.to_bytes().to_vec()));
    let Ok(answer) = client.send(request).await else { return refusal(503) };
    if is_watch {
        answer.map(|body| UnsyncBoxBody::new(StreamBody::new(whisper(body, told, path))))
    } else {
        answer.map(UnsyncBoxBody::new)
    }
}

/// The frames of a watch, held back while it is silent.
fn whisper(
    body: Body,
    told: watch::Receiver<Troubles>,
    path: String,
) -> impl futures::Stream<Item = Result<Frame<Bytes>, kube::Error>> + Send {
    let frames = body.into_data_stream();
    futures::stream::unfold((frames, told, path), |(mut frames, mut told, path)| async move {
        let is_refused =
            |troubles: &Troubles| matches!(trouble_of(troubles, &path), Some(Trouble::Refused(_)));
        let next = tokio::select! {
            next = frames.next() => next,
            _ = told.wait_for(is_refused) => return None,
        };
        let is_quiet = |troubles: &Troubles| trouble_of(troubles, &path) == Some(Trouble::Silent);
        told.wait_for(|troubles| !is_quiet(troubles)).await.ok()?;
        if is_refused(&told.borrow()) {
            return None;
        }
        let item = next?.map(Frame::data);
        Some((item, (frames, told, path)))
    })
}

fn refusal(code: u16) -> Answer {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "message": "refused by the proxy", "reason": "InternalError"});
    let body = Full::new(Bytes::from(status.to_string())).map_err(|never| match never {});
    let mut answer = Response::new(UnsyncBoxBody::new(body));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
}
