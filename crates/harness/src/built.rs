//! Programs that `cargo xtask assets` builds into the user's cache folder, and what becomes of
//! a test where they are not there.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// The variable with which such tests are left out.
const SKIP: &str = "AKO_SKIP_CONTROL_PLANE";
/// The variable with which they fail where a program is missing.
const REQUIRE: &str = "AKO_REQUIRE_CONTROL_PLANE";

/// What `find` finds, or none if the test is to be skipped; says so where the test runner does
/// not swallow it. `missing` says what is missing, and how to get it.
pub(crate) fn find_or_skip<T>(
    find: impl FnOnce() -> anyhow::Result<Option<T>>,
    missing: &str,
) -> anyhow::Result<Option<T>> {
    if is_on(SKIP) {
        report_skip(&format!("{SKIP}=1 leaves out what needs a control plane or helm"));
        return Ok(None);
    }
    let found = find()?;
    if found.is_none() {
        ensure!(!is_on(REQUIRE), "{missing}");
        report_skip(missing);
    }
    Ok(found)
}

/// A folder of the cache of this repository.
pub(crate) fn cached(folder: &str) -> anyhow::Result<PathBuf> {
    Ok(cache()?.join("ako-rs").join(folder))
}

/// A variable of the environment that is not empty.
pub(crate) fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Says that a test is skipped and why, where the test runner does not swallow it.
pub fn report_skip(why: &str) {
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
