//! Measures the operator: its release binary between a real kube-apiserver and
//! the controller simulator, which takes 5 ms for every call.
//!
//! `cargo xtask bench` builds everything and runs this; `docs/benchmarks.md`
//! says what the scenarios are and what came out.
//!
//! Times are reported and compared with targets, and never fail the run. Counts
//! are exact: a wrong number of writes or translations ends it with an error.

mod bare;
mod fleet;
mod journal;
mod memory;
mod operator_log;
mod population;
mod replicas;
mod report;
mod scenario;
mod simulated;
mod stage;
mod translation;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

use report::Report;
use scenario::Scenario;

#[derive(Debug, Parser)]
#[command(name = "bench", about = "Measures the operator")]
struct Arguments {
    /// What to measure; everything if nothing is named
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// How many Ingresses there are
    #[arg(long, value_delimiter = ',', default_value = "1000,3000,10000")]
    sizes: Vec<usize>,
    /// How many endpoints are changed one after the other
    #[arg(long, default_value_t = 200)]
    changes: usize,
    /// How many times the leadership is handed over
    #[arg(long, default_value_t = 200)]
    handovers: usize,
    /// Writes the table here, in Markdown
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Writes all figures here, in JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keeps the logs of the operators in this folder
    #[arg(long, value_name = "FOLDER")]
    logs: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Answers whether everything ran and all counts are right.
fn run(mut arguments: Arguments) -> anyhow::Result<bool> {
    arguments.sizes.sort_unstable();
    arguments.sizes.dedup();
    let mut report = Report::default();
    let chosen =
        |scenario: Scenario| arguments.scenarios.is_empty() || arguments.scenarios.contains(&scenario);
    // Before any runtime has threads: alone on its core.
    if chosen(Scenario::Translate) {
        for size in &arguments.sizes {
            report.scenario("translate", *size, scenario::translate::run(*size));
        }
    }
    let rest: Vec<Scenario> =
        Scenario::ALL.into_iter().filter(|s| *s != Scenario::Translate && chosen(*s)).collect();
    if !rest.is_empty() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(scenario::run_live(&rest, &arguments, &mut report))?;
    }
    println!("\n{}", report.markdown());
    if let Some(path) = &arguments.out {
        std::fs::write(path, report.markdown()).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report.json())?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(report.is_right())
}
