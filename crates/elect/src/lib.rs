//! Leadership, and the permit that every write to Avi needs.
//!
//! Invariants of this crate:
//! - A [`WritePermit`] is made here and nowhere else, so code that can write
//!   is code that was given one.
//! - Time is an argument ([`Moment`]), read from a clock that counts suspend.

mod elector;
mod event;
mod fitness;
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
pub use leadership::{Leadership, News, Task};
pub use lease::{LEASE_NAME, LeaseChange, LeaseSpec, ObservedLease, WallTime};
pub use moment::Moment;
#[cfg(feature = "model")]
pub use mutant::Mutant;
pub use permit::{Epoch, SingleWriter, WritePermit};
pub use record::{
    Holder, LONGEST_LEASE, Observed, RECORD_NAME, Record, Release, ResourceVersion, Uid, Version,
};
pub use timing::{Timing, TimingError};
