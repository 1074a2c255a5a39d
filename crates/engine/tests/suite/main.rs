//! The engine against a controller in memory, in virtual time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where something is missing")]

mod cluster;
mod fake;
mod world;

mod changes;
mod crashes;
mod failures;
mod guard;
mod pacing;
mod properties;
mod routes;
mod statuses;
