//! `ako check`.

use std::process::ExitCode;
use std::time::Duration;

use tokio::time::Instant;

use super::Format;
use crate::check::{Outcome, Place, Report, check};
use crate::cluster::Cluster;

/// How long to wait before everything is checked again.
const AGAIN: Duration = Duration::from_secs(2);
/// Exit code where nothing fails and something should be otherwise.
const WARNINGS: u8 = 3;

/// Arguments of `ako check`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: Cluster,
    /// The ServiceAccount of the operator, whose permissions are checked. In the operator's own
    /// pod it is the pod's.
    #[arg(long, default_value = "ako-sa")]
    service_account: String,
    /// The pod that is asked how it does.
    #[arg(long, env = "POD_NAME", default_value = "ako-0")]
    pod: String,
    /// Its port, `apiServerPort` in its configuration.
    #[arg(long, env = "AKO_API_PORT", default_value_t = 8080)]
    port: u16,
    /// Ask the operator on this machine, without a port-forward.
    #[arg(long)]
    local: bool,
    /// Check again until nothing fails, for at most so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "300")]
    wait: Option<u64>,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let in_pod =
        std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() && arguments.cluster.kubeconfig.is_none();
    let place = Place {
        cluster: arguments.cluster.clone(),
        account: (!in_pod).then(|| arguments.service_account.clone()),
        pod: arguments.pod.clone(),
        port: arguments.port,
        is_here: in_pod || arguments.local,
    };
    let until = Instant::now() + Duration::from_secs(arguments.wait.unwrap_or(0));
    let report = loop {
        let report = check(&place).await;
        if report.outcome() != Outcome::Failed || Instant::now() >= until {
            break report;
        }
        tokio::time::sleep(AGAIN).await;
    };
    print(&report, arguments.output)?;
    Ok(match report.outcome() {
        Outcome::Ok => ExitCode::SUCCESS,
        Outcome::Warning => ExitCode::from(WARNINGS),
        Outcome::Failed => ExitCode::FAILURE,
    })
}

fn print(report: &Report, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => println!("{}", serde_json::to_string_pretty(report)?),
        Format::Text => print!("{}", report.text()),
    }
    Ok(())
}
