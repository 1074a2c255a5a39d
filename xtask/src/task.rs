//! Commands that run side by side: each line that they print carries the name of
//! its command, and what they print about tests is counted.

use std::io::{BufRead as _, BufReader, Read};
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
        Self::perform(name, |tally| show(name, command, within, tally)).0
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

fn show(name: &str, command: &mut Command, within: Duration, tally: &mut Tally) -> anyhow::Result<()> {
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
                println!("{name} | {line}");
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

    fn shell(script: &str, within: Duration) -> Task {
        Task::run("a task", Command::new("sh").args(["-c", script]), within)
    }

    #[test]
    fn both_outputs_are_counted_and_the_exit_code_decides() {
        let results = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'; echo 'SKIPPED: x' >&2";
        let task = shell(results, Duration::from_mins(1));
        assert!(task.succeeded(), "{task}");
        assert_eq!((task.tally.passed, task.tally.skipped), (2, 1));
        let task = shell(&format!("{results}; exit 3"), Duration::from_mins(1));
        assert!(task.to_string().contains("FAILED: exit status: 3"), "{task}");
        assert_eq!(task.tally.passed, 2);
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let task = shell("echo begun; exec sleep 3600", Duration::ZERO);
        assert!(task.to_string().contains("it was ended after 0 min"), "{task}");
    }
}
