//! `ako version`.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::status::Address;
use super::{Format, stdout};

/// Arguments of `ako version`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only of this program: no operator is asked.
    #[arg(long)]
    client: bool,
    #[command(flatten)]
    address: Address,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = env!("CARGO_PKG_VERSION");
    if arguments.client {
        print(client, None, arguments.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let state = arguments.address.call("GET", "/api/v1/state").await;
    print(client, state.as_ref().ok().map(|state| &state["version"]), arguments.output)?;
    state.context("the version of the operator is not known")?;
    Ok(ExitCode::SUCCESS)
}

fn print(client: &str, operator: Option<&Value>, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => stdout::json(&json!({"client": client, "operator": operator})),
        Format::Text => {
            let operator = operator.map(|version| format!("Operator  {}\n", version.as_str().unwrap_or("?")));
            Ok(stdout::print(&format!("Client    {client}\n{}", operator.unwrap_or_default()))?)
        }
    }
}
