//! A TCP proxy that a test can cut: the network between one process and a
//! server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What the proxy does with connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Carries them.
    #[default]
    Open,
    /// Breaks them, and ends new ones at once.
    Broken,
    /// Keeps what it is given until it is open again.
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
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            tokio::join!(
                forward(from_client, to_server, state.clone()),
                forward(from_server, to_client, state),
            );
        } => {}
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<Network>) {
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
