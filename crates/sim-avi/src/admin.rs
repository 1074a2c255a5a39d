//! `/sim/…`: looking into the simulator and changing it from outside, without log-in.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::{Fault, Weather};
use crate::front::Front;

/// The routes of the admin API.
pub(crate) fn routes() -> Router<Front> {
    Router::new()
        .route("/sim/dump", get(dump))
        .route("/sim/stats", get(stats))
        .route("/sim/requests", get(requests).delete(clear_requests))
        .route("/sim/faults", get(faults).post(inject).delete(clear_faults))
        .route("/sim/weather", get(weather).put(set_weather))
        .route("/sim/sessions", delete(expire_sessions))
        .route("/sim/dataplane", get(data_plane))
        .route("/sim/snapshot", post(snapshot))
        .route("/sim/restore", post(restore))
        .route("/sim/objects/{kind}/{tenant}/{*name}", patch(edit).delete(remove))
}

#[derive(Deserialize)]
struct DumpQuery {
    #[serde(default)]
    all: bool,
}

async fn dump(State(front): State<Front>, Query(query): Query<DumpQuery>) -> Json<Value> {
    Json(if query.all { front.sim.dump_all() } else { front.sim.dump() })
}

async fn stats(State(front): State<Front>) -> Json<crate::Stats> {
    Json(front.sim.stats())
}

#[derive(Deserialize)]
struct RequestsQuery {
    #[serde(default)]
    since: u64,
}

async fn requests(
    State(front): State<Front>,
    Query(query): Query<RequestsQuery>,
) -> Json<Vec<crate::RequestRecord>> {
    Json(front.sim.requests_since(query.since))
}

async fn clear_requests(State(front): State<Front>) -> StatusCode {
    front.sim.clear_requests();
    StatusCode::NO_CONTENT
}

async fn faults(State(front): State<Front>) -> Json<Vec<Fault>> {
    Json(front.sim.faults())
}

async fn inject(State(front): State<Front>, Json(fault): Json<Fault>) -> Response {
    if front.sim.inject(fault) {
        StatusCode::CREATED.into_response()
    } else {
        refuse(StatusCode::CONFLICT, "too many faults")
    }
}

async fn clear_faults(State(front): State<Front>) -> StatusCode {
    front.sim.clear_faults();
    StatusCode::NO_CONTENT
}

async fn weather(State(front): State<Front>) -> Json<Weather> {
    Json(front.sim.weather())
}

async fn set_weather(State(front): State<Front>, Json(weather): Json<Weather>) -> StatusCode {
    front.sim.set_weather(weather);
    StatusCode::NO_CONTENT
}

async fn expire_sessions(State(front): State<Front>) -> StatusCode {
    front.sim.expire_sessions();
    StatusCode::NO_CONTENT
}

async fn data_plane(State(front): State<Front>) -> Response {
    let Some(data_plane) = front.sim.with(|controller| controller.data_plane.upgrade()) else {
        return refuse(StatusCode::NOT_FOUND, "there is no data plane");
    };
    let (status, counters) = (data_plane.status(), data_plane.counters());
    Json(json!({ "listeners": status.listeners, "problems": status.problems, "counters": counters }))
        .into_response()
}

async fn snapshot(State(front): State<Front>) -> StatusCode {
    front.sim.snapshot();
    StatusCode::NO_CONTENT
}

async fn restore(State(front): State<Front>) -> Response {
    if front.sim.restore() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        refuse(StatusCode::CONFLICT, "there is no snapshot")
    }
}

type ObjectPath = Path<(String, String, String)>;

async fn edit(
    State(front): State<Front>,
    Path((kind, tenant, name)): ObjectPath,
    Json(changes): Json<Value>,
) -> Response {
    found(front.sim.edit(&kind, &tenant, &name, &changes))
}

async fn remove(State(front): State<Front>, Path((kind, tenant, name)): ObjectPath) -> Response {
    found(front.sim.remove(&kind, &tenant, &name))
}

fn found(found: bool) -> Response {
    if found {
        StatusCode::NO_CONTENT.into_response()
    } else {
        refuse(StatusCode::NOT_FOUND, "no such object")
    }
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}
