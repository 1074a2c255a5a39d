//! One request, as a value.

use std::fmt;
use std::sync::Arc;

use ako_avi_types::Kind;
use bytes::Bytes;
use http::Method;
use url::form_urlencoded;

use crate::permission::Leave;

/// The tenant that a request is made in. It is an argument of every request and
/// never a state of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// One tenant, by name.
    Named(Arc<str>),
    /// All tenants that the account can see (`*`); for lists only.
    All,
}

impl Tenant {
    /// A tenant by name.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self::Named(name.into())
    }

    /// The value of `X-Avi-Tenant`.
    pub fn header(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::All => "*",
        }
    }
}

/// What a request is about, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Kind(Kind),
    Login,
    UserToken,
    /// What claims a cluster's name.
    StringGroup,
    /// Singletons such as `/api/cluster`.
    Controller,
}

impl Resource {
    /// The label in metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.segment(),
            Self::Login => "login",
            Self::UserToken => "user-token",
            Self::StringGroup => "stringgroup",
            Self::Controller => "controller",
        }
    }

    /// The path of its collection.
    pub(crate) fn path(self) -> String {
        format!("/api/{}", self.label())
    }
}

/// What a request does. One that changes something carries the leave to.
#[derive(Clone)]
pub(crate) enum Verb<'a> {
    Get,
    /// Logging in changes no configuration.
    Login(Bytes),
    Post(Leave<'a>, Bytes),
    Put(Leave<'a>, Bytes),
    Delete(Leave<'a>),
}

impl<'a> Verb<'a> {
    pub(crate) fn method(&self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Login(_) | Self::Post(..) => Method::POST,
            Self::Put(..) => Method::PUT,
            Self::Delete(_) => Method::DELETE,
        }
    }

    pub(crate) fn body(&self) -> Bytes {
        match self {
            Self::Get | Self::Delete(_) => Bytes::new(),
            Self::Login(body) | Self::Post(_, body) | Self::Put(_, body) => body.clone(),
        }
    }

    /// The leave to change something, if it does.
    pub(crate) fn leave(&self) -> Option<Leave<'a>> {
        match self {
            Self::Get | Self::Login(_) => None,
            Self::Post(leave, _) | Self::Put(leave, _) | Self::Delete(leave) => Some(*leave),
        }
    }
}

/// One request.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    pub(crate) verb: Verb<'a>,
    pub(crate) resource: Resource,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) tenant: Tenant,
}

// The body may hold private keys and passwords.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {}", self.verb.method(), self.target, self.tenant.header())
    }
}

/// A path with its query, keys sorted and everything escaped.
/// Source: Avi REST API contract, §3.1.
pub(crate) fn target(path: &str, query: &[(String, String)]) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    let mut sorted: Vec<_> = query.iter().collect();
    sorted.sort();
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    for (key, value) in sorted {
        encoded.append_pair(key, value);
    }
    format!("{path}?{}", encoded.finish())
}

/// A path segment with everything escaped that could break out of it.
pub(crate) fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_sorted_and_escaped() {
        let query = [("name", "a&b #c"), ("include_name", "true")].map(|(k, v)| (k.into(), v.into()));
        assert_eq!(target("/api/pool", &query), "/api/pool?include_name=true&name=a%26b+%23c");
        assert_eq!(segment("pool-1/../x y"), "pool-1%2F..%2Fx%20y");
    }
}
