//! `ako release-deletions`, `ako yield` and `ako take-cluster-name`: what a running operator is
//! told.

use std::process::ExitCode;

use super::status::Address;
use super::stdout;

/// Arguments of an order.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    address: Address,
}

/// Has the operator do what the page is for, and prints its answer.
pub(super) async fn run(arguments: &Arguments, page: &str) -> anyhow::Result<ExitCode> {
    let answer = arguments.address.call("POST", page).await?;
    stdout::line(answer["message"].as_str().unwrap_or_default())?;
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `ako release-deletions`.
#[derive(Debug, clap::Args)]
pub(super) struct Release {
    #[command(flatten)]
    order: Arguments,
    /// What is released, as `ako status` names it.
    #[arg(long)]
    digest: String,
}

/// Has the operator release what is held, if that is still what was shown.
pub(super) async fn release(arguments: &Release) -> anyhow::Result<ExitCode> {
    let digest: String = arguments.digest.chars().filter(char::is_ascii_hexdigit).collect();
    run(&arguments.order, &format!("/api/v1/release-deletions?digest={digest}")).await
}

/// Arguments of `ako take-cluster-name`.
#[derive(Debug, clap::Args)]
pub(super) struct TakeClusterName {
    #[command(flatten)]
    order: Arguments,
    /// Whom it is taken from: the uid that the string group on the controller holds, as `ako
    /// status` names it.
    #[arg(long)]
    from: String,
}

/// Has the operator take the cluster's name from a cluster that is gone.
pub(super) async fn take_cluster_name(arguments: &TakeClusterName) -> anyhow::Result<ExitCode> {
    let is_of_a_uid = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let from: String = arguments.from.chars().filter(is_of_a_uid).collect();
    run(&arguments.order, &format!("/api/v1/take-cluster-name?from={from}")).await
}
