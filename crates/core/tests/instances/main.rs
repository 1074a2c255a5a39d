//! Who of several instances has what: a table of cases, and what holds for all.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod properties;
mod table;
