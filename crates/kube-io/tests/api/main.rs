//! The shell against an API server in this process, in virtual time.

// The exemption of tests does not reach functions beside them.
#![allow(clippy::expect_used, clippy::panic)]

mod authority;
mod config;
mod events;
mod fake;
mod pace;
mod permissions;
mod source;
mod unserved;
mod writer;
