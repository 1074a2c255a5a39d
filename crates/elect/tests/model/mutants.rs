//! The mistakes that the check has to catch, each in the world that shows it.

use ako_elect::Mutant;
use stateright::{Checker, HasDiscoveries, Model};

use crate::check::{Check, NO_SUPERSEDED_WRITE, ONE_LEADER};
use crate::world::Faults;
use crate::{NONE, timing};

/// Finds the shortest way to trouble, and says which property it breaks.
fn caught(mutant: Mutant, faults: Faults) {
    let check =
        Check { processes: 2, timing: timing(4), faults, epochs: 3, recovery: false, mutant: Some(mutant) };
    let checker = check.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    let broken = [ONE_LEADER, NO_SUPERSEDED_WRITE].into_iter().find(|name| found.contains_key(name));
    assert!(broken.is_some(), "{mutant:?} was not caught");
    let property = broken.unwrap_or_default();
    println!("caught {mutant:?}: {property} after {} states", checker.unique_state_count());
}

#[test]
fn every_mutant_is_caught() {
    let stop = Faults { stops: 1, ..NONE };
    let crash = Faults { crashes: 1, starts: 1, ..NONE };
    caught(Mutant::AcquireOnAbsence, Faults { deletions: 1, ..NONE });
    caught(Mutant::CreateThatGrants, Faults { deletions: 1, ..NONE });
    caught(Mutant::EmptyHolderIsReleased, Faults { edits: 1, ..NONE });
    caught(Mutant::ReleaseBeforeDrain, stop);
    caught(Mutant::RenewalByReading, Faults { losses: 2, pauses: 1, ..NONE });
    caught(Mutant::SamePodShortcut, crash);
    caught(Mutant::RecreateWithoutPrecondition, Faults { deletions: 2, delays: 2, pauses: 1, ..NONE });
    caught(Mutant::DeadlineFromAfterTheRequest, Faults { delays: 2, pauses: 1, ..NONE });
    caught(Mutant::ExpiryByRemoteTime, NONE);
    caught(Mutant::IdentityWithoutNonce, crash);
    caught(Mutant::TimeoutLongerThanThePermit, Faults { pauses: 1, ..NONE });
    caught(Mutant::ReleaseOfAnotherObject, Faults { deletions: 1, restores: 1, starts: 1, ..stop });
}
