//! Programs of this repository: a build, then the program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::cargo::cargo;

/// A program, and what has to be built for it.
pub(crate) struct Program {
    name: &'static str,
    packages: &'static [&'static str],
    release: bool,
}

/// Cluster, controller, application and operator on this machine.
pub(crate) const DEMO: Program =
    Program { name: "demo", packages: &["-p", "ako-app", "-p", "ako-harness"], release: false };

/// The measurements.
pub(crate) const BENCH: Program =
    Program { name: "bench", packages: &["-p", "ako-app", "-p", "ako-harness"], release: true };

/// Replicas of the operator on virtual time, with faults.
pub(crate) const SIM: Program = Program { name: "sim", packages: &["-p", "ako-simulation"], release: true };

impl Program {
    /// Builds it and runs it with the given arguments. Answers whether it ended
    /// well.
    pub(crate) fn run(&self, root: &Path, arguments: &[String]) -> anyhow::Result<bool> {
        let mut build = vec!["build", "--bins"];
        build.extend(self.packages);
        if self.release {
            build.push("--release");
        }
        cargo(root, &build, &[])?;
        let folder = target_folder(root).join(if self.release { "release" } else { "debug" });
        let program = folder.join(self.name);
        ensure!(program.is_file(), "{} was not built", program.display());
        let status = Command::new(&program)
            .args(arguments)
            // The operator that was just built is found beside the program.
            .env_remove("AKO_BIN")
            .env_remove("AKO_SKIP_CONTROL_PLANE")
            .status()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(status.success())
    }
}

/// Where cargo builds.
pub(crate) fn target_folder(root: &Path) -> PathBuf {
    root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target")))
}
