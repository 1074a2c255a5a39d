//! What may be written now, and what the rest waits for.

use std::collections::BTreeSet;

use ako_avi_types::Operation;
use ako_elect::Moment;

/// What becomes of an operation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// This is sent, perhaps with what must not be lost yet, and may leave until
    /// then.
    Send { operation: Operation, until: Option<Moment> },
    /// The guard holds it.
    Held,
    /// It waits for proofs.
    Unproven,
}

/// What a status waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// That the guard holds nothing that serves it.
    Held,
    /// Proofs.
    Unproven,
}

/// Until when a status may be written, if there is an end to that; or what it waits for.
pub(crate) type Writable = Result<Option<Moment>, Wait>;

/// What waits for proofs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unproven {
    /// How many objects of the controller wait to be removed or to lose something.
    pub removals: usize,
    /// How many Ingresses and Services wait for their status.
    pub statuses: usize,
    /// What for: a source that is not proven, or the former owner of a namespace.
    pub awaited: BTreeSet<String>,
}
