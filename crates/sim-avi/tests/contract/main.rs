//! The contract of the simulated Controller.
//!
//! All but [`server`] drive the router in process; nothing waits.

// What these modules have besides tests is there for tests.
#![allow(clippy::expect_used, clippy::panic)]

mod addresses;
mod client;
mod faults;
mod objects;
mod recorded;
mod server;
mod sessions;
