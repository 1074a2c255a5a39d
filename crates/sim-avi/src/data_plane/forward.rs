//! Sending a request to a server of a pool.

use std::sync::Arc;

use axum::body::Body;
use http::header::{CONNECTION, HOST, HeaderName, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use super::Shared;
use super::http::Client;
use super::http_policy::HeaderEdit;
use super::limits::{LARGEST_BODY, LARGEST_HEAD, MOST_HEADERS};
use super::pool::Pool;

/// Headers that are for one connection only (RFC 9110, §7.6.1).
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Why there is no answer from a server.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

/// Sends a request to `host` on a connection of its own, and its answer back as it comes.
pub(super) async fn forward(
    mut request: Request<Incoming>,
    host: &str,
    pool: &Pool,
    edits: Vec<HeaderEdit>,
    client: &Client,
    port: u16,
    shared: &Shared,
) -> Result<Response<Body>, Failure> {
    let server = pool.connect(host).await.map_err(|error| Failure {
        status: StatusCode::SERVICE_UNAVAILABLE,
        text: format!("pool {}: {error}", pool.label),
    })?;
    let meter = server.meter.clone();
    meter.request();
    let failed = |error: hyper::Error| {
        meter.failure();
        Failure { status: StatusCode::BAD_GATEWAY, text: format!("pool {}: {error}", pool.label) }
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(LARGEST_HEAD).max_headers(MOST_HEADERS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(server.stream)).await.map_err(failed)?;
    let open = Arc::new(server.open);
    let while_open = open.clone();
    shared.tasks.spawn(async move {
        let _open = while_open;
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "connection to a server ended");
        }
    });

    let client_side = hyper::upgrade::on(&mut request);
    let request = prepared(request, edits, client, port).map(|body| Limited::new(body, LARGEST_BODY));
    let mut response = sender.send_request(request).await.map_err(failed)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let server_side = hyper::upgrade::on(&mut response);
        shared.tasks.spawn(async move {
            let _open = open;
            if let (Ok(client), Ok(server)) = tokio::join!(client_side, server_side) {
                let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
            }
        });
    } else {
        strip(response.headers_mut());
    }
    Ok(response.map(Body::new))
}

/// The request as the server is to see it.
fn prepared(
    mut request: Request<Incoming>,
    edits: Vec<HeaderEdit>,
    client: &Client,
    port: u16,
) -> Request<Incoming> {
    let upgrade = request.headers().get(UPGRADE).filter(|_| wants_upgrade(request.headers())).cloned();
    strip(request.headers_mut());
    if let Some(protocol) = upgrade {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(UPGRADE, protocol);
    }
    if let Some(Ok(host)) = request.uri().authority().map(|host| HeaderValue::try_from(host.as_str())) {
        request.headers_mut().insert(HOST, host);
    }
    let target = request.uri().path_and_query().cloned();
    *request.uri_mut() = target.map_or_else(|| Uri::from_static("/"), Uri::from);
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    for (name, value) in edits {
        match value {
            Some(value) => headers.insert(name, value),
            None => headers.remove(name),
        };
    }
    let address = client.peer.ip().to_string();
    let earlier = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let path = earlier.map_or_else(|| address.clone(), |earlier| format!("{earlier}, {address}"));
    set(headers, "x-forwarded-for", &path);
    set(headers, "x-forwarded-proto", if client.secure { "https" } else { "http" });
    set(headers, "x-forwarded-port", &port.to_string());
    request
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

fn wants_upgrade(headers: &HeaderMap) -> bool {
    tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers).filter_map(|token| token.parse().ok()).collect();
    for name in named.iter().map(HeaderName::as_str).chain(HOP_BY_HOP.iter().copied()) {
        headers.remove(name);
    }
}
