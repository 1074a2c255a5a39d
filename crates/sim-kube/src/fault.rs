//! Faults on demand: what an API server, etcd or a network may do to a client.

use serde::{Deserialize, Serialize};

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
    /// Name of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A client: part of its user agent, or its user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// This many matching requests or events pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// This many are hit; `None` until the fault is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// What happens to them.
    pub action: Action,
}

impl Fault {
    /// A fault for everything, until it is cleared.
    pub fn new(action: Action) -> Self {
        Self { verb: None, resource: None, name: None, client: None, skip: 0, count: None, action }
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
}

impl Action {
    fn is_of_events(&self) -> bool {
        matches!(self, Self::DropEvent | Self::DuplicateEvent | Self::DelayEvent { .. } | Self::BreakWatch)
    }
}

/// What a fault may be about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) verb: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) name: &'a str,
    pub(crate) agent: &'a str,
    pub(crate) user: &'a str,
}

/// All faults, in the order of injection.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault; `false` if there are too many.
    pub(crate) fn inject(&mut self, fault: Fault) -> bool {
        let room = self.0.len() < MOST_FAULTS;
        if room {
            self.0.push(fault);
        }
        room
    }

    pub(crate) fn all(&self) -> &[Fault] {
        &self.0
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to a request.
    pub(crate) fn strike(&mut self, subject: Subject<'_>) -> Option<Action> {
        self.first(subject, false)
    }

    /// What happens to a watch event.
    pub(crate) fn strike_event(&mut self, subject: Subject<'_>) -> Option<Action> {
        self.first(subject, true)
    }

    fn first(&mut self, subject: Subject<'_>, events: bool) -> Option<Action> {
        let fits = |fault: &Fault| fault.action.is_of_events() == events && hits(fault, subject);
        let mut struck = None;
        for (at, fault) in self.0.iter_mut().enumerate().filter(|(_, fault)| fits(fault)) {
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
            self.0.remove(at);
        }
        Some(action)
    }
}

fn hits(fault: &Fault, subject: Subject<'_>) -> bool {
    let is = |wanted: &Option<String>, given: &str| wanted.as_deref().is_none_or(|wanted| wanted == given);
    is(&fault.verb, subject.verb)
        && is(&fault.resource, subject.resource)
        && is(&fault.name, subject.name)
        && fault.client.as_deref().is_none_or(|client| is_client(client, subject.agent, subject.user))
}

/// Whether a client is meant by a part of its user agent or by its user name.
pub(crate) fn is_client(client: &str, agent: &str, user: &str) -> bool {
    agent.contains(client) || user == client
}
