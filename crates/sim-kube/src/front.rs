//! The front door: identity, faults and the journal around every request.

use std::io;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING};
use http::{Method, Response, StatusCode};
use serde_json::Value;

use crate::SimKube;
use crate::auth::User;
use crate::call::{Call, Form, Target};
use crate::cluster::{Cluster, Cut};
use crate::discovery;
use crate::fault::{Action, Silence, Subject};
use crate::journal::RequestRecord;
use crate::listing::{self, partial};
use crate::status::{Granted, Refusal};
use crate::store::Stored;
use crate::table;
use crate::watching::{Watching, silence_ends};
use crate::write::Answer;

/// The largest body of a request, as in kube-apiserver.
const MAX_BODY: usize = 3 * 1024 * 1024;

const GROUPS: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Marks a response that a network client must never see: the server closes the
/// connection instead. In process it has status 502, and its body fails when it is read.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionDropped;

/// What a request is answered with.
enum Reply {
    Json(StatusCode, Bytes, Vec<String>),
    Text(StatusCode, &'static str),
    /// Groups, versions and resources in one: clients know it by its media type.
    Groups(Bytes),
    Watch(Box<Watching>),
}

/// What is known of a request before it is executed.
struct Reception {
    target: Option<Target>,
    user: Granted<User>,
    action: Option<Action>,
    latency: Duration,
}

/// Answers one request.
pub(crate) async fn answer(State(sim): State<SimKube>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return refused(&Refusal::too_large(), None);
    };
    let uri = parts.uri.to_string();
    let call = Call::read(parts, body);
    let reception = sim.with(|cluster| receive(cluster, &call));
    let user_name = reception.user.as_ref().map(|user| user.name.clone()).unwrap_or_default();
    let delay = match &reception.action {
        Some(Action::Delay { ms }) => Duration::from_millis(*ms),
        _ => Duration::ZERO,
    };
    if reception.latency + delay > Duration::ZERO {
        tokio::time::sleep(reception.latency + delay).await;
    }
    let Reception { target, user, action, .. } = reception;
    if !reachable(&sim, &call, target.as_ref(), &user_name).await {
        return dropped();
    }
    let record = record(&call, target.as_ref(), &user_name, uri);
    let verb_is_watch = record.verb == "watch";
    let outcome = if action == Some(Action::DropBefore) {
        None
    } else {
        Some(sim.with(|cluster| {
            let outcome = execute(&sim, cluster, call, target, user, action.as_ref());
            cluster.run_controllers();
            outcome
        }))
    };
    let status = match (&outcome, &action) {
        (None, _) | (_, Some(Action::DropAfter)) => 0,
        (Some(Ok(Reply::Json(status, ..) | Reply::Text(status, _))), _) => status.as_u16(),
        (Some(Ok(Reply::Watch(_) | Reply::Groups(_))), _) => 200,
        (Some(Err(refusal)), _) => refusal.code,
    };
    sim.with(|cluster| {
        let time = cluster.clock.now().to_string();
        cluster.journal.record(RequestRecord { time, status, ..record });
    });
    let retry_after = match &action {
        Some(Action::Status { retry_after, .. }) => *retry_after,
        _ => None,
    };
    match (outcome, action) {
        (None, _) | (_, Some(Action::DropAfter)) => dropped(),
        (Some(Ok(Reply::Json(status, body, warnings))), Some(Action::Break)) if !verb_is_watch => {
            let half = body.slice(..body.len() / 2);
            json(status, broken(half), &warnings)
        }
        (Some(Ok(reply)), _) => respond(reply),
        (Some(Err(refusal)), _) => refused(&refusal, retry_after),
    }
}

fn receive(cluster: &mut Cluster, call: &Call) -> Reception {
    let target = Target::of(&call.segments, &cluster.registry);
    let user = cluster.authenticate(call);
    let name = user.as_ref().map_or("", |user| &user.name);
    let action = cluster.faults.strike(subject(call, target.as_ref(), name));
    Reception { target, user, action, latency: cluster.latency }
}

/// What a fault may be about, of a request.
fn subject<'a>(call: &'a Call, target: Option<&'a Target>, user: &'a str) -> Subject<'a> {
    Subject {
        verb: call.verb(target),
        resource: target.map_or("", |target| &target.resource.plural),
        namespace: target.map_or("", |target| &target.namespace),
        name: call.name(target),
        agent: call.agent(),
        user,
    }
}

/// Waits while a server is silent; `false` if the connection breaks.
async fn reachable(sim: &SimKube, call: &Call, target: Option<&Target>, user: &str) -> bool {
    let mut silent: Option<Silence> = None;
    loop {
        let (cut, silence, mut signal) = sim.with(|cluster| {
            let silence = cluster.faults.silence(subject(call, target, user), silent.is_some());
            (cluster.network.state(call.agent(), user), silence, cluster.network.subscribe())
        });
        match (cut, silence) {
            (Some(Cut::Refuse), _) => return false,
            (None, None) => return !silent.is_some_and(|silence| silence.breaks),
            _ => {}
        }
        silent = silence.or(silent);
        if !silence_ends(silence, &mut signal).await {
            return false;
        }
    }
}

fn execute(
    sim: &SimKube,
    cluster: &mut Cluster,
    call: Call,
    target: Option<Target>,
    user: Granted<User>,
    action: Option<&Action>,
) -> Granted<Reply> {
    if let Some(Action::Status { code, message, .. }) = action {
        return Err(Refusal::injected(*code, message));
    }
    let user = user?;
    // Targets are read again: a definition may have gone while the request waited.
    let target = target.and_then(|_| Target::of(&call.segments, &cluster.registry));
    cluster.authorize(&user, &call, target.as_ref())?;
    let Some(target) = target else { return no_resource(cluster, &call, &user) };
    if target.subresource == "token"
        && target.resource.is("", "ServiceAccount")
        && call.method == Method::POST
    {
        let answer = cluster.issue_token(&call, &target)?;
        return Ok(value(StatusCode::CREATED, &answer));
    }
    let stale = match action {
        Some(Action::Stale { revision }) => Some((*revision).min(cluster.store.revision())),
        _ => None,
    };
    match call.verb(Some(&target)) {
        "watch" => {
            Watching::start(sim, cluster, call, &target, &user.name).map(|w| Reply::Watch(Box::new(w)))
        }
        "list" => {
            let listing = listing::list(cluster, &call, &target, stale)?;
            let body = listing.render(&target.resource, &call, cluster);
            Ok(Reply::Json(StatusCode::OK, body, Vec::new()))
        }
        "get" => read(cluster, &call, &target, stale),
        _ => {
            let outcome = cluster.write(&call, &target)?;
            let body = match outcome.answer {
                Answer::Value(value) => Bytes::from(value.to_string()),
                Answer::Object(stored) => shown(cluster, &call, &target, &stored),
            };
            Ok(Reply::Json(outcome.status, body, outcome.warnings))
        }
    }
}

fn read(cluster: &mut Cluster, call: &Call, target: &Target, stale: Option<u64>) -> Granted<Reply> {
    let resource = &target.resource;
    match target.subresource.as_str() {
        "scale" => return Ok(value(StatusCode::OK, &cluster.read_scale(target)?)),
        "" => {}
        "status" if resource.status => {}
        _ => return Err(Refusal::no_path()),
    }
    let asked = listing::revision(call.query("resourceVersion"))?;
    let current = cluster.store.revision();
    if asked > current {
        return Err(Refusal::too_new(asked, current));
    }
    let past = stale.and_then(|revision| cluster.store.collection(&resource.key())?.at(revision));
    let stored = match past {
        Some(past) => {
            let path = crate::store::path(&target.namespace, &target.name);
            past.get(&path).cloned().ok_or_else(|| Refusal::not_found(resource, &target.name))?
        }
        None => cluster.get(resource, &target.namespace, &target.name)?,
    };
    Ok(Reply::Json(StatusCode::OK, shown(cluster, call, target, &stored), Vec::new()))
}

fn shown(cluster: &Cluster, call: &Call, target: &Target, stored: &std::sync::Arc<Stored>) -> Bytes {
    let stored = Cluster::in_version(&target.resource, stored);
    match call.form() {
        Form::Object => stored.json().clone(),
        Form::Metadata => Bytes::from(partial(&stored.value).to_string()),
        Form::Table => {
            let all = std::slice::from_ref(&stored);
            let table = table::render(&target.resource, all, call, cluster.clock.now(), true);
            let metadata =
                serde_json::json!({"resourceVersion": stored.value["metadata"]["resourceVersion"]});
            Bytes::from(table::with_metadata(table, metadata).to_string())
        }
    }
}

/// What is not a resource of the store.
fn no_resource(cluster: &Cluster, call: &Call, user: &User) -> Granted<Reply> {
    if let Some(review) = cluster.answer_review(user, call) {
        return Ok(value(StatusCode::CREATED, &review?));
    }
    if call.method != Method::GET && call.method != Method::HEAD {
        return Err(Refusal::no_path());
    }
    if let Some("healthz" | "livez" | "readyz") = call.segments.first().map(String::as_str) {
        return Ok(Reply::Text(StatusCode::OK, "ok"));
    }
    match discovery::answer(cluster, call) {
        Some(answer) => {
            let answer = answer?;
            if answer["kind"] == "APIGroupDiscoveryList" {
                return Ok(Reply::Groups(Bytes::from(answer.to_string())));
            }
            Ok(value(StatusCode::OK, &answer))
        }
        None => Err(Refusal::no_path()),
    }
}

fn value(status: StatusCode, value: &Value) -> Reply {
    Reply::Json(status, Bytes::from(value.to_string()), Vec::new())
}

fn record(call: &Call, target: Option<&Target>, user: &str, uri: String) -> RequestRecord {
    let resource = target.map(|target| match target.subresource.as_str() {
        "" => target.resource.qualified(),
        sub => format!("{}/{sub}", target.resource.qualified()),
    });
    RequestRecord {
        seq: 0,
        time: String::new(),
        user_agent: call.agent().to_owned(),
        user: user.to_owned(),
        verb: call.verb(target).to_owned(),
        resource: resource.unwrap_or_default(),
        namespace: target.map(|target| target.namespace.clone()).unwrap_or_default(),
        name: target.map(|target| target.name.clone()).unwrap_or_default(),
        status: 0,
        path: uri,
    }
}

fn respond(reply: Reply) -> Response<Body> {
    match reply {
        Reply::Json(status, body, warnings) => json(status, Body::from(body), &warnings),
        Reply::Text(status, text) => {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = status;
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            response
        }
        Reply::Groups(body) => {
            let mut response = json(StatusCode::OK, Body::from(body), &[]);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(GROUPS));
            response
        }
        Reply::Watch(watching) => json(StatusCode::OK, Body::from_stream(watching.stream()), &[]),
    }
}

fn json(status: StatusCode, body: Body, warnings: &[String]) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(line) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            headers.append(WARNING, line);
        }
    }
    response
}

fn refused(refusal: &Refusal, retry_after: Option<u32>) -> Response<Body> {
    let mut response = json(refusal.status(), Body::from(refusal.body().to_string()), &[]);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn dropped() -> Response<Body> {
    let mut response = Response::new(broken(Bytes::new()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.extensions_mut().insert(ConnectionDropped);
    response
}

/// A body that ends in an error. The pause lets the server send the first part.
fn broken(first: Bytes) -> Body {
    let failure = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::new(io::ErrorKind::ConnectionReset, "connection closed by a fault"))
    });
    Body::from_stream(stream::once(async { Ok(first) }).chain(failure))
}
