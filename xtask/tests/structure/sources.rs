//! How source files look.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::{Metadata, PURE, name, root};

const MAX_LINES: usize = 800;

/// A module is named after what it is about.
const NAMES_THAT_SAY_NOTHING: [&str; 4] = ["utils", "helpers", "common", "manager"];

/// Time, randomness, order and output are arguments and results of pure crates.
const IMPURE: [(&str, &str); 10] = [
    ("Instant::now", "pass the time in"),
    ("SystemTime", "pass the time in"),
    ("HashMap", "its order is random: take BTreeMap"),
    ("HashSet", "its order is random: take BTreeSet"),
    ("rand::", "pass random numbers in"),
    ("println!", "return what is to be said"),
    ("eprintln!", "return what is to be said"),
    ("dbg!", "return what is to be said"),
    ("std::fs", "pass the text in"),
    ("std::env", "pass the value in"),
];

pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn ours() -> Vec<PathBuf> {
    ["crates", "xtask"].iter().flat_map(|folder| rust_files(&root().join(folder))).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn no_file_is_too_long() {
    for path in ours() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines, more than {MAX_LINES}", shown(&path));
    }
}

#[test]
fn modules_have_names() {
    for path in ours() {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let module = match stem {
            "mod" => path.parent().unwrap().file_name().unwrap().to_str().unwrap(),
            other => other,
        };
        assert!(!NAMES_THAT_SAY_NOTHING.contains(&module), "{}", shown(&path));
    }
}

#[test]
fn pure_crates_take_time_chance_and_order_from_outside() {
    let metadata = Metadata::read();
    for package in metadata.ours().filter(|package| PURE.contains(&name(package))) {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let files = rust_files(&manifest.parent().unwrap().join("src"));
        for path in files.iter().filter(|path| !path.iter().any(|part| part == "tests" || part == "tests.rs"))
        {
            let text = fs::read_to_string(path).unwrap();
            for (number, line) in without_tests(&text).lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for (impure, instead) in IMPURE {
                    assert!(
                        !mentions(code, impure),
                        "{}:{}: {impure} in a pure crate: {instead}",
                        shown(path),
                        number + 1
                    );
                }
            }
        }
    }
}

/// A file up to its module of tests, which is last where there is one.
pub(crate) fn without_tests(text: &str) -> &str {
    let starts = ["#[cfg(test)]\nmod ", "#[cfg(test)]\npub(crate) mod "];
    starts.iter().filter_map(|start| text.find(start)).min().map_or(text, |end| &text[..end])
}

/// Whether `code` holds `words` other than as the end of a longer name.
fn mentions(code: &str, words: &str) -> bool {
    code.match_indices(words).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn a_longer_name_is_not_a_mention() {
    assert!(mentions("let x = rand::random();", "rand::"));
    assert!(mentions("let now = std::time::Instant::now();", "Instant::now"));
    assert!(!mentions("let x = Operand::Left;", "rand::"));
}
