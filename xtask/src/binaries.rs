//! The test binaries of the workspace, and how they are run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::cargo::{cargo_path, low_priority};
use crate::task::Task;

/// The tests of these take their time from the test, or none at all: a busy
/// machine makes them slow, and never wrong.
const WITHOUT_REAL_TIME: [&str; 9] =
    ["avi-types", "core", "translate", "elect", "engine", "fuzzing", "kube-types", "simulation", "xtask"];

/// A binary that takes longer hangs.
const WITHIN: Duration = Duration::from_mins(30);

/// What cargo built of a target with tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestBinary {
    /// Its crate's folder and its target.
    name: String,
    folder: PathBuf,
    executable: PathBuf,
}

impl TestBinary {
    /// Builds all of the workspace, and every program that they start.
    pub(crate) fn build_all(root: &Path) -> anyhow::Result<Vec<Self>> {
        let output = Command::new(cargo_path())
            .args(["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"])
            .current_dir(root)
            .stderr(Stdio::inherit())
            .output()
            .context("starting cargo")?;
        ensure!(output.status.success(), "`cargo test --no-run` failed ({})", output.status);
        let messages = String::from_utf8_lossy(&output.stdout);
        let mut found: Vec<_> = messages.lines().filter_map(Self::read).collect();
        ensure!(!found.is_empty(), "cargo built no test");
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The binary that a message of cargo is about, if it is about one.
    fn read(message: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(message).ok()?;
        if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
            return None;
        }
        let executable = PathBuf::from(message["executable"].as_str()?);
        let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
        let target = &message["target"];
        let place = folder.file_name()?.to_str()?;
        let name = match target["kind"][0].as_str()? {
            "test" => format!("{place} {}", target["name"].as_str()?),
            "bin" => format!("{place} bin {}", target["name"].as_str()?),
            kind => format!("{place} {kind}"),
        };
        Some(Self { name, folder, executable })
    }

    /// Whether others may take the processor from it.
    pub(crate) fn takes_no_real_time(&self) -> bool {
        self.name.split(' ').next().is_some_and(|place| WITHOUT_REAL_TIME.contains(&place))
    }

    /// Runs its tests, as cargo would.
    pub(crate) fn run(&self, environment: &[(&str, &str)]) -> Task {
        let mut command = if self.takes_no_real_time() {
            low_priority(&self.executable)
        } else {
            Command::new(&self.executable)
        };
        command
            // What they count is of interest when they pass, too.
            .arg("--show-output")
            .current_dir(&self.folder)
            .env("CARGO", cargo_path())
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .env_remove("AKO_SKIP_CONTROL_PLANE")
            .env_remove("AKO_REQUIRE_CONTROL_PLANE")
            .envs(environment.iter().copied());
        Task::run(&self.name, &mut command, WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn artifact(kind: &str, test: bool) -> String {
        json!({
            "reason": "compiler-artifact", "manifest_path": "/ws/crates/engine/Cargo.toml",
            "target": {"kind": [kind], "name": "suite"}, "profile": {"test": test}, "executable": "/t/suite-1",
        })
        .to_string()
    }

    #[test]
    fn a_built_test_is_named_after_its_crate_and_target() {
        let name = |kind| TestBinary::read(&artifact(kind, true)).unwrap().name;
        assert_eq!(["test", "lib", "bin"].map(name), ["engine suite", "engine lib", "engine bin suite"]);
        let found = TestBinary::read(&artifact("test", true)).unwrap();
        assert_eq!(found.folder, Path::new("/ws/crates/engine"));
        assert_eq!(found.executable, Path::new("/t/suite-1"));
        assert!(found.takes_no_real_time());
    }

    #[test]
    fn programs_and_other_messages_are_no_tests() {
        assert_eq!(TestBinary::read(&artifact("bin", false)), None);
        assert_eq!(TestBinary::read(r#"{"reason": "build-finished"}"#), None);
        assert_eq!(TestBinary::read("warning: x"), None);
    }

    #[test]
    fn crates_without_real_time_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for place in WITHOUT_REAL_TIME {
            let folder = if place == "xtask" { root.join(place) } else { root.join("crates").join(place) };
            assert!(folder.is_dir(), "{place}");
        }
    }
}
