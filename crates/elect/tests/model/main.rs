//! The model check of the leadership protocol.
//!
//! The elector of production, with a driver around it, is put through every
//! order of events that its world allows. See `docs/decisions`.

mod check;
mod process;
mod world;

use std::time::{Duration, Instant};

use ako_elect::{Mutant, Timing};
use stateright::{Checker, HasDiscoveries, Model};

use check::Check;
use world::Faults;

fn timing(lease: u64, renew: u64, retry: u64) -> Timing {
    let units = Duration::from_millis;
    Timing::custom(units(lease), units(renew), units(retry)).unwrap()
}

fn run(name: &str, check: Check) -> usize {
    let start = Instant::now();
    let checker = check.checker().threads(2).timeout(Duration::from_secs(60)).spawn_bfs().join();
    for (name, path) in checker.discoveries() {
        if !["a leader", "a second leadership"].contains(&name) {
            println!("{name}: {:?}", path.into_actions());
        }
    }
    let states = checker.unique_state_count();
    println!("{name}: {states} states, depth {}, {:.1?}", checker.max_depth(), start.elapsed());
    states
}

#[test]
fn probe() {
    for (processes, epochs, faults) in [
        (2, 3, Faults { delays: 1, losses: 1, late: 1, deletions: 1, ..Faults::default() }),
        (2, 3, Faults { delays: 1, losses: 1, crashes: 1, starts: 1, deletions: 1, ..Faults::default() }),
        (2, 3, Faults { pauses: 1, deletions: 1, edits: 1, ..Faults::default() }),
        (2, 3, Faults { deletions: 1, restores: 1, stops: 1, starts: 1, ..Faults::default() }),
        (2, 3, Faults { crashes: 1, starts: 1, zombies: 1, edits: 1, ..Faults::default() }),
        (3, 2, Faults { losses: 1, ..Faults::default() }),
        (3, 2, Faults { deletions: 1, stops: 1, ..Faults::default() }),
        (3, 2, Faults { crashes: 1, ..Faults::default() }),
    ] {
        for (recovery, drift) in [(false, false), (true, false), (false, true)] {
            let faults = Faults { drifts: u8::from(drift), ..faults };
            let timing = if drift { timing(5, 3, 1) } else { timing(4, 3, 1) };
            if processes == 3 && recovery {
                continue;
            }
            run(
                &format!("{processes} {epochs} {recovery} {faults:?}")
                    .replace(": 0", ":")
                    .replace("Faults", ""),
                Check { processes, timing, faults, epochs, recovery, mutant: None },
            );
        }
    }
}

#[test]
fn mutants() {
    let none = Faults::default();
    let stop = Faults { stops: 1, ..none };
    let crash = Faults { crashes: 1, starts: 1, ..none };
    for (mutant, faults) in [
        (Mutant::AcquireOnAbsence, Faults { deletions: 1, ..none }),
        (Mutant::CreateThatGrants, Faults { deletions: 1, ..none }),
        (Mutant::EmptyHolderIsReleased, Faults { edits: 1, ..none }),
        (Mutant::ReleaseBeforeDrain, stop),
        (Mutant::RenewalByReading, Faults { losses: 2, pauses: 1, ..none }),
        (Mutant::SamePodShortcut, crash),
        (Mutant::RecreateWithoutPrecondition, Faults { deletions: 2, delays: 2, pauses: 1, ..none }),
        (Mutant::DeadlineFromAfterTheRequest, Faults { delays: 2, pauses: 1, ..none }),
        (Mutant::ExpiryByRemoteTime, none),
        (Mutant::IdentityWithoutNonce, crash),
        (Mutant::TimeoutLongerThanThePermit, Faults { pauses: 1, ..none }),
        (Mutant::ReleaseOfAnotherObject, Faults { stops: 1, starts: 1, deletions: 1, restores: 1, ..none }),
    ] {
        let start = Instant::now();
        let check = Check {
            processes: 2,
            timing: timing(4, 3, 1),
            faults,
            epochs: 3,
            recovery: false,
            mutant: Some(mutant),
        };
        let checker = check
            .checker()
            .threads(2)
            .timeout(Duration::from_secs(60))
            .finish_when(HasDiscoveries::AnyFailures)
            .spawn_bfs()
            .join();
        let failed: Vec<&str> = [check::ONE_LEADER, check::NO_SUPERSEDED_WRITE]
            .into_iter()
            .filter(|name| checker.discovery(name).is_some())
            .collect();
        println!(
            "caught {mutant:?}: {failed:?} after {} states {:?}",
            checker.unique_state_count(),
            start.elapsed()
        );
    }
}
