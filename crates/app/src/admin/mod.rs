//! What a running operator serves: status, health, metrics, and the few
//! commands that change something.

pub mod metrics;
mod page;
pub mod report;

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::run::driver::{Answer, Input};
use crate::run::state::Startup;
use report::Report;

/// How long the driver may take to answer; beyond it the process is not healthy.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Shared {
    startup: Startup,
    inputs: mpsc::Sender<Input>,
}

/// The pages of an operator.
pub fn router(startup: Startup, inputs: mpsc::Sender<Input>) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/events", get(page::events))
        .route("/api/status", get(status))
        .route("/api/v1/state", get(state))
        .route("/api/v1/release-deletions", post(release))
        .route("/api/v1/yield", post(hand_over))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .with_state(Shared { startup, inputs })
}

/// Serves the pages until the process ends.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
}

impl Shared {
    /// Asks the driver; `None` while there is none yet, or if it hangs.
    async fn report(&self) -> Option<Report> {
        if self.startup.waiting_for().is_some() {
            return None;
        }
        let (sender, answer) = oneshot::channel();
        let exchange = async {
            self.inputs.send(Input::Report(sender)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWER_WITHIN, exchange).await.ok().flatten()
    }
}

/// Upstream's status page. Source: configuration, §2.5.
async fn status(State(shared): State<Shared>) -> Json<Value> {
    let (connection, errors) = shared.startup.controller();
    let errors: Vec<_> =
        errors.iter().map(|(error, time)| json!({"error": error, "timestamp": time})).collect();
    Json(json!({"avi_api": {"connection_status": connection, "errors": errors}}))
}

async fn state(State(shared): State<Shared>) -> Json<Value> {
    let report = shared.report().await;
    Json(report::state(&shared.startup, report.as_ref()))
}

/// Alive: the driver answers, or there is none yet.
async fn healthz(State(shared): State<Shared>) -> Response {
    if shared.startup.waiting_for().is_some() || shared.report().await.is_some() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the driver does not answer\n").into_response()
    }
}

/// Ready: the cluster and the controller are known. What the controller refuses,
/// or another instance has, does not count: serving the rest is what this is for.
async fn readyz(State(shared): State<Shared>) -> Response {
    let reason = match (shared.startup.waiting_for(), shared.report().await) {
        (Some(what), _) => format!("waiting for {what}\n"),
        (None, None) => "the driver does not answer\n".to_owned(),
        (None, Some(report)) if !report.synced => format!("waiting for {}\n", report.missing.join(", ")),
        (None, Some(report)) => return (StatusCode::OK, report.ready()).into_response(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}

/// What a release is for.
#[derive(serde::Deserialize)]
struct Release {
    #[serde(default)]
    digest: String,
}

async fn release(
    State(shared): State<Shared>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    Query(release): Query<Release>,
) -> Response {
    order(&shared, caller, |answer| Input::Release(release.digest, answer)).await
}

async fn hand_over(State(shared): State<Shared>, ConnectInfo(caller): ConnectInfo<SocketAddr>) -> Response {
    order(&shared, caller, Input::Yield).await
}

/// Has the driver change something, so it is done for loopback only.
async fn order(
    shared: &Shared,
    caller: SocketAddr,
    input: impl FnOnce(oneshot::Sender<Answer>) -> Input,
) -> Response {
    if !caller.ip().is_loopback() {
        return (StatusCode::FORBIDDEN, "only from within the pod\n").into_response();
    }
    let (sender, answer) = oneshot::channel();
    if shared.startup.waiting_for().is_some() || shared.inputs.send(input(sender)).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the operator is not running yet\n").into_response();
    }
    match tokio::time::timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(Ok(message))) => Json(json!({"message": message})).into_response(),
        Ok(Ok(Err(message))) => (StatusCode::CONFLICT, format!("{message}\n")).into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the driver does not answer\n").into_response(),
    }
}

async fn metrics_page(State(shared): State<Shared>) -> Response {
    let report = shared.report().await;
    match metrics::render(&shared.startup, report.as_ref()) {
        Ok(text) => ([("content-type", "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
