//! Leadership, and the permit that every write to Avi needs.
//!
//! Invariants of this crate:
//! - A [`WritePermit`] is made here and nowhere else, so code that can write
//!   is code that was given one.
//! - Time is an argument ([`Moment`]), read from a clock that counts suspend;
//!   identity is an argument, too. Nothing here waits, asks or writes.
//! - At no instant do two processes of one instance hold a valid permit
//!   (L1), a write that respects its permit is over before another's begins
//!   (L2), and somebody leads within leaseDuration and two retryPeriods after
//!   the API server answers (L3).
//! - Whenever a deletion is sent, or a change that takes something away, the
//!   state of the cluster that it was decided on was there at some moment within
//!   a bound before, and not before the grant (L5, [`Freshness`]).
//!
//! The model check in `tests/model` proves these properties within its bounds,
//! for this very code.
//!
//! # The protocol
//!
//! There is one [`Record`], the ConfigMap [`RECORD_NAME`], at every number of
//! replicas. Everybody reads it by quorum reads and changes it by
//! compare-and-set on its uid and resource version.
//!
//! 1. *Absence is never evidence.* A missing record is created with nobody as
//!    its holder, which grants nothing.
//! 2. *Acquire* at once if the last leadership was released, otherwise when
//!    nothing in the record changed for its duration (the longer one of the
//!    recorded and one's own) since this process first saw that very version,
//!    on its own clock. The epoch goes up by one.
//! 3. *Renew* every retryPeriod, only while the permit stands. The permit ends
//!    renewDeadline after the moment *before* the request was sent. Reading
//!    never extends it.
//! 4. *One's own name is no shortcut.* A restarted process has a new nonce and
//!    waits like anyone else, unless its predecessor released.
//! 5. *Release*: no new write, then all of them answered or timed out, then no
//!    permit, then the note in the record: which epoch ended, in which object.
//! 6. *A record that vanishes or says something else* under a leader is not
//!    extended any more; the leader competes like anyone else.
//! 7. *A lost answer, a conflict, a refusal* change nothing: the permit ends
//!    when it ends, and the record is read again.
//!
//! Candidates that are not warm or do not reach the controller let others go
//! first, by one duration at most, and say so by a note on their Pod; a leader
//! in trouble yields to a replica without that note, each time later.
//!
//! # Driving it
//!
//! A driver runs [`Leadership`] (the [`Elector`] and the Lease together):
//! it hands in every [`News`] with the time, does each [`Task`] in order, and
//! answers each request once, with the time-out as the latest answer. It keeps
//! the permit of the last `Granted` or `Extended`, drops it at `Revoked`, and
//! lets every write check [`WritePermit::remaining`] last. After `BeginDrain`
//! it starts no write and reports [`Event::WritersDrained`]. If the driver
//! dies the process has to end.
//!
//! For L5 it also drives [`Freshness`]:
//! - It calls [`Freshness::lead`] at every `Granted` and `Revoked`.
//! - It asks the API server for the version of each source, past every cache,
//!   and calls [`Freshness::prove`] once the watch has reached the answer, with
//!   the moment at which it *asked*. A watch that delivers nothing proves
//!   nothing.
//! - When a watch starts again with a list that may be older, it calls
//!   [`Freshness::doubt`].
//! - A deletion gets its permit when it is decided on, [capped] at
//!   [`Freshness::until`] of that moment. What is proven later does not extend
//!   it, because the deletion was decided on an older state.
//!
//! [capped]: WritePermit::capped

mod elector;
mod event;
mod fitness;
mod freshness;
mod leadership;
mod lease;
mod mirror;
mod moment;
mod mutant;
mod permit;
mod record;
pub mod rehearsal;
mod timing;

pub use elector::{Elector, Identity, Phase};
pub use event::{Action, Event, Unreadable, WriteError};
pub use freshness::Freshness;
pub use leadership::{Leadership, News, Task};
pub use lease::{LEASE_NAME, LeaseChange, LeaseSpec, ObservedLease, WallTime};
pub use moment::Moment;
#[cfg(feature = "model")]
pub use mutant::Mutant;
pub use permit::{Epoch, WritePermit};
pub use record::{
    Holder, LONGEST_LEASE, Observed, RECORD_NAME, Record, Release, ResourceVersion, Uid, Version,
};
pub use timing::{Timing, TimingError};
