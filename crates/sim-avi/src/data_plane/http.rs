//! HTTP connections of clients.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Shared;
use super::forward::forward;
use super::http_policy::Question;
use super::limits::{LARGEST_HEAD, MOST_HEADERS, PATIENCE};
use super::plan::{Application, Decision, Service};
use super::pool::Duplex;
use super::stream::closed;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    pub(super) secure: bool,
    /// The name that the TLS handshake was for.
    pub(super) server_name: Option<String>,
}

/// Answers the requests of a connection. When the service is closed, the request that is
/// under way is finished.
pub(super) async fn converse(
    stream: impl Duplex,
    client: Client,
    service: watch::Receiver<Arc<Service>>,
    shared: Arc<Shared>,
) {
    let end = closed(service.clone());
    let client = Arc::new(client);
    let handler = service_fn(move |request| {
        let service = service.borrow().clone();
        let (client, shared) = (client.clone(), shared.clone());
        async move { answer(request, &client, &service, &shared).await }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), handler)
        .with_upgrades();
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = end => {
            connection.as_mut().graceful_shutdown();
            timeout(PATIENCE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection ended");
    }
}

/// An error closes the connection without an answer.
async fn answer(
    request: Request<Incoming>,
    client: &Client,
    service: &Service,
    shared: &Shared,
) -> io::Result<Response<Body>> {
    let Application::Http(front) = &service.application else {
        return Err(io::ErrorKind::ConnectionAborted.into());
    };
    let (host, uri) = (host(&request), request.uri().clone());
    let question = Question {
        host: &host,
        path: uri.path(),
        query: uri.query(),
        port: service.port,
        secure: client.secure,
    };
    let site = front.site(client.server_name.as_deref(), &question);
    site.meter.request();
    match site.decide(&question) {
        Decision::Close => Err(io::ErrorKind::ConnectionAborted.into()),
        Decision::Answer(status, location) => Ok(redirect(status, location)),
        Decision::Unknown => {
            site.meter.failure();
            Ok(plain(StatusCode::NOT_FOUND, "no rule is about this host and path"))
        }
        Decision::Nowhere => {
            site.meter.failure();
            Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "there is no pool"))
        }
        Decision::Forward(pool, edits) => {
            let answered = forward(request, &host, &pool, edits, client, service.port, shared).await;
            Ok(answered.unwrap_or_else(|failure| {
                site.meter.failure();
                plain(failure.status, &failure.text)
            }))
        }
    }
}

/// The host that a request is for, without its port, in lower case.
fn host(request: &Request<Incoming>) -> String {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(http::uri::Authority::as_str).or(header).unwrap_or_default();
    let end = host.rfind(':').filter(|_| !host.ends_with(']')).unwrap_or(host.len());
    host[..end].to_ascii_lowercase()
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{status}: {text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn redirect(status: StatusCode, location: Option<String>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if let Some(Ok(location)) = location.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
