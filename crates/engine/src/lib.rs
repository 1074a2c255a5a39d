//! Dirty tracking, diff, ordered plan, deletion guard and retry, as a state
//! machine without I/O.

mod desired;

pub use desired::{Changes, Desired};
