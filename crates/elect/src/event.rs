//! What the elector is told, and what it asks for.

use std::time::Duration;

use crate::moment::Moment;
use crate::permit::WritePermit;
use crate::record::{Observed, Record, Version};

/// A read that gave no answer, or one that could not be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unreadable;

/// Why a write has no answer that can be built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteError {
    /// The record is another one than the request was for: changed, deleted,
    /// or (for a creation) there already. Nothing was written.
    Conflict,
    /// Timed out, cut off or not understood: it may have been executed, may
    /// still be, or never.
    Unknown,
    /// The API server refuses it: a missing permission, an admission rule.
    Denied,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The timer went off, or nothing in particular happened.
    Tick,
    /// The answer to [`Action::Read`]: a quorum read (no `resourceVersion=0`,
    /// no cache), `None` if there is no record.
    RecordRead(Result<Option<Observed>, Unreadable>),
    /// The answer to [`Action::Create`] or [`Action::Update`].
    WriteDone(Result<Observed, WriteError>),
    /// A watch saw the record in this version, or gone. A hint: it makes the
    /// elector read, and is evidence of nothing.
    RecordSeen(Option<Version>),
    /// The process is to end.
    StopRequested,
    /// Somebody asks that another replica leads.
    YieldRequested,
    /// After [`Action::BeginDrain`]: every write was answered or timed out.
    WritersDrained,
    /// Whether the caches are filled.
    Warm(bool),
    /// Whether the Avi controller answers.
    ControllerReachable(bool),
    /// Whether a plan that is not empty gets shorter (an empty one counts as
    /// progress).
    Progressing(bool),
    /// Whether a running replica of this instance other than this one does not
    /// carry the stand-back note.
    FitPeer(bool),
    /// Whether somebody writes who does not decide by the record.
    ForeignWriter(bool),
}

/// What the driver has to do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read the record (quorum) and answer with [`Event::RecordRead`].
    Read {
        /// Unreadable after that.
        timeout: Duration,
    },
    /// Create the record and answer with [`Event::WriteDone`].
    Create {
        /// Its contents; nobody holds it.
        record: Record,
        /// [`WriteError::Unknown`] after that.
        timeout: Duration,
    },
    /// Replace the record if it is still in this version, and answer with
    /// [`Event::WriteDone`]. Both parts of the version go into the request.
    Update {
        /// Its new contents.
        record: Record,
        /// What it must be now.
        at: Version,
        /// [`WriteError::Unknown`] after that.
        timeout: Duration,
    },
    /// Send [`Event::Tick`] then; replaces the timer before.
    SetTimer(Moment),
    /// This process leads.
    Granted(WritePermit),
    /// It still leads: this permit replaces the one before.
    Extended(WritePermit),
    /// It does not lead any more: drop the permit.
    Revoked,
    /// Start no new write, and send [`Event::WritersDrained`] when those that
    /// were sent are answered or timed out. The permit stands for them.
    BeginDrain,
    /// The leadership was given up, or is known to be somebody else's to take.
    /// After a stop there is nothing left to do: the process may end.
    Released,
    /// Put the stand-back note on this process's own Pod, or take it off.
    StandBack(bool),
}
