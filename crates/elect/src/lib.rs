//! Leadership, and the permit that every write to Avi needs.
//!
//! Invariants of this crate:
//! - A [`WritePermit`] is made here and nowhere else, so code that can write
//!   is code that was given one.
//! - Time is an argument ([`Moment`]), read from a clock that counts suspend.

mod moment;
mod permit;

pub use moment::Moment;
pub use permit::{Epoch, SingleWriter, WritePermit};
