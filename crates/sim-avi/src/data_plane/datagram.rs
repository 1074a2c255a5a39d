//! UDP: the datagrams of a client go to the same server for as long as they keep coming.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Shared;
use super::limits::{LARGEST_DATAGRAM, MOST_UDP_SESSIONS, RECOVERY};
use super::plan::{Application, Service};
use super::pool::{ServerState, Target};
use super::traffic::Open;

/// A client and its server.
#[derive(Debug)]
struct Session {
    server: UdpSocket,
    state: Arc<ServerState>,
    /// Whether the client sent something since this was last looked at.
    active: AtomicBool,
    _open: [Open; 2],
}

/// Sessions by the address of the client.
#[derive(Debug, Default)]
struct Sessions(Mutex<HashMap<SocketAddr, Arc<Session>>>);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes datagrams on until the service is closed, which ends all sessions.
pub(super) async fn serve(socket: UdpSocket, service: watch::Receiver<Arc<Service>>, shared: Arc<Shared>) {
    let (socket, sessions) = (Arc::new(socket), Arc::default());
    let mut port = Port { socket, sessions, answers: JoinSet::new(), idle: shared.options.udp_idle };
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    loop {
        let (length, client) = match port.socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "receiving a datagram failed");
                tokio::time::sleep(RECOVERY).await;
                continue;
            }
        };
        let service = service.borrow().clone();
        service.meter.request();
        let Some(session) = port.session(client, &service).await else {
            service.meter.failure();
            continue;
        };
        session.active.store(true, Relaxed);
        session.state.meter.request();
        if session.server.send(&buffer[..length]).await.is_err() {
            service.meter.failure();
        }
    }
}

/// A UDP port, its sessions, and a task for each of them.
struct Port {
    socket: Arc<UdpSocket>,
    sessions: Arc<Sessions>,
    answers: JoinSet<()>,
    idle: Duration,
}

impl Port {
    /// The session of a client, a new one if it has none. `None` if there is no server,
    /// or no room.
    async fn session(&mut self, client: SocketAddr, service: &Service) -> Option<Arc<Session>> {
        while self.answers.try_join_next().is_some() {}
        let known = self.sessions.lock().get(&client).cloned();
        if known.is_some() || self.sessions.lock().len() >= MOST_UDP_SESSIONS {
            return known;
        }
        let session = Arc::new(open(service).await?);
        self.sessions.lock().insert(client, session.clone());
        let (socket, sessions, idle) = (self.socket.clone(), self.sessions.clone(), self.idle);
        let own = session.clone();
        self.answers.spawn(async move {
            if answer(&socket, client, &own, idle).await.is_err() {
                own.state.rest();
            }
            sessions.lock().remove(&client);
        });
        Some(session)
    }
}

async fn open(service: &Service) -> Option<Session> {
    let Application::Layer4(target, _) = &service.application else { return None };
    let pool = target.as_ref().and_then(Target::choose)?;
    let server = pool.candidates().into_iter().next()?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
    socket.connect(server.address).await.ok()?;
    let state = server.state.clone();
    let open = [service.meter.connection(), state.meter.connection()];
    Some(Session { server: socket, state, active: AtomicBool::new(true), _open: open })
}

/// Sends a client what its server answers, until both have been silent for a while. An
/// error means that nobody is there.
async fn answer(socket: &UdpSocket, client: SocketAddr, session: &Session, idle: Duration) -> io::Result<()> {
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    loop {
        match timeout(idle, session.server.recv(&mut buffer)).await {
            Ok(received) => {
                // A client that went away is noticed by its silence.
                let _ = socket.send_to(&buffer[..received?], client).await;
            }
            Err(_) if session.active.swap(false, Relaxed) => {}
            Err(_) => return Ok(()),
        }
    }
}
