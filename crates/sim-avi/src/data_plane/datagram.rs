//! UDP: the datagrams of a client go to the same server for as long as they keep coming.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    let socket = Arc::new(socket);
    let sessions = Arc::new(Sessions::default());
    let mut answers = JoinSet::new();
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    loop {
        while answers.try_join_next().is_some() {}
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "receiving a datagram failed");
                tokio::time::sleep(RECOVERY).await;
                continue;
            }
        };
        let service = service.borrow().clone();
        service.meter.request();
        let known = sessions.lock().get(&client).cloned();
        let session = match known {
            Some(session) => session,
            None => {
                let full = sessions.lock().len() >= MOST_UDP_SESSIONS;
                let Some(session) = (if full { None } else { open(&service).await }) else {
                    service.meter.failure();
                    continue;
                };
                let session = Arc::new(session);
                sessions.lock().insert(client, session.clone());
                let idle = shared.options.udp_idle;
                let (socket, sessions, own) = (socket.clone(), sessions.clone(), session.clone());
                answers.spawn(async move {
                    let refused = answer(&socket, client, &own, idle).await.is_err();
                    if refused {
                        own.state.rest();
                    }
                    sessions.lock().remove(&client);
                });
                session
            }
        };
        session.active.store(true, Relaxed);
        session.state.meter.request();
        if session.server.send(&buffer[..length]).await.is_err() {
            service.meter.failure();
        }
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
async fn answer(
    socket: &UdpSocket,
    client: SocketAddr,
    session: &Session,
    idle: std::time::Duration,
) -> io::Result<()> {
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
