//! Pools, their servers and groups of them: who gets the next request.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::limits::{CONNECT, PENALTY};
use super::server_tls::ServerTls;
use super::traffic::{Meter, Open};

/// Servers that are tried for one request.
const MOST_ATTEMPTS: usize = 16;
/// Probes in a row that must fail, or succeed, to change what is thought of a server.
const CONVINCING_PROBES: u32 = 2;

/// What is known about a server; it outlives changes of its pool.
#[derive(Debug, Default)]
pub(super) struct ServerState {
    pub(super) meter: Arc<Meter>,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    /// A connection was refused: others are asked first until then.
    rests_until: Option<Instant>,
    /// The health monitor says so.
    down: bool,
    /// Probes in a row that say the opposite of `down`.
    contrary: u32,
}

impl ServerState {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_down(&self) -> bool {
        self.health().down
    }

    fn is_resting(&self) -> bool {
        self.health().rests_until.is_some_and(|end| end > Instant::now())
    }

    /// A connection was refused.
    pub(super) fn rest(&self) {
        self.meter.failure();
        self.health().rests_until = Some(Instant::now() + PENALTY);
    }

    /// The health monitor found out whether the server accepts connections.
    pub(super) fn probed(&self, up: bool) {
        let mut health = self.health();
        if health.down != up {
            health.contrary = 0;
            return;
        }
        health.contrary += 1;
        if health.contrary >= CONVINCING_PROBES {
            *health = Health { down: !up, ..Health::default() };
        }
    }
}

/// A server of a pool.
#[derive(Debug)]
pub(super) struct Server {
    /// `<address>:<port>` as the pool has it.
    pub(super) label: String,
    /// Where it is on this machine.
    pub(super) address: SocketAddr,
    /// Disabled servers keep their connections but get no new ones.
    pub(super) enabled: bool,
    pub(super) state: Arc<ServerState>,
}

/// A connection, plain or through TLS.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Duplex for T {}

/// A connection to a server.
pub(super) struct Reached {
    pub(super) stream: Box<dyn Duplex>,
    pub(super) meter: Arc<Meter>,
    pub(super) open: Open,
}

/// A pool of servers, which take turns.
#[derive(Debug)]
pub(super) struct Pool {
    /// `<tenant>/<name>`
    pub(super) label: Arc<str>,
    pub(super) enabled: bool,
    pub(super) servers: Vec<Server>,
    /// Whether it has a TCP health monitor.
    pub(super) probed: bool,
    /// How its servers are spoken to, or why they cannot be; `None` is plainly.
    pub(super) tls: Option<Result<Arc<ServerTls>, String>>,
    pub(super) turn: Arc<AtomicUsize>,
}

impl Pool {
    /// Whether a server is there to be asked.
    pub(super) fn is_up(&self) -> bool {
        self.usable().next().is_some()
    }

    fn usable(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(|server| self.enabled && server.enabled && !server.state.is_down())
    }

    /// The servers to try for one request: in turn, those that refused lately last.
    pub(super) fn candidates(&self) -> Vec<&Server> {
        let mut usable: Vec<_> = self.usable().collect();
        if !usable.is_empty() {
            let first = self.turn.fetch_add(1, Relaxed) % usable.len();
            usable.rotate_left(first);
            usable.sort_by_key(|server| server.state.is_resting());
            usable.truncate(MOST_ATTEMPTS);
        }
        usable
    }

    /// Connects to the next server that accepts, for a client that asks for `host`.
    pub(super) async fn connect(&self, host: &str) -> io::Result<Reached> {
        let mut last = io::Error::new(io::ErrorKind::NotConnected, "no server is up");
        for server in self.candidates() {
            match timeout(CONNECT, self.reach(server, host)).await {
                Ok(Ok(stream)) => {
                    let meter = server.state.meter.clone();
                    return Ok(Reached { stream, open: meter.connection(), meter });
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
            tracing::debug!(pool = %self.label, server = %server.label, error = %last, "not reached");
            server.state.rest();
        }
        Err(last)
    }

    async fn reach(&self, server: &Server, host: &str) -> io::Result<Box<dyn Duplex>> {
        let stream = TcpStream::connect(server.address).await?;
        let _ = stream.set_nodelay(true);
        Ok(match &self.tls {
            Some(Ok(tls)) => Box::new(tls.secure(stream, host).await?),
            Some(Err(why)) => return Err(io::Error::other(why.clone())),
            None => Box::new(stream),
        })
    }
}

/// A pool of a group.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) pool: Arc<Pool>,
    pub(super) ratio: u32,
    pub(super) label: Option<String>,
}

/// How often the members of a group are owed a request, by pool.
pub(super) type Credit = Mutex<HashMap<Arc<str>, i64>>;

/// A group of pools: by ratio, and by label if one is asked for.
#[derive(Debug)]
pub(super) struct PoolGroup {
    pub(super) name: Arc<str>,
    pub(super) members: Vec<Member>,
    pub(super) credit: Arc<Credit>,
}

impl PoolGroup {
    /// The next pool. Without a label, that of the highest priority that is up.
    pub(super) fn choose(&self) -> Option<Arc<Pool>> {
        let priority = |member: &Member| member.label.as_deref().and_then(|label| label.parse::<u64>().ok());
        let highest = self.up().map(priority).max().or_else(|| self.members.iter().map(priority).max())?;
        self.turn(self.members.iter().filter(|member| priority(member) == highest).collect())
    }

    /// The next pool with the longest label that `wanted` begins with.
    pub(super) fn choose_by_label(&self, wanted: &str) -> Option<Arc<Pool>> {
        let fits = |member: &&Member| member.label.as_ref().is_some_and(|label| wanted.starts_with(label));
        let fitting: Vec<_> = self.members.iter().filter(fits).collect();
        let longest = fitting.iter().map(|member| member.label.as_ref().map_or(0, String::len)).max()?;
        let has_longest = |member: &&Member| member.label.as_ref().map_or(0, String::len) == longest;
        self.turn(fitting.into_iter().filter(has_longest).collect())
    }

    fn up(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.ratio > 0 && member.pool.is_up())
    }

    /// Smooth weighted round robin among members that are up, or all if none is.
    fn turn(&self, members: Vec<&Member>) -> Option<Arc<Pool>> {
        let weighty: Vec<_> = members.into_iter().filter(|member| member.ratio > 0).collect();
        let up: Vec<_> = weighty.iter().copied().filter(|member| member.pool.is_up()).collect();
        let members = if up.is_empty() { weighty } else { up };
        let total: i64 = members.iter().map(|member| i64::from(member.ratio)).sum();
        let mut credit = self.credit.lock().unwrap_or_else(PoisonError::into_inner);
        for member in &members {
            *credit.entry(member.pool.label.clone()).or_default() += i64::from(member.ratio);
        }
        let owed = |member: &&&Member| credit.get(&member.pool.label).copied().unwrap_or_default();
        // Of equals the first.
        let chosen = members.iter().rev().max_by_key(owed)?.pool.clone();
        *credit.entry(chosen.label.clone()).or_default() -= total;
        Some(chosen)
    }
}

/// Where a rule or a virtual service sends requests.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Pool(Arc<Pool>),
    Group(Arc<PoolGroup>),
    /// The reference leads nowhere.
    Missing,
}

impl Target {
    pub(super) fn choose(&self) -> Option<Arc<Pool>> {
        match self {
            Self::Pool(pool) => Some(pool.clone()),
            Self::Group(group) => group.choose(),
            Self::Missing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(name: &str, up: bool) -> Arc<Pool> {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let server = Server { label: String::new(), address, enabled: up, state: Arc::default() };
        let turn = Arc::default();
        let servers = vec![server];
        Arc::new(Pool { label: name.into(), enabled: true, servers, probed: false, tls: None, turn })
    }

    fn group(members: &[(&str, u32, Option<&str>)]) -> PoolGroup {
        let member = |(name, ratio, label): &(&str, u32, Option<&str>)| Member {
            pool: pool(name, *name != "down"),
            ratio: *ratio,
            label: label.map(str::to_owned),
        };
        PoolGroup { name: "g".into(), members: members.iter().map(member).collect(), credit: Arc::default() }
    }

    fn chosen(group: &PoolGroup, times: usize) -> String {
        (0..times).map(|_| group.choose().map_or_else(|| "-".to_owned(), |p| p.label.to_string())).collect()
    }

    #[test]
    fn ratios_are_kept_evenly() {
        assert_eq!(chosen(&group(&[("a", 3, None), ("b", 1, None)]), 8), "aabaaaba");
        assert_eq!(chosen(&group(&[("a", 0, None), ("b", 1, None)]), 2), "bb");
        assert_eq!(chosen(&group(&[("down", 9, None), ("b", 1, None)]), 2), "bb");
        assert_eq!(chosen(&group(&[]), 1), "-");
        assert_eq!(chosen(&group(&[("a", 1, Some("5")), ("b", 1, Some("10"))]), 2), "bb");
    }

    #[test]
    fn the_longest_label_wins() {
        let group = group(&[("a", 1, Some("x.com/")), ("b", 1, Some("x.com/a")), ("c", 1, Some("y.com/"))]);
        let by = |label: &str| group.choose_by_label(label).map(|pool| pool.label.to_string());
        assert_eq!(by("x.com/about").as_deref(), Some("b"));
        assert_eq!(by("x.com/b").as_deref(), Some("a"));
        assert_eq!(by("z.com/"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn health_follows_refusals_and_probes() {
        let state = ServerState::default();
        state.rest();
        assert!(state.is_resting() && !state.is_down());
        tokio::time::advance(PENALTY).await;
        assert!(!state.is_resting());
        state.probed(false);
        assert!(!state.is_down());
        state.probed(true);
        state.probed(false);
        assert!(!state.is_down());
        state.probed(false);
        assert!(state.is_down());
        state.probed(true);
        state.probed(true);
        assert!(!state.is_down());
    }
}
