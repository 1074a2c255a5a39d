//! Every check of the repository, one after the other.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::assets::CONTROL_PLANE;
use crate::tally::Tally;

/// How one part went.
struct Part {
    name: &'static str,
    took: Duration,
    outcome: Result<(), String>,
}

#[derive(Default)]
struct Report {
    parts: Vec<Part>,
}

impl Report {
    /// Runs a part under a header. A failure is shown and noted, and the next
    /// part runs all the same: one run shows everything that is wrong.
    fn part<T>(&mut self, name: &'static str, run: impl FnOnce() -> anyhow::Result<T>) -> Option<T> {
        println!("\n=== {name}");
        let started = Instant::now();
        let result = run();
        let took = started.elapsed();
        let (value, outcome) = match result {
            Ok(value) => (Some(value), Ok(())),
            Err(error) => {
                println!("{name} failed: {error:#}");
                (None, Err(format!("{error:#}")))
            }
        };
        self.parts.push(Part { name, took, outcome });
        value
    }

    fn print(&self) {
        println!("\n=== Summary");
        for Part { name, took, outcome } in &self.parts {
            let outcome =
                outcome.as_ref().map_or_else(|error| format!("FAILED: {error}"), |()| "ok".to_owned());
            println!("{name:<14} {:>7.1} s  {outcome}", took.as_secs_f64());
        }
    }

    fn succeeded(&self) -> bool {
        self.parts.iter().all(|part| part.outcome.is_ok())
    }
}

/// Runs everything and prints the sum of all tests as the last line. The
/// structure checks are tests of this crate.
pub(crate) fn run(root: &Path, skip_control_plane: bool) -> bool {
    let mut report = Report::default();
    report.part("format", || cargo(root, &["fmt", "--all", "--check"], &[]));
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    report.part("lints", || cargo(root, &lints, &[]));
    if !skip_control_plane {
        report.part("assets", || CONTROL_PLANE.provide(root).map(|folder| println!("{}", folder.display())));
    }
    // Everything at once: binaries built alone would choose other features of
    // their dependencies than tests do, and build those twice.
    report.part("build", || cargo(root, &["build", "--workspace", "--all-targets"], &[]));
    let mut tally = Tally::default();
    report.part("tests", || tests(root, skip_control_plane, &mut tally));
    let docs = ["doc", "--workspace", "--no-deps"];
    report.part("documentation", || cargo(root, &docs, &[("RUSTDOCFLAGS", "-D warnings")]));
    report.print();
    println!("{tally}");
    report.succeeded()
}

/// Runs cargo in the repository.
pub(crate) fn cargo(root: &Path, args: &[&str], env: &[(&str, &str)]) -> anyhow::Result<()> {
    let status = Command::new(cargo_path())
        .args(args)
        .current_dir(root)
        .envs(env.iter().copied())
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "`cargo {}` failed ({status})", args.join(" "));
    Ok(())
}

fn tests(root: &Path, skip_control_plane: bool, tally: &mut Tally) -> anyhow::Result<()> {
    let mut command = Command::new(cargo_path());
    command
        // What they count is of interest when they pass, too.
        .args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"])
        .current_dir(root)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if skip_control_plane {
        command.env("AKO_SKIP_CONTROL_PLANE", "1").env_remove("AKO_REQUIRE_CONTROL_PLANE");
    } else {
        command.env("AKO_REQUIRE_CONTROL_PLANE", "1").env_remove("AKO_SKIP_CONTROL_PLANE");
    }
    let mut child = command.spawn().context("starting cargo test")?;
    let output = child.stdout.take().context("its output is piped")?;
    let errors = child.stderr.take().context("its errors are piped")?;
    let (output, errors) = std::thread::scope(|scope| {
        let errors = scope.spawn(|| Tally::copy(errors, std::io::stderr()));
        (Tally::copy(output, std::io::stdout()), errors.join())
    });
    let errors = errors.map_err(|_| anyhow::anyhow!("reading the errors of cargo test panicked"))?;
    *tally = output?.add(errors?);
    let status = child.wait().context("waiting for cargo test")?;
    ensure!(status.success(), "`cargo test` failed ({status})");
    ensure!(tally.passed > 0, "no test ran");
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    // A browser cannot be installed everywhere.
    let skipped = tally.skipped - tally.without_browser;
    ensure!(!in_ci || skipped == 0, "{skipped} tests were skipped, which CI does not allow");
    Ok(())
}

fn cargo_path() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
