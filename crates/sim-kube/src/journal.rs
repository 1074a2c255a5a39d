//! What was asked and answered.

use std::collections::VecDeque;

use serde::Serialize;

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestRecord {
    /// Position in the journal, from 1.
    pub seq: u64,
    /// When it was answered, RFC 3339.
    pub time: String,
    /// Its user agent.
    pub user_agent: String,
    /// The user that its token belongs to; empty if none does.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or
    /// `deletecollection`.
    pub verb: String,
    /// The resource with its group, `ingresses.networking.k8s.io`, and the subresource
    /// after a slash; empty for paths that are not resources.
    pub resource: String,
    /// The namespace; empty if none was named.
    pub namespace: String,
    /// The object's name; empty for collections.
    pub name: String,
    /// The HTTP status; 0 if the connection was dropped by a fault.
    pub status: u16,
    /// Path and query.
    pub path: String,
}

/// The last requests.
#[derive(Debug)]
pub(crate) struct Journal {
    records: VecDeque<RequestRecord>,
    next: u64,
    most: usize,
}

impl Journal {
    pub(crate) fn new(most: usize) -> Self {
        Self { records: VecDeque::new(), next: 1, most }
    }

    pub(crate) fn record(&mut self, mut record: RequestRecord) {
        record.seq = self.next;
        self.next += 1;
        self.records.push_back(record);
        while self.records.len() > self.most {
            self.records.pop_front();
        }
    }

    pub(crate) fn since(&self, since: u64) -> Vec<RequestRecord> {
        self.records.iter().filter(|record| record.seq > since).cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.records.clear();
    }
}
