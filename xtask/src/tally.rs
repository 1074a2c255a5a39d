//! Counts what test runners print.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};

/// Tests by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Marked `#[ignore]`.
    pub(crate) ignored: usize,
    /// Ended early because something was missing; their runner calls them passed.
    pub(crate) skipped: usize,
    /// How many of those, because there is no browser.
    pub(crate) without_browser: usize,
}

impl Tally {
    /// Takes note of a line of output.
    pub(crate) fn see(&mut self, line: &str) {
        if line.contains("SKIPPED: ") {
            self.skipped += 1;
        }
        if line.contains("SKIPPED: no browser") {
            self.without_browser += 1;
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

    /// Copies `from` to `to` line by line, as it comes, and counts.
    pub(crate) fn copy(from: impl Read, mut to: impl Write) -> std::io::Result<Self> {
        let mut tally = Self::default();
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line)? > 0 {
            to.write_all(&line)?;
            to.flush()?;
            tally.see(&String::from_utf8_lossy(&line));
            line.clear();
        }
        Ok(tally)
    }

    pub(crate) fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
            skipped: self.skipped + other.skipped,
            without_browser: self.without_browser + other.without_browser,
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
            SKIPPED: no control plane\n\
            SKIPPED: no browser: none is installed\n\
            test result: FAILED. 3 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s\n";
        let mut copied = Vec::new();
        let tally = Tally::copy(output.as_bytes(), &mut copied).unwrap();
        assert_eq!(copied, output.as_bytes());
        assert_eq!(tally, Tally { passed: 8, failed: 3, ignored: 1, skipped: 2, without_browser: 1 });
        assert_eq!(tally.to_string(), "6 passed, 3 failed, 3 skipped");
    }

    #[test]
    fn nothing_skipped_is_not_mentioned() {
        let tally = Tally { passed: 3, ..Tally::default() };
        assert_eq!(tally.to_string(), "3 passed, 0 failed");
    }
}
