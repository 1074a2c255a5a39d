//! `ako release-deletions` and `ako yield`: what a running operator is told.

use std::process::ExitCode;

use super::status::Address;

/// Arguments of an order.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    address: Address,
}

/// Has the operator do what the page is for, and prints its answer.
pub(super) async fn run(arguments: &Arguments, page: &str) -> anyhow::Result<ExitCode> {
    let answer = arguments.address.call("POST", page).await?;
    println!("{}", answer["message"].as_str().unwrap_or_default());
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
