//! The binary `ako`.

use std::process::ExitCode;

use ako_app::command::Cli;
use clap::Parser as _;

/// A reading of a large controller is as large as everything that is remembered of it, and is
/// let go soon after: the allocator of glibc keeps that memory, and the one of musl, with which
/// the image is linked, is slow with several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
