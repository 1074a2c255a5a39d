//! `ako check`.

use std::process::ExitCode;
use std::time::Duration;

use tokio::time::Instant;

use super::Format;
use super::status::Address;
use crate::check::{Outcome, Place, Report, check};

/// How long to wait before everything is checked again.
const AGAIN: Duration = Duration::from_secs(2);
/// Exit code where nothing fails and something should be otherwise.
const WARNINGS: u8 = 3;

/// Arguments of `ako check`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// The ServiceAccount of the operator, whose permissions are checked. In the operator's own
    /// pod it is the pod's.
    #[arg(long, default_value = "ako-sa")]
    service_account: String,
    /// Check again until nothing fails, for at most so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "300")]
    wait: Option<u64>,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let address = &arguments.address;
    let place = Place {
        cluster: address.cluster.clone(),
        account: (!address.in_pod()).then(|| arguments.service_account.clone()),
        pod: address.pod.clone(),
        port: address.port,
        is_here: address.is_here(),
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
