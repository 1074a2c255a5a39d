//! The model check of the leadership protocol.
//!
//! The elector of production, with a driver around it, is put through every
//! order of events that its world allows. See `docs/decisions`.

mod check;
mod process;
mod world;

use std::time::{Duration, Instant};

use ako_elect::Timing;
use stateright::{Checker, Model};

use check::Check;
use world::Faults;

fn timing(lease: u64, renew: u64, retry: u64) -> Timing {
    let units = Duration::from_millis;
    Timing::custom(units(lease), units(renew), units(retry)).unwrap()
}

fn run(name: &str, check: Check) -> usize {
    let start = Instant::now();
    let checker = check.checker().threads(2).timeout(Duration::from_secs(25)).spawn_bfs().join();
    for (name, path) in checker.discoveries() { if !["a leader","a second leadership"].contains(&name) { println!("{name}: {:?}", path.into_actions()); } }
    let states = checker.unique_state_count();
    println!("{name}: {states} states, depth {}, {:.1?}", checker.max_depth(), start.elapsed());
    states
}

#[test]
fn probe() {
    for (processes, epochs, faults) in [
        (2, 2, Faults::default()),
        (2, 2, Faults { delays: 1, ..Faults::default() }),
        (2, 2, Faults { delays: 2, ..Faults::default() }),
        (2, 2, Faults { stops: 1, starts: 1, ..Faults::default() }),
        (2, 2, Faults { pauses: 1, ..Faults::default() }),
        (2, 2, Faults { deletions: 2, ..Faults::default() }),
        (2, 3, Faults { crashes: 1, starts: 1, ..Faults::default() }),
        (3, 1, Faults { ..Faults::default() }),
    ] {
        run(&format!("{processes} {epochs} {faults:?}").replace(": 0", ":").replace("Faults", ""), Check { processes, timing: timing(4, 3, 1), faults, epochs, recovery: false, mutant: None });
    }
}
