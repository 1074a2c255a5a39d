//! Runs seeds of the simulation and says which ones went wrong.

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ako_simulation::Outcome;
use ako_simulation::script::Script;
use ako_simulation::setup::Setup;
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// After how many seeds progress is told.
const CHUNK: u64 = 500;

/// Runs seeds of the simulation: replicas of the operator, the API server and
/// the controller in one thread, on virtual time, with faults.
///
/// A long run is resumed with --from.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim", max_term_width = 100)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many instances of the operator there are: with two, namespaces move
    /// between them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    instances: u8,
    /// Print what happens in each run, and the log of its replicas.
    #[arg(long)]
    trace: bool,
}

/// What all runs came to.
#[derive(Default)]
struct Sum {
    seeds: u64,
    failed: u64,
    lasted: Duration,
    writes: usize,
    leaderships: u64,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome, instances: u8, trace: bool) {
        self.seeds += 1;
        self.lasted += outcome.lasted;
        self.writes += outcome.writes;
        self.leaderships += outcome.epochs;
        let Outcome { seed, wrong, settled_after, writes, epochs, .. } = outcome;
        if trace || !wrong.is_empty() {
            println!("seed {seed}: settled after {settled_after:?}, {writes} writes, {epochs} leaderships");
        }
        if !wrong.is_empty() {
            self.failed += 1;
            for wrong in wrong {
                println!("  {wrong}");
            }
            println!("  again: cargo xtask sim --instances {instances} --from {seed} --seeds 1 --trace");
        }
    }

    fn print(&self, begun: Instant) {
        let Self { seeds, failed, lasted, writes, leaderships } = self;
        let (virtual_hours, took) = (lasted.as_secs_f64() / 3600.0, begun.elapsed().as_secs_f64());
        println!(
            "{seeds} seeds, {failed} failed: {virtual_hours:.1} virtual hours in {took:.0} s, {writes} writes, {leaderships} leaderships"
        );
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let setup = if arguments.instances == 1 { Setup::One } else { Setup::Two };
    let seeds = arguments.from..arguments.from.saturating_add(arguments.seeds);
    if arguments.trace {
        let filter = EnvFilter::new("debug,hyper=warn,kube_client=warn,kube_runtime=warn,tower=warn");
        tracing_subscriber::fmt().with_env_filter(filter).without_time().with_writer(std::io::stderr).init();
        seeds.clone().for_each(|seed| print!("seed {seed}: {}", Script::draw(setup, seed)));
    }
    let begun = Instant::now();
    let sum = Mutex::new(Sum::default());
    ako_simulation::run_all(setup, seeds, |outcome| {
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.add(outcome, arguments.instances, arguments.trace);
        if sum.seeds.is_multiple_of(CHUNK) {
            sum.print(begun);
        }
    })?;
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.print(begun);
    Ok(if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
