//! What a running operator serves: status, health, metrics, and the few
//! commands that change something.

mod explain;
pub mod metrics;
mod order;
mod page;

mod reports;
pub mod state;

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::run::explain::Question;
use crate::run::input::{Answer, Input};
use crate::run::permissions;
use crate::run::state::Startup;
use reports::Reports;

pub use order::{FRESH_HEADER, ORDER_HEADER};

/// How long the driver may take to answer; beyond it the process is not healthy.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Shared {
    startup: Startup,
    inputs: mpsc::Sender<Input>,
    reports: Reports,
}

/// The pages of an operator.
pub fn router(startup: Startup, inputs: mpsc::Sender<Input>) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/events", get(page::events))
        .route("/api/status", get(status))
        .route("/api/v1/state", get(state))
        .route("/api/v1/explain", get(explained))
        .route("/api/v1/release-deletions", post(release))
        .route("/api/v1/yield", post(hand_over))
        .route("/api/v1/take-cluster-name", post(take_cluster_name))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .with_state(Shared { reports: Reports::new(startup.clone(), inputs.clone()), startup, inputs })
}

/// Serves the pages until the process ends.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
}

/// Asks the driver, and waits for its answer for a while; `None` if it hangs.
async fn ask<T>(
    inputs: &mpsc::Sender<Input>,
    question: impl FnOnce(oneshot::Sender<T>) -> Input,
) -> Option<T> {
    let (sender, answer) = oneshot::channel();
    let exchange = async {
        inputs.send(question(sender)).await.ok()?;
        answer.await.ok()
    };
    tokio::time::timeout(ANSWER_WITHIN, exchange).await.ok().flatten()
}

/// Upstream's status page. Source: configuration, §2.5.
async fn status(State(shared): State<Shared>) -> Json<Value> {
    let (connection, errors) = shared.startup.controller();
    let errors: Vec<_> =
        errors.iter().map(|(error, time)| json!({"error": error, "timestamp": time})).collect();
    Json(json!({"avi_api": {"connection_status": connection, "errors": errors}}))
}

async fn state(
    State(shared): State<Shared>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Json<Value> {
    let report = if order::may_ask_for_fresh(caller, &headers) {
        shared.reports.fresh().await
    } else {
        shared.reports.recent().await
    };
    Json(state::json(&shared.startup, report.as_deref()))
}

/// What comes of an object. That is work for the driver, so that only those on this machine may ask.
async fn explained(
    State(shared): State<Shared>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Query(question): Query<Question>,
) -> Response {
    if !order::may_ask_for_fresh(caller, &headers) {
        let why = "only from within the pod, or through a port-forward, with header X-Ako-Fresh: use `ako explain`\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    if let Some(what) = shared.startup.waiting_for() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {what}\n")).into_response();
    }
    match ask(&shared.inputs, |answer| Input::Explain(question, answer)).await {
        Some(Ok(answer)) => Json(explain::json(&answer)).into_response(),
        Some(Err(why)) => (StatusCode::NOT_FOUND, format!("{why}\n")).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the driver does not answer\n").into_response(),
    }
}

/// Alive: the driver answers, or there is none yet. It is asked for no report:
/// that would be work.
async fn healthz(State(shared): State<Shared>) -> Response {
    if shared.startup.waiting_for().is_some() || ask(&shared.inputs, Input::Alive).await.is_some() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the driver does not answer\n").into_response()
    }
}

/// Ready: the cluster and the controller are known, and no permission is
/// missing that this takes. What the controller refuses, or another instance
/// has, does not count: serving the rest is what this is for.
async fn readyz(State(shared): State<Shared>) -> Response {
    let report = shared.reports.recent().await;
    let lacking = lacking(&shared.startup);
    let waiting = match (shared.startup.waiting_for(), &report) {
        (Some(what), _) => format!("waiting for {what}\n"),
        (None, None) => "the driver does not answer\n".to_owned(),
        (None, Some(report)) if !report.synced => format!("waiting for {}\n", report.missing.join(", ")),
        (None, Some(report)) if lacking.is_empty() => {
            let taken = shared.startup.cluster_name_taken();
            let taken = taken.map(|why| format!("{why}\n")).unwrap_or_default();
            return (StatusCode::OK, report.ready() + &taken).into_response();
        }
        (None, Some(_)) => String::new(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, lacking + &waiting).into_response()
}

/// The missing permissions without which a replica is not ready, one a line,
/// and what to do about them.
fn lacking(startup: &Startup) -> String {
    let rules = startup.missing_rules();
    let rules = rules.iter().filter(|rule| rule.purpose.is_essential());
    let lines: Vec<_> = rules.map(|rule| format!("a permission is missing: {rule}\n")).collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!("{}for each: {}\n", lines.concat(), permissions::WAY_OUT)
    }
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
    headers: HeaderMap,
    Query(release): Query<Release>,
) -> Response {
    order(&shared, caller, &headers, |answer| Input::Release(release.digest, answer)).await
}

async fn hand_over(
    State(shared): State<Shared>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    order(&shared, caller, &headers, Input::Yield).await
}

/// Whom the cluster's name is taken from.
#[derive(serde::Deserialize)]
struct TakeClusterName {
    #[serde(default)]
    from: String,
}

async fn take_cluster_name(
    State(shared): State<Shared>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Query(take): Query<TakeClusterName>,
) -> Response {
    order(&shared, caller, &headers, |answer| Input::TakeClusterName(take.from, answer)).await
}

/// Has the driver change something, if whoever asks may.
async fn order(
    shared: &Shared,
    caller: SocketAddr,
    headers: &HeaderMap,
    input: impl FnOnce(oneshot::Sender<Answer>) -> Input,
) -> Response {
    if let Err(why) = order::may_order(caller, headers) {
        return (StatusCode::FORBIDDEN, format!("{why}\n")).into_response();
    }
    if shared.startup.waiting_for().is_some() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the operator is not running yet\n").into_response();
    }
    let answer = ask(&shared.inputs, input).await;
    // Whoever looks next looks at what became of it.
    shared.reports.forget().await;
    match answer {
        Some(Ok(message)) => Json(json!({"message": message})).into_response(),
        Some(Err(message)) => (StatusCode::CONFLICT, format!("{message}\n")).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the driver does not answer\n").into_response(),
    }
}

async fn metrics_page(State(shared): State<Shared>) -> Response {
    let report = shared.reports.recent().await;
    match metrics::render(&shared.startup, report.as_deref()) {
        Ok(text) => ([("content-type", "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests;
