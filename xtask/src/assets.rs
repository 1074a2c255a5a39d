//! Go programs that tests run, built once into the user's cache folder.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::hash::Hash;

/// One built Go program.
pub(crate) struct Asset {
    /// Its folder below `tools`.
    module: &'static str,
    version: &'static str,
    /// What `go build` builds, seen from the module.
    package: &'static str,
    program: &'static str,
    /// Other names, by which the program chooses what it is.
    names: &'static [&'static str],
    linker: &'static str,
    /// An environment variable that names a folder to use instead, and what
    /// must be in there.
    instead: Option<(&'static str, &'static [&'static str])>,
}

/// etcd, kube-apiserver, kube-controller-manager and kubectl in one program.
pub(crate) const CONTROL_PLANE: Asset = Asset {
    module: "control-plane",
    version: "v1.36.3",
    package: ".",
    program: "control-plane",
    names: &["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"],
    // Without these the API server says that it is v0.0.0, and clients believe it.
    linker: "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
             -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
    instead: Some(("KUBEBUILDER_ASSETS", &["etcd", "kube-apiserver", "kubectl"])),
};

/// helm.
pub(crate) const HELM: Asset = Asset {
    module: "helm",
    version: "v3.21.4",
    package: "helm.sh/helm/v3/cmd/helm",
    program: "helm",
    names: &[],
    // Without the last two, templates and `helm template` believe in Kubernetes 1.20.
    linker: "-s -w -X helm.sh/helm/v3/internal/version.version=v3.21.4 \
             -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 \
             -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36",
    instead: None,
};

/// Holds the hash of the sources that a folder was built from.
const STAMP: &str = "sources";

impl Asset {
    /// The folder that holds the program, which is built first if it is missing
    /// or its sources have changed.
    pub(crate) fn provide(&self, root: &Path) -> anyhow::Result<PathBuf> {
        if let Some(folder) = self.given()? {
            return Ok(folder);
        }
        let cache = cache()?.join("ako-rs");
        fs::create_dir_all(&cache).with_context(|| format!("creating {}", cache.display()))?;
        let sources = root.join("tools").join(self.module);
        let hash = hash_of(&sources, self.linker)?;
        let folder = cache.join(format!("{}-{}", self.module, self.version));

        // One build at a time; who waited finds the other's result.
        let lock = File::create(cache.join(format!("{}.lock", self.module)))?;
        lock.lock().context("waiting for another build of the same program")?;
        if !self.is_current(&folder, &hash) {
            self.build(&sources, &cache, &folder, &hash)?;
        }
        Ok(folder)
    }

    fn given(&self) -> anyhow::Result<Option<PathBuf>> {
        let Some((variable, needed)) = self.instead else { return Ok(None) };
        let Some(folder) = variable_path(variable) else { return Ok(None) };
        for program in needed {
            let path = folder.join(program);
            ensure!(path.is_file(), "{variable} is set, but {} does not exist", path.display());
        }
        Ok(Some(folder))
    }

    fn is_current(&self, folder: &Path, hash: &str) -> bool {
        let stamp = fs::read_to_string(folder.join(STAMP));
        let programs = self.names.iter().chain([&self.program]);
        stamp.is_ok_and(|stamp| stamp == hash)
            && programs.into_iter().all(|program| folder.join(program).is_file())
    }

    fn build(&self, sources: &Path, cache: &Path, folder: &Path, hash: &str) -> anyhow::Result<()> {
        eprintln!("building {} {} into {} (minutes)", self.module, self.version, folder.display());
        let process = std::process::id();
        let new = cache.join(format!("{}.new-{process}", self.module));
        let old = cache.join(format!("{}.old-{process}", self.module));
        remove(&new)?;
        fs::create_dir(&new).with_context(|| format!("creating {}", new.display()))?;
        let built = self.build_into(sources, &new);
        if built.is_err() {
            remove(&new)?;
        }
        built?;
        for name in self.names {
            symlink(self.program, new.join(name)).with_context(|| format!("linking {name}"))?;
        }
        fs::write(new.join(STAMP), hash)?;
        // Programs that run from the old folder keep their files.
        if folder.exists() {
            fs::rename(folder, &old).with_context(|| format!("moving {} away", folder.display()))?;
        }
        fs::rename(&new, folder).with_context(|| format!("moving {} into place", folder.display()))?;
        remove(&old)
    }

    fn build_into(&self, sources: &Path, folder: &Path) -> anyhow::Result<()> {
        let status = Command::new("go")
            .args(["build", "-trimpath", "-ldflags", self.linker, "-o"])
            .arg(folder.join(self.program))
            .arg(self.package)
            .current_dir(sources)
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => bail!("`go build` of {} failed ({status})", sources.display()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let other = self.instead.map_or(String::new(), |(variable, needed)| {
                    format!(", or set {variable} to a folder that holds {}", needed.join(", "))
                });
                bail!(
                    "`go` is not installed, and tests need a program that it builds: install Go 1.26 or \
                     newer (https://go.dev/dl){other}, or leave these tests out with `--skip-control-plane`"
                )
            }
            Err(error) => Err(error).context("starting `go build`"),
        }
    }
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// The user's cache folder.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    let home = || variable_path("HOME").map(|home| home.join(".cache"));
    variable_path("XDG_CACHE_HOME").or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")
}

fn variable_path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A hash of what decides the result of a build.
fn hash_of(sources: &Path, linker: &str) -> anyhow::Result<String> {
    let mut hash = Hash::default();
    hash.add(linker.as_bytes());
    for file in ["go.mod", "go.sum", "main.go"] {
        let path = sources.join(file);
        if !path.exists() {
            continue;
        }
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        hash.add(file.as_bytes());
        hash.add(&text);
    }
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_follows_the_sources_and_the_flags() {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools");
        let hash = |module: &str, linker: &str| hash_of(&tools.join(module), linker).unwrap();
        assert_eq!(hash("helm", "-s"), hash("helm", "-s"));
        assert_ne!(hash("helm", "-s"), hash("control-plane", "-s"));
        assert_ne!(hash("helm", "-s"), hash("helm", "-w"));
    }

    #[test]
    fn versions_are_those_of_the_modules() {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools");
        for (asset, module) in [(&CONTROL_PLANE, "k8s.io/kubernetes"), (&HELM, "helm.sh/helm/v3")] {
            let text = fs::read_to_string(tools.join(asset.module).join("go.mod")).unwrap();
            let line = format!("{module} {}", asset.version);
            assert!(text.contains(&line), "{line} is not in {}/go.mod", asset.module);
            assert!(asset.linker.contains(asset.version));
        }
    }
}
