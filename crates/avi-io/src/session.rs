//! A session: what later requests need of a login. Source: Avi REST API contract, §1.1, §2.

use ako_avi_types::{ErrorClass, Failure};
use http::HeaderMap;
use http::header::{HeaderValue, SET_COOKIE};

/// What later requests need.
pub(crate) struct Session {
    pub(crate) generation: u64,
    /// `None` if the controller sent none; then none are sent.
    pub(crate) cookies: Option<Cookies>,
    pub(crate) api_version: HeaderValue,
}

/// The cookies that count. Source: Avi REST API contract, §1.1.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Cookies {
    pub(crate) csrf: String,
    pub(crate) session: String,
}

impl Cookies {
    /// The cookies that a reply sets; those that it does not set stay.
    pub(crate) fn read(headers: &HeaderMap, before: Option<&Self>) -> Option<Self> {
        let mut csrf = before.map(|c| c.csrf.clone());
        let mut session = before.map(|c| c.session.clone());
        for header in headers.get_all(SET_COOKIE) {
            let Ok(text) = header.to_str() else { continue };
            let Some((name, value)) = text.split(';').next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            match (name.trim(), value.trim().trim_matches('"')) {
                (_, "") => {}
                ("csrftoken", value) => csrf = Some(value.to_owned()),
                ("sessionid" | "avi-sessionid", value) => session = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(Self { csrf: csrf?, session: session? })
    }

    pub(crate) fn header(&self) -> HeaderValue {
        let Self { csrf, session } = self;
        sensitive(&format!("csrftoken={csrf}; sessionid={session}; avi-sessionid={session}"))
    }

    pub(crate) fn csrf_header(&self) -> HeaderValue {
        sensitive(&self.csrf)
    }
}

/// The values come out of headers, so they can be put into one.
fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// A failure of a request that changes nothing has no effect in doubt.
pub(crate) fn harmless(mut failure: Failure) -> Failure {
    if failure.class == ErrorClass::Unknown {
        failure.class = ErrorClass::Retry;
    }
    failure
}
