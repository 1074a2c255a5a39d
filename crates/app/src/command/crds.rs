//! `ako crds`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::stdout;
use crate::cluster::Which;
use crate::definitions::{self, Applied};

/// Arguments of `ako crds`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
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
    let ours = definitions::of_this_release(arguments.which.program())?;
    match &arguments.command {
        Command::Apply { kubeconfig } => {
            apply(&ako_kube_io::client(kubeconfig.as_deref()).await?, &ours).await
        }
        Command::Print => {
            let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": ours});
            stdout::json(&list)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn apply(client: &kube::Client, ours: &[CustomResourceDefinition]) -> anyhow::Result<ExitCode> {
    let mut exit = ExitCode::SUCCESS;
    for definition in ours {
        let name = definition.metadata.name.as_deref().unwrap_or_default();
        let done = match definitions::apply(client, definition).await {
            Ok(Applied::Created) => "created".to_owned(),
            Ok(Applied::Updated) => "updated".to_owned(),
            Ok(Applied::Unchanged) => "unchanged".to_owned(),
            Ok(Applied::LeftAlone(why)) => format!("left as it is: {why}"),
            Err(error) => {
                eprintln!("error: {error:#}");
                exit = ExitCode::FAILURE;
                continue;
            }
        };
        // The rest is applied whether anybody reads it or not.
        let _ = stdout::line(&format!("{name}: {done}"));
    }
    Ok(exit)
}
