//! The way of one replica to the controller: streams in memory that can be cut,
//! and a witness of each request that leaves.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use ako_avi_io::{Dial, Dialed, Dialing};
use ako_harness::{Network, forward};
use ako_sim_avi::SimAvi;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio::sync::watch;

use crate::witness::Witness;

/// The bytes that are under way in one direction of a stream.
const IN_FLIGHT: usize = 256 << 10;
/// The longest request that is read as a whole.
const LONGEST_REQUEST: usize = 8 << 20;

/// The way of one replica to the controller.
#[derive(Clone)]
pub struct Link {
    sim: SimAvi,
    network: watch::Sender<Network>,
    /// Belongs to the process that dials, not to the pod.
    witness: Arc<Mutex<Option<Arc<Witness>>>>,
}

impl Link {
    /// An open way.
    pub fn new(sim: SimAvi) -> Self {
        Self { sim, network: watch::Sender::new(Network::Open), witness: Arc::default() }
    }

    /// Changes what the network does.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// Who is told of the requests of the process that dials from now on.
    pub fn watched_by(&self, witness: Arc<Witness>) {
        *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = Some(witness);
    }
}

impl Dial for Link {
    fn dial(&self) -> Dialing {
        let (sim, mut network) = (self.sim.clone(), self.network.subscribe());
        let witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            // A silent network answers no SYN.
            let opened =
                network.wait_for(|now| *now != Network::Silent).await.is_ok_and(|now| *now == Network::Open);
            if !opened {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (ours, client_end) = tokio::io::duplex(IN_FLIGHT);
            let (server_end, theirs) = tokio::io::duplex(IN_FLIGHT);
            // Both outlive the process that dialled: what it sent is under way.
            tokio::spawn(async move { sim.converse(theirs).await });
            tokio::spawn(carry(client_end, server_end, network));
            Ok(Dialed::in_memory(Watched { stream: ours, witness, outgoing: Outgoing::default() }))
        })
    }
}

/// Carries bytes in both directions until the server ends or the network breaks
/// the stream. That the client has given up is not told: what it sent is
/// executed.
async fn carry(client: DuplexStream, server: DuplexStream, network: watch::Receiver<Network>) {
    let (mut client_read, mut client_write) = tokio::io::split(client);
    let (mut server_read, mut server_write) = tokio::io::split(server);
    let mut broken = network.clone();
    tokio::select! {
        _ = broken.wait_for(|now| *now == Network::Broken) => {}
        _ = async {
            tokio::join!(
                forward(&mut client_read, &mut server_write, network.clone()),
                async {
                    forward(&mut server_read, &mut client_write, network.clone()).await;
                    // The client sees the end; that it is gone already is no news.
                    let _ = client_write.shutdown().await;
                },
            )
        } => {}
    }
}

/// What of the requests of a connection has left.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    /// The first line of the present request was told.
    told: bool,
}

impl Outgoing {
    /// Takes bytes that leave, and tells of the writes in them: of each that begins,
    /// and of each that is whole.
    fn take(&mut self, bytes: &[u8], witness: &Witness) {
        self.bytes.extend_from_slice(bytes);
        while let Some(end) = find(&self.bytes, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
            let write = write_in(&head);
            if let Some(line) = write.filter(|_| !self.told) {
                witness.write_begins(line);
            }
            self.told = true;
            let whole = end + 4 + length_of_body(&head);
            if self.bytes.len() < whole && whole < LONGEST_REQUEST {
                return;
            }
            let whole = whole.min(self.bytes.len());
            if let Some(line) = write {
                witness.write(line, &self.bytes[end + 4..whole]);
            }
            self.bytes.drain(..whole);
            self.told = false;
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The method and path of a request that may change objects: `POST /api/pool`.
fn write_in(head: &str) -> Option<&str> {
    let line = head.lines().next()?;
    let (method, rest) = line.split_once(' ')?;
    let path = rest.split(' ').next()?;
    let session = ["/api/login", "/api/logout"].iter().any(|session| path.starts_with(session));
    let changes =
        matches!(method, "POST" | "PUT" | "PATCH" | "DELETE") && path.starts_with("/api/") && !session;
    changes.then(|| line.strip_suffix(" HTTP/1.1").unwrap_or(line))
}

fn length_of_body(head: &str) -> usize {
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut lengths = headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().and_then(|(_, length)| length.trim().parse().ok()).unwrap_or(0)
}

/// A client's end that tells of writes.
struct Watched {
    stream: DuplexStream,
    witness: Option<Arc<Witness>>,
    outgoing: Outgoing,
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        let Self { witness, outgoing, .. } = &mut *self;
        if let (Poll::Ready(Ok(count)), Some(witness)) = (&written, witness) {
            outgoing.take(&bytes[..*count], witness);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}
