//! The operator `ako`: its commands, and the wiring of what they need.
//!
//! Everything that decides lives in the crates below; what is here reads
//! files and flags, starts tasks and prints.
//!
//! Invariants of this crate:
//! - One task owns the engine (`run::driver`); everything else talks to it
//!   through one bounded channel.
//! - Writes to Avi and to statuses go out under a permit, through the one
//!   writer of each.

pub mod admin;
pub mod canonical;
mod check;
mod cluster;
pub mod command;
mod definitions;
pub mod logging;
pub mod offline;
pub mod operate;
mod page;
mod run;
