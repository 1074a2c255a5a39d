//! Replicas of the operator on virtual time, with faults drawn from seeds.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use ako_simulation::script::Script;
use ako_simulation::{Outcome, run_all};

/// How many seeds are run each time; `cargo xtask sim` runs more.
const SEEDS: u64 = 200;

#[test]
fn whatever_fails_nothing_is_lost_doubled_or_touched_by_two() {
    let begun = Instant::now();
    let outcomes = Mutex::new(Vec::new());
    run_all(0..SEEDS, |outcome| outcomes.lock().unwrap().push(outcome.clone())).unwrap();
    let outcomes = outcomes.into_inner().unwrap();
    assert_eq!(outcomes.len() as u64, SEEDS);
    let wrong: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.wrong.is_empty()).collect();
    for Outcome { seed, wrong, .. } in &wrong {
        println!("seed {seed}: {wrong:#?}\nagain: cargo xtask sim --from {seed} --seeds 1 --trace");
    }
    let lasted: Duration = outcomes.iter().map(|outcome| outcome.lasted).sum();
    let leaderships: u64 = outcomes.iter().map(|outcome| outcome.epochs).sum();
    println!(
        "simulation: {SEEDS} seeds, {:.1} virtual hours in {:.0} s, {leaderships} leaderships",
        lasted.as_secs_f64() / 3600.0,
        begun.elapsed().as_secs_f64()
    );
    assert!(wrong.is_empty(), "{} of {SEEDS} seeds failed", wrong.len());
    // Otherwise nothing was tried.
    assert!(leaderships > 2 * SEEDS, "{leaderships} leaderships");
}

#[test]
fn a_seed_draws_the_same_changes_and_faults_again() {
    let scripts: Vec<String> = (0..20).map(|seed| Script::draw(seed).to_string()).collect();
    let again: Vec<String> = (0..20).map(|seed| Script::draw(seed).to_string()).collect();
    assert_eq!(scripts, again);
    assert!(scripts.iter().zip(&scripts[1..]).all(|(one, other)| one != other));
}
