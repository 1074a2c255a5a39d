//! A controller in memory: it logs in, records what it is asked and answers
//! what the test says.

// A test may panic, and not every test uses all of it.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use ako_avi_io::{AviClient, Credentials, Dial, Dialed, Dialing, Endpoint, Options, Secret, Tls, Writer};
use ako_elect::Moment;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::HeaderMap;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Seen {
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub fn page(&self) -> usize {
        self.query.get("page").map_or(1, |p| p.parse().unwrap())
    }
}

/// What is answered.
pub enum Answer {
    Json(u16, Value),
    Text(u16, String),
    With(u16, &'static str, String, Value),
    /// Nothing, until the client gives up.
    Never,
}

type Script = Box<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// The controller.
pub struct Double {
    pub seen: Mutex<Vec<Seen>>,
    script: Script,
    /// The number of the session that is valid.
    session: AtomicU64,
    pub logins: AtomicUsize,
    /// The text of the secret that is accepted.
    pub secret: Mutex<String>,
    /// Connections that are open.
    pub open: watch::Sender<usize>,
    pub dialed: AtomicUsize,
    lines: Mutex<Vec<tokio::task::AbortHandle>>,
    /// The client's clock, in milliseconds.
    pub now: AtomicU64,
    /// Whether the client's process leads.
    pub leads: watch::Sender<bool>,
}

impl Double {
    pub fn new(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            seen: Mutex::default(),
            script: Box::new(script),
            session: AtomicU64::new(0),
            logins: AtomicUsize::new(0),
            secret: Mutex::new("hunter2".into()),
            open: watch::Sender::new(0),
            dialed: AtomicUsize::new(0),
            lines: Mutex::default(),
            now: AtomicU64::new(0),
            leads: watch::Sender::new(true),
        })
    }

    pub fn options(self: &Arc<Self>) -> Options {
        let clock = self.clone();
        let endpoint = Endpoint::parse("avi.test").unwrap();
        let clock = Arc::new(move || Moment::from_millis(clock.now.load(SeqCst)));
        let mut options = Options::new(endpoint, Tls::Unverified, password("hunter2"), clock);
        options.dialer = Some(Arc::new(Line(self.clone())));
        options
    }

    pub fn client(self: &Arc<Self>) -> AviClient {
        AviClient::new(self.options()).unwrap()
    }

    pub fn writer(self: &Arc<Self>) -> Writer {
        self.writer_through(self.client())
    }

    pub fn writer_through(&self, client: AviClient) -> Writer {
        Writer::new(client, self.leads.subscribe())
    }

    /// Ends the session.
    pub fn expire(&self) {
        self.session.fetch_add(1, SeqCst);
    }

    /// The requests besides those of a login.
    pub fn asked(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|s| s.path != "/login" && s.path != "/api/initial-data").cloned().collect()
    }

    /// Closes all connections.
    pub fn hang_up(&self) {
        self.lines.lock().unwrap().drain(..).for_each(|line| line.abort());
    }

    fn answer(&self, seen: &Seen) -> Answer {
        let session = self.session.load(SeqCst);
        if seen.is("POST", "/login") {
            self.logins.fetch_add(1, SeqCst);
            let given = seen.body["password"].as_str().or(seen.body["token"].as_str()).unwrap();
            if given != *self.secret.lock().unwrap() {
                return Answer::Json(401, json!({"error": format!("Invalid credentials {given}")}));
            }
            let cookies = format!("csrf-{session}|session-{session}");
            return Answer::With(200, "login", cookies, json!({}));
        }
        if !seen.header("cookie").contains(&format!("sessionid=session-{session};")) {
            return Answer::Json(401, json!({"error": "Authentication required"}));
        }
        if seen.method != "GET" && seen.header("x-csrftoken") != format!("csrf-{session}") {
            return Answer::Text(401, "CSRF token missing or incorrect.".into());
        }
        match &*seen.path {
            "/api/initial-data" => Answer::Json(200, json!({"version": {"Version": "31.2.1"}})),
            _ => (self.script)(seen),
        }
    }

    async fn respond(self: Arc<Self>, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let query = url::form_urlencoded::parse(head.uri.query().unwrap_or("").as_bytes());
        let seen = Seen {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: query.into_owned().collect(),
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        };
        self.seen.lock().unwrap().push(seen.clone());
        let response = Response::builder();
        let (response, text) = match self.answer(&seen) {
            Answer::Never => return std::future::pending().await,
            Answer::Json(status, body) => (response.status(status), body.to_string()),
            Answer::Text(status, text) => (response.status(status), text),
            Answer::With(status, "login", cookies, body) => {
                let (csrf, session) = cookies.split_once('|').unwrap();
                let response = response
                    .header("set-cookie", format!("csrftoken={csrf}; Max-Age=31449600; Path=/; Secure"))
                    .header("set-cookie", format!("avi-sessionid={session}; HttpOnly; Path=/; Secure"))
                    .header("set-cookie", format!("sessionid={session}; HttpOnly; Path=/; Secure"));
                (response.status(status), body.to_string())
            }
            Answer::With(status, name, value, body) => {
                (response.status(status).header(name, value), body.to_string())
            }
        };
        response.body(Body::from(text)).unwrap()
    }

    /// Serves one connection to its end.
    pub async fn serve(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let double = self.clone();
        let router = axum::Router::new().fallback(move |request: Request| double.clone().respond(request));
        self.open.send_modify(|n| *n += 1);
        let service = TowerToHyperService::new(router);
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        self.open.send_modify(|n| *n -= 1);
    }
}

/// Connects to the double without a network.
pub struct Line(pub Arc<Double>);

impl Dial for Line {
    fn dial(&self) -> Dialing {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        self.0.dialed.fetch_add(1, SeqCst);
        let line = tokio::spawn(self.0.clone().serve(theirs));
        self.0.lines.lock().unwrap().push(line.abort_handle());
        Box::pin(async { Ok(Dialed::in_memory(ours)) })
    }
}

pub fn password(text: &str) -> Credentials {
    Credentials { username: "ako".into(), secret: Secret::Password(text.into()) }
}

/// An object as lists show it.
pub fn pool(number: usize) -> Value {
    json!({"uuid": format!("pool-{number}"), "name": format!("c--p{number}"), "created_by": "ako-c",
        "tenant_ref": "https://avi.test/api/tenant/admin#admin", "_last_modified": "1"})
}

/// One page of `total` pools.
pub fn page_of_pools(seen: &Seen, total: usize) -> Answer {
    let (page, size) = (seen.page(), seen.query["page_size"].parse::<usize>().unwrap());
    let results: Vec<_> = ((page - 1) * size..total.min(page * size)).map(pool).collect();
    let mut body = json!({"count": total, "results": results});
    if page * size < total {
        body["next"] = json!(format!("https://avi.test/api/pool?page={}&page_size={size}", page + 1));
    }
    Answer::Json(200, body)
}
