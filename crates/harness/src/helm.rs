//! The real helm, and the chart.
//!
//! Where it was not built, or with `AKO_SKIP_CONTROL_PLANE=1`, [`Helm::find_or_skip`] prints
//! `SKIPPED: <why>` and returns none, and the test returns; with `AKO_REQUIRE_CONTROL_PLANE=1`
//! it fails instead.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::built;

/// The folder in the cache that `cargo xtask assets --helm` fills.
const FOLDER: &str = "helm-v3.21.4";

/// helm, with settings and caches of its own: it never looks at those of the user.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    home: TempDir,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// helm, or none if the test is to be skipped.
    pub fn find_or_skip() -> anyhow::Result<Option<Self>> {
        let missing = "no helm; `cargo xtask assets --helm` builds it";
        built::find_or_skip(Self::find, missing)
    }

    fn find() -> anyhow::Result<Option<Self>> {
        let program = built::cached(FOLDER)?.join("helm");
        if !program.is_file() {
            return Ok(None);
        }
        let home = tempfile::Builder::new().prefix("ako-helm-").tempdir()?;
        Ok(Some(Self { program, home, kubeconfig: None }))
    }

    /// The same, for a cluster.
    #[must_use]
    pub fn on(mut self, kubeconfig: &Path) -> Self {
        self.kubeconfig = Some(kubeconfig.to_owned());
        self
    }

    /// The chart of this repository.
    pub fn chart() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/ako")
    }

    /// Runs helm in a folder; what it prints, or what it complains of.
    pub fn run(&self, folder: &Path, arguments: &[&str]) -> anyhow::Result<Result<String, String>> {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("HOME", self.home.path())
            .envs(self.kubeconfig.iter().map(|path| ("KUBECONFIG", path)))
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("running helm {arguments:?}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stdout) + &text(&output.stderr))
        })
    }

    /// What a chart renders with values, and more of them as in `--set`, as release `ako` in a
    /// namespace; or what helm complains of.
    pub fn template(
        &self,
        chart: &Path,
        namespace: &str,
        values: &Value,
        set: &[&str],
    ) -> anyhow::Result<Result<String, String>> {
        let file = tempfile::Builder::new().suffix(".json").tempfile_in(self.home.path())?;
        std::fs::write(file.path(), values.to_string())?;
        let file = file.path().to_str().context("a path that is no text")?;
        let mut arguments = vec!["template", "ako", ".", "--namespace", namespace, "-f", file];
        for values in set {
            arguments.extend(["--set", values]);
        }
        self.run(chart, &arguments)
    }
}
