//! The whole operator: its binary, a real kube-apiserver and the controller
//! simulator.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(clippy::expect_used, reason = "a test that cannot go on should stop")]
#![allow(clippy::panic, reason = "a test that cannot go on should stop")]

mod check;
mod conflicts;
mod definitions;
mod fields;
mod findings;
mod freshness;
mod golden_replay;
mod instances;
mod leadership;
mod leadership_faults;
mod lifecycle;
mod login;
mod moving;
mod node_ports;
mod permissions;
mod placement;
mod profiles;
mod protection;
mod refused;
mod replicas;
mod routes;
mod rules;
mod twins;
mod world;
