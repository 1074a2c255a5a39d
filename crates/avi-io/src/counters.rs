//! What is counted for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ako_avi_types::Kind;
use http::Method;

use crate::answer::Reply;
use crate::broken::Broken;
use crate::call::Resource;

const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
const RESOURCES: usize = Kind::ALL.len() + 4;
/// `failed`: sent, without an answer. `not_sent`: nothing left this process.
const OUTCOMES: [&str; 7] = ["1xx", "2xx", "3xx", "4xx", "5xx", "failed", "not_sent"];

/// Requests of one method, kind and outcome since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestCount {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// A kind's path segment, or `login`, `user-token` or `controller`.
    pub kind: &'static str,
    /// `2xx` to `5xx`; `failed` if there was no answer; `not_sent` if nothing
    /// was sent.
    pub outcome: &'static str,
    /// How many.
    pub count: u64,
}

/// The client's traffic at one point in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests since the start, those that are not zero.
    pub requests: Vec<RequestCount>,
    /// Requests without a reply yet.
    pub in_flight: u64,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// How many calls the limiter lets run at a time now.
    pub concurrency_limit: usize,
    /// Sessions that were lost and replaced.
    pub relogins: u64,
}

/// The counters behind [`Traffic`].
pub(crate) struct Counters {
    requests: Vec<AtomicU64>,
    in_flight: AtomicU64,
    relogins: AtomicU64,
}

/// A request in flight, until dropped.
pub(crate) struct InFlight<'a>(&'a AtomicU64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Counters {
    pub(crate) fn new() -> Self {
        let cells = METHODS.len() * RESOURCES * OUTCOMES.len();
        Self {
            requests: (0..cells).map(|_| AtomicU64::new(0)).collect(),
            in_flight: AtomicU64::new(0),
            relogins: AtomicU64::new(0),
        }
    }

    pub(crate) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(&self.in_flight)
    }

    pub(crate) fn relogin(&self) {
        self.relogins.fetch_add(1, Relaxed);
    }

    pub(crate) fn count(&self, method: &Method, resource: Resource, result: &Result<Reply, Broken>) {
        let outcome = match result {
            Ok(reply) => usize::from(reply.status.as_u16() / 100).clamp(1, 5) - 1,
            Err(Broken::InDoubt(_) | Broken::TimedOut { .. }) => 5,
            Err(Broken::NotSent(_) | Broken::NoPermit) => 6,
        };
        let method = METHODS.iter().position(|m| *m == method.as_str()).unwrap_or(0);
        let at = (method * RESOURCES + index(resource)) * OUTCOMES.len() + outcome;
        if let Some(counter) = self.requests.get(at) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// The counts now; the limiter's gauges are filled in by the client.
    pub(crate) fn snapshot(&self) -> Traffic {
        let mut requests = Vec::new();
        for (m, method) in METHODS.iter().enumerate() {
            for (r, resource) in resources().enumerate() {
                for (o, outcome) in OUTCOMES.iter().enumerate() {
                    let at = (m * RESOURCES + r) * OUTCOMES.len() + o;
                    let count = self.requests.get(at).map_or(0, |c| c.load(Relaxed));
                    if count > 0 {
                        requests.push(RequestCount { method, kind: resource.label(), outcome, count });
                    }
                }
            }
        }
        Traffic {
            requests,
            in_flight: self.in_flight.load(Relaxed),
            relogins: self.relogins.load(Relaxed),
            ..Traffic::default()
        }
    }
}

fn resources() -> impl Iterator<Item = Resource> {
    let others = [Resource::Login, Resource::UserToken, Resource::StringGroup, Resource::Controller];
    Kind::ALL.iter().map(|kind| Resource::Kind(*kind)).chain(others)
}

fn index(resource: Resource) -> usize {
    resources().position(|r| r == resource).unwrap_or(RESOURCES - 1)
}
