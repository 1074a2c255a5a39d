//! Where the programs of a control plane are found.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// The folder in the cache that `cargo xtask assets` fills.
const FOLDER: &str = "ako-rs/control-plane-v1.36.3";

/// The folder that holds `etcd`, `kube-apiserver` and, usually, `kubectl` and
/// `kube-controller-manager`.
#[derive(Clone, Debug)]
pub(super) struct Programs(PathBuf);

impl Programs {
    /// `KUBEBUILDER_ASSETS` if set, else what `cargo xtask assets` built; none
    /// if nothing was built.
    pub(super) fn find() -> anyhow::Result<Option<Self>> {
        if let Some(folder) = set("KUBEBUILDER_ASSETS") {
            let programs = Self(PathBuf::from(folder));
            for needed in ["etcd", "kube-apiserver"] {
                let path = programs.path(needed);
                ensure!(path.is_file(), "KUBEBUILDER_ASSETS is set, but {} does not exist", path.display());
            }
            return Ok(Some(programs));
        }
        let programs = Self(cache()?.join(FOLDER));
        let there = ["etcd", "kube-apiserver"].iter().all(|name| programs.path(name).is_file());
        Ok(there.then_some(programs))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// The programs, or none if the test is to be skipped; says so where the test
/// runner does not swallow it.
pub(super) fn find_or_skip() -> anyhow::Result<Option<Programs>> {
    if is_on("AKO_SKIP_CONTROL_PLANE") {
        report_skip("AKO_SKIP_CONTROL_PLANE=1 leaves out what needs a control plane");
        return Ok(None);
    }
    let programs = Programs::find()?;
    if programs.is_none() {
        let why = "no control plane; `cargo xtask assets` builds it, or set KUBEBUILDER_ASSETS";
        ensure!(!is_on("AKO_REQUIRE_CONTROL_PLANE"), "{why}");
        report_skip(why);
    }
    Ok(programs)
}

pub(crate) fn report_skip(why: &str) {
    use std::io::Write as _;
    // Not `eprintln!`: what a passing test prints through it is never shown.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {why}");
}

fn cache() -> anyhow::Result<PathBuf> {
    if let Some(folder) = set("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(folder));
    }
    let home = set("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".cache"))
}

fn is_on(name: &str) -> bool {
    set(name).as_deref() == Some("1")
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
