//! `cargo xtask demo`: a cluster, a controller with a working data plane, a
//! sample application and the operator, on this machine's loopback.

mod instances;
mod kubernetes;
mod overlap;
mod ports;
mod sample;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Starts everything and prints what to try. Ctrl-C ends it and leaves nothing
/// behind.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask demo")]
pub(crate) struct Arguments {
    /// The first of the ports that are used: the controller's is the next, the
    /// cluster's the one after it, then those of the operator's pages. If it is
    /// not given: 8800, or the next multiple of 50 that no other demo has.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub(crate) port_base: Option<u16>,
    /// Where to write kubeconfig, certificates and logs; kept afterwards.
    #[arg(long)]
    pub(crate) keep: Option<PathBuf>,
    /// End as soon as the sample application answers, with 0 if it does.
    #[arg(long)]
    pub(crate) once: bool,
    /// Use a real kube-apiserver, which takes Go to build, instead of the one
    /// in memory.
    #[arg(long)]
    pub(crate) real_kube: bool,
    /// How many replicas of the operator to run, of each instance.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=9))]
    pub(crate) replicas: u16,
    /// How many instances of the operator to run, each for the namespaces of a
    /// label.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=3))]
    pub(crate) instances: u16,
}

#[tokio::main]
async fn main() -> ExitCode {
    match stage::run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ndemo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
