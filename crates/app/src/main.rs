//! The binary `ako`.

use std::process::ExitCode;

use ako_app::command::Cli;
use clap::Parser as _;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ako: {error:#}");
            ExitCode::FAILURE
        }
    }
}
