//! The front door: latency, faults and the journal around every API call.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use futures::{StreamExt, stream};
use http::{Response, StatusCode};
use serde_json::Value;

use crate::SimAvi;
use crate::call::{Call, Reply};
use crate::controller::Controller;
use crate::fault::Action;
use crate::journal::{Change, RequestRecord};
use crate::session;
use crate::store::Object;

/// The largest body of a request.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Marks a response that a network client must never see: the server closes the
/// connection instead. In process it has status 502, and its body fails when it is read.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionDropped;

/// What the router's handlers share.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) sim: SimAvi,
    /// Whether references say `https` and cookies are `Secure`.
    pub(crate) secure: bool,
}

/// Answers one API call.
pub(crate) async fn answer(State(front): State<Front>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return Reply::new(StatusCode::PAYLOAD_TOO_LARGE, Vec::new()).into_response(None);
    };
    let call = Call::read(parts, body, front.secure);
    let (subject, known) = call.subject();
    let (action, latency, name) = front.sim.with(|controller| {
        let name = name_of(controller, &call);
        let session = session::session_id(&call.headers).unwrap_or_default();
        let action = controller.faults.strike(call.method.as_str(), &subject, &name, &session);
        (action, controller.weather.latency(), name)
    });
    let delay = match &action {
        Some(Action::Delay { ms }) => Duration::from_millis(*ms),
        _ => Duration::ZERO,
    };
    if latency + delay > Duration::ZERO {
        tokio::time::sleep(latency + delay).await;
    }
    let reply = front.sim.with(|controller| {
        let before = if controller.journal.changes { object_of(controller, &call) } else { None };
        let reply = execute(controller, &call, action.as_ref());
        let record = record(controller, &call, &reply, subject, name, action.as_ref());
        let change = before.filter(|_| reply.committed).and_then(|before| change(controller, &call, &before));
        controller.journal.record(RequestRecord { change, ..record }, known);
        reply
    });
    let version = call.header("x-avi-version");
    match action {
        Some(Action::DropBefore | Action::DropAfter) => dropped(),
        Some(Action::Truncate) => {
            let half = reply.body[..reply.body.len() / 2].to_vec();
            reply.with_body(version, Body::from(half))
        }
        Some(Action::Break) => {
            let half = reply.body[..reply.body.len() / 2].to_vec();
            reply.with_body(version, broken(half))
        }
        _ => reply.into_response(version),
    }
}

/// The name of the object a call is about.
fn name_of(controller: &Controller, call: &Call) -> String {
    object_of(controller, call).map_or_else(|| call.name().to_owned(), |object| object.name.to_string())
}

/// The object whose uuid a call names.
fn object_of(controller: &Controller, call: &Call) -> Option<Arc<Object>> {
    let ["api", _, uuid, ..] = call.path()[..] else { return None };
    controller.configuration.store.get(uuid).cloned()
}

/// What became of an object that is still there.
fn change(controller: &Controller, call: &Call, before: &Object) -> Option<Change> {
    let after = object_of(controller, call)?;
    Some(Change { before: before.sent.clone().into(), after: after.sent.clone().into() })
}

fn execute(controller: &mut Controller, call: &Call, action: Option<&Action>) -> Reply {
    match action {
        Some(Action::Status { status, body, retry_after }) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = match body {
                Value::Null => Vec::new(),
                Value::String(text) => text.clone().into_bytes(),
                other => other.to_string().into_bytes(),
            };
            return Reply { retry_after: *retry_after, ..Reply::new(status, body) };
        }
        Some(Action::DropBefore) => return Reply::new(StatusCode::BAD_GATEWAY, Vec::new()),
        Some(Action::ExpireSession) => {
            if let Some(id) = session::session_id(&call.headers) {
                controller.gate.end(&id);
            }
        }
        _ => {}
    }
    controller.answer(call)
}

fn record(
    controller: &Controller,
    call: &Call,
    reply: &Reply,
    kind: String,
    name: String,
    action: Option<&Action>,
) -> RequestRecord {
    let dropped = matches!(action, Some(Action::DropBefore | Action::DropAfter));
    let agent = call.header("x-avi-useragent").or_else(|| call.header("user-agent"));
    RequestRecord {
        seq: 0,
        time: controller.clock.now().to_string(),
        method: call.method.to_string(),
        kind,
        name,
        tenant: call.header("x-avi-tenant").unwrap_or_default().to_owned(),
        status: if dropped { 0 } else { reply.status.as_u16() },
        path: call.target.clone(),
        user_agent: agent.unwrap_or_default().to_owned(),
        session: session::session_id(&call.headers)
            .map(|id| id.chars().take(8).collect())
            .unwrap_or_default(),
        committed: reply.committed,
        change: None,
    }
}

fn dropped() -> Response<Body> {
    let mut response = Response::new(broken(Vec::new()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.extensions_mut().insert(ConnectionDropped);
    response
}

/// A body that ends in an error. The pause lets the server send the first part.
fn broken(first: Vec<u8>) -> Body {
    let failure = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::new(io::ErrorKind::ConnectionReset, "connection closed by a fault"))
    });
    Body::from_stream(stream::once(async { Ok(first) }).chain(failure))
}
