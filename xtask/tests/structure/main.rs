//! The shape of the repository: which crate may know which, what may be
//! depended on, and how source files look.
#![allow(clippy::unwrap_used, reason = "a test may end at any surprise, in its helpers too")]

mod kinds;
mod licence;
mod modules;
mod sources;
mod workspace;
