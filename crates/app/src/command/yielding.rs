//! `ako yield`.

use std::process::ExitCode;

use super::status::Address;

/// Arguments of `ako yield`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    address: Address,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let answer = arguments.address.call("POST", "/api/v1/yield").await?;
    println!("{}", answer["message"].as_str().unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}
