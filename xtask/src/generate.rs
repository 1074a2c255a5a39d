//! `cargo xtask generate`: the files that follow from the code.

use std::path::Path;

use crate::assets;
use crate::cargo::cargo;

/// The tests that hold generated files against the code.
const TESTS: [&str; 5] = ["test", "--package=ako-harness", "--test=chart", "--", "--quiet"];
/// With it they write the files instead.
const WRITE: (&str, &str) = ("AKO_UPDATE_CHART", "1");

/// Writes them, and then looks whether all are as they should be.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    if let Err(error) = assets::HELM.provide(root) {
        println!("the recorded renderings of the chart stay as they are, as there is no helm: {error:#}");
    }
    if cargo(root, &TESTS, &[WRITE]).is_err() {
        // Some tests read what others are writing.
        println!("once more, without writing");
    }
    cargo(root, &TESTS, &[])
}
