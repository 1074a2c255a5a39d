//! Connections whose bytes go to a server as they are.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::client_hello::{self, Hello};
use super::limits::{LARGEST_HELLO, PATIENCE};
use super::plan::{Passthrough, Service};
use super::pool::{Duplex, Pool, Target};
use super::traffic::Meter;

/// Waits until the service is closed.
pub(super) async fn closed(mut service: watch::Receiver<Arc<Service>>) {
    while service.changed().await.is_ok() {}
}

/// Passes bytes between a client and a server of the target.
pub(super) async fn relay(
    client: impl Duplex,
    target: Option<&Target>,
    meter: &Meter,
    service: watch::Receiver<Arc<Service>>,
) {
    match target.and_then(Target::choose) {
        Some(pool) => carry(client, &pool, &[], meter, service).await,
        None => meter.failure(),
    }
}

/// Reads for whom a client asks in its TLS ClientHello, and passes the bytes on.
pub(super) async fn pass_through(
    mut client: TcpStream,
    script: &Passthrough,
    meter: &Meter,
    service: watch::Receiver<Arc<Service>>,
) {
    let mut hello = Vec::new();
    let name = timeout(PATIENCE, server_name(&mut client, &mut hello)).await;
    let group = name.ok().and_then(Result::ok).flatten().and_then(|name| script.group(&name));
    match group.and_then(|group| group.choose()) {
        Some(pool) => carry(client, &pool, &hello, meter, service).await,
        None => meter.failure(),
    }
}

async fn server_name(client: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<Option<String>> {
    while read.len() < LARGEST_HELLO {
        if client.read_buf(read).await? == 0 {
            return Ok(None);
        }
        match client_hello::read(read) {
            Hello::Incomplete => {}
            Hello::Nameless => return Ok(None),
            Hello::Name(name) => return Ok(Some(name)),
        }
    }
    Ok(None)
}

async fn carry(
    mut client: impl Duplex,
    pool: &Pool,
    first: &[u8],
    meter: &Meter,
    service: watch::Receiver<Arc<Service>>,
) {
    let Ok(mut server) = pool.connect("").await else { return meter.failure() };
    if server.stream.write_all(first).await.is_err() {
        return meter.failure();
    }
    tokio::select! {
        outcome = copy_bidirectional(&mut client, &mut server.stream) => {
            if let Err(error) = outcome {
                tracing::debug!(%error, pool = %pool.label, "connection broke");
            }
        }
        () = closed(service) => {}
    }
}
