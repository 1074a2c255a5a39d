//! Something that is to be done once, and is tried again if it fails.

use std::time::Duration;

use ako_elect::Moment;

/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It was not wanted, or was not tried.
    #[default]
    Not,
    /// It is under way.
    UnderWay,
    /// It failed, and is to be tried again.
    Failed(Moment),
    /// It is done.
    Done,
}

impl Attempt {
    /// Whether to begin now.
    pub(crate) fn begins(&mut self, wanted: bool, now: Moment) -> bool {
        if !wanted {
            self.is_not_wanted();
            return false;
        }
        let begins = match *self {
            Self::UnderWay | Self::Done => false,
            Self::Not => true,
            Self::Failed(at) => at <= now,
        };
        if begins {
            *self = Self::UnderWay;
        }
        begins
    }

    /// It is not wanted, or not by this process.
    pub(crate) fn is_not_wanted(&mut self) {
        if *self != Self::UnderWay {
            *self = Self::Not;
        }
    }

    /// What became of it.
    pub(crate) fn answered(&mut self, well: bool, now: Moment) {
        *self = if well { Self::Done } else { Self::Failed(now + AGAIN) };
    }

    /// When to try again.
    pub(crate) fn deadline(self) -> Option<Moment> {
        if let Self::Failed(at) = self { Some(at) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_once_and_again_if_it_failed() {
        let at = |seconds: u64| Moment::from_millis(seconds * 1000);
        let mut attempt = Attempt::default();
        assert!(!attempt.begins(false, at(0)));
        assert!(attempt.begins(true, at(1)) && !attempt.begins(true, at(2)));
        attempt.answered(false, at(3));
        assert!(!attempt.begins(true, at(4)));
        assert_eq!(attempt.deadline(), Some(at(8)));
        assert!(attempt.begins(true, at(8)));
        attempt.answered(true, at(9));
        assert!(!attempt.begins(true, at(20)) && attempt == Attempt::Done);
        // It is not wanted any more, and wanted again.
        assert!(!attempt.begins(false, at(21)) && attempt.begins(true, at(22)));
    }
}
