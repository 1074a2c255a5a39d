//! The ways to break the protocol that the model check has to catch.
//!
//! They are in the production code, each a condition in the line that it
//! breaks, because a copy of the code with mistakes would prove nothing about
//! the original. Without the feature `model`, which only this crate's tests
//! enable, every one of these conditions is the constant `false` and there is
//! no way to ask for a mutant.

/// One mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "model"), expect(dead_code, reason = "some mutants are of the driver's making"))]
#[cfg_attr(not(feature = "model"), expect(unreachable_pub, reason = "public for the model check only"))]
pub enum Mutant {
    /// A missing record counts as one that was given up.
    AcquireOnAbsence,
    /// The creator of the record leads at once.
    CreateThatGrants,
    /// A record without a holder counts as given up.
    EmptyHolderIsReleased,
    /// The record is released while writes are still under way.
    ReleaseBeforeDrain,
    /// Reading one's own record extends the permit.
    RenewalByReading,
    /// A record held by the same pod is taken over at once.
    SamePodShortcut,
    /// An update of a record that is gone creates it (of the driver's making:
    /// what `PUT` without the uid does to a Lease).
    RecreateWithoutPrecondition,
    /// The permit counts from the answer to the request.
    DeadlineFromAfterTheRequest,
    /// The record's age is taken from somebody else's clock.
    ExpiryByRemoteTime,
    /// A record that names this pod is its own, whatever process wrote it.
    IdentityWithoutNonce,
    /// Writes may take longer than the permit lasts (of the driver's making).
    TimeoutLongerThanThePermit,
    /// A release counts for a record that was deleted and restored.
    ReleaseOfAnotherObject,
    /// What was proven before the grant counts after it.
    ProofOfBeforeTheGrant,
    /// A proof counts for ever.
    ProofThatDoesNotAge,
    /// Of several sources, the one that was proven last decides.
    NewestProofDecides,
    /// A watch that delivers nothing counts as one that has nothing to deliver
    /// (of the driver's making).
    IdleWatchIsProof,
    /// A proof is dated when the answer came, not when it was asked for (of the
    /// driver's making).
    ProofFromAfterTheAnswer,
    /// A source stays proven when its watch starts again with an old list (of
    /// the driver's making).
    RelistStaysProven,
    /// A deletion that was decided in time may be sent as long as the permit
    /// stands (of the driver's making).
    DoorDoesNotAsk,
    /// A deletion that was decided on an older state may be sent because a newer
    /// one is proven (of the driver's making).
    LaterProofForOlderDecision,
}
