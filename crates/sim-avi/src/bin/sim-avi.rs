//! Runs the Avi Controller simulator on a port.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ako_sim_avi::{DataPlane, DataPlaneOptions, DataPlaneStatus, Options, SimAvi, Tls};
use anyhow::Context;
use clap::Parser;

/// An Avi Controller simulator: the REST API of version 30.2.1, and a data plane.
///
/// It starts with the objects of a fresh Controller (or those of --environment),
/// answers the API under /api, and can be observed and disturbed under /sim: see
/// /sim/dump, /sim/stats, /sim/requests, /sim/faults, /sim/weather, /sim/dataplane.
///
/// With --data-plane, virtual services listen on this machine: what has the address
/// a.b.c.d in the objects is 127.b.c.d.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address and port to listen on; port 0 chooses a free one.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Serve HTTP instead of HTTPS.
    #[arg(long)]
    plain: bool,
    /// Start with the objects of this file in canonical form
    /// ({type: {"tenant/name": object}}).
    #[arg(long, value_name = "FILE")]
    environment: Option<PathBuf>,
    /// Let every API request take this long.
    #[arg(long, value_name = "N", default_value_t = 0)]
    latency_ms: u64,
    /// Write the PEM certificate of the authority that signed the server's.
    #[arg(long, value_name = "FILE", conflicts_with = "plain")]
    ca_out: Option<PathBuf>,
    /// The account that may log in.
    #[arg(long, default_value = "admin")]
    username: String,
    /// Its password.
    #[arg(long, default_value = "admin")]
    password: String,
    /// Accept objects without checking their fields and relations.
    #[arg(long)]
    lenient: bool,
    /// Let virtual services listen and carry traffic.
    #[arg(long)]
    data_plane: bool,
    /// Add this to ports below 1024: with 8000, port 80 is served at 8080.
    #[arg(long, value_name = "N", requires = "data_plane")]
    port_offset: Option<u16>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        username: arguments.username.clone(),
        password: arguments.password.clone(),
        strict: !arguments.lenient,
        ..Options::default()
    };
    let sim = match &arguments.environment {
        None => SimAvi::new(options),
        Some(file) => {
            let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
            let environment =
                serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))?;
            SimAvi::with_environment(&environment, options).with_context(|| file.display().to_string())?
        }
    };
    sim.set_latency(Duration::from_millis(arguments.latency_ms));
    let tls = if arguments.plain { Tls::Off } else { Tls::SelfSigned };
    let running = sim
        .serve(arguments.listen, tls)
        .await
        .with_context(|| format!("listening on {}", arguments.listen))?;
    if let (Some(file), Some(pem)) = (&arguments.ca_out, &running.ca_pem) {
        std::fs::write(file, pem).with_context(|| format!("writing {}", file.display()))?;
    }
    let (username, password) = (&arguments.username, &arguments.password);
    writeln!(std::io::stdout(), "sim-avi ready at {} user {username} password {password}", running.url())?;
    let data_plane = if arguments.data_plane {
        let options = DataPlaneOptions { port_offset: arguments.port_offset, ..DataPlaneOptions::default() };
        Some(sim.data_plane(options).context("starting the data plane")?)
    } else {
        None
    };
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome.context("waiting for the signal to stop"),
        outcome = report(data_plane.as_ref()) => outcome,
    }
}

/// Prints a line for whatever begins or ceases to listen, or cannot.
async fn report(data_plane: Option<&DataPlane>) -> anyhow::Result<()> {
    let Some(data_plane) = data_plane else { return std::future::pending().await };
    let mut status = data_plane.watch();
    let mut known = Arc::new(DataPlaneStatus::default());
    loop {
        status.changed().await.context("the data plane has ended")?;
        let now = status.borrow_and_update().clone();
        let mut out = std::io::stdout().lock();
        let lines = |status: &DataPlaneStatus| -> BTreeSet<String> {
            let listeners = status.listeners.iter().map(|it| {
                let (vs, vip, port, address) = (&it.virtual_service, it.vip, it.port, it.address);
                format!("{vs} {vip}:{port} ({:?}) at {address}", it.transport)
            });
            listeners.collect()
        };
        let (before, after) = (lines(&known), lines(&now));
        for line in after.difference(&before) {
            writeln!(out, "listening: {line}")?;
        }
        for line in before.difference(&after) {
            writeln!(out, "closed: {line}")?;
        }
        for problem in now.problems.iter().filter(|problem| !known.problems.contains(problem)) {
            writeln!(out, "problem: {problem}")?;
        }
        known = now;
    }
}
