//! Counters of virtual services and servers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// What a virtual service or a server has had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// HTTP requests, or datagrams from clients.
    pub requests: u64,
    /// Connections or UDP sessions. A child is not counted: its parent has them.
    pub connections: u64,
    /// Those that are open now.
    pub open: u64,
    /// Requests and connections that got no answer from a server, or failed to reach it.
    pub failures: u64,
}

/// The counters of the data plane. They start when an object is first seen and end
/// with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// By `<tenant>/<name>`.
    pub virtual_services: BTreeMap<String, Traffic>,
    /// By `<tenant>/<name>` of the pool, then `<address>:<port>` as the pool has it.
    pub servers: BTreeMap<String, BTreeMap<String, Traffic>>,
}

/// Counters that are counted.
#[derive(Debug, Default)]
pub(super) struct Meter {
    requests: AtomicU64,
    connections: AtomicU64,
    open: AtomicU64,
    failures: AtomicU64,
}

impl Meter {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn failure(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// Counts a connection until the result is dropped.
    pub(super) fn connection(self: &Arc<Self>) -> Open {
        self.connections.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        Open(self.clone())
    }

    pub(super) fn read(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Relaxed),
            connections: self.connections.load(Relaxed),
            open: self.open.load(Relaxed),
            failures: self.failures.load(Relaxed),
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Open(Arc<Meter>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}
