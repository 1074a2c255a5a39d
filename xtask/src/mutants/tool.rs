//! cargo-mutants, which makes the mutants and runs the tests.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::scope::{EXCLUDED, Scope};
use super::verdict::Outcome;
use crate::assets::cache;
use crate::cargo::cargo_path;

const VERSION: &str = "27.1.0";
/// Tests of a mutant may take so many times what they take without it, and at
/// least so many seconds.
const TIMES: &str = "4";
const LEAST_SECONDS: &str = "30";
const BUILD_SECONDS: &str = "900";
/// Some mutants survive, or do not end.
const SOME_LEFT: [i32; 3] = [0, 2, 3];

/// The installed program.
#[derive(Debug)]
pub(super) struct Tool(PathBuf);

/// A changed place in the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    pub(super) file: String,
    /// File, line, column and what is done there.
    pub(super) name: String,
}

impl Tool {
    /// Installs the program into the user's cache folder, unless it is there.
    pub(super) fn provide() -> anyhow::Result<Self> {
        let cache = cache()?.join("ako-rs");
        fs::create_dir_all(&cache).with_context(|| format!("creating {}", cache.display()))?;
        let folder = cache.join(format!("cargo-mutants-{VERSION}"));
        let program = folder.join("bin/cargo-mutants");
        // One installation at a time; who waited finds the other's result.
        let lock = File::create(cache.join("cargo-mutants.lock"))?;
        lock.lock().context("waiting for another installation of cargo-mutants")?;
        if !program.is_file() {
            eprintln!("installing cargo-mutants {VERSION} into {} (minutes)", folder.display());
            let status = Command::new(cargo_path())
                .args(["install", "cargo-mutants", "--locked", "--version", VERSION, "--root"])
                .arg(&folder)
                .status()
                .context("starting cargo")?;
            ensure!(status.success(), "`cargo install cargo-mutants --version {VERSION}` failed ({status})");
        }
        Ok(Self(program))
    }

    /// All mutants of a scope, in the order of the code.
    pub(super) fn list(&self, root: &Path, scope: &Scope) -> anyhow::Result<Vec<Mutant>> {
        let mut mutants = Vec::new();
        for glob in scope.globs() {
            let mut command = self.command(root);
            command.args(["--list", "--json", "--package", &scope.package(), "--file", &glob]);
            command.args(EXCLUDED.iter().flat_map(|exclude| ["--exclude-re", exclude]));
            let output = command.stderr(Stdio::inherit()).output().context("starting cargo-mutants")?;
            ensure!(output.status.success(), "cargo-mutants cannot list {glob} ({})", output.status);
            let listed: Value = serde_json::from_slice(&output.stdout).context("the list of mutants")?;
            let found = listed.as_array().into_iter().flatten().filter_map(Mutant::read);
            let before = mutants.len();
            mutants.extend(found);
            ensure!(mutants.len() > before, "{glob} matches no code that could be changed: correct the list");
        }
        mutants.dedup();
        Ok(mutants)
    }

    /// Runs tests with each of the mutants in turn and tells the outcome of each
    /// as soon as it is known. The program may add mutants of the same files:
    /// those that delete a field escape the choice by name.
    pub(super) fn test(
        &self,
        root: &Path,
        scope: &Scope,
        tests: &[&str],
        mutants: &[Mutant],
        folder: &Path,
        mut tell: impl FnMut(&str, Outcome) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let mut command = self.command(root);
        command
            .args(["--package", &scope.package(), "--output"])
            .arg(folder)
            // What the crate depends on is built once, for all runs.
            .env("CARGO_TARGET_DIR", folder.join("build"))
            .args(["--timeout-multiplier", TIMES, "--minimum-test-timeout", LEAST_SECONDS])
            .args(["--build-timeout", BUILD_SECONDS])
            .args(["--caught", "--unviable", "--no-times", "--colors", "never", "--annotations", "none"]);
        command.args(tests.iter().map(|argument| format!("--cargo-arg={argument}")));
        let files: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();
        command.args(files.iter().map(|file| format!("--file={file}")));
        command.args(mutants.iter().map(|mutant| format!("--re=^{}$", escaped(&mutant.name))));
        let mut child = command.stdout(Stdio::piped()).spawn().context("starting cargo-mutants")?;
        let output = child.stdout.take().context("its output is piped")?;
        for line in BufReader::new(output).lines() {
            let line = line.context("reading the output of cargo-mutants")?;
            println!("{line}");
            if let Some((outcome, name)) = outcome(&line) {
                tell(name, outcome)?;
            }
        }
        let status = child.wait().context("waiting for cargo-mutants")?;
        let fine = status.code().is_some_and(|code| SOME_LEFT.contains(&code));
        ensure!(
            fine,
            "cargo-mutants ended with {status}; if the tests fail without a mutant, correct them first"
        );
        Ok(())
    }

    fn command(&self, root: &Path) -> Command {
        let mut command = Command::new(&self.0);
        // The program is called as cargo calls it: with its own name first.
        command.args(["mutants", "--no-config"]).current_dir(root).env("CARGO", cargo_path());
        command
    }
}

impl Mutant {
    fn read(listed: &Value) -> Option<Self> {
        let text = |field: &str| listed[field].as_str().map(str::to_owned);
        Some(Self { file: text("file")?, name: text("name")? })
    }

    /// The file with the line, and what is done there.
    pub(super) fn place_and_change(&self) -> (String, &str) {
        let mut parts = self.name.splitn(4, ':');
        let file = parts.next().unwrap_or_default();
        let line = parts.next().unwrap_or_default();
        (format!("{file}:{line}"), parts.nth(1).unwrap_or_default().trim())
    }
}

/// The outcome that a line tells, and the name of its mutant.
fn outcome(line: &str) -> Option<(Outcome, &str)> {
    let (word, name) = line.split_once(' ')?;
    Some((Outcome::read(word)?, name.trim()))
}

/// A regular expression that matches only this text.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() && c != '<' && c != '>' {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "crates/elect/src/permit.rs:41:9: replace Permit::holds -> Option<u8> with Some(0)";

    #[test]
    fn lines_of_the_program_tell_outcomes() {
        assert_eq!(outcome(&format!("caught   {NAME}")), Some((Outcome::Caught, NAME)));
        assert_eq!(outcome(&format!("MISSED   {NAME}")), Some((Outcome::Survived, NAME)));
        assert_eq!(outcome(&format!("TIMEOUT  {NAME}")), Some((Outcome::TimedOut, NAME)));
        assert_eq!(outcome(&format!("unviable {NAME}")), Some((Outcome::Unviable, NAME)));
        assert_eq!(outcome("ok       Unmutated baseline"), None);
        assert_eq!(outcome("Found 3 mutants to test"), None);
    }

    #[test]
    fn a_mutant_is_split_for_people() {
        let mutant = Mutant { file: "crates/elect/src/permit.rs".to_owned(), name: NAME.to_owned() };
        let (place, change) = mutant.place_and_change();
        assert_eq!(place, "crates/elect/src/permit.rs:41");
        assert_eq!(change, "replace Permit::holds -> Option<u8> with Some(0)");
    }

    #[test]
    fn signs_with_a_meaning_are_escaped() {
        assert_eq!(escaped("a.rs: -> Option<u8> (&x)"), r"a\.rs\: \-> Option<u8> \(\&x\)");
    }
}
