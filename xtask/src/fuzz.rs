//! `cargo xtask fuzz`: tries bytes on everything that makes values of them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::cargo::cargo_path;

/// What the compiler puts into every branch, so that libFuzzer sees which inputs reach
/// something new. The same as cargo-fuzz, but on a stable compiler, without a sanitizer.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                        -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
                        -Clink-dead-code -Cdebug-assertions -Ccodegen-units=1 --cfg fuzzing";

/// What it is compiled for: named, so that build scripts are not measured.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The targets to try, each for its share of the time; all by default
    targets: Vec<String>,
    /// How many minutes, in all
    #[arg(long, default_value_t = 12)]
    minutes: u64,
}

/// Answers whether nothing was found.
pub(crate) fn run(arguments: &Arguments, root: &Path) -> anyhow::Result<bool> {
    let corpus = root.join("crates/fuzzing/corpus");
    let targets = targets(&arguments.targets, &corpus)?;
    let folder = root.join("target/fuzz");
    build(root, &folder)?;
    let seconds = arguments.minutes * 60 / targets.len() as u64;
    let mut found_none = true;
    for target in &targets {
        println!("== {target}, {seconds} s");
        found_none &= try_out(target, seconds, &corpus.join(target), &folder)?;
    }
    Ok(found_none)
}

/// The targets, by their folders in the corpus.
fn targets(named: &[String], corpus: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(corpus).with_context(|| corpus.display().to_string())?;
    let mut known: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    known.sort();
    if let Some(unknown) = named.iter().find(|name| !known.contains(name)) {
        bail!("there is no target {unknown:?}; there are {}", known.join(", "));
    }
    Ok(if named.is_empty() { known } else { named.to_vec() })
}

fn build(root: &Path, folder: &Path) -> anyhow::Result<()> {
    let status = Command::new(cargo_path())
        .args(["build", "--release", "--target", PLATFORM, "--manifest-path"])
        .arg(root.join("fuzz/Cargo.toml"))
        .arg("--target-dir")
        .arg(folder)
        .env("RUSTFLAGS", COVERAGE)
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "the targets could not be built ({status}); libFuzzer needs a C++ compiler");
    Ok(())
}

/// Tries one target. What is new goes into a folder beside the build; what was found, too,
/// and belongs into the corpus when it is repaired.
fn try_out(target: &str, seconds: u64, corpus: &Path, folder: &Path) -> anyhow::Result<bool> {
    let (tried, found) = (folder.join("tried").join(target), folder.join("found").join(target));
    for folder in [&tried, &found] {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let status = Command::new(folder.join(PLATFORM).join("release/fuzz"))
        .arg(&tried)
        .arg(corpus)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=16384", "-print_final_stats=1", "-verbosity=0"])
        .env("AKO_FUZZ_TARGET", target)
        .status()
        .with_context(|| format!("starting the target {target}"))?;
    if !status.success() {
        println!("{target}: found something, see {}", found.display());
    }
    Ok(status.success())
}
