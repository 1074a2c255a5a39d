//! The chart, rendered by the real helm.
//!
//! `cargo xtask generate` writes what is generated: the chart's files that follow from the
//! operator's code, `docs/values.md`, and the recorded renderings in `golden`. It runs these tests
//! with `AKO_UPDATE_CHART=1`; others may fail in that run, for they read what is being written.
//! Look at the difference before it is committed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end at any surprise, in its helpers too")]

mod commands;
mod configuration;
mod generated;
mod objects;
mod refusals;
mod renderings;
mod values;
mod values_page;
