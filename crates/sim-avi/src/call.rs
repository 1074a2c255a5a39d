//! A request taken apart, and the reply to it.

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde_json::Value;
use url::form_urlencoded;

use crate::kind;
use crate::listing::{self, Query};
use crate::refusal::{Granted, Refusal};
use crate::store::Fields;

/// A request to the API.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The path without empty segments: double slashes collapse (§1.2).
    pub(crate) segments: Vec<String>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body, if it is JSON.
    pub(crate) json: Option<Value>,
    /// `https://host`
    pub(crate) origin: String,
    pub(crate) secure: bool,
    /// Path and query as they were sent.
    pub(crate) target: String,
}

impl Call {
    pub(crate) fn read(parts: Parts, body: Bytes, secure: bool) -> Self {
        let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
        let scheme = if secure { "https" } else { "http" };
        let origin = format!("{scheme}://{}", host.unwrap_or("localhost"));
        let target = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let segments =
            parts.uri.path().split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let query = query.into_owned().filter(|(key, _)| !key.is_empty()).collect();
        let json = serde_json::from_slice(&body).ok();
        Self {
            method: parts.method,
            segments,
            query,
            headers: parts.headers,
            body,
            json,
            origin,
            secure,
            target,
        }
    }

    /// Path segments to match on.
    pub(crate) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The object type, or the path of a singleton; and whether it is a known one.
    pub(crate) fn subject(&self) -> (String, bool) {
        const SINGLETONS: &[&str] = &[
            "login",
            "logout",
            "initial-data",
            "cluster",
            "cluster/runtime",
            "cluster/version",
            "cluster/status",
            "systemconfiguration",
            "ipamdnsproviderprofiledomainlist",
            "user-token",
            "user",
            "role",
            "virtualservice-inventory",
            "pool-inventory",
        ];
        let path = self.path();
        let words = path.strip_prefix(&["api"]).unwrap_or(&path);
        if let Some(kind) = words.first().and_then(|word| kind::find(word)) {
            return (kind.path.to_owned(), true);
        }
        let whole = words.join("/");
        let first = words.first().copied().unwrap_or_default();
        let known = SINGLETONS.contains(&whole.as_str());
        if !known && SINGLETONS.contains(&first) { (first.to_owned(), true) } else { (whole, known) }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body of a write.
    pub(crate) fn fields(&self) -> Granted<Fields> {
        match &self.json {
            Some(Value::Object(fields)) => Ok(fields.clone()),
            _ => Err(Refusal::invalid("JSON parse error - the body must be an object")),
        }
    }

    /// Credentials: JSON or a form (§1.1).
    pub(crate) fn credentials(&self) -> Query {
        if let Some(Value::Object(fields)) = &self.json {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            return fields.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        }
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// The name of the object in the body, or the one a list is asked for.
    pub(crate) fn name(&self) -> &str {
        let sent = self.json.as_ref().and_then(|body| body.get("name")).and_then(Value::as_str);
        sent.or_else(|| listing::value(&self.query, "name")).unwrap_or_default()
    }
}

/// A reply before it becomes HTTP.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    pub(crate) location: Option<String>,
    pub(crate) cookies: Vec<String>,
    pub(crate) retry_after: Option<u32>,
    /// Whether objects changed.
    pub(crate) committed: bool,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, body: Vec<u8>) -> Self {
        Self { status, body, location: None, cookies: Vec::new(), retry_after: None, committed: false }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::new(StatusCode::OK, value.to_string().into_bytes())
    }

    pub(crate) fn empty() -> Self {
        Self::new(StatusCode::NO_CONTENT, Vec::new())
    }

    pub(crate) fn committed(mut self) -> Self {
        self.committed = true;
        self
    }

    /// All headers, and the body as it is.
    pub(crate) fn into_response(self, version: Option<&str>) -> Response<Body> {
        let body = self.body.clone();
        self.with_body(version, Body::from(body))
    }

    /// All headers, with another body.
    pub(crate) fn with_body(self, version: Option<&str>, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut set = |name: header::HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(name, value);
            }
        };
        set(header::HeaderName::from_static("avi_api_version"), version.unwrap_or("16_4_2"));
        self.cookies.iter().for_each(|cookie| set(header::SET_COOKIE, cookie));
        if let Some(location) = &self.location {
            set(header::LOCATION, location);
        }
        if let Some(seconds) = self.retry_after {
            set(header::RETRY_AFTER, &seconds.to_string());
        }
        response
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status, refusal.body())
    }
}
