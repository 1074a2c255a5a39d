//! The command line.

mod check;
mod crds;
mod dry_run;
mod explain;
mod order;
mod plan;
mod preflight;
mod shell;
mod status;
mod stdout;
mod translate;
mod version;

use std::process::ExitCode;

use ako_core::Program;
use clap::{Parser, Subcommand, ValueEnum};

use crate::logging::LogFormat;
use crate::operate;

/// Programs an Avi Controller so that traffic reaches the pods of a Kubernetes
/// cluster.
#[derive(Debug, Parser)]
#[command(name = "ako", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator: keep the controller equal to what the cluster asks for.
    Run(operate::Arguments),
    /// Run the CRD operator: it makes health monitors, application profiles and PKI profiles on the
    /// controller, of the custom resources of those names.
    ///
    /// Beside the operator, with its configuration, and with an election of its own.
    CrdOperator(operate::Arguments),
    /// Translate files, without a cluster and without a controller.
    Translate(translate::Arguments),
    /// Check whether everything is there that the operator needs, and say what to do about
    /// what is not.
    ///
    /// From the kubeconfig to the leader: permissions, configuration, the way to the
    /// controller, the login, and what the configuration names there. Writes nothing. Exits
    /// with 0 if all is in order, with 3 if something should be otherwise, and with 1 if the
    /// operator cannot work.
    Check(check::Arguments),
    /// Find out what a release of AKO would come to if it were taken over now.
    ///
    /// All of `ako check` that needs no running operator, and what the first leader would write
    /// then. Writes nothing. Exits with 0 if nothing stands against it, with 3 if something should be
    /// looked at first, such as deletions, and with 1 if the operator could not work.
    Preflight(preflight::Arguments),
    /// Show what the operator would change on the controller, and why.
    ///
    /// Reads the live cluster and the live controller, and writes nothing: it shows
    /// what a process that starts now would write, and then what it would hold, wait
    /// for or leave to another instance. Exits with 0 if there is nothing to change
    /// and with 2 if there is.
    Plan(plan::Arguments),
    /// Show what a running operator does.
    Status(status::Arguments),
    /// Show what comes of an object of the cluster, or of a host: what serves it on the controller,
    /// which rules and settings it goes by, and what is wrong.
    ///
    /// Asks a running operator, any replica. Exits with 0 if all is as it is wanted, with 3 if
    /// something is not or is found wrong, and with 1 if there is no answer.
    Explain(explain::Arguments),
    /// The CustomResourceDefinitions of AKO's custom resources.
    ///
    /// helm installs them and never changes them again: with `crds.upgrade`, the chart has them
    /// applied before each upgrade.
    Crds(crds::Arguments),
    /// Let deletions and losses pass that the deletion guard holds.
    ///
    /// Look at them first with `ako status`, which shows a digest of them: exactly
    /// those are released. Has to be run in the leader's pod: the operator takes it
    /// from loopback only.
    ReleaseDeletions(order::Release),
    /// Ask the leader to let another replica lead: before maintenance, or
    /// before its node is drained.
    ///
    /// Has to be run in the leader's pod: the operator takes it from loopback
    /// only.
    Yield(order::Arguments),
    /// Take the cluster's name on the controller from another Kubernetes cluster, which is gone.
    ///
    /// As when a cluster was built anew under its name. What the other one left on the
    /// controller is this one's then, and removed where nobody asks for it. Has to be run in
    /// the leader's pod: the operator takes it from loopback only.
    TakeClusterName(order::TakeClusterName),
    /// Show the version of this program, and that of a running operator.
    Version(version::Arguments),
    /// Print a script by which a shell completes these commands.
    ///
    /// For bash: `source <(ako completion bash)`.
    Completion(shell::Completion),
    /// Write the manual pages of these commands: `ako.1`, `ako-status.1` and so on.
    Man(shell::Man),
}

#[cfg(test)]
pub(crate) use status::text as shown;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people.
    #[default]
    Text,
    /// JSON for scripts.
    Json,
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What the user has to know.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match &self.command {
            Command::Translate(arguments) => return translate::run(arguments),
            Command::Completion(arguments) => return shell::completion(arguments),
            Command::Man(arguments) => return shell::man(arguments),
            _ => {}
        }
        // Two at least: a long step of the engine must not delay a renewal.
        let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
        runtime.block_on(async {
            match self.command {
                Command::Run(arguments) => Box::pin(operate::run(Program::Operator, arguments)).await,
                Command::CrdOperator(arguments) => {
                    Box::pin(operate::run(Program::CrdOperator, arguments)).await
                }
                Command::Plan(arguments) => {
                    crate::logging::start(LogFormat::Text, None)?.set(ako_core::config::LogLevel::Error);
                    plan::run(&arguments).await
                }
                Command::Preflight(arguments) => {
                    crate::logging::start(LogFormat::Text, None)?.set(ako_core::config::LogLevel::Error);
                    preflight::run(&arguments).await
                }
                Command::Check(arguments) => {
                    crate::logging::start(LogFormat::Text, None)?.set(ako_core::config::LogLevel::Error);
                    check::run(&arguments).await
                }
                Command::Status(arguments) => status::run(&arguments).await,
                Command::Crds(arguments) => crds::run(&arguments).await,
                Command::Explain(arguments) => explain::run(&arguments).await,
                Command::ReleaseDeletions(arguments) => order::release(&arguments).await,
                Command::TakeClusterName(arguments) => order::take_cluster_name(&arguments).await,
                Command::Yield(arguments) => order::run(&arguments, "/api/v1/yield").await,
                Command::Version(arguments) => version::run(&arguments).await,
                Command::Translate(_) | Command::Completion(_) | Command::Man(_) => Ok(ExitCode::SUCCESS),
            }
        })
    }
}
