//! What was asked and how it was answered.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::Value;

/// Longest text that is kept of a request; the rest is cut off.
const MAX_TEXT: usize = 2048;

/// An answered request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// Position in the journal, from 1.
    pub seq: u64,
    /// RFC 3339, by the simulator's clock.
    pub time: String,
    /// HTTP method.
    pub method: String,
    /// Object type, or the path of a singleton without `/api/`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name of the object, or the one a list was asked for; else empty.
    pub name: String,
    /// `X-Avi-Tenant` as it was sent.
    pub tenant: String,
    /// HTTP status; 0 if the connection was closed without an answer.
    pub status: u16,
    /// Path and query.
    pub path: String,
    /// `X-Avi-UserAgent`, else `User-Agent`.
    pub user_agent: String,
    /// The beginning of the session id.
    pub session: String,
    /// Whether the objects of the Controller changed.
    pub committed: bool,
    /// What an object was and became, with [`Options::changes`](crate::Options::changes). It may
    /// hold keys, so it is not served.
    #[serde(skip)]
    pub change: Option<Change>,
}

/// An object before and after it was written, in the words of its writers: without what the
/// Controller added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// As the write before left it.
    pub before: Value,
    /// As it is now.
    pub after: Value,
}

/// Counters since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Requests that cannot change objects: GET.
    pub reads: u64,
    /// POST, PUT, PATCH and DELETE of objects, refused ones included.
    pub writes: u64,
    /// Writes that changed objects.
    pub commits: u64,
    /// Requests by `METHOD type status`.
    pub by_outcome: BTreeMap<String, u64>,
    /// Objects now.
    pub objects: usize,
    /// Live sessions now.
    pub sessions: usize,
}

fn cut(text: &mut String) {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
}

/// The last requests, and counters of all.
#[derive(Debug)]
pub(crate) struct Journal {
    records: VecDeque<RequestRecord>,
    capacity: usize,
    /// Whether it keeps what was changed.
    pub(crate) changes: bool,
    last: u64,
    stats: Stats,
}

impl Journal {
    pub(crate) fn new(capacity: usize, changes: bool) -> Self {
        Self { records: VecDeque::new(), capacity, changes, last: 0, stats: Stats::default() }
    }

    /// Writes a request down; `known` is whether its type is one of the fixed set.
    pub(crate) fn record(&mut self, mut record: RequestRecord, known: bool) {
        self.last += 1;
        record.seq = self.last;
        let texts = [&mut record.path, &mut record.kind, &mut record.name, &mut record.tenant];
        texts.into_iter().chain([&mut record.user_agent]).for_each(cut);
        if record.method == "GET" {
            self.stats.reads += 1;
        } else if !matches!(record.kind.as_str(), "login" | "logout" | "user-token") {
            self.stats.writes += 1;
        }
        self.stats.commits += u64::from(record.committed);
        let usual = matches!(&*record.method, "GET" | "POST" | "PUT" | "PATCH" | "DELETE");
        let (method, kind) =
            if known && usual { (&*record.method, &*record.kind) } else { ("ANY", "unknown") };
        *self.stats.by_outcome.entry(format!("{method} {kind} {}", record.status)).or_default() += 1;
        if self.capacity == 0 {
            return;
        }
        if self.records.len() >= self.capacity {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// Records after position `since`.
    pub(crate) fn since(&self, since: u64) -> Vec<RequestRecord> {
        self.records.iter().filter(|record| record.seq > since).cloned().collect()
    }

    /// Forgets records and counters; positions go on.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.stats = Stats::default();
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stats.clone()
    }
}
