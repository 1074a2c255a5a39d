//! What is bounded in the data plane, and by how much.

use std::time::Duration;

/// Open connections of one listener; more wait to be accepted.
pub(super) const MOST_CONNECTIONS: usize = 1024;
/// Listeners at most; the others are reported and stay closed.
pub(super) const MOST_LISTENERS: usize = 4096;
/// Listeners that the port range of one service may have.
pub(super) const WIDEST_RANGE: u16 = 64;
/// Sessions of one UDP listener; datagrams of further clients are dropped.
pub(super) const MOST_UDP_SESSIONS: usize = 1024;
/// The largest datagram that is passed on whole.
pub(super) const LARGEST_DATAGRAM: usize = 65_535;
/// The largest TLS ClientHello that is searched for a name.
pub(super) const LARGEST_HELLO: usize = 16 * 1024;
/// The largest head of a request or response.
pub(super) const LARGEST_HEAD: usize = 64 * 1024;
/// Header fields of a request or response.
pub(super) const MOST_HEADERS: usize = 128;
/// The largest body of a request; longer ones break off.
pub(super) const LARGEST_BODY: usize = 1024 * 1024 * 1024;
/// Probes of health monitors under way at once.
pub(super) const MOST_PROBES: usize = 64;

/// How long a client may take for a handshake or the head of a request.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a server may take to accept a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// How long a server that refused a connection gets no other.
pub(super) const PENALTY: Duration = Duration::from_secs(2);
/// How often servers are probed that have a TCP health monitor.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(10);
/// How often ports that were taken are tried again.
pub(super) const RETRY: Duration = Duration::from_secs(5);
/// How long to wait after a connection could not be accepted.
pub(super) const RECOVERY: Duration = Duration::from_millis(10);
