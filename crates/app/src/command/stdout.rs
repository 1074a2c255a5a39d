//! What commands print. Whoever reads it may have seen enough before its end (`ako plan | head`),
//! which is no reason to panic, as `println!` does.

use std::io::{self, Write as _};

use serde::Serialize;

/// Prints a text as it is.
///
/// # Errors
/// If it cannot be written: of kind [`io::ErrorKind::BrokenPipe`] if nobody reads any more.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Prints lines.
///
/// # Errors
/// As [`print`].
pub(super) fn line(text: &str) -> io::Result<()> {
    print(&format!("{text}\n"))
}

/// Prints a value as JSON for people.
///
/// # Errors
/// As [`print`], or if the value cannot be JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string_pretty(value)?)?)
}
