//! Traffic through the simulator's data plane: what it is programmed with decides who
//! answers.
//!
//! Every test has a second octet of its own for servers, and a third one for VIPs, so
//! that all run at once. Nothing but [`world::eventually`] waits, and only for conditions.

// What these modules have besides tests is there for tests.
#![allow(clippy::expect_used, clippy::panic)]

mod evh;
mod layer4;
mod live;
mod passthrough;
mod policies;
mod sni;
mod world;
