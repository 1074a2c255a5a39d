//! Commands that run side by side: each line that they print carries the name of
//! its command, and what they print about tests is counted.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::tally::Tally;

/// Lines that were read and not yet shown.
const MOST_LINES_WAITING: usize = 1024;

/// How a task went.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) took: Duration,
    pub(crate) outcome: Result<(), String>,
    /// What it printed about tests.
    pub(crate) tally: Tally,
}

impl Task {
    /// Does something, and shows and notes an error instead of passing it on: one
    /// run shows everything that is wrong.
    pub(crate) fn perform<T>(
        name: &str,
        work: impl FnOnce(&mut Tally) -> anyhow::Result<T>,
    ) -> (Self, Option<T>) {
        let started = Instant::now();
        let mut tally = Tally::default();
        let (outcome, value) = match work(&mut tally) {
            Ok(value) => (Ok(()), Some(value)),
            Err(error) => (Err(format!("{error:#}")), None),
        };
        let task = Self { name: name.to_owned(), took: started.elapsed(), outcome, tally };
        println!("=== {task}");
        (task, value)
    }

    /// Runs a command; it fails if it does not succeed within a time.
    pub(crate) fn run(name: &str, command: &mut Command, within: Duration) -> Self {
        Self::perform(name, |tally| show(name, command, within, tally, &mut std::io::stdout())).0
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.outcome.is_ok()
    }
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, took, outcome, tally } = self;
        write!(f, "{name:<28} {:>7.1} s  ", took.as_secs_f64())?;
        match outcome {
            Err(error) if *tally == Tally::default() => write!(f, "FAILED: {error}"),
            Err(error) => write!(f, "FAILED: {error}; {tally}"),
            Ok(()) if *tally == Tally::default() => f.write_str("ok"),
            Ok(()) => tally.fmt(f),
        }
    }
}

/// Runs a command, passes on what it prints, and counts what that says about tests.
fn show(
    name: &str,
    command: &mut Command,
    within: Duration,
    tally: &mut Tally,
    to: &mut impl Write,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + within;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    let lines = lines_of(&mut child)?;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                tally.see(&line);
                writeln!(to, "{name} | {line}").context("passing its output on")?;
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().context("ending it")?;
                child.wait().context("waiting for its end")?;
                bail!("it was ended after {} min", within.as_secs() / 60);
            }
        }
    }
    let status = child.wait().context("waiting for its end")?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// The lines of both outputs, in the order in which they come.
fn lines_of(child: &mut Child) -> anyhow::Result<Receiver<String>> {
    let (sender, receiver) = sync_channel(MOST_LINES_WAITING);
    let output = child.stdout.take().context("its output is piped")?;
    let errors = child.stderr.take().context("its errors are piped")?;
    // Not awaited: what a process leaves behind may keep the pipes open.
    let for_errors = sender.clone();
    std::thread::spawn(move || forward(output, &sender));
    std::thread::spawn(move || forward(errors, &for_errors));
    Ok(receiver)
}

fn forward(from: impl Read, to: &SyncSender<String>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if to.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
            return;
        }
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was counted and what was passed on, which must not be printed: whoever
    /// runs these tests counts, too.
    fn shell(script: &str, within: Duration) -> (anyhow::Result<()>, Tally, String) {
        let mut tally = Tally::default();
        let mut output = Vec::new();
        let mut command = Command::new("sh");
        let outcome = show("a task", command.args(["-c", script]), within, &mut tally, &mut output);
        (outcome, tally, String::from_utf8(output).unwrap())
    }

    #[test]
    fn both_outputs_are_counted_and_the_exit_code_decides() {
        let results = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'; echo 'SKIPPED: x' >&2";
        let (outcome, tally, output) = shell(results, Duration::from_mins(1));
        outcome.unwrap();
        assert_eq!((tally.passed, tally.skipped), (2, 1));
        assert!(output.contains("a task | SKIPPED: x\n"), "{output}");
        let (outcome, tally, _) = shell(&format!("{results}; exit 3"), Duration::from_mins(1));
        assert_eq!(outcome.unwrap_err().to_string(), "exit status: 3");
        assert_eq!(tally.passed, 2);
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let (outcome, ..) = shell("echo begun; exec sleep 3600", Duration::ZERO);
        assert_eq!(outcome.unwrap_err().to_string(), "it was ended after 0 min");
    }
}
