//! The demo: a build, then the program.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::assets::CONTROL_PLANE;
use crate::checks::cargo;

/// Builds what the demo needs and runs it with the given arguments. Answers
/// whether it ended well.
pub(crate) fn run(root: &Path, arguments: &[String]) -> anyhow::Result<bool> {
    if arguments.iter().any(|argument| argument == "--real-kube") {
        CONTROL_PLANE.provide(root)?;
    }
    cargo(root, &["build", "-p", "ako-app", "-p", "ako-harness", "--bins"], &[])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    let program = root.join(target).join("debug").join("demo");
    let status = Command::new(&program)
        .args(arguments)
        // The operator that was just built is found beside the demo.
        .env_remove("AKO_BIN")
        .env_remove("AKO_SKIP_CONTROL_PLANE")
        .status()
        .with_context(|| format!("starting {}", program.display()))?;
    Ok(status.success())
}
