//! Rules of translation, one at a time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where something is missing")]

mod cluster;
mod endpoints;
mod hosts;
mod layer4;
mod node_port_local;
mod placement;
mod routes;
mod verdicts;
mod wishes;
