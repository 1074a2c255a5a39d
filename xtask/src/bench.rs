//! Benchmarks: a release build, then the scenarios.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::assets::CONTROL_PLANE;
use crate::checks::cargo;

/// Builds the operator and the benchmark, and runs the latter with the given
/// arguments. Answers whether all scenarios ran and all counts are right.
pub(crate) fn run(root: &Path, arguments: &[String]) -> anyhow::Result<bool> {
    CONTROL_PLANE.provide(root)?;
    let build = ["build", "--release", "-p", "ako-app", "-p", "ako-harness", "--bins"];
    cargo(root, &build, &[])?;
    let program = release_folder(root).join("bench");
    ensure!(program.is_file(), "{} was not built", program.display());
    let status = Command::new(&program)
        .args(arguments)
        // The operator that was just built is found beside the benchmark.
        .env_remove("AKO_BIN")
        .env_remove("AKO_SKIP_CONTROL_PLANE")
        .status()
        .with_context(|| format!("starting {}", program.display()))?;
    Ok(status.success())
}

fn release_folder(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    root.join(target).join("release")
}
