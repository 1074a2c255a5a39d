//! Replicas of the operator on virtual time, with faults drawn from seeds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::sync::Mutex;
use std::time::{Duration, Instant};

use ako_simulation::script::Script;
use ako_simulation::setup::Setup;
use ako_simulation::{Outcome, run_all};

/// Runs seeds; `cargo xtask sim` runs more.
fn nothing_goes_wrong(setup: Setup, seeds: u64) {
    let begun = Instant::now();
    let argument = setup.argument();
    let outcomes = Mutex::new(Vec::new());
    run_all(setup, 0..seeds, |outcome| outcomes.lock().unwrap().push(outcome.clone())).unwrap();
    let outcomes = outcomes.into_inner().unwrap();
    assert_eq!(outcomes.len() as u64, seeds);
    let wrong: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.wrong.is_empty()).collect();
    for Outcome { seed, wrong, .. } in &wrong {
        println!("seed {seed}: {wrong:#?}");
        println!("again: cargo xtask sim {argument} --from {seed} --seeds 1 --trace");
    }
    let lasted: Duration = outcomes.iter().map(|outcome| outcome.lasted).sum();
    let leaderships: u64 = outcomes.iter().map(|outcome| outcome.epochs).sum();
    println!(
        "simulation, {setup:?}: {seeds} seeds, {:.1} virtual hours in {:.0} s, {leaderships} leaderships",
        lasted.as_secs_f64() / 3600.0,
        begun.elapsed().as_secs_f64()
    );
    assert!(wrong.is_empty(), "{} of {seeds} seeds failed", wrong.len());
    // Otherwise nothing was tried.
    assert!(leaderships > 2 * seeds, "{leaderships} leaderships");
}

#[test]
fn whatever_fails_nothing_is_lost_doubled_or_touched_by_two() {
    nothing_goes_wrong(Setup::One, 200);
}

#[test]
fn whatever_fails_two_instances_leave_each_other_what_is_theirs() {
    nothing_goes_wrong(Setup::Two, 60);
}

#[test]
fn whatever_fails_three_instances_leave_each_other_what_is_theirs() {
    nothing_goes_wrong(Setup::Three, 30);
}

#[test]
fn whatever_fails_the_crd_operator_makes_what_custom_resources_ask_for() {
    nothing_goes_wrong(Setup::WithCrdOperator, 20);
}

#[test]
fn a_seed_draws_the_same_changes_and_faults_again() {
    let scripts: Vec<String> = (0..20).map(|seed| Script::draw(Setup::Two, seed).to_string()).collect();
    let again: Vec<String> = (0..20).map(|seed| Script::draw(Setup::Two, seed).to_string()).collect();
    assert_eq!(scripts, again);
    assert!(scripts.iter().zip(&scripts[1..]).all(|(one, other)| one != other));
}
