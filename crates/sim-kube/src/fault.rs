//! Faults on demand: what an API server, etcd or a network may do to a client.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Faults at most; more are refused.
const MOST_FAULTS: usize = 1000;

/// What happens, and to which requests or watch events.
///
/// Every condition that is set must hold; the first fault in the order of injection
/// whose conditions hold is applied.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or
    /// `deletecollection`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// Plural name of the resource: `ingresses`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Name of the object; of a list or a watch the name that its field selector
    /// asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The namespace that is asked for; empty for requests about all namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A client: part of its user agent, or its user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// This many matching requests or events pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// This many are hit; `None` until the fault is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// So long after its injection the fault ends, in milliseconds; `None` until it is
    /// cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts_ms: Option<u64>,
    /// What happens to them.
    pub action: Action,
}

impl Fault {
    /// A fault for everything, until it is cleared.
    pub fn new(action: Action) -> Self {
        Self {
            verb: None,
            resource: None,
            name: None,
            namespace: None,
            client: None,
            skip: 0,
            count: None,
            lasts_ms: None,
            action,
        }
    }

    /// Only requests with this verb. Events of watches belong to `watch`.
    #[must_use]
    pub fn verb(mut self, verb: &str) -> Self {
        self.verb = Some(verb.to_owned());
        self
    }

    /// Only this resource.
    #[must_use]
    pub fn resource(mut self, plural: &str) -> Self {
        self.resource = Some(plural.to_owned());
        self
    }

    /// Only objects of this name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Only requests about this namespace, or, if it is empty, about all of them.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Only for so long.
    #[must_use]
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.lasts_ms = Some(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Only this client: part of its user agent, or its user name.
    #[must_use]
    pub fn client(mut self, client: &str) -> Self {
        self.client = Some(client.to_owned());
        self
    }

    /// Let the first `skip` pass.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Only the next `count`.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }
}

/// What a fault does.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Refuse with a status; nothing is executed.
    Status {
        /// HTTP status code.
        code: u16,
        /// The message.
        #[serde(default)]
        message: String,
        /// `Retry-After` in seconds.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// Wait, then execute as usual.
    Delay {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Close the connection; nothing is executed.
    DropBefore,
    /// Execute the request, then close the connection without an answer.
    DropAfter,
    /// Execute the request, send half of the answer and close the connection.
    Break,
    /// Answer `get` and `list` with what was stored at an earlier version, as an API
    /// server does whose cache lags behind. Versions that are forgotten are answered
    /// as the newest.
    Stale {
        /// The version; see [`SimKube::revision`](crate::SimKube::revision).
        revision: u64,
    },
    /// A watch event is never sent.
    DropEvent,
    /// A watch event is sent twice.
    DuplicateEvent,
    /// A watch event is sent late, and so are all that follow it.
    DelayEvent {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// The watch's connection breaks instead of sending the event.
    BreakWatch,
    /// Nothing is answered while the fault lasts, as by a server that hangs or a
    /// connection that died without a sign: requests wait, and watches send neither
    /// events nor bookmarks, nor do they end.
    Silence {
        /// Whether the connection breaks afterwards. If not, it goes on, and what
        /// happened meanwhile arrives.
        breaks: bool,
    },
}

impl Action {
    fn is_of_events(&self) -> bool {
        matches!(self, Self::DropEvent | Self::DuplicateEvent | Self::DelayEvent { .. } | Self::BreakWatch)
    }

    /// What it is called where faults are counted.
    fn word(&self) -> String {
        match self {
            Self::Status { code, .. } => format!("status {code}"),
            Self::Delay { .. } => "delayed".to_owned(),
            Self::DropBefore => "connection closed before".to_owned(),
            Self::DropAfter => "connection closed after".to_owned(),
            Self::Break => "answer cut off".to_owned(),
            Self::Stale { .. } => "stale answer".to_owned(),
            Self::DropEvent => "event lost".to_owned(),
            Self::DuplicateEvent => "event sent twice".to_owned(),
            Self::DelayEvent { .. } => "event delayed".to_owned(),
            Self::BreakWatch => "watch broken".to_owned(),
            Self::Silence { .. } => "silent".to_owned(),
        }
    }
}

/// What a fault may be about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) verb: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) agent: &'a str,
    pub(crate) user: &'a str,
}

/// That nothing is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silence {
    /// When it ends at the latest; `None` when it is cleared.
    pub(crate) until: Option<Instant>,
    /// Whether the connection breaks then.
    pub(crate) breaks: bool,
}

/// A fault, and when it ends.
#[derive(Debug)]
struct Injected {
    fault: Fault,
    until: Option<Instant>,
}

/// All faults, in the order of injection.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    injected: Vec<Injected>,
    /// How often each was applied, by what it does and to what.
    struck: BTreeMap<String, u64>,
}

impl Faults {
    /// Adds a fault; `false` if there are too many.
    pub(crate) fn inject(&mut self, fault: Fault) -> bool {
        self.drop_ended();
        let room = self.injected.len() < MOST_FAULTS;
        if room {
            let until = fault.lasts_ms.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
            self.injected.push(Injected { fault, until });
        }
        room
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Fault> {
        self.injected.iter().map(|injected| &injected.fault)
    }

    pub(crate) fn clear(&mut self) {
        self.injected.clear();
    }

    /// How often each fault was applied: `status 503 list ingresses`.
    pub(crate) fn struck(&self) -> &BTreeMap<String, u64> {
        &self.struck
    }

    /// What happens to a request.
    pub(crate) fn strike(&mut self, subject: Subject<'_>) -> Option<Action> {
        self.first(subject, false)
    }

    /// What happens to a watch event.
    pub(crate) fn strike_event(&mut self, subject: Subject<'_>) -> Option<Action> {
        self.first(subject, true)
    }

    /// Whether nothing is answered to a request or on a watch now. It lasts, so it has
    /// no count; `known` is whether the request is in it already.
    pub(crate) fn silence(&mut self, subject: Subject<'_>, known: bool) -> Option<Silence> {
        self.drop_ended();
        let found = self.injected.iter().find_map(|Injected { fault, until }| match fault.action {
            Action::Silence { breaks } if hits(fault, subject) => Some(Silence { until: *until, breaks }),
            _ => None,
        })?;
        if !known {
            self.count(&Action::Silence { breaks: found.breaks }, subject);
        }
        Some(found)
    }

    fn first(&mut self, subject: Subject<'_>, events: bool) -> Option<Action> {
        self.drop_ended();
        let fits = |fault: &Fault| fault.action.is_of_events() == events && hits(fault, subject);
        let mut struck = None;
        for (at, injected) in self.injected.iter_mut().enumerate() {
            let fault = &mut injected.fault;
            if matches!(fault.action, Action::Silence { .. }) || !fits(fault) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if let Some(count) = &mut fault.count {
                *count = count.saturating_sub(1);
            }
            struck = Some((at, fault.count == Some(0), fault.action.clone()));
            break;
        }
        let (at, used_up, action) = struck?;
        if used_up {
            self.injected.remove(at);
        }
        self.count(&action, subject);
        Some(action)
    }

    fn count(&mut self, action: &Action, subject: Subject<'_>) {
        let what = format!("{} {} {}", action.word(), subject.verb, subject.resource);
        *self.struck.entry(what).or_default() += 1;
    }

    fn drop_ended(&mut self) {
        if self.injected.iter().any(|injected| injected.until.is_some()) {
            let now = Instant::now();
            self.injected.retain(|injected| injected.until.is_none_or(|until| now < until));
        }
    }
}

fn hits(fault: &Fault, subject: Subject<'_>) -> bool {
    let is = |wanted: &Option<String>, given: &str| wanted.as_deref().is_none_or(|wanted| wanted == given);
    is(&fault.verb, subject.verb)
        && is(&fault.resource, subject.resource)
        && is(&fault.name, subject.name)
        && is(&fault.namespace, subject.namespace)
        && fault.client.as_deref().is_none_or(|client| is_client(client, subject.agent, subject.user))
}

/// Whether a client is meant by a part of its user agent or by its user name.
pub(crate) fn is_client(client: &str, agent: &str, user: &str) -> bool {
    agent.contains(client) || user == client
}
