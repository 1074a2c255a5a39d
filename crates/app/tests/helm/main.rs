//! The documented procedures, command by command as they are typed: the real helm installs the
//! chart into a real control plane, and Pods run the operator under the chart's own ServiceAccount.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(clippy::panic, reason = "a test that cannot go on should stop")]

mod applications;
mod crd_operator;
mod documented;
mod image_alone;
mod instances;
mod judges;
mod procedure;
mod release;
mod replicas;
mod takeover;
mod world;
