//! Arrows between crates, and what crates depend on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::licence;

/// Each crate of ours and the crates of ours that it may know, `*` for all.
const ARROWS: [(&str, &[&str]); 16] = [
    ("ako-avi-types", &[]),
    ("ako-core", &["ako-avi-types"]),
    ("ako-translate", &["ako-avi-types", "ako-core"]),
    ("ako-elect", &[]),
    ("ako-engine", &["ako-avi-types", "ako-core", "ako-translate", "ako-elect"]),
    ("ako-kube-types", &["ako-core"]),
    ("ako-kube-io", &["ako-core", "ako-elect", "ako-kube-types"]),
    ("ako-avi-io", &["ako-avi-types", "ako-elect"]),
    (
        "ako-app",
        &[
            "ako-avi-types",
            "ako-core",
            "ako-translate",
            "ako-elect",
            "ako-engine",
            "ako-kube-types",
            "ako-kube-io",
            "ako-avi-io",
        ],
    ),
    ("ako-fuzzing", &["ako-avi-types", "ako-core", "ako-translate", "ako-engine", "ako-kube-types"]),
    ("ako-sim-avi", &["ako-avi-types"]),
    ("ako-sim-kube", &[]),
    ("ako-image", &[]),
    ("ako-harness", &["*"]),
    ("ako-simulation", &["*"]),
    // Nothing of the operator, so that it is built in seconds; the image is of programs as files.
    ("xtask", &["ako-image"]),
];

/// No I/O, no clock, no randomness: these may be built and tested without any.
pub(crate) const PURE: [&str; 5] = ["ako-avi-types", "ako-core", "ako-translate", "ako-elect", "ako-engine"];

/// What pure crates may depend on besides each other; jiff is there to write moments for people.
const PURE_MAY_USE: [&str; 8] =
    ["serde", "serde_json", "sha1", "thiserror", "base64", "x509-parser", "indexmap", "jiff"];

/// Only tests of these may use the crates that tests are built from.
const MAY_TEST_WITH: [&str; 5] = ["ako-app", "ako-avi-io", "ako-kube-io", "ako-translate", "ako-engine"];
const TEST_CRATES: [&str; 3] = ["ako-harness", "ako-sim-avi", "ako-sim-kube"];

/// What the tests of the simulated API server drive: the operator's side of the API.
const DRIVEN_BY_SIM_KUBE: [&str; 4] = ["ako-core", "ako-elect", "ako-harness", "ako-kube-io"];

/// Crates with a better replacement here: rustls with ring, jiff, serde-saphyr.
const BANNED: [&str; 6] = ["openssl", "openssl-sys", "native-tls", "aws-lc-sys", "chrono", "serde_yaml"];

/// What `cargo metadata` knows of the workspace and everything below it.
pub(crate) struct Metadata(Value);

impl Metadata {
    pub(crate) fn read() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version=1", "--locked"])
            // What is never built for us need not be fetched to be judged.
            .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(serde_json::from_slice(&output.stdout).unwrap())
    }

    fn packages(&self) -> impl Iterator<Item = &Value> {
        self.0["packages"].as_array().unwrap().iter()
    }

    /// Crates of this workspace.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Value> {
        self.packages().filter(|package| package["source"].is_null())
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

/// Names of a crate's dependencies of one kind.
fn dependencies(package: &Value, dev: bool) -> impl Iterator<Item = &str> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(move |dependency| (dependency["kind"] == "dev") == dev).map(name)
}

#[test]
fn arrows_between_crates_point_down() {
    let metadata = Metadata::read();
    let ours: BTreeSet<&str> = metadata.ours().map(name).collect();
    let listed: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(ours, listed, "list every crate in ARROWS");
    for package in metadata.ours() {
        let from = name(package);
        let (_, allowed) = ARROWS.iter().find(|(name, _)| *name == from).unwrap();
        for to in dependencies(package, false).filter(|to| ours.contains(to)) {
            assert!(allowed.contains(&"*") || allowed.contains(&to), "{from} must not depend on {to}");
        }
        for to in dependencies(package, true).filter(|to| ours.contains(to)) {
            // A crate may ask itself for a feature that only its tests need.
            let tests = to == from
                || (TEST_CRATES.contains(&to) && MAY_TEST_WITH.contains(&from))
                || (from == "ako-sim-kube" && DRIVEN_BY_SIM_KUBE.contains(&to));
            assert!(
                tests || allowed.contains(&"*") || allowed.contains(&to),
                "tests of {from} must not depend on {to}"
            );
        }
    }
}

#[test]
fn pure_crates_depend_on_nothing_that_acts() {
    let metadata = Metadata::read();
    let pure = metadata.ours().filter(|package| PURE.contains(&name(package)));
    for package in pure {
        for to in dependencies(package, false) {
            let allowed = PURE.contains(&to) || PURE_MAY_USE.contains(&to);
            assert!(allowed, "{} is pure and must not depend on {to}", name(package));
        }
    }
}

#[test]
fn every_licence_allows_what_we_do() {
    let metadata = Metadata::read();
    for package in metadata.packages() {
        let Some(expression) = package["license"].as_str() else {
            panic!("{} names no licence", name(package));
        };
        assert!(licence::allows(expression), "{} is licensed as `{expression}`", name(package));
    }
}

#[test]
fn everything_comes_from_the_registry() {
    let metadata = Metadata::read();
    for package in metadata.packages() {
        let source = package["source"].as_str();
        let fine = source.is_none_or(|source| source.starts_with("registry+https://github.com/rust-lang/"));
        assert!(fine, "{} comes from {}", name(package), source.unwrap_or_default());
    }
}

#[test]
fn nothing_banned_is_in_the_tree() {
    let metadata = Metadata::read();
    let found: Vec<&str> = metadata.packages().map(name).filter(|name| BANNED.contains(name)).collect();
    assert!(found.is_empty(), "banned: {found:?}");
}

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    let metadata = Metadata::read();
    for package in metadata.ours() {
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", name(package));
    }
}
