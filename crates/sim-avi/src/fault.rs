//! Faults on demand: what a Controller, a network or a proxy may do to a client.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

/// Faults at most; more are refused.
const MOST_FAULTS: usize = 1000;

/// What happens to a request, and to which ones.
///
/// Every condition that is set must hold; the first fault in the order of injection
/// whose conditions hold is applied.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// HTTP method, in capitals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Object type (`pool`), or the path of a singleton without `/api/`
    /// (`cluster/runtime`, `login`).
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name of the object; `*` stands for any text, `?` for one character. A list
    /// request has the name it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The beginning of a session id, as the journal shows it: one client's requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// This many matching requests pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// This many are hit; `None` until the fault is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// What happens to them.
    pub action: Action,
}

impl Fault {
    /// A fault for every request, until it is cleared.
    pub fn new(action: Action) -> Self {
        Self { method: None, kind: None, name: None, session: None, skip: 0, count: None, action }
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests for this object type.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = Some(kind.to_owned());
        self
    }

    /// Only requests for objects whose name fits the pattern.
    #[must_use]
    pub fn name(mut self, pattern: &str) -> Self {
        self.name = Some(pattern.to_owned());
        self
    }

    /// Only requests of the session whose id begins like this.
    #[must_use]
    pub fn session(mut self, session: &str) -> Self {
        self.session = Some(session.to_owned());
        self
    }

    /// Let the first `skip` matching requests pass.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Only the next `count` matching requests.
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
    /// Answer with a status and body; nothing is executed.
    Status {
        /// HTTP status code.
        status: u16,
        /// A string is sent as it is, anything else as JSON.
        #[serde(default)]
        body: Value,
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
    /// Execute the request and send half of the body as if it were all.
    Truncate,
    /// Execute the request, send half of the body and close the connection.
    Break,
    /// End the session of the request, which is then refused with 401.
    ExpireSession,
}

impl Action {
    /// What it is called where faults are counted.
    fn word(&self) -> String {
        match self {
            Self::Status { status, .. } => format!("status {status}"),
            Self::Delay { .. } => "delayed".to_owned(),
            Self::DropBefore => "connection closed before".to_owned(),
            Self::DropAfter => "connection closed after".to_owned(),
            Self::Truncate => "answer truncated".to_owned(),
            Self::Break => "answer cut off".to_owned(),
            Self::ExpireSession => "session ended".to_owned(),
        }
    }
}

/// All faults, in the order of injection.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    injected: Vec<Fault>,
    /// How often each was applied, by what it does and to which method.
    struck: BTreeMap<String, u64>,
}

impl Faults {
    /// Adds a fault; `false` if there are too many.
    pub(crate) fn inject(&mut self, fault: Fault) -> bool {
        let room = self.injected.len() < MOST_FAULTS;
        if room {
            self.injected.push(fault);
        }
        room
    }

    pub(crate) fn clear(&mut self) {
        self.injected.clear();
    }

    pub(crate) fn all(&self) -> &[Fault] {
        &self.injected
    }

    /// How often each fault was applied: `status 503 GET`.
    pub(crate) fn struck(&self) -> &BTreeMap<String, u64> {
        &self.struck
    }

    /// The action for a request, if one is due.
    pub(crate) fn strike(&mut self, method: &str, kind: &str, name: &str, session: &str) -> Option<Action> {
        let fits = |fault: &Fault| {
            fault.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && fault.kind.as_deref().is_none_or(|wanted| wanted == kind)
                && fault.name.as_deref().is_none_or(|pattern| glob(pattern.as_bytes(), name.as_bytes()))
                && fault.session.as_deref().is_none_or(|wanted| session.starts_with(wanted))
        };
        for fault in self.injected.iter_mut().filter(|fault| fits(fault)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            match &mut fault.count {
                Some(0) => continue,
                Some(left) => *left -= 1,
                None => {}
            }
            let action = fault.action.clone();
            *self.struck.entry(format!("{} {method}", action.word())).or_default() += 1;
            self.injected.retain(|fault| fault.count != Some(0));
            return Some(action);
        }
        None
    }
}

/// Shell-like matching, linear in the length of the text for each `*`.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((position, from)) => {
                    star = Some((position, from + 1));
                    p = position + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// Lasting conditions, as opposed to faults of single requests.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weather {
    /// Every API request takes this long, in milliseconds.
    pub latency_ms: u64,
    /// Requests per second; those above are refused with 429 and `Retry-After`.
    pub rate_limit: Option<u32>,
    /// Writes are refused: the Controller is being upgraded.
    pub upgrading: bool,
    /// A page of a list holds no more than this, whatever was asked for.
    pub page_size: Option<usize>,
}

impl Weather {
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }
}

/// Counts requests per second for the rate limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    since: Instant,
    seen: u32,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { since: Instant::now(), seen: 0 }
    }

    /// Whether one more request is within the limit.
    pub(crate) fn admit(&mut self, limit: u32) -> bool {
        if self.since.elapsed() >= Duration::from_secs(1) {
            *self = Self::start();
        }
        self.seen = self.seen.saturating_add(1);
        self.seen <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let fits = |pattern: &str, text: &str| glob(pattern.as_bytes(), text.as_bytes());
        assert!(fits("*", "") && fits("a*c", "abbc") && fits("a?c*", "abc") && fits("*b*", "abc"));
        assert!(!fits("a", "") && !fits("a*c", "abb") && !fits("", "a"));
    }

    #[test]
    fn a_fault_skips_hits_and_ends() {
        let mut faults = Faults::default();
        faults.inject(Fault::new(Action::DropBefore).kind("pool").skip(1).times(1));
        assert_eq!(faults.strike("GET", "vsvip", "", ""), None);
        assert_eq!(faults.strike("GET", "pool", "", ""), None);
        assert_eq!(faults.strike("GET", "pool", "", ""), Some(Action::DropBefore));
        assert_eq!(faults.strike("GET", "pool", "", ""), None);
        assert!(faults.all().is_empty());
    }
}
