//! Where the programs of a control plane are found.

use std::path::PathBuf;

use anyhow::ensure;

use crate::built;

/// The folder in the cache that `cargo xtask assets` fills.
const FOLDER: &str = "control-plane-v1.36.3";

/// The folder that holds `etcd`, `kube-apiserver` and, usually, `kubectl` and
/// `kube-controller-manager`.
#[derive(Clone, Debug)]
pub(super) struct Programs(PathBuf);

impl Programs {
    /// `KUBEBUILDER_ASSETS` if set, else what `cargo xtask assets` built; none
    /// if nothing was built.
    pub(super) fn find() -> anyhow::Result<Option<Self>> {
        if let Some(folder) = built::set("KUBEBUILDER_ASSETS") {
            let programs = Self(PathBuf::from(folder));
            for needed in ["etcd", "kube-apiserver"] {
                let path = programs.path(needed);
                ensure!(path.is_file(), "KUBEBUILDER_ASSETS is set, but {} does not exist", path.display());
            }
            return Ok(Some(programs));
        }
        let programs = Self(built::cached(FOLDER)?);
        let there = ["etcd", "kube-apiserver"].iter().all(|name| programs.path(name).is_file());
        Ok(there.then_some(programs))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// The programs, or none if the test is to be skipped.
pub(super) fn find_or_skip() -> anyhow::Result<Option<Programs>> {
    let missing = "no control plane; `cargo xtask assets` builds it, or set KUBEBUILDER_ASSETS";
    built::find_or_skip(Programs::find, missing)
}
