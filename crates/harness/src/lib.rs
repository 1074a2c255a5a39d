//! What tests of the whole operator are built from: a real Kubernetes control
//! plane, recorded behaviour to compare with, and the operator as a process.
//!
//! Invariants:
//! - No process outlives the test that started it, however the test ends.
//! - Nothing listens anywhere but on loopback, or in a network that is the test's own
//!   ([`kubelet`]).
//! - Nothing waits for a fixed time: [`eventually`] polls a condition and says
//!   what was missing when the deadline passed.
//!
//! Tests that need the control plane are skipped where its programs were not
//! built (`cargo xtask assets` builds them), see [`control_plane`].

pub mod cluster;
pub mod control_plane;
pub mod golden;
pub mod helm;
pub mod image;
pub mod kubelet;
pub mod operator;
pub mod pods;
pub mod stateful_set;
pub mod visitor;

mod api_proxy;
mod built;
mod eventually;
mod loopback;
mod process;
mod proxy;

pub use api_proxy::{ApiProxy, Trouble};
pub use built::report_skip;
pub use eventually::eventually;
pub use loopback::{free_port, free_ports};
pub use process::running_in_group;
pub use proxy::{Network, Proxy, forward};
