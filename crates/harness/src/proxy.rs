//! A TCP proxy that a test can cut: the network between one process and a
//! server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What a network does with connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Carries them.
    #[default]
    Open,
    /// Breaks them, and makes no new ones.
    Broken,
    /// Keeps what it is given until it is open again: what was sent arrives late,
    /// even if the sender has given up.
    Silent,
}

/// A listening proxy; it ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on loopback for connections to a server.
    pub async fn to(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("a port for a proxy")?;
        let address = listener.local_addr()?;
        let (network, state) = watch::channel(Network::Open);
        let task = tokio::spawn(async move {
            // Dropping the set with this task closes all connections.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(carry(client, server, state.clone()));
            }
        });
        Ok(Self { address, network, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// A copy of a kubeconfig that leads through the proxy, beside it.
    pub fn kubeconfig(&self, of: &Path, server: &str) -> anyhow::Result<PathBuf> {
        let text = std::fs::read_to_string(of).with_context(|| format!("reading {}", of.display()))?;
        let path = of.with_extension(format!("port-{}", self.address.port()));
        let through = format!("https://{}", self.address);
        std::fs::write(&path, text.replace(server, &through))
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, server: SocketAddr, state: watch::Receiver<Network>) {
    let mut broken = state.clone();
    tokio::select! {
        _ = broken.wait_for(|network| *network == Network::Broken) => {}
        () = async {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                (client.into_split(), server.into_split());
            tokio::join!(
                async {
                    forward(&mut from_client, &mut to_server, state.clone()).await;
                    // Whoever is gone already needs no farewell.
                    let _ = to_server.shutdown().await;
                },
                async {
                    forward(&mut from_server, &mut to_client, state.clone()).await;
                    let _ = to_client.shutdown().await;
                },
            );
        } => {}
    }
}

/// Forwards bytes in one direction, as the network is at the time, until either
/// side ends.
pub async fn forward(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut state: watch::Receiver<Network>,
) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut bytes).await {
        if state.wait_for(|network| *network != Network::Silent).await.is_err() {
            return;
        }
        if count == 0 || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
