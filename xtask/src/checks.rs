//! Every check of the repository.
//!
//! Once everything is built, two rows of tasks run side by side. The tests that
//! wait for processes and sockets come one binary after the other; what such
//! tests leave of the processor is used, at low priority, by what takes no real
//! time: the other tests, the lints and the documentation.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::assets::{CONTROL_PLANE, HELM};
use crate::binaries::TestBinary;
use crate::cargo::{cargo, cargo_path, low_priority};
use crate::image;
use crate::tally::Tally;
use crate::task::Task;

/// What all checks may take in minutes when the dependencies are built, and when
/// nothing is.
const BUDGET: (u64, u64) = (15, 30);
/// After so many minutes CI ends a run.
const CI_ENDS_AFTER: u64 = 90;
/// A command of cargo that takes longer hangs.
const CARGO_WITHIN: Duration = Duration::from_mins(45);

/// All tasks of a run.
#[derive(Default)]
struct Report {
    before: Vec<Task>,
    in_real_time: Vec<Task>,
    beside: Vec<Task>,
}

/// Runs everything and prints the sum of all tests as the last line. The
/// structure checks are tests of this crate.
pub(crate) fn run(root: &Path, skip_control_plane: bool) -> bool {
    let started = Instant::now();
    let mut report = Report::default();
    report.first("format", || cargo(root, &["fmt", "--all", "--check"], &[]));
    if !skip_control_plane {
        for asset in [&CONTROL_PLANE, &HELM] {
            report.first("assets", || asset.provide(root).map(|folder| println!("{}", folder.display())));
        }
    }
    // Without it a test of the image is skipped, and says so.
    report
        .first("musl", || image::add_native_target().map(|why| why.unwrap_or_else(|why| println!("{why}"))));
    let binaries = report.first("build", || TestBinary::build_all(root)).unwrap_or_default();
    let (beside, in_real_time): (Vec<_>, Vec<_>) =
        binaries.iter().partition(|binary| binary.takes_no_real_time());
    let variable = if skip_control_plane { "AKO_SKIP_CONTROL_PLANE" } else { "AKO_REQUIRE_CONTROL_PLANE" };
    let environment = [(variable, "1")];
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let mut tasks = vec![lints(root)];
            tasks.extend(beside.iter().map(|binary| binary.run(&environment)));
            tasks.extend([examples_in_comments(root), documentation(root)]);
            tasks
        });
        report.in_real_time = in_real_time.iter().map(|binary| binary.run(&environment)).collect();
        // A panic there is passed on here.
        report.beside = beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    report.before.push(Task::perform("no test left out", |_| report.complete()).0);
    report.print(started.elapsed());
    report.succeeded()
}

fn lints(root: &Path) -> Task {
    let mut command = low_priority(cargo_path());
    command.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).current_dir(root);
    Task::run("lints", &mut command, CARGO_WITHIN)
}

fn examples_in_comments(root: &Path) -> Task {
    let mut command = low_priority(cargo_path());
    command.args(["test", "--workspace", "--doc", "--no-fail-fast"]).current_dir(root);
    Task::run("examples in comments", &mut command, CARGO_WITHIN)
}

fn documentation(root: &Path) -> Task {
    let mut command = low_priority(cargo_path());
    command.args(["doc", "--workspace", "--no-deps"]).current_dir(root).env("RUSTDOCFLAGS", "-D warnings");
    Task::run("documentation", &mut command, CARGO_WITHIN)
}

impl Report {
    /// Runs a task under a header, before all others.
    fn first<T>(&mut self, name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> Option<T> {
        println!("\n=== {name}");
        let (task, value) = Task::perform(name, |_| work());
        self.before.push(task);
        value
    }

    fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.before.iter().chain(&self.in_real_time).chain(&self.beside)
    }

    fn tally(&self) -> Tally {
        self.tasks().map(|task| task.tally).fold(Tally::default(), Tally::add)
    }

    fn complete(&self) -> anyhow::Result<()> {
        let tally = self.tally();
        ensure!(tally.passed > 0, "no test ran");
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        let skipped = tally.skipped - tally.excused;
        ensure!(!in_ci || skipped == 0, "{skipped} tests were skipped, which CI does not allow");
        Ok(())
    }

    fn print(&self, took: Duration) {
        let by_time = |tasks: &[Task]| {
            let mut tasks = tasks.to_vec();
            tasks.sort_by_key(|task| std::cmp::Reverse(task.took));
            tasks
        };
        println!("\n=== Summary");
        for task in &self.before {
            println!("{task}");
        }
        for (title, tasks) in [
            ("Tests in real time, one binary after the other:", &self.in_real_time),
            ("Beside them, at low priority:", &self.beside),
        ] {
            println!("{title}");
            for task in by_time(tasks) {
                println!("  {task}");
            }
        }
        let (warm, cold) = BUDGET;
        let minutes = took.as_secs_f64() / 60.0;
        println!(
            "Everything took {minutes:.1} min. The budget is {warm} min when the dependencies are built,"
        );
        println!("and {cold} min when nothing is; CI ends a run after {CI_ENDS_AFTER} min.");
        let tally = self.tally();
        println!("Control planes that were started: {}", tally.control_planes);
        println!("{tally}");
    }

    fn succeeded(&self) -> bool {
        self.tasks().all(Task::succeeded)
    }
}
