//! Counts what test runners print.

use std::fmt;

/// Not every machine has a browser, and not every one can install another target of Rust.
const EXCUSES: [&str; 2] = ["SKIPPED: no browser", "SKIPPED: no musl"];

/// Tests by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Marked `#[ignore]`.
    pub(crate) ignored: usize,
    /// Ended early because something was missing; their runner calls them passed.
    pub(crate) skipped: usize,
    /// How many of those, because something is missing that cannot be had everywhere.
    pub(crate) excused: usize,
    /// Started by tests.
    pub(crate) control_planes: usize,
}

impl Tally {
    /// Takes note of a line of output.
    pub(crate) fn see(&mut self, line: &str) {
        if line.contains("SKIPPED: ") {
            self.skipped += 1;
        }
        if EXCUSES.iter().any(|excuse| line.contains(excuse)) {
            self.excused += 1;
        }
        if line.starts_with("control plane started in ") {
            self.control_planes += 1;
        }
        let Some(result) = line.trim().strip_prefix("test result: ") else { return };
        // `ok. 5 passed; 0 failed; 1 ignored; …`
        let counts = result.split_once(". ").map_or(result, |(_, counts)| counts);
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    pub(crate) fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
            skipped: self.skipped + other.skipped,
            excused: self.excused + other.excused,
            control_planes: self.control_planes + other.control_planes,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left_out = self.skipped + self.ignored;
        write!(f, "{} passed, {} failed", self.passed.saturating_sub(self.skipped), self.failed)?;
        if left_out > 0 {
            write!(f, ", {left_out} skipped")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_and_skips_are_no_passes() {
        let output = "test a ... ok\n\
            test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.63s\n\
            \n\
            control plane started in 5.1 s\n\
            SKIPPED: no control plane\n\
            SKIPPED: no browser: none is installed\n\
            test result: FAILED. 3 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s\n";
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.see(line));
        let expected = Tally { passed: 8, failed: 3, ignored: 1, skipped: 2, excused: 1, control_planes: 1 };
        assert_eq!(tally, expected);
        assert_eq!(tally.to_string(), "6 passed, 3 failed, 3 skipped");
    }

    #[test]
    fn nothing_skipped_is_not_mentioned() {
        let tally = Tally { passed: 3, ..Tally::default() };
        assert_eq!(tally.to_string(), "3 passed, 0 failed");
    }
}
