//! What this instance said last of namespaces that change hands.

use std::sync::Arc;
use std::time::Duration;

use ako_core::handover::Word;
use ako_elect::Moment;

/// How long after a word that was not written, or that the watch does not show, it is
/// said again.
const AGAIN: Duration = Duration::from_secs(5);

/// The word that was last said, and how that went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Voice {
    /// Names this leadership; with a number, it makes tokens.
    pub(crate) term: Arc<str>,
    pub(crate) number: u64,
    pub(crate) said: Word,
    pub(crate) under_way: bool,
    pub(crate) again: Option<Moment>,
}

impl Voice {
    /// This process leads under that name, or does not lead. What it said before, others
    /// may have taken back. Answers whether nothing of it is on its way.
    pub(crate) fn lead(&mut self, term: Option<Arc<str>>) -> bool {
        self.said = Word::default();
        self.again = None;
        self.term = term.unwrap_or_default();
        !self.under_way
    }

    /// What was said is written, or not.
    pub(crate) fn answered(&mut self, now: Moment) {
        self.under_way = false;
        self.again = Some(now + AGAIN);
    }

    /// Whether the time is over in which the watch need not show what was said.
    pub(crate) fn wake(&mut self, now: Moment) -> bool {
        self.again.take_if(|again| *again <= now).is_some()
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.again
    }

    pub(crate) fn token(&mut self) -> Arc<str> {
        self.number += 1;
        format!("{}-{}", self.term, self.number).into()
    }
}
