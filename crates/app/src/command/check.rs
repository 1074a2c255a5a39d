//! `ako check`.

use std::process::ExitCode;
use std::time::Duration;

use ako_kube_io::Shared;
use tokio::time::Instant;

use super::status::Address;
use super::{Format, stdout};
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
    /// The ServiceAccount of the operator, whose permissions are checked [default: ako-sa, or
    /// ako-crd-operator]. In the operator's own pod it is the pod's.
    #[arg(long)]
    service_account: Option<String>,
    /// Check again until nothing fails, for at most so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "300")]
    wait: Option<u64>,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let address = &arguments.address;
    let program = address.which.program();
    let account = || Shared::of(program).account.to_owned();
    let place = Place {
        program,
        cluster: address.cluster.clone(),
        account: (!address.in_pod()).then(|| arguments.service_account.clone().unwrap_or_else(account)),
        pod: address.pod(),
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
        Format::Json => stdout::json(report)?,
        Format::Text => stdout::print(&report.text())?,
    }
    Ok(())
}
