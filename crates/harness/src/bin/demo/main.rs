//! `cargo xtask demo`: a cluster, a controller with a working data plane, a
//! sample application and the operator, on this machine's loopback.

mod application;
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
    /// The first of the ports that are used: the operator's pages, the
    /// controller, the cluster.
    #[arg(long, default_value_t = 8800)]
    pub(crate) port_base: u16,
    /// Where to write kubeconfig, certificates and logs; kept afterwards.
    #[arg(long)]
    pub(crate) keep: Option<PathBuf>,
    /// End as soon as the sample application answers, with 0 if it does.
    #[arg(long)]
    pub(crate) once: bool,
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
