//! Dirty tracking, diff, ordered plan, deletion guard and retry, as a state
//! machine without I/O.
//!
//! Invariants of this crate:
//! - [`Engine::step`] is a function of its state, the event and the time; it
//!   never waits, reads a clock or does anything itself.
//! - It is level-triggered: what an object needs is decided from what is wanted
//!   and what is there, never from the event that made it look.
//! - Nothing is written before the cluster and the controller were both read
//!   completely, with what the cluster refers to there by name, and nothing is deleted that something still refers to.
//! - Nothing is deleted or lessened unless every source that asks for it was
//!   proven, since this process leads and within a bound, to be as the cluster is
//!   ([`Source`]).
//! - What is borrowed is neither created nor deleted.

mod agenda;
mod backoff;
mod belief;
mod counters;
mod desired;
mod dry_run;
mod engine;
mod event;
mod guard;
mod inventory;
mod lint;
mod lookups;
mod made;
mod need;
mod overwritten;
mod pace;
mod policy;
mod publisher;
mod purpose;
mod shield;
mod source;
mod status;
mod stray;
mod territory;
mod trial;
mod unserved;
mod verdict;
mod voice;

pub use counters::Counters;
pub use desired::{Changes, Desired};
pub use dry_run::{Action, DryRun, Planned, dry_run};
pub use engine::{
    Awaited, Engine, Explained, ExplainedObject, Explanation, Pending, RuleVerdict, Subject,
    VirtualServiceReport,
};
pub use event::{Effect, Event, Leadership, Notice, Unpublished};
pub use guard::{Held, SHOWN, WINDOW};
pub use inventory::{Inventory, Reading, WhyLeftAlone};
pub use lint::{Finding, Flaw, lint};
pub use lookups::MOST_LOOKS_AT_A_TIME;
pub use made::{Progress, tell_made};
pub use policy::bound;
pub use publisher::MOST_UNDER_WAY as MOST_STATUSES_UNDER_WAY;
pub use source::Source;
pub use status::{Programmed, ServedBy, fill, tell};
pub use verdict::Unproven;
