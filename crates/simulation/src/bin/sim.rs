//! Runs seeds of the simulation and says which ones went wrong.

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ako_simulation::Outcome;
use ako_simulation::script::Script;
use ako_simulation::setup::Setup;
use ako_simulation::tally::Tally;
use clap::Parser;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// After how many seeds progress is told and kept.
const CHUNK: u64 = 500;

/// Runs seeds of the simulation: replicas of the operator, the API server and
/// the controller in one thread, on virtual time, with faults.
///
/// In the end a table says how often each thing happened. A long run is made of
/// short ones with --from and --tally.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim", max_term_width = 100)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many instances of the operator there are, up to three: with several, namespaces move
    /// between them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    instances: u8,
    /// Run the CRD operator beside the one instance of the operator.
    #[arg(long, conflicts_with = "instances")]
    crd_operator: bool,
    /// A JSON file that the sums are added to, as far as the run has come.
    #[arg(long, value_name = "FILE")]
    tally: Option<PathBuf>,
    /// Print what happens in each run, and the log of its replicas with the virtual time.
    #[arg(long)]
    trace: bool,
}

/// Writes the time of a run as its findings have it.
struct VirtualTime;

impl FormatTime for VirtualTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{:9.3}", ako_simulation::run::elapsed().as_secs_f64())
    }
}

impl Arguments {
    fn setup(&self) -> Setup {
        if self.crd_operator { Setup::WithCrdOperator } else { Setup::of(self.instances) }
    }
}

fn report(outcome: &Outcome, arguments: &Arguments) {
    let Outcome { seed, wrong, settled_after, writes, epochs, .. } = outcome;
    if arguments.trace || !wrong.is_empty() {
        println!("seed {seed}: settled after {settled_after:?}, {writes} writes, {epochs} leaderships");
    }
    for wrong in wrong {
        println!("  {wrong}");
    }
    if !wrong.is_empty() {
        let setup = arguments.setup().argument();
        println!("  again: cargo xtask sim {setup} --from {seed} --seeds 1 --trace");
    }
}

fn print(sum: &Tally, begun: Instant) {
    let Tally { seeds, failed, virtual_seconds, writes, leaderships, .. } = sum;
    let (virtual_hours, took) = (virtual_seconds / 3600.0, begun.elapsed().as_secs_f64());
    println!(
        "{seeds} seeds, {failed} failed: {virtual_hours:.1} virtual hours in {took:.0} s, {writes} writes, {leaderships} leaderships"
    );
}

/// Runs some seeds, and adds what they came to.
fn run(setup: Setup, seeds: Range<u64>, arguments: &Arguments) -> anyhow::Result<Tally> {
    let sum = Mutex::new(Tally { ranges: vec![seeds.clone()], ..Tally::default() });
    ako_simulation::run_all(setup, seeds, |outcome| {
        report(outcome, arguments);
        sum.lock().unwrap_or_else(PoisonError::into_inner).add(outcome);
    })?;
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = &arguments.tally {
        sum.add_to(path, setup)?;
    }
    Ok(sum)
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let setup = arguments.setup();
    let end = arguments.from.saturating_add(arguments.seeds);
    if arguments.trace {
        let filter = EnvFilter::new("debug,hyper=warn,kube_client=warn,kube_runtime=warn,tower=warn");
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_timer(VirtualTime)
            .with_writer(std::io::stderr)
            .init();
        (arguments.from..end).for_each(|seed| print!("seed {seed}: {}", Script::draw(setup, seed)));
    }
    let (begun, mut sum, mut from) = (Instant::now(), Tally::default(), arguments.from);
    while from < end {
        let until = end.min(from.saturating_add(CHUNK));
        sum.merge(&run(setup, from..until, &arguments)?);
        print_progress(&sum, begun, until < end);
        from = until;
    }
    Ok(if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The table comes last.
fn print_progress(sum: &Tally, begun: Instant, goes_on: bool) {
    if !goes_on {
        print!("{sum}");
    }
    print(sum, begun);
}
