//! What a developer runs: `cargo xtask <command>`.

mod assets;
mod binaries;
mod cargo;
mod checks;
mod fuzz;
mod generate;
mod hash;
mod image;
mod mutants;
mod program;
mod tally;
mod task;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds and checks this repository")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds etcd, kube-apiserver, kube-controller-manager and kubectl for tests
    Assets {
        /// Builds helm instead
        #[arg(long)]
        helm: bool,
    },
    /// Runs every check; the last line is the sum of all tests
    Test {
        /// Skips the tests that need a Kubernetes control plane or helm
        #[arg(long)]
        skip_control_plane: bool,
    },
    /// Starts a cluster, a controller with a data plane, a sample application
    /// and the operator on this machine; `cargo xtask demo --help` says how
    #[command(disable_help_flag = true)]
    Demo {
        /// Options of the demo
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Replicas of the operator on virtual time, with faults drawn from seeds;
    /// `cargo xtask sim --help` says how
    #[command(disable_help_flag = true)]
    Sim {
        /// Options of the simulation
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Writes the files that follow from the code: in the chart its CustomResourceDefinitions, its
    /// RBAC rules and what it knows of keys, docs/values.md, and the chart's recorded renderings
    Generate,
    /// Changes the code in small ways and prints what the tests do not notice;
    /// what has a verdict is not tried again
    Mutants(mutants::Arguments),
    /// Tries bytes on everything that makes values of them, led by what they reach
    Fuzz(fuzz::Arguments),
    /// Builds for release and writes the container image of the operator, for `skopeo` and the like
    Image(image::Arguments),
    /// Builds for release and measures; `cargo xtask bench --help` says what
    #[command(disable_help_flag = true)]
    Bench {
        /// Scenarios and options of the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<bool> {
    let root = root()?;
    match command {
        Command::Assets { helm } => {
            let asset = if *helm { &assets::HELM } else { &assets::CONTROL_PLANE };
            println!("{}", asset.provide(&root)?.display());
            Ok(true)
        }
        Command::Test { skip_control_plane } => Ok(checks::run(&root, *skip_control_plane)),
        Command::Demo { arguments } => {
            if arguments.iter().any(|argument| argument == "--real-kube") {
                assets::CONTROL_PLANE.provide(&root)?;
            }
            program::DEMO.run(&root, arguments)
        }
        Command::Bench { arguments } => {
            assets::CONTROL_PLANE.provide(&root)?;
            program::BENCH.run(&root, arguments)
        }
        Command::Fuzz(arguments) => fuzz::run(arguments, &root),
        Command::Generate => generate::run(&root).map(|()| true),
        Command::Image(arguments) => image::run(arguments, &root),
        Command::Mutants(arguments) => mutants::run(&root, arguments),
        Command::Sim { arguments } => program::SIM.run(&root, arguments),
    }
}

fn root() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.map(Path::to_owned).context("this crate is not inside a workspace")
}
