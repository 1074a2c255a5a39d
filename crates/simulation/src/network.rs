//! The way of one replica to the controller: streams in memory that can be cut,
//! and a note of each write that leaves.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use ako_avi_io::{Dial, Dialed, Dialing};
use ako_harness::{Network, forward};
use ako_sim_avi::SimAvi;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio::sync::watch;

/// The bytes that are under way in one direction of a stream.
const IN_FLIGHT: usize = 256 << 10;

/// Told of each write at the moment when it leaves: `POST /api/pool`.
pub type Witness = Arc<dyn Fn(&str) + Send + Sync>;

/// The way of one replica to the controller.
#[derive(Clone)]
pub struct Link {
    sim: SimAvi,
    network: watch::Sender<Network>,
    /// Belongs to the process that dials, not to the pod.
    witness: Arc<Mutex<Option<Witness>>>,
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

    /// Who is told of the writes of the process that dials from now on.
    pub fn watched_by(&self, witness: Witness) {
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
            Ok(Dialed::in_memory(Watched { stream: ours, witness }))
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

/// A client's end that tells of writes.
struct Watched {
    stream: DuplexStream,
    witness: Option<Witness>,
}

impl Watched {
    /// The first line of a request that may change objects.
    fn write_in(bytes: &[u8]) -> Option<&str> {
        let line = bytes.split(|byte| *byte == b'\r').next()?;
        let line = std::str::from_utf8(line).ok()?;
        let (method, rest) = line.split_once(' ')?;
        let path = rest.split(' ').next()?;
        let changes = matches!(method, "POST" | "PUT" | "PATCH" | "DELETE") && path.starts_with("/api/");
        changes.then(|| line.strip_suffix(" HTTP/1.1").unwrap_or(line))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let (Poll::Ready(Ok(_)), Some(witness), Some(line)) =
            (&written, &self.witness, Self::write_in(bytes))
        {
            witness(line);
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
