//! Replicas of the operator, a simulated API server and a simulated controller
//! in one thread, on virtual time: minutes pass in milliseconds, and what fails
//! when is drawn from a seed.
//!
//! What runs is the operator's own code from [`ako_app::operate::operate`] down, with
//! streams in memory in place of sockets and a clock that can be wrong.
//!
//! A run ([`run()`]) plants objects, lets a [`script`](mod@script) of changes and
//! faults happen, ends all faults, and then judges ([`judgement`]):
//!
//! - at any time, a write leaves only from the process that the leadership
//!   record of its instance names, to the controller and to the API server
//!   ([`witness`]);
//! - nothing leaves that takes away what no state of the cluster, of the last
//!   leaseDuration, asks to go ([`judge`]);
//! - no instance touches what is another one's, unless the object's namespace
//!   was handed over and the former owner cannot be writing any more
//!   ([`borders`]);
//! - objects of others are never touched, and nothing of an Ingress that never
//!   changed is ever deleted;
//! - in the end the controller holds exactly what the cluster asks for, of
//!   whom it asks it, each Ingress that is served has its address, and
//!   processes that start anew write nothing;
//! - no process ends by itself.
//!
//! The CRD operator may run beside ([`profiles`]). All of that is true of it as well, and:
//!
//! - neither program touches what the other one makes;
//! - a custom resource is held by its finalizer as long as there is something on the controller that was
//!   made of it, and no longer; its status says what that is, or why it cannot be made or deleted.
//!
//! A process that is frozen cannot be told from one whose network is silent and
//! whose clock jumped; both are drawn. Freezing a real process is for the tests
//! of processes.

pub mod borders;
mod by_hand;
pub mod complaints;
mod happening;
pub mod instance;
pub mod judge;
pub mod judgement;
pub mod network;
pub mod profiles;
pub mod quiet;
pub mod replica;
pub mod rules;
pub mod run;
pub mod scene;
pub mod script;
pub mod setup;
pub mod step;
pub mod tally;
pub mod witness;
pub mod workload;
pub mod world;

pub use run::{Outcome, run, run_all};

/// A third of a run is memory taken and given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
