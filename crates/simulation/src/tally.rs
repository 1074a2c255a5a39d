//! What runs came to, added up over runs and kept in a file, so that a long run can be
//! made of short ones.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::setup::Setup;

/// Seeds at most that are named as failed.
const MOST_NAMED: usize = 1_000;

/// What runs with a number of instances came to.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Tally {
    /// How many runs there were.
    pub seeds: u64,
    /// How many of them something was wrong with.
    pub failed: u64,
    /// The first of those.
    pub failed_seeds: Vec<u64>,
    /// The seeds that were run: the first one, and the one after the last.
    pub ranges: Vec<Range<u64>>,
    /// How much virtual time passed, in seconds.
    pub virtual_seconds: f64,
    /// Writes to the controller.
    pub writes: u64,
    /// How many processes led, one after the other.
    pub leaderships: u64,
    /// How often each thing happened.
    pub happened: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds a run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        if !outcome.wrong.is_empty() {
            self.failed += 1;
            self.failed_seeds.push(outcome.seed);
        }
        self.virtual_seconds += outcome.lasted.as_secs_f64();
        self.writes += u64::try_from(outcome.writes).unwrap_or(u64::MAX);
        self.leaderships += outcome.epochs;
        for (name, count) in &outcome.tally {
            *self.happened.entry(name.clone()).or_default() += count;
        }
    }

    /// Adds other runs.
    pub fn merge(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.failed += other.failed;
        self.failed_seeds.extend(&other.failed_seeds);
        self.failed_seeds.sort_unstable();
        self.failed_seeds.truncate(MOST_NAMED);
        for range in &other.ranges {
            match self.ranges.iter_mut().find(|known| known.end == range.start) {
                Some(known) => known.end = range.end,
                None => self.ranges.push(range.clone()),
            }
        }
        self.virtual_seconds += other.virtual_seconds;
        self.writes += other.writes;
        self.leaderships += other.leaderships;
        for (name, count) in &other.happened {
            *self.happened.entry(name.clone()).or_default() += count;
        }
    }

    /// Adds these runs to those in a file, under the number of instances or the name of the setup.
    ///
    /// # Errors
    /// If the file is there and cannot be read, or cannot be written.
    pub fn add_to(&self, path: &Path, setup: Setup) -> anyhow::Result<()> {
        let mut all: BTreeMap<String, Self> = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is no tally: name another file", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        all.entry(setup.key().to_owned()).or_default().merge(self);
        // A run that is interrupted leaves the file whole.
        let draft = path.with_extension("new");
        std::fs::write(&draft, serde_json::to_vec_pretty(&all)?)
            .and_then(|()| std::fs::rename(&draft, path))
            .with_context(|| format!("writing {}", path.display()))
    }
}

/// A table of what happened, the most frequent of each group first.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |name: &str| name.split([':', ',']).next().unwrap_or_default().to_owned();
        let mut rows: Vec<_> = self.happened.iter().collect();
        rows.sort_by_key(|(name, count)| (group(name), std::cmp::Reverse(**count), *name));
        for (name, count) in rows {
            writeln!(f, "{count:>9}  {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;

    fn outcome(seed: u64, wrong: &[&str]) -> Outcome {
        Outcome {
            seed,
            wrong: wrong.iter().map(|wrong| (*wrong).to_owned()).collect(),
            lasted: Duration::from_secs(100),
            settled_after: Duration::ZERO,
            writes: 7,
            epochs: 2,
            tally: BTreeMap::from([("process: killed".to_owned(), 3)]),
        }
    }

    #[test]
    fn runs_add_up_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tally.json");
        for seed in 0..3 {
            let mut tally = Tally { ranges: vec![Range { start: seed, end: seed + 1 }], ..Tally::default() };
            tally.add(&outcome(seed, if seed == 1 { &["something"] } else { &[] }));
            tally.add_to(&path, Setup::One).unwrap();
        }
        let all: BTreeMap<String, Tally> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let sum = &all["1"];
        assert_eq!((sum.seeds, sum.failed, sum.writes, sum.leaderships), (3, 1, 21, 6));
        assert_eq!((&sum.failed_seeds, &sum.ranges), (&vec![1], &vec![Range { start: 0, end: 3 }]));
        assert_eq!(sum.to_string(), "        9  process: killed\n");
    }
}
