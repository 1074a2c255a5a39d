//! `ako crds`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::definitions::{self, Applied};

/// Arguments of `ako crds`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring those of the cluster up to date.
    ///
    /// Creates those that are missing, and changes those that are another ones. One of a newer
    /// release stays as it is. Exits with 1 if one cannot be applied; the others are.
    Apply {
        /// The kubeconfig; without it, the pod's own credentials or `~/.kube/config`.
        #[arg(long, env = "KUBECONFIG")]
        kubeconfig: Option<PathBuf>,
    },
    /// Print those of this release, in JSON, as `kubectl apply -f -` takes them.
    Print,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Apply { kubeconfig } => apply(&ako_kube_io::client(kubeconfig.as_deref()).await?).await,
        Command::Print => {
            let items = definitions::of_this_release()?;
            let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
            println!("{}", serde_json::to_string_pretty(&list)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn apply(client: &kube::Client) -> anyhow::Result<ExitCode> {
    let mut exit = ExitCode::SUCCESS;
    for definition in definitions::of_this_release()? {
        let name = definition.metadata.name.as_deref().unwrap_or_default();
        match definitions::apply(client, &definition).await {
            Ok(Applied::Created) => println!("{name}: created"),
            Ok(Applied::Updated) => println!("{name}: updated"),
            Ok(Applied::Unchanged) => println!("{name}: unchanged"),
            Ok(Applied::LeftAlone(why)) => println!("{name}: left as it is: {why}"),
            Err(error) => {
                eprintln!("error: {error:#}");
                exit = ExitCode::FAILURE;
            }
        }
    }
    Ok(exit)
}
