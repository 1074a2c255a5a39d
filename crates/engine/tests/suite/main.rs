//! The engine against a controller in memory, in virtual time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where something is missing")]

mod cluster;
mod fake;
mod world;

mod changes;
mod crashes;
mod disabled;
mod dry_run;
mod explain;
mod failures;
mod foreign_ipam;
mod freshness;
mod guard;
mod handover;
mod instance_properties;
mod instances;
mod late_handover;
mod looks;
mod losses;
mod names;
mod node_ports;
mod ownership;
mod pacing;
mod profiles;
mod properties;
mod rejected_rules;
mod removal;
mod routers;
mod routes;
mod rules;
mod settings;
mod shared_refusals;
mod statements;
mod statuses;
mod town;
mod unread_kinds;
mod unreadable;
