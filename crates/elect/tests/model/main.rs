//! The model check of the leadership protocol.
//!
//! The elector of production, with a driver around it, is put through every
//! order of events that its world allows, time-outs, deaths, edits by hand and
//! clocks of different rates included. What it has to hold is in [`check`];
//! that the check would notice is shown by [`mutants`].
//!
//! What a leader may delete is checked in worlds of their own, in which a
//! process also has a [`view`] of the cluster. How requests overtake each other
//! is left to the other worlds.
//!
//! Two things keep the number of states finite without a limit on time: a
//! process's clock stands still while its memories move back, and versions of
//! the record are used again once nobody knows them any more. What is bounded
//! is how often each thing goes wrong, and the number of leaderships.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a model that cannot go on should stop")]

mod check;
mod happening;
mod mutants;
mod process;
mod view;
mod world;

use std::time::{Duration, Instant};

use ako_elect::Timing;
use stateright::{Checker, HasDiscoveries, Model};

use check::Check;
use world::Faults;

/// Nothing goes wrong.
const NONE: Faults = Faults {
    delays: 0,
    losses: 0,
    late: 0,
    crashes: 0,
    stops: 0,
    starts: 0,
    pauses: 0,
    deletions: 0,
    edits: 0,
    restores: 0,
    drifts: 0,
    zombies: 0,
    outages: 0,
    changes: 0,
};

/// The shortest durations that are allowed, in units of the model.
fn timing(lease: u64) -> Timing {
    let units = Duration::from_millis;
    Timing::custom(units(lease), units(3), units(1)).unwrap()
}

/// What has to hold, in every state of two processes or more.
struct Run {
    name: &'static str,
    processes: usize,
    epochs: u64,
    faults: Faults,
    /// Whether every state is also followed until somebody leads again.
    recovery: bool,
    /// How many sources decide about a deletion.
    sources: usize,
}

impl Run {
    /// Checks every state, and says how many there were.
    fn holds(self) -> usize {
        // A clock that is one unit ahead takes one unit from the margin.
        let timing = timing(4 + u64::from(self.faults.drifts));
        let Self { name, processes, epochs, faults, recovery, sources } = self;
        let check = Check { processes, timing, faults, epochs, recovery, sources, mutant: None };
        let start = Instant::now();
        let checker = check.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let states = checker.unique_state_count();
        println!("{name}: {states} states, depth {}, {:.1?}", checker.max_depth(), start.elapsed());
        checker.assert_properties();
        states
    }
}

fn two(name: &'static str, faults: Faults) -> Run {
    Run { name, processes: 2, epochs: 3, faults, recovery: false, sources: 0 }
}

#[test]
fn two_processes() {
    let main = Faults { delays: 1, losses: 1, late: 1, deletions: 1, ..NONE };
    let states = two("delays, losses, late execution, deletion", main).holds();
    assert!(states > 1_000_000, "the main configuration is large");
    two("crash, start, edit", Faults { crashes: 1, starts: 1, edits: 1, ..NONE }).holds();
    two("pause, stop", Faults { pauses: 1, stops: 1, ..NONE }).holds();
    two("drift, deletion, loss", Faults { drifts: 1, deletions: 1, losses: 1, ..NONE }).holds();
}

#[test]
fn two_processes_recover() {
    let restore = Faults { deletions: 1, restores: 1, stops: 1, starts: 1, ..NONE };
    Run { recovery: true, ..two("recovery: stop, start, deletion, restore", restore) }.holds();
    let crash = Faults { crashes: 1, starts: 1, zombies: 1, ..NONE };
    Run { recovery: true, ..two("recovery: crash, start, late writes", crash) }.holds();
    let outage = Faults { outages: 1, edits: 1, ..NONE };
    Run { recovery: true, ..two("recovery: outage, edit", outage) }.holds();
}

#[test]
fn three_and_four_processes() {
    let three = |name, faults| Run { processes: 3, epochs: 2, ..two(name, faults) };
    three("three: loss", Faults { losses: 1, ..NONE }).holds();
    three("three: crash", Faults { crashes: 1, ..NONE }).holds();
    three("three: stop", Faults { stops: 1, ..NONE }).holds();
    Run { processes: 4, epochs: 1, ..two("four", NONE) }.holds();
}

#[test]
fn nothing_is_deleted_on_a_stale_view() {
    let one = |name, faults| Run { sources: 1, epochs: 2, ..two(name, faults) };
    one("deletions: stop, changes", Faults { changes: 2, stops: 1, ..NONE }).holds();
    one("deletions: crash, start, change", Faults { changes: 1, crashes: 1, starts: 1, ..NONE }).holds();
    one("deletions: pause, change", Faults { changes: 1, pauses: 1, ..NONE }).holds();
    let delay = Faults { changes: 1, delays: 1, ..NONE };
    Run { epochs: 1, ..one("deletions: delay, change", delay) }.holds();
    let changes = Faults { changes: 2, ..NONE };
    Run { processes: 1, epochs: 1, sources: 2, ..one("deletions: two sources, changes", changes) }.holds();
}
