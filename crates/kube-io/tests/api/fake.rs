//! An API server in this process: lists with pages, watches, merge patches,
//! creations, and faults on demand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Method, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

type Answer = Response<BoxBody<Bytes, std::io::Error>>;

/// The server.
#[derive(Clone)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn is_watch(&self) -> bool {
        self.query.contains_key("watch")
    }

    fn query(&self, key: &str) -> &str {
        self.query.get(key).map_or("", String::as_str)
    }
}

/// What is to go wrong, and with which request.
pub(crate) struct Fault {
    pub(crate) applies: Box<dyn Fn(&Seen) -> bool + Send>,
    pub(crate) kind: FaultKind,
}

pub(crate) enum FaultKind {
    Code(u16),
    /// The connection ends in the middle of the answer.
    Cut,
    /// No answer ever comes.
    Silence,
    /// It is told that the request is here, and answered when told to.
    Hold(oneshot::Sender<()>, oneshot::Receiver<()>),
}

/// Where the CustomResourceDefinition of BlockAffinities is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Definition {
    Absent,
    Established,
    Terminating,
}

const BLOCK_AFFINITIES: &str = "blockaffinities";

struct State {
    /// A patch of a status stores nothing else, as with custom resources.
    status_only: bool,
    definition: Definition,
    /// By collection (without namespace) and namespace/name.
    objects: BTreeMap<(String, String), Value>,
    /// Version, collection, kind of change, object.
    log: Vec<(u64, String, &'static str, Value)>,
    version: u64,
    /// Watches from before this version are expired.
    oldest: u64,
    /// Watches begun under another count are cut off.
    cuts: u64,
    faults: VecDeque<Fault>,
    seen: Vec<Seen>,
    page_limit: usize,
    /// Watches say nothing and do not end.
    silent: bool,
    /// Bookmarks tell this version, as a cache that lags behind does.
    lagging: Option<u64>,
    /// The users who may do what a review is about.
    permitted: BTreeSet<String>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let state = State {
            status_only: false,
            definition: Definition::Absent,
            objects: BTreeMap::new(),
            log: Vec::new(),
            version: 1,
            oldest: 0,
            cuts: 0,
            faults: VecDeque::new(),
            seen: Vec::new(),
            page_limit: usize::MAX,
            silent: false,
            lagging: None,
            permitted: BTreeSet::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), changed: watch::channel(0).0 }
    }

    pub(crate) fn client(&self) -> Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let fake = fake.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes());
                let seen = Seen {
                    method: parts.method,
                    path: parts.uri.path().to_owned(),
                    query: query.into_owned().collect(),
                    body: serde_json::from_slice(&body).unwrap_or(Value::Null),
                };
                Ok::<_, Infallible>(fake.answer(seen).await)
            }
        });
        Client::new(service, "default")
    }

    /// Creates or replaces an object.
    pub(crate) fn put(&self, collection: &str, object: Value) {
        self.state().put(collection, object);
        self.signal();
    }

    pub(crate) fn delete(&self, collection: &str, namespace: &str, name: &str) {
        self.state().delete(collection, &format!("{namespace}/{name}"));
        self.signal();
    }

    /// Forgets the changes so far: watches that missed some are expired.
    pub(crate) fn compact(&self) {
        let mut state = self.state();
        state.oldest = state.version;
    }

    /// Ends all watches, as a restart of the server does.
    pub(crate) fn cut_watches(&self) {
        self.state().cuts += 1;
        self.signal();
    }

    /// Watches say nothing and do not end, or go on.
    pub(crate) fn silence(&self, silent: bool) {
        self.state().silent = silent;
        self.signal();
    }

    /// Bookmarks tell the present version from now on, whatever happens.
    pub(crate) fn lag(&self) {
        let mut state = self.state();
        state.lagging = Some(state.version);
    }

    /// A patch of a status stores nothing else from now on.
    pub(crate) fn store_status_only(&self) {
        self.state().status_only = true;
    }

    /// The definition of BlockAffinities comes or goes.
    pub(crate) fn define(&self, definition: Definition) {
        let mut state = self.state();
        state.definition = definition;
        if definition == Definition::Absent {
            state.cuts += 1;
        }
        drop(state);
        self.signal();
    }

    /// Etcd is restored from a backup: the objects stay, the versions are those of
    /// before.
    pub(crate) fn set_back(&self, by: u64) {
        let mut state = self.state();
        state.version -= by;
        state.log.clear();
    }

    /// Something happens to objects of another kind.
    pub(crate) fn pass_time(&self) {
        self.state().version += 1;
    }

    pub(crate) fn page_limit(&self, limit: usize) {
        self.state().page_limit = limit;
    }

    /// A user may do what reviews are about from now on, or may not any more.
    pub(crate) fn permit(&self, user: &str, permitted: bool) {
        let mut state = self.state();
        if permitted {
            state.permitted.insert(user.to_owned())
        } else {
            state.permitted.remove(user)
        };
    }

    /// The next request to which it applies goes wrong.
    pub(crate) fn fail(&self, kind: FaultKind, applies: impl Fn(&Seen) -> bool + Send + 'static) {
        self.state().faults.push_back(Fault { applies: Box::new(applies), kind });
    }

    /// The requests so far, forgotten by this.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state().seen)
    }

    pub(crate) fn object(&self, collection: &str, key: &str) -> Option<Value> {
        self.state().objects.get(&(collection.to_owned(), key.to_owned())).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the lock")
    }

    fn signal(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    async fn answer(&self, seen: Seen) -> Answer {
        let fault = {
            let mut state = self.state();
            state.seen.push(seen.clone());
            let index = state.faults.iter().position(|fault| (fault.applies)(&seen));
            index.and_then(|index| state.faults.remove(index))
        };
        match fault.map(|fault| fault.kind) {
            Some(FaultKind::Code(code)) => return failure(code),
            Some(FaultKind::Silence) => std::future::pending::<()>().await,
            Some(FaultKind::Hold(here, go_on)) => {
                let _ = here.send(());
                let _ = go_on.await;
            }
            Some(FaultKind::Cut) => {
                let broken = || std::io::Error::other("cut");
                let frames =
                    stream::iter([Ok(Frame::data(Bytes::from_static(b"{\"kind\":"))), Err(broken())]);
                return Response::new(BodyExt::boxed(StreamBody::new(frames)));
            }
            None => {}
        }
        let definition = self.state().definition;
        if let Some(document) = discovery(&seen.path, definition) {
            return if document.is_null() { failure(404) } else { whole(StatusCode::OK, &document) };
        }
        let (collection, namespace, rest) = split(&seen.path);
        if collection == BLOCK_AFFINITIES && definition == Definition::Absent {
            return failure(404);
        }
        let answer = match (&seen.method, rest.as_slice()) {
            (&Method::GET, []) if seen.is_watch() => return self.watch(&collection, &seen),
            (&Method::GET, []) => Some(self.state().list(&collection, namespace.as_deref(), &seen)),
            (&Method::GET, [name]) => self.object(&collection, &key(namespace.as_deref(), name)),
            (&Method::PATCH, [name, subresource @ ..]) => {
                let mut body = seen.body.clone();
                if subresource == ["status"] && self.state().status_only {
                    body = json!({"status": body["status"]});
                }
                let key = key(namespace.as_deref(), name);
                let version = &seen.body["metadata"]["resourceVersion"];
                let now = self.object(&collection, &key);
                if !version.is_null() && now.is_some_and(|now| now["metadata"]["resourceVersion"] != *version)
                {
                    return failure(409);
                }
                let patched = self.state().patch(&collection, &key, &body);
                self.signal();
                patched
            }
            (&Method::POST, []) => Some(self.review(&seen.body)),
            _ => None,
        };
        answer.map_or_else(|| failure(404), |body| whole(StatusCode::OK, &body))
    }

    /// What a creation answers. One may oneself do everything but patch, and read
    /// BlockAffinities.
    fn review(&self, body: &Value) -> Value {
        let mut answer = body.clone();
        let spec = &body["spec"];
        let allowed = match body["kind"].as_str() {
            Some("SelfSubjectAccessReview") => {
                let wish = &spec["resourceAttributes"];
                wish["verb"] != "patch" && wish["resource"] != BLOCK_AFFINITIES
            }
            Some("SubjectAccessReview") => {
                spec["user"].as_str().is_some_and(|user| self.state().permitted.contains(user))
            }
            _ => return answer,
        };
        answer["status"] = json!({"allowed": allowed});
        answer
    }

    fn watch(&self, collection: &str, seen: &Seen) -> Answer {
        let since: u64 = seen.query("resourceVersion").parse().expect("a version");
        let timeout: u64 = seen.query("timeoutSeconds").parse().unwrap_or(290);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(timeout);
        let cuts = self.state().cuts;
        let bookmark = (seen.query("allowWatchBookmarks") == "true" && timeout > 2)
            .then(|| deadline - Duration::from_secs(2));
        let collection = collection.to_owned();
        let follow = Follow { fake: self.clone(), collection, since, cuts, deadline, bookmark };
        let lines = stream::unfold(Some((follow, self.changed.subscribe())), |follow| async move {
            let (mut follow, mut changed) = follow?;
            loop {
                changed.mark_unchanged();
                match follow.next() {
                    Next::Line(line, false) => return Some((line, Some((follow, changed)))),
                    Next::Line(line, true) => return Some((line, None)),
                    Next::End => return None,
                    Next::Wait => {}
                }
                let silent = follow.fake.state().silent;
                let wake = follow.bookmark.unwrap_or(follow.deadline);
                tokio::select! {
                    _ = changed.changed() => {}
                    () = tokio::time::sleep_until(wake), if !silent => {
                        follow.bookmark.take()?;
                        return Some((follow.bookmark(), Some((follow, changed))));
                    }
                }
            }
        });
        let frames = lines.map(|line| Ok(Frame::data(Bytes::from(format!("{line}\n")))));
        Response::new(BodyExt::boxed(StreamBody::new(frames)))
    }
}

/// A discovery document, if the path is of one: null if it is not there.
fn discovery(path: &str, definition: Definition) -> Option<Value> {
    let verbs: &[&str] = match definition {
        Definition::Absent => &[],
        Definition::Terminating => &["delete", "deletecollection", "get", "list", "watch"],
        Definition::Established => &["create", "delete", "deletecollection", "get", "list", "patch", "watch"],
    };
    let version = json!({"groupVersion": "crd.projectcalico.org/v1", "version": "v1"});
    let group = json!({"name": "crd.projectcalico.org", "versions": [version], "preferredVersion": version});
    let resource = json!({"name": BLOCK_AFFINITIES, "singularName": "", "namespaced": false,
        "kind": "BlockAffinity", "verbs": verbs});
    let is_there = !verbs.is_empty();
    match path {
        "/apis" => {
            let groups = if is_there { vec![group] } else { Vec::new() };
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        "/apis/crd.projectcalico.org/v1" if !is_there => Some(Value::Null),
        "/apis/crd.projectcalico.org/v1" => Some(
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "crd.projectcalico.org/v1",
                "resources": [resource]}),
        ),
        _ if path.strip_prefix("/apis/").is_some_and(|rest| rest.matches('/').count() == 1) => {
            Some(Value::Null)
        }
        _ => None,
    }
}

struct Follow {
    fake: Fake,
    collection: String,
    since: u64,
    cuts: u64,
    deadline: tokio::time::Instant,
    bookmark: Option<tokio::time::Instant>,
}

enum Next {
    /// And whether it is the last.
    Line(Value, bool),
    Wait,
    End,
}

impl Follow {
    fn bookmark(&self) -> Value {
        let state = self.fake.state();
        let version = state.lagging.unwrap_or(state.version).to_string();
        let object = json!({"kind": "Any", "apiVersion": "v1", "metadata": {"resourceVersion": version}});
        json!({"type": "BOOKMARK", "object": object})
    }

    fn next(&mut self) -> Next {
        let state = self.fake.state();
        if state.silent {
            return Next::Wait;
        }
        if state.cuts != self.cuts {
            return Next::End;
        }
        if self.since < state.oldest {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
                "message": "too old resource version", "reason": "Expired"});
            return Next::Line(json!({"type": "ERROR", "object": status}), true);
        }
        let next = state
            .log
            .iter()
            .find(|(version, collection, ..)| *version > self.since && *collection == self.collection);
        let Some((version, _, change, object)) = next else { return Next::Wait };
        self.since = *version;
        Next::Line(json!({"type": change, "object": object}), false)
    }
}

impl State {
    fn put(&mut self, collection: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = Value::from(self.version.to_string());
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let place = (collection.to_owned(), format!("{}/{}", text("namespace"), text("name")));
        let change = if self.objects.contains_key(&place) { "MODIFIED" } else { "ADDED" };
        self.log.push((self.version, collection.to_owned(), change, object.clone()));
        self.objects.insert(place, object);
    }

    fn delete(&mut self, collection: &str, key: &str) {
        self.version += 1;
        let place = (collection.to_owned(), key.to_owned());
        let mut object = self.objects.remove(&place).expect("an object to delete");
        object["metadata"]["resourceVersion"] = Value::from(self.version.to_string());
        self.log.push((self.version, collection.to_owned(), "DELETED", object));
    }

    fn patch(&mut self, collection: &str, key: &str, patch: &Value) -> Option<Value> {
        let place = (collection.to_owned(), key.to_owned());
        let mut object = self.objects.get(&place)?.clone();
        merge(&mut object, patch);
        self.put(collection, object);
        self.objects.get(&place).cloned()
    }

    fn list(&self, collection: &str, namespace: Option<&str>, seen: &Seen) -> Value {
        let name = seen.query("fieldSelector").strip_prefix("metadata.name=");
        let all = self.objects.iter().filter(|((c, _), object)| {
            let field = |field: &str| object["metadata"][field].as_str();
            c == collection
                && namespace.is_none_or(|namespace| field("namespace") == Some(namespace))
                && name.is_none_or(|name| field("name") == Some(name))
        });
        let all: Vec<_> = all.map(|(_, object)| object).collect();
        let start: usize = seen.query("continue").parse().unwrap_or(0);
        let limit = seen.query("limit").parse().unwrap_or(usize::MAX).min(self.page_limit);
        let end = start.saturating_add(limit).min(all.len());
        let more = if end < all.len() { end.to_string() } else { String::new() };
        json!({"kind": "List", "apiVersion": "v1", "items": &all[start..end],
            "metadata": {"resourceVersion": self.version.to_string(), "continue": more}})
    }
}

/// The collection without its namespace, the namespace, and what follows.
fn split(path: &str) -> (String, Option<String>, Vec<String>) {
    let mut parts: Vec<_> = path.trim_matches('/').split('/').map(str::to_owned).collect();
    let group = if parts[0] == "api" { 2 } else { 3 };
    let mut rest = parts.split_off(group.min(parts.len()));
    let mut namespace = None;
    if rest.len() > 2 && rest[0] == "namespaces" {
        namespace = Some(rest[1].clone());
        rest.drain(..2);
    }
    let plural = if rest.is_empty() { String::new() } else { rest.remove(0) };
    (plural, namespace, rest)
}

fn key(namespace: Option<&str>, name: &str) -> String {
    format!("{}/{name}", namespace.unwrap_or_default())
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().expect("an object").remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

fn whole(code: StatusCode, body: &Value) -> Answer {
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    let mut answer = Response::new(BodyExt::boxed(body));
    *answer.status_mut() = code;
    answer
}

fn failure(code: u16) -> Answer {
    let reason = if code == 404 { "NotFound" } else { "Fault" };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "message": format!("fault {code}"), "reason": reason});
    whole(StatusCode::from_u16(code).expect("a code"), &status)
}
