//! The operator `ako`: its commands, and the wiring of what they need.
//!
//! Everything that decides lives in the crates below; what is here reads
//! files and flags, starts tasks and prints.

pub mod canonical;
pub mod offline;
