//! The model check of the leadership protocol.
//!
//! The elector of production, with a driver around it, is put through every
//! order of events that its world allows, time-outs, deaths, edits by hand and
//! clocks of different rates included. What it has to hold is in [`check`];
//! that the check would notice is shown by [`mutants`].
//!
//! Two things keep the number of states finite without a limit on time: a
//! process's clock stands still while its memories move back, and versions of
//! the record are used again once nobody knows them any more. What is bounded
//! is how often each thing goes wrong, and the number of leaderships.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a model that cannot go on should stop")]

mod check;
mod mutants;
mod process;
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
};

/// The shortest durations that are allowed, in units of the model.
fn timing(lease: u64) -> Timing {
    let units = Duration::from_millis;
    Timing::custom(units(lease), units(3), units(1)).unwrap()
}

/// Checks every state, and says how many there were.
fn holds(name: &str, processes: usize, epochs: u64, faults: Faults) -> usize {
    // A clock that is one unit ahead takes one unit from the margin.
    let timing = timing(4 + u64::from(faults.drifts));
    // What stands back or is ahead recovers later than the bound says.
    let recovery = processes == 2 && faults.drifts == 0;
    let check = Check { processes, timing, faults, epochs, recovery, mutant: None };
    let start = Instant::now();
    let checker = check
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .timeout(Duration::from_secs(40))
        .spawn_bfs()
        .join();
    for (name, path) in checker.discoveries() {
        if name.starts_with('L') {
            println!("{name}: {:?}", path.into_actions());
        }
    }
    let states = checker.unique_state_count();
    println!("{name}: {states} states, depth {}, {:.1?}", checker.max_depth(), start.elapsed());
    states
}

#[test]
fn two_processes() {
    let main = Faults { delays: 1, losses: 1, late: 1, deletions: 1, ..NONE };
    let states = holds("delays, losses, late execution, deletion", 2, 3, main);
    println!("{states}");
    holds("pause, edit", 2, 3, Faults { pauses: 1, edits: 1, ..NONE });
    holds(
        "stop, start, deletion, restore",
        2,
        3,
        Faults { deletions: 1, restores: 1, stops: 1, starts: 1, ..NONE },
    );
    holds(
        "crash, start, late writes, edit",
        2,
        3,
        Faults { crashes: 1, starts: 1, zombies: 1, edits: 1, ..NONE },
    );
    holds("drift, deletion, loss", 2, 3, Faults { drifts: 1, deletions: 1, losses: 1, ..NONE });
    holds("drift, deletion", 2, 3, Faults { drifts: 1, deletions: 1, ..NONE });
    holds("outage, stop", 2, 3, Faults { outages: 1, stops: 1, ..NONE });
}

#[test]
fn three_and_four_processes() {
    holds("three: loss", 3, 2, Faults { losses: 1, ..NONE });
    holds("three: crash", 3, 2, Faults { crashes: 1, ..NONE });
    holds("three: stop", 3, 2, Faults { stops: 1, ..NONE });
    holds("four", 4, 1, NONE);
}
