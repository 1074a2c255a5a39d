//! `ako completion` and `ako man`: what shells and `man` know of the commands.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, stdout};

/// Arguments of `ako completion`.
#[derive(Debug, clap::Args)]
pub(super) struct Completion {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Arguments of `ako man`.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// The folder that they are written to; it is created if it is not there.
    folder: PathBuf,
}

pub(super) fn completion(arguments: &Completion) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "ako", &mut script);
    stdout::print(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(arguments: &Man) -> anyhow::Result<ExitCode> {
    let folder = &arguments.folder;
    let written =
        std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.with_context(|| format!("the pages cannot be written to {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
