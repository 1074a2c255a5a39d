//! The binary `ako`.

use std::io;
use std::process::ExitCode;

use ako_app::command::Cli;
use clap::Parser as _;

/// A reading of a large controller is as large as everything that is remembered of it, and is
/// let go soon after: the allocator of glibc keeps that memory, and the one of musl, with which
/// the image is linked, is slow with several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code of a command line that is not understood, as sysexits.h has it: clap's own, 2, says
/// here that something would be changed.
const USAGE: u8 = 64;

/// The exit code of a program that nobody reads any more: 128 and the number of SIGPIPE, as shells
/// have it.
const UNREAD: u8 = 141;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that was asked for is no error. Where nobody reads it there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match cli.run() {
        Ok(code) => code,
        Err(error) if is_unread(&error) => ExitCode::from(UNREAD),
        Err(error) => {
            eprintln!("ako: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether what was printed found nobody who reads it.
fn is_unread(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
