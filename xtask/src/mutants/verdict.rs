//! What is known of mutants, from one run to the next.
//!
//! Each verdict is a file of its own, so that runs side by side do not get into
//! each other's way and one that is interrupted loses nothing. Its name is a
//! hash of the mutant and of the file that was mutated: in a changed file every
//! mutant is a new one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::hash::Hash;

/// How the tests took a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// A test failed.
    Caught,
    /// All tests passed.
    Survived,
    /// The tests did not end in time.
    TimedOut,
    /// It does not compile.
    Unviable,
}

const WORDS: [(Outcome, &str); 4] = [
    (Outcome::Caught, "caught"),
    (Outcome::Survived, "MISSED"),
    (Outcome::TimedOut, "TIMEOUT"),
    (Outcome::Unviable, "unviable"),
];

impl Outcome {
    /// From the word that cargo-mutants has for it.
    pub(crate) fn read(word: &str) -> Option<Self> {
        WORDS.iter().find(|(_, known)| *known == word).map(|(outcome, _)| *outcome)
    }

    fn word(self) -> &'static str {
        WORDS.iter().find(|(outcome, _)| *outcome == self).map_or("", |(_, word)| word)
    }

    /// Whether better tests could come to another outcome.
    fn depends_on_tests(self) -> bool {
        matches!(self, Self::Survived | Self::TimedOut)
    }
}

/// An outcome, and the stages of tests that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// How many were tried.
    pub(crate) stages: usize,
}

impl Verdict {
    /// Whether no further stage could change it.
    pub(crate) fn is_final(self, stages: usize) -> bool {
        self.outcome != Outcome::Survived || self.stages >= stages
    }
}

/// A folder of verdicts about one crate.
#[derive(Debug)]
pub(crate) struct Verdicts {
    folder: PathBuf,
    /// Of everything in the crate, tests included.
    whole: String,
    /// Of its files, by their path in the repository.
    files: BTreeMap<String, String>,
}

impl Verdicts {
    /// Those about the crate at `place`, as it is now.
    pub(crate) fn open(folder: PathBuf, root: &Path, place: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let mut whole = Hash::default();
        let mut files = BTreeMap::new();
        let mut folders = vec![root.join("crates").join(place)];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
                let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                files.insert(name, Hash::of([text.as_slice()]));
            }
        }
        for (name, hash) in &files {
            whole.add(name.as_bytes());
            whole.add(hash.as_bytes());
        }
        Ok(Self { folder, whole: whole.to_string(), files })
    }

    /// What is known of a mutant, if that still holds: whatever was noticed is
    /// noticed as long as the file is the same, whatever was not may be noticed
    /// after any change to the crate.
    pub(crate) fn of(&self, file: &str, mutant: &str) -> Option<Verdict> {
        let text = fs::read_to_string(self.path(file, mutant)).ok()?;
        let known: Value = serde_json::from_str(&text).ok()?;
        let outcome = Outcome::read(known["outcome"].as_str()?)?;
        let stages = usize::try_from(known["stages"].as_u64()?).ok()?;
        let holds = !outcome.depends_on_tests() || known["crate"] == self.whole.as_str();
        holds.then_some(Verdict { outcome, stages })
    }

    /// Takes note of a verdict.
    pub(crate) fn note(&self, file: &str, mutant: &str, verdict: Verdict) -> anyhow::Result<()> {
        let path = self.path(file, mutant);
        let text = json!({
            "mutant": mutant, "outcome": verdict.outcome.word(), "stages": verdict.stages, "crate": self.whole,
        });
        let new = path.with_extension(format!("new-{}", std::process::id()));
        fs::write(&new, text.to_string()).with_context(|| format!("writing {}", new.display()))?;
        fs::rename(&new, &path).with_context(|| format!("writing {}", path.display()))
    }

    fn path(&self, file: &str, mutant: &str) -> PathBuf {
        let text = self.files.get(file).map_or("", String::as_str);
        self.folder.join(Hash::of([text.as_bytes(), mutant.as_bytes()])).with_extension("json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "crates/x/src/lib.rs";

    /// A crate of one file and one test, in a folder of this test run.
    struct Crate(PathBuf);

    impl Crate {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("ako-verdicts-{name}-{}", std::process::id()));
            let new = Self(root);
            new.write(FILE, "fn a() {}");
            new.write("crates/x/tests/t.rs", "fn t() {}");
            new
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.0.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn verdicts(&self) -> Verdicts {
            Verdicts::open(self.0.join("verdicts"), &self.0, "x").unwrap()
        }
    }

    impl Drop for Crate {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn all(stages: usize) -> [Verdict; 2] {
        [Outcome::Caught, Outcome::Survived].map(|outcome| Verdict { outcome, stages })
    }

    #[test]
    fn a_survivor_is_tried_again_after_a_change_of_the_tests_and_nothing_else_is() {
        let example = Crate::new("tests");
        let [caught, survived] = all(1);
        example.verdicts().note(FILE, "one", caught).unwrap();
        example.verdicts().note(FILE, "two", survived).unwrap();
        let known = |name| example.verdicts().of(FILE, name);
        assert_eq!([known("one"), known("two"), known("three")], [Some(caught), Some(survived), None]);
        example.write("crates/x/tests/t.rs", "fn better() {}");
        assert_eq!([known("one"), known("two")], [Some(caught), None]);
    }

    #[test]
    fn nothing_is_known_of_a_file_that_changed() {
        let example = Crate::new("file");
        example.verdicts().note(FILE, "one", all(1)[0]).unwrap();
        example.write(FILE, "fn b() {}");
        assert_eq!(example.verdicts().of(FILE, "one"), None);
    }

    #[test]
    fn only_a_survivor_has_further_stages() {
        let [caught, survived] = all(1);
        assert!(caught.is_final(2) && !survived.is_final(2) && survived.is_final(1));
    }
}
