//! Listeners: they come and go with the services of the plan.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::Shared;
use super::http::{Client, converse};
use super::identity::Presenter;
use super::limits::{MOST_CONNECTIONS, PATIENCE, RECOVERY};
use super::plan::{Application, Place, Plan, Service, Transport};
use super::pool::Duplex;
use super::tasks::Task;
use super::{datagram, stream};

/// Ports from here on may be bound by everyone.
const FIRST_COMMON_PORT: u16 = 1024;
/// What is added to lower ports where they may not be bound.
const FALLBACK_OFFSET: u16 = 8000;

/// Where a virtual service listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// `<tenant>/<name>`
    pub virtual_service: String,
    /// The address that the virtual service has.
    pub vip: Ipv4Addr,
    /// The port that the virtual service has.
    pub port: u16,
    /// TCP or UDP.
    pub transport: Transport,
    /// Where that is on this machine.
    pub address: SocketAddr,
}

/// A socket that is open for a service.
#[derive(Debug)]
struct Bound {
    address: SocketAddr,
    service: watch::Sender<Arc<Service>>,
    task: Task,
}

/// All sockets.
#[derive(Debug)]
pub(super) struct Listeners {
    shared: Arc<Shared>,
    bound: BTreeMap<Place, Bound>,
    /// Why places are not served, or not where they should be.
    pub(super) problems: BTreeMap<Place, String>,
}

impl Listeners {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, bound: BTreeMap::new(), problems: BTreeMap::new() }
    }

    /// Opens and closes sockets so that they are those of the plan. Connections of those
    /// that go finish what they are at.
    pub(super) async fn follow(&mut self, plan: &Plan) {
        let gone: Vec<_> =
            self.bound.keys().filter(|place| !plan.services.contains_key(place)).copied().collect();
        for place in gone {
            if let Some(bound) = self.bound.remove(&place) {
                bound.task.end().await;
            }
        }
        self.problems.retain(|place, _| self.bound.contains_key(place));
        for (place, service) in &plan.services {
            if let Some(bound) = self.bound.get(place) {
                bound.service.send_replace(service.clone());
                continue;
            }
            match self.bind(*place, service).await {
                Ok(bound) => {
                    self.bound.insert(*place, bound);
                }
                Err(problem) => {
                    self.problems.insert(*place, problem);
                }
            }
        }
    }

    /// Whether places are to be tried again.
    pub(super) fn is_complete(&self) -> bool {
        self.problems.keys().all(|place| self.bound.contains_key(place))
    }

    pub(super) fn all(&self) -> Vec<Listener> {
        let listener = |(place, bound): (&Place, &Bound)| Listener {
            virtual_service: bound.service.borrow().label.to_string(),
            vip: place.vip,
            port: place.port,
            transport: place.transport,
            address: bound.address,
        };
        self.bound.iter().map(listener).collect()
    }

    async fn bind(&mut self, place: Place, service: &Arc<Service>) -> Result<Bound, String> {
        let (vip, port) = (place.vip, place.port);
        let offset = self.shared.options.port_offset;
        let here = self.shared.options.loopback.address(vip);
        let here = here.ok_or_else(|| format!("{}: no loopback address is left for {vip}", service.label))?;
        let wanted = socket_address(here, port, offset.unwrap_or_default());
        let wanted = wanted.ok_or_else(|| format!("{}: port {port} is too high", service.label))?;
        let mut outcome = Socket::bind(place.transport, wanted).await;
        let forbidden = matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::PermissionDenied);
        if let (true, None, Some(other)) = (forbidden, offset, socket_address(here, port, FALLBACK_OFFSET)) {
            outcome = Socket::bind(place.transport, other).await;
            if outcome.is_ok() {
                let moved =
                    format!("{}: {wanted} may not be bound, {vip}:{port} is at {other}", service.label);
                self.problems.insert(place, moved);
            }
        }
        let socket = outcome.map_err(|error| {
            format!("{}: {vip}:{port} cannot be served at {wanted}: {error}", service.label)
        })?;
        let address = socket.address().map_err(|error| format!("{}: {error}", service.label))?;
        let (sender, receiver) = watch::channel(service.clone());
        let task = match socket {
            Socket::Udp(socket) => Task::spawn(datagram::serve(socket, receiver, self.shared.clone())),
            Socket::Tcp(listener) => {
                let acceptor = acceptor(&self.shared, receiver.clone()).map_err(|error| error.to_string())?;
                Task::spawn(accept(listener, acceptor, receiver, self.shared.clone()))
            }
        };
        Ok(Bound { address, service: sender, task })
    }
}

/// Where a port is on this machine. The offset is for low ports only.
fn socket_address(here: Ipv4Addr, port: u16, offset: u16) -> Option<SocketAddr> {
    let offset = if port < FIRST_COMMON_PORT { offset } else { 0 };
    Some(SocketAddr::from((here, port.checked_add(offset)?)))
}

enum Socket {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Socket {
    async fn bind(transport: Transport, address: SocketAddr) -> io::Result<Self> {
        match transport {
            Transport::Tcp => TcpListener::bind(address).await.map(Self::Tcp),
            Transport::Udp => UdpSocket::bind(address).await.map(Self::Udp),
        }
    }

    fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Udp(socket) => socket.local_addr(),
        }
    }
}

/// Ends TLS with the certificates of the moment: sessions are not resumed, as that would
/// be with older ones.
fn acceptor(shared: &Shared, service: watch::Receiver<Arc<Service>>) -> Result<TlsAcceptor, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let presenter = Presenter { service, default: shared.default_identity.clone() };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(presenter));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    service: watch::Receiver<Arc<Service>>,
    shared: Arc<Shared>,
) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // The client went away, or descriptors ran out: the next may succeed.
                tracing::debug!(%error, "accepting a connection failed");
                tokio::time::sleep(RECOVERY).await;
                continue;
            }
        };
        let connection =
            Connection { acceptor: acceptor.clone(), service: service.clone(), shared: shared.clone(), peer };
        shared.tasks.spawn(async move {
            let _permit = permit;
            let _ = stream.set_nodelay(true);
            connection.serve(stream).await;
        });
    }
}

/// A connection from a client.
struct Connection {
    acceptor: TlsAcceptor,
    service: watch::Receiver<Arc<Service>>,
    shared: Arc<Shared>,
    peer: SocketAddr,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let service = self.service.borrow().clone();
        let _open = service.meter.connection();
        if let Application::Passthrough(script) = &service.application {
            return stream::pass_through(stream, script, &service.meter, self.service).await;
        }
        if !service.secure {
            return self.talk(stream, &service, None).await;
        }
        match timeout(PATIENCE, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let name = stream.get_ref().1.server_name().map(str::to_owned);
                self.talk(stream, &service, name).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, service = %service.label, "TLS handshake failed"),
            Err(_) => tracing::debug!(service = %service.label, "TLS handshake took too long"),
        }
    }

    async fn talk(self, stream: impl Duplex, service: &Service, server_name: Option<String>) {
        match &service.application {
            Application::Layer4(target, _) => {
                stream::relay(stream, target.as_ref(), &service.meter, self.service).await;
            }
            Application::Http(_) => {
                let client = Client { peer: self.peer, secure: service.secure, server_name };
                converse(stream, client, self.service, self.shared).await;
            }
            Application::Passthrough(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_ports_are_offset() {
        let at = |port, offset| {
            socket_address([127, 64, 0, 10].into(), port, offset).map(|address| address.to_string())
        };
        assert_eq!(at(80, 0).as_deref(), Some("127.64.0.10:80"));
        assert_eq!(at(443, 8000).as_deref(), Some("127.64.0.10:8443"));
        assert_eq!(at(8080, 8000).as_deref(), Some("127.64.0.10:8080"));
        assert_eq!(at(1000, 65_000), None);
    }
}
