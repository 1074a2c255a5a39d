//! A client of the simulator, in process.

use ako_sim_avi::{Options, SimAvi};
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A reply that was read completely.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The error text of a refusal.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().expect("an error").to_owned()
    }
}

/// A session, and the tenant it works in.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) router: Router,
    pub(crate) cookies: String,
    pub(crate) csrf: String,
    pub(crate) tenant: String,
}

impl Client {
    /// A fresh simulator and a session with it.
    pub(crate) async fn fresh() -> (SimAvi, Self) {
        let sim = SimAvi::new(Options::default());
        let client = Self::login(&sim).await;
        (sim, client)
    }

    pub(crate) async fn login(sim: &SimAvi) -> Self {
        let mut client = Self {
            router: sim.router(),
            cookies: String::new(),
            csrf: String::new(),
            tenant: "admin".to_owned(),
        };
        let reply = client
            .send(Method::POST, "/login", Some(json!({"username": "admin", "password": "admin"})))
            .await;
        let reply = reply.expect("a reply");
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        let cookies: Vec<String> = reply
            .headers
            .get_all("set-cookie")
            .iter()
            .filter_map(|value| value.to_str().ok()?.split(';').next().map(str::to_owned))
            .collect();
        let csrf = cookies.iter().find_map(|cookie| cookie.strip_prefix("csrftoken="));
        csrf.expect("a CSRF cookie").clone_into(&mut client.csrf);
        client.cookies = cookies.join("; ");
        client
    }

    pub(crate) fn in_tenant(&self, tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), ..self.clone() }
    }

    /// Sends a request; `None` if the connection was dropped.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Option<Reply> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "controller")
            .header("x-avi-tenant", &self.tenant)
            .header("x-avi-version", "30.2.1");
        if !self.cookies.is_empty() {
            request = request.header("cookie", &self.cookies).header("x-csrftoken", &self.csrf);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.exchange(request.body(body).expect("a request")).await
    }

    pub(crate) async fn exchange(&self, request: Request<Body>) -> Option<Reply> {
        let response = self.router.clone().oneshot(request).await.expect("the router is infallible");
        let (parts, body) = response.into_parts();
        let text = body.collect().await.ok()?.to_bytes();
        let text = String::from_utf8(text.to_vec()).expect("UTF-8");
        Some(Reply { status: parts.status, headers: parts.headers, text })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await.expect("a reply")
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body)).await.expect("a reply")
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, Some(body)).await.expect("a reply")
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, Some(body)).await.expect("a reply")
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await.expect("a reply")
    }

    /// Creates an object that must be accepted, and shows it.
    pub(crate) async fn create(&self, kind: &str, body: Value) -> Value {
        let reply = self.post(&format!("/api/{kind}"), body).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
        reply.json()
    }
}

/// The path of an object in a reply.
pub(crate) fn path(object: &Value) -> String {
    let url = object["url"].as_str().expect("a url");
    let start = url.find("/api/").expect("an API path");
    url[start..].split('#').next().expect("a path").to_owned()
}
