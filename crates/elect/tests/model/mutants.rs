//! The mistakes that the check has to catch, each in the world that shows it.

use ako_elect::Mutant;
use stateright::{Checker, HasDiscoveries, Model};

use crate::check::{Check, NO_STALE_DELETION, NO_SUPERSEDED_WRITE, ONE_LEADER};
use crate::world::Faults;
use crate::{NONE, timing};

/// Finds the shortest way to trouble, and says which property it breaks.
fn broken_by(mutant: Mutant, faults: Faults, sources: usize) -> &'static str {
    let timing = timing(4);
    let check =
        Check { processes: 2, timing, faults, epochs: 3, recovery: false, sources, mutant: Some(mutant) };
    let checker = check.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    let properties = [ONE_LEADER, NO_SUPERSEDED_WRITE, NO_STALE_DELETION];
    let broken = properties.into_iter().find(|name| found.contains_key(name)).unwrap_or("nothing");
    println!("{mutant:?} breaks {broken} after {} states", checker.unique_state_count());
    broken
}

fn caught(mutant: Mutant, faults: Faults) {
    let broken = broken_by(mutant, faults, 0);
    assert!([ONE_LEADER, NO_SUPERSEDED_WRITE].contains(&broken), "{mutant:?} was not caught");
}

/// The same for what may be deleted.
fn caught_deleting(mutant: Mutant, sources: usize) {
    let broken = broken_by(mutant, Faults { changes: 1, ..NONE }, sources);
    assert_eq!(broken, NO_STALE_DELETION, "{mutant:?} was not caught");
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

#[test]
fn every_mutant_that_deletes_on_a_stale_view_is_caught() {
    caught_deleting(Mutant::ProofOfBeforeTheGrant, 1);
    caught_deleting(Mutant::ProofThatDoesNotAge, 1);
    caught_deleting(Mutant::NewestProofDecides, 2);
    caught_deleting(Mutant::IdleWatchIsProof, 1);
    caught_deleting(Mutant::ProofFromAfterTheAnswer, 1);
    caught_deleting(Mutant::RelistStaysProven, 1);
    caught_deleting(Mutant::DoorDoesNotAsk, 1);
    caught_deleting(Mutant::LaterProofForOlderDecision, 1);
}
