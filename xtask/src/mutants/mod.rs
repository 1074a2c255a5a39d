//! `cargo xtask mutants`: wrong code that the tests should notice.
//!
//! Small changes are made to the code that decides, one at a time, and the tests
//! of its crate are run. What they do not notice survives, and is printed as a
//! table. Verdicts are kept, so that the next run does only what is left.

mod scope;
mod tool;
mod verdict;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::program::target_folder;
use scope::{SCOPES, Scope};
use tool::{Mutant, Tool};
use verdict::{Outcome, Verdict, Verdicts};

/// Mutants in one run of cargo-mutants, whose command line names each.
const MOST_AT_ONCE: usize = 400;

/// What to try.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Only a part of the mutants: 2/8 is the second of eight
    #[arg(long, default_value = "1/1")]
    shard: Shard,
    /// Only this crate's folder below `crates`; may be given several times
    #[arg(long = "crate", value_name = "FOLDER")]
    places: Vec<String>,
    /// Tests nothing, and prints what is known
    #[arg(long)]
    known: bool,
}

/// One of several equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shard {
    number: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is not a part: 1/4 is the first of four, and 4/4 the last");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        let of = of.parse().map_err(|_| wrong())?;
        if (1..=of).contains(&number) { Ok(Self { number, of }) } else { Err(wrong()) }
    }
}

impl Shard {
    fn has(self, position: usize) -> bool {
        position % self.of == self.number - 1
    }
}

/// A scope, its mutants and what is known of them.
struct Examined {
    scope: &'static Scope,
    mutants: Vec<Mutant>,
    verdicts: Verdicts,
}

/// Tries the mutants that have no verdict, and prints the survivors of all.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<bool> {
    let known: Vec<&str> = SCOPES.iter().map(|scope| scope.place).collect();
    for place in &arguments.places {
        ensure!(
            known.contains(&place.as_str()),
            "there are no mutants of {place}, only of {}",
            known.join(", ")
        );
    }
    let tool = Tool::provide()?;
    let folder = target_folder(root).join("mutants");
    let wanted =
        |scope: &&Scope| arguments.places.is_empty() || arguments.places.iter().any(|p| p == scope.place);
    let mut all = Vec::new();
    for scope in SCOPES.iter().filter(wanted) {
        let verdicts = Verdicts::open(folder.join("verdicts").join(scope.place), root, scope.place)?;
        let examined = Examined { scope, mutants: tool.list(root, scope)?, verdicts };
        if !arguments.known {
            examined.try_what_is_left(root, &tool, arguments.shard, &folder)?;
        }
        all.push(examined);
    }
    print(&all);
    Ok(true)
}

impl Examined {
    /// The verdict on a mutant if no test that is left could change it.
    fn verdict(&self, mutant: &Mutant) -> Option<Verdict> {
        let known = self.verdicts.of(&mutant.file, &mutant.name)?;
        known.is_final(self.scope.stages.len()).then_some(known)
    }

    fn try_what_is_left(&self, root: &Path, tool: &Tool, shard: Shard, folder: &Path) -> anyhow::Result<()> {
        let Shard { number, of } = shard;
        let workplace = Workplace::take(folder.join(format!("shard-{number}-of-{of}")))?;
        for (stage, tests) in self.scope.stages.iter().enumerate() {
            let shards = self.mutants.iter().enumerate().filter(|(position, _)| shard.has(*position));
            let left: Vec<Mutant> = shards
                .map(|(_, mutant)| mutant)
                .filter(|mutant| self.is_due(mutant, stage))
                .cloned()
                .collect();
            println!("{}: {} mutants to try with {}", self.scope.package(), left.len(), tests.join(" "));
            for some in left.chunks(MOST_AT_ONCE) {
                tool.test(root, self.scope, tests, some, &workplace.folder, |name, outcome| {
                    let due = self.mutants.iter().find(|m| m.name == name && self.is_due(m, stage));
                    due.map_or(Ok(()), |mutant| {
                        self.verdicts.note(&mutant.file, name, Verdict { outcome, stages: stage + 1 })
                    })
                })?;
            }
        }
        Ok(())
    }

    /// Whether the tests of a stage are the next ones that a mutant has to pass.
    fn is_due(&self, mutant: &Mutant, stage: usize) -> bool {
        match self.verdicts.of(&mutant.file, &mutant.name) {
            None => stage == 0,
            Some(known) => !known.is_final(self.scope.stages.len()) && known.stages == stage,
        }
    }
}

/// A folder that only one run uses at a time: two would run each other's
/// programs.
struct Workplace {
    folder: PathBuf,
    _lock: File,
}

impl Workplace {
    fn take(folder: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock().with_context(|| {
            format!("{} is in use: wait for the other run, or choose another --shard", folder.display())
        })?;
        Ok(Self { folder, _lock: lock })
    }
}

/// The counts of each file, and the survivors, as tables for documents.
fn print(all: &[Examined]) {
    println!("\n| file | mutants | caught | survived | timed out | do not compile | to do |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut survivors = Vec::new();
    for examined in all {
        let mut files: Vec<&str> = examined.mutants.iter().map(|mutant| mutant.file.as_str()).collect();
        files.dedup();
        for file in files {
            let of_file: Vec<_> = examined.mutants.iter().filter(|mutant| mutant.file == file).collect();
            let outcomes: Vec<Option<Outcome>> = of_file
                .iter()
                .map(|mutant| examined.verdict(mutant).map(|verdict| verdict.outcome))
                .collect();
            let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
            println!(
                "| `{file}` | {} | {} | {} | {} | {} | {} |",
                of_file.len(),
                count(Some(Outcome::Caught)),
                count(Some(Outcome::Survived)),
                count(Some(Outcome::TimedOut)),
                count(Some(Outcome::Unviable)),
                count(None)
            );
            let survived = of_file.iter().zip(&outcomes).filter(|(_, o)| **o == Some(Outcome::Survived));
            survivors.extend(survived.map(|(mutant, _)| mutant.place_and_change()));
        }
    }
    println!("\n| survivor | mutation |");
    println!("| --- | --- |");
    for (place, change) in &survivors {
        println!("| `{place}` | {} |", change.replace('|', "\\|"));
    }
    println!("\n{} survivors", survivors.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_all_and_share_nothing() {
        let shards: Vec<Shard> = (1..=3).map(|number| format!("{number}/3").parse().unwrap()).collect();
        for position in 0..10 {
            assert_eq!(shards.iter().filter(|shard| shard.has(position)).count(), 1, "{position}");
        }
        for wrong in ["0/3", "4/3", "1", "1/0", "a/b", "/", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn files_that_are_named_in_full_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let files = SCOPES.iter().flat_map(Scope::globs).filter(|glob| !glob.contains('*'));
        for file in files {
            assert!(root.join(&file).is_file(), "{file}");
        }
        for tests in SCOPES.iter().flat_map(|scope| {
            let chosen =
                scope.stages.iter().copied().flatten().filter(|argument| !argument.starts_with("--"));
            chosen.map(|test| root.join("crates").join(scope.place).join("tests").join(test))
        }) {
            let exists = tests.join("main.rs").is_file() || tests.with_extension("rs").is_file();
            assert!(exists, "{}", tests.display());
        }
    }
}
