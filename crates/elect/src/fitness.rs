//! Who had better lead: standing back, and yielding to a better candidate.

use std::time::Duration;

use crate::event::Event;
use crate::moment::Moment;
use crate::timing::Timing;

/// Each yield doubles the time until the next one, so many times.
const DOUBLINGS: u32 = 6;

/// How fit this process is to lead, and what it knows of the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each told by an event of its own")]
pub(crate) struct Fitness {
    warm: bool,
    reachable: bool,
    progressing: bool,
    fit_peer: bool,
    /// Since when it is in trouble, or out of it.
    changed: Moment,
    /// The leadership that it has was granted then.
    granted: Moment,
    /// It lets others go first until then.
    aside_until: Moment,
    yields: u32,
    requested: bool,
    noted: Option<bool>,
}

impl Fitness {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            warm: false,
            reachable: false,
            progressing: true,
            fit_peer: false,
            changed: now,
            granted: now,
            aside_until: Moment::default(),
            yields: 0,
            requested: false,
            noted: None,
        }
    }

    /// Takes note of an event that says something about this process or its
    /// peers.
    pub(crate) fn learn(&mut self, event: &Event, now: Moment) {
        let before = self.is_troubled();
        match *event {
            Event::Warm(warm) => self.warm = warm,
            Event::ControllerReachable(reachable) => self.reachable = reachable,
            Event::Progressing(progressing) => self.progressing = progressing,
            Event::FitPeer(fit) => self.fit_peer = fit,
            Event::YieldRequested => self.requested = true,
            _ => {}
        }
        if self.is_troubled() != before {
            self.changed = now;
        }
    }

    /// Whether a candidate has to let others go first.
    fn is_fit(&self) -> bool {
        self.warm && self.reachable
    }

    fn is_troubled(&self) -> bool {
        !(self.is_fit() && self.progressing)
    }

    /// When to take what others may take at `opening`: later by at most one
    /// duration, so that somebody leads even if nobody is fit.
    pub(crate) fn turn(&self, opening: Moment, ordinal: u32, timing: &Timing) -> Moment {
        let back = if self.is_fit() { Duration::ZERO } else { timing.lease() };
        (opening + timing.spread(ordinal) + back).max(self.aside_until)
    }

    pub(crate) fn granted(&mut self, now: Moment) {
        self.granted = now;
        self.requested = false;
    }

    /// When a leader gives up in favour of a fitter one, if nothing changes:
    /// not before the trouble lasted a duration, and each time later than the
    /// time before, or two replicas in trouble would hand over to each other
    /// for ever.
    pub(crate) fn yields_at(&self, timing: &Timing) -> Option<Moment> {
        if self.requested {
            return Some(Moment::default());
        }
        let patience = timing.lease() * (1 << self.yields.min(DOUBLINGS));
        (self.fit_peer && self.is_troubled())
            .then(|| (self.changed + timing.lease()).max(self.granted + patience))
    }

    /// A leader gave up of its own accord.
    pub(crate) fn yielded(&mut self, now: Moment, timing: &Timing) {
        self.requested = false;
        self.yields = (self.yields + 1).min(DOUBLINGS);
        self.aside_until = now + timing.lease();
    }

    /// What the note on the own Pod has to become, if it has to change.
    pub(crate) fn note(&mut self, now: Moment, timing: &Timing) -> Option<bool> {
        if !self.is_troubled() && now.since(self.changed) >= timing.lease() * (1 << DOUBLINGS) {
            self.yields = 0;
        }
        let stand_back = !self.is_fit() || now < self.aside_until;
        (self.noted.replace(stand_back) != Some(stand_back)).then_some(stand_back)
    }

    /// The model has no peers to yield to: ages make no difference there.
    #[cfg(feature = "model")]
    pub(crate) fn rebase(&mut self, by: Duration) {
        self.aside_until = self.aside_until.rebased(by);
        self.changed = Moment::default();
        self.granted = Moment::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: u64 = 15_000;

    fn at(ms: u64) -> Moment {
        Moment::from_millis(ms)
    }

    fn fit() -> Fitness {
        let mut fitness = Fitness::new(at(0));
        fitness.learn(&Event::Warm(true), at(0));
        fitness.learn(&Event::ControllerReachable(true), at(0));
        fitness
    }

    #[test]
    fn the_unfit_stand_back_for_one_duration_at_most() {
        let timing = Timing::default();
        assert_eq!(fit().turn(at(5), 0, &timing), at(5));
        assert_eq!(fit().turn(at(5), 2, &timing), at(205));
        assert_eq!(Fitness::new(at(0)).turn(at(5), 0, &timing), at(5 + LEASE));
    }

    #[test]
    fn a_leader_in_trouble_yields_to_a_fit_peer_only() {
        let (timing, mut fitness) = (Timing::default(), fit());
        fitness.granted(at(1000));
        fitness.learn(&Event::ControllerReachable(false), at(50_000));
        assert_eq!(fitness.yields_at(&timing), None, "there is nobody better");
        fitness.learn(&Event::FitPeer(true), at(51_000));
        assert_eq!(fitness.yields_at(&timing), Some(at(50_000 + LEASE)));
        fitness.learn(&Event::ControllerReachable(true), at(52_000));
        assert_eq!(fitness.yields_at(&timing), None);
        fitness.learn(&Event::Progressing(false), at(53_000));
        assert_eq!(fitness.yields_at(&timing), Some(at(53_000 + LEASE)));
    }

    #[test]
    fn each_yield_doubles_the_time_to_the_next() {
        let (timing, mut fitness) = (Timing::default(), fit());
        fitness.learn(&Event::FitPeer(true), at(0));
        fitness.learn(&Event::Progressing(false), at(0));
        fitness.yielded(at(0), &timing);
        fitness.yielded(at(0), &timing);
        fitness.granted(at(100_000));
        assert_eq!(fitness.yields_at(&timing), Some(at(100_000 + 4 * LEASE)));
    }

    #[test]
    fn a_long_time_without_trouble_forgives() {
        let (timing, mut fitness) = (Timing::default(), fit());
        fitness.yielded(at(0), &timing);
        assert_eq!(fitness.note(at(1), &timing), Some(true), "it has just yielded");
        assert_eq!(fitness.note(at(2), &timing), None);
        assert_eq!(fitness.note(at(LEASE), &timing), Some(false));
        assert_eq!(fitness.yields, 1);
        fitness.note(at(64 * LEASE), &timing);
        assert_eq!(fitness.yields, 0);
    }
}
