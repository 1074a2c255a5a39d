//! What is told of `deleteConfig`: an annotation on the StatefulSet and Events
//! on the pod. Source: configuration, §3.7.
//!
//! What is removed is the engine's business: with `deleteConfig` nothing is
//! wanted. Here it is only said how far that is; from what stands there, so that
//! the next leader goes on where this one ended.

use std::time::Duration;

use ako_core::Installation;
use ako_elect::Moment;

/// After this long it is said that the removal takes too long; it goes on.
const PATIENCE: Duration = Duration::from_mins(30);

/// How long after an announcement comes the next one, if the first one failed or does
/// not show yet.
const AGAIN: Duration = Duration::from_secs(5);

/// How far the removal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Started,
    Done,
    Timeout,
}

impl Progress {
    /// The value of the annotation.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Done => "Done",
            Self::Timeout => "Timeout",
        }
    }
}

/// Something to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// The value of the annotation; `None` takes it away.
    pub(crate) progress: Option<Progress>,
    /// The Event's reason, and its words.
    pub(crate) event: (&'static str, &'static str),
}

/// Follows the removal.
#[derive(Debug, Default)]
pub(crate) struct Removal {
    /// Since when something is left to be removed.
    since: Option<Moment>,
    /// Whether that is longer ago than anybody should have to wait.
    is_late: bool,
    /// What was told last, where there is no StatefulSet that shows it.
    told: Option<Progress>,
    /// Whether an announcement is on its way.
    under_way: bool,
    /// When it may be tried again after it failed.
    again: Option<Moment>,
}

impl Removal {
    /// What has to be told now, by a leader that knows both sides. `set` is the
    /// StatefulSet that shows it, if there is one.
    pub(crate) fn announce(
        &mut self,
        wanted: bool,
        removed: bool,
        set: Option<&Installation>,
        now: Moment,
    ) -> Option<Announcement> {
        let progress = wanted.then(|| self.progress(removed, now));
        if !wanted {
            self.since = None;
        }
        let is_told = match set {
            Some(set) => set.removal.as_deref() == progress.map(Progress::as_str),
            None => self.told == progress,
        };
        if self.under_way || is_told || self.again.is_some_and(|again| now < again) {
            return None;
        }
        self.under_way = set.is_some();
        self.told = progress;
        Some(Announcement { progress, event: words(progress) })
    }

    /// The annotation was written, or not: then it is tried again, after a while. One
    /// that was written shows in the watch, which may take as long.
    pub(crate) fn answered(&mut self, now: Moment) {
        self.under_way = false;
        self.again = Some(now + AGAIN);
    }

    /// When there is something new to tell at the latest.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let patience = self.since.filter(|_| !self.is_late).map(|since| since + PATIENCE);
        patience.into_iter().chain(self.again).min()
    }

    /// What was waited for is over.
    pub(crate) fn wake(&mut self, now: Moment) {
        self.again.take_if(|again| *again <= now);
        self.is_late = self.since.is_some_and(|since| now >= since + PATIENCE);
    }

    /// This process does not lead any more, or has lost sight of one of both sides.
    pub(crate) fn pause(&mut self) {
        self.since = None;
    }

    fn progress(&mut self, removed: bool, now: Moment) -> Progress {
        if removed {
            self.since = None;
            return Progress::Done;
        }
        let since = *self.since.get_or_insert(now);
        if now >= since + PATIENCE { Progress::Timeout } else { Progress::Started }
    }
}

fn words(progress: Option<Progress>) -> (&'static str, &'static str) {
    match progress {
        Some(Progress::Started) => {
            ("AKODeleteConfigSet", "deleteConfig is set: everything of this instance is removed")
        }
        Some(Progress::Done) => {
            ("AKODeleteConfigDone", "everything of this instance is removed from the controller")
        }
        Some(Progress::Timeout) => {
            ("AKODeleteConfigTimeout", "not everything could be removed within 30 minutes; see `ako status`")
        }
        None => ("AKODeleteConfigUnset", "deleteConfig is not set any more: everything is programmed again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Moment {
        Moment::from_millis(minutes * 60_000)
    }

    fn set(removal: &str) -> Installation {
        let removal = Some(removal).filter(|removal| !removal.is_empty()).map(Into::into);
        Installation { removal, ..Installation::new("avi-system".into()) }
    }

    fn told(announcement: Option<Announcement>) -> Option<&'static str> {
        announcement.map(|announcement| announcement.event.0)
    }

    #[test]
    fn each_stage_is_told_once_and_what_was_told_before_a_crash_counts() {
        let mut removal = Removal::default();
        assert_eq!(told(removal.announce(false, true, Some(&set("")), at(0))), None);
        assert_eq!(told(removal.announce(true, false, Some(&set("")), at(0))), Some("AKODeleteConfigSet"));
        assert_eq!(told(removal.announce(true, false, Some(&set("")), at(1))), None, "it is on its way");
        removal.answered(at(0));
        assert_eq!(told(removal.announce(true, false, Some(&set("Started")), at(2))), None);
        let mut removal = Removal::default();
        assert_eq!(told(removal.announce(true, false, Some(&set("Started")), at(3))), None);
        assert_eq!(
            told(removal.announce(true, true, Some(&set("Started")), at(4))),
            Some("AKODeleteConfigDone")
        );
        removal.answered(at(0));
        assert_eq!(
            told(removal.announce(false, true, Some(&set("Done")), at(5))),
            Some("AKODeleteConfigUnset")
        );
    }

    #[test]
    fn an_announcement_that_is_refused_is_not_repeated_at_once() {
        let now = Moment::from_millis;
        let mut removal = Removal::default();
        assert_eq!(told(removal.announce(true, false, Some(&set("")), now(0))), Some("AKODeleteConfigSet"));
        removal.answered(now(10));
        assert_eq!(removal.deadline(), Some(now(10) + AGAIN));
        for ms in [10, 11, 5009] {
            removal.wake(now(ms));
            assert_eq!(told(removal.announce(true, false, Some(&set("")), now(ms))), None);
        }
        removal.wake(now(5010));
        assert_eq!(
            told(removal.announce(true, false, Some(&set("")), now(5010))),
            Some("AKODeleteConfigSet")
        );
    }

    #[test]
    fn a_removal_that_takes_too_long_is_told_and_still_ends() {
        let mut removal = Removal::default();
        removal.announce(true, false, Some(&set("")), at(0));
        removal.answered(at(0));
        removal.wake(at(1));
        assert_eq!(removal.deadline(), Some(at(30)));
        removal.wake(at(30));
        assert_eq!(removal.deadline(), None, "what has passed is not waited for");
        assert_eq!(
            told(removal.announce(true, false, Some(&set("Started")), at(30))),
            Some("AKODeleteConfigTimeout")
        );
        removal.answered(at(30));
        removal.wake(at(40));
        assert_eq!(removal.deadline(), None);
        assert_eq!(
            told(removal.announce(true, true, Some(&set("Timeout")), at(40))),
            Some("AKODeleteConfigDone")
        );
        assert_eq!(removal.deadline(), None);
    }

    #[test]
    fn without_a_stateful_set_the_events_are_told_all_the_same() {
        let mut removal = Removal::default();
        assert_eq!(told(removal.announce(false, true, None, at(0))), None);
        assert_eq!(told(removal.announce(true, false, None, at(0))), Some("AKODeleteConfigSet"));
        assert_eq!(told(removal.announce(true, false, None, at(0))), None);
        assert_eq!(told(removal.announce(true, true, None, at(0))), Some("AKODeleteConfigDone"));
        assert_eq!(told(removal.announce(false, true, None, at(0))), Some("AKODeleteConfigUnset"));
    }
}
