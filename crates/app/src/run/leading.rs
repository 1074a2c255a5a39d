//! What the driver makes of the election: when it may write, what it reports
//! back, and when the last write is over.

use std::time::Duration;

use ako_elect::{Event, Moment, Phase, WritePermit};
use ako_kube_io::{Handle, Standing};

use super::input::Answer;

/// A leader whose plan is not empty makes no progress if no write succeeded for
/// this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// How fit this process is to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fitness {
    /// The caches are filled.
    pub(crate) warm: bool,
    /// The controller answers.
    pub(crate) reachable: bool,
    /// There is nothing to write.
    pub(crate) idle: bool,
}

/// What a turn of the election means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing for the driver.
    Same,
    /// This process leads, since now: others may have written until now.
    Granted {
        /// Which leadership it is.
        epoch: u64,
    },
    /// It starts no more writes.
    Ended {
        /// Who leads now, if that is known.
        leader: String,
    },
}

/// When the controller is read again because of writes in doubt. A later doubt
/// asks for one more reading and never puts an earlier one off.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// The next reading.
    next: Moment,
    /// The last one that is needed; `next`, if there is one doubt.
    last: Moment,
}

/// The leadership as the driver lives it.
#[derive(Debug)]
pub(crate) struct Leading {
    standing: Standing,
    /// The number of the grant that was noticed; none, if this process does not
    /// lead or its grant was not noticed yet.
    grant: Option<u64>,
    /// When it was noticed that this process leads.
    granted: Moment,
    /// The controller was read since then.
    writes: bool,
    /// After this long, nothing of an earlier leader is under way any more.
    lease: Duration,
    /// When to read the controller again, for what a former leader sent and
    /// arrived late.
    after_takeover: Option<Moment>,
    /// The same for our own writes that were not answered.
    after_doubt: Option<Doubt>,
    in_flight: usize,
    /// It was said that the last write is over.
    drained: bool,
    /// When a write last succeeded, or none was needed.
    progressed: Moment,
    told: [Option<bool>; 3],
}

impl Leading {
    /// Notices nothing yet: a process may have been granted the leadership
    /// before it could do anything with it.
    pub(crate) fn new(candidate: &Handle, lease: Duration) -> Self {
        Self {
            standing: candidate.standing.borrow().clone(),
            grant: None,
            granted: Moment::default(),
            writes: false,
            lease,
            after_takeover: None,
            after_doubt: None,
            in_flight: 0,
            drained: false,
            progressed: Moment::default(),
            told: [None; 3],
        }
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Whether the engine may write.
    pub(crate) fn writes(&self) -> bool {
        self.writes
    }

    /// Takes in how the election went on.
    pub(crate) fn turn(&mut self, standing: Standing, now: Moment) -> Turn {
        self.standing = standing;
        let grant = self.standing.leads().then_some(self.standing.grants);
        let before = std::mem::replace(&mut self.grant, grant);
        if grant == before {
            return Turn::Same;
        }
        self.writes = false;
        if grant.is_none() {
            let leader =
                if self.standing.holder == self.standing.me { "" } else { self.standing.holder.pod() };
            return Turn::Ended { leader: leader.to_owned() };
        }
        self.granted = now;
        self.progressed = now;
        self.drained = false;
        Turn::Granted { epoch: self.standing.epoch }
    }

    /// The controller was read, beginning at that moment. Answers whether
    /// writing may begin because of it.
    pub(crate) fn may_write_after(&mut self, started: Moment) -> bool {
        let may = self.grant.is_some() && !self.writes && started >= self.granted;
        if may {
            self.writes = true;
            self.after_takeover = Some(self.granted + self.lease);
        }
        may
    }

    /// When the controller has to be read once more: a write of a former leader
    /// that left in time, or one of ours that was not answered, may have arrived
    /// late.
    pub(crate) fn look_again(&self) -> Option<Moment> {
        let after_doubt = self.after_doubt.map(|doubt| doubt.next);
        self.after_takeover.into_iter().chain(after_doubt).min()
    }

    /// What became of a write is not known, and it may still be executed when
    /// its object was read again: the controller is read once more after that.
    pub(crate) fn is_in_doubt(&mut self, now: Moment) {
        let last = now + self.lease;
        let next = self.after_doubt.map_or(last, |doubt| doubt.next);
        self.after_doubt = Some(Doubt { next, last });
    }

    /// Whether it is time to; it is told once for each time.
    pub(crate) fn is_to_look_again(&mut self, now: Moment) -> bool {
        let takeover = self.after_takeover.take_if(|at| *at <= now).is_some();
        let doubt = self.after_doubt.take_if(|doubt| doubt.next <= now);
        // A reading that begins now is too early for a doubt that is younger.
        self.after_doubt = self.after_doubt.or_else(|| {
            let last = doubt?.last;
            (last > now).then_some(Doubt { next: last, last })
        });
        (takeover || doubt.is_some()) && self.writes
    }

    /// A write is about to be sent: the permit for it, if there is one.
    pub(crate) fn starts_write(&mut self) -> Option<WritePermit> {
        self.in_flight += 1;
        self.standing.permit.filter(|_| self.standing.leads())
    }

    /// A write was answered, timed out, or was not sent.
    pub(crate) fn answered(&mut self, well: bool, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if well {
            self.progressed = now;
        }
    }

    /// Tells the elector what it has to know, unless it knows.
    pub(crate) fn tell(&mut self, candidate: &Handle, fitness: Fitness, now: Moment) {
        if fitness.idle {
            self.progressed = now;
        }
        let progressing = !self.writes || now.since(self.progressed) < PATIENCE;
        let news = [
            (fitness.warm, Event::Warm(fitness.warm)),
            (fitness.reachable, Event::ControllerReachable(fitness.reachable)),
            (progressing, Event::Progressing(progressing)),
        ];
        for (told, (value, event)) in self.told.iter_mut().zip(news) {
            // A full queue is tried again at the next turn.
            if *told != Some(value) && candidate.events.try_send(event).is_ok() {
                *told = Some(value);
            }
        }
        let draining = self.standing.phase == Phase::Draining && self.in_flight == 0;
        if draining && !self.drained && candidate.events.try_send(Event::WritersDrained).is_ok() {
            self.drained = true;
        }
    }

    /// An error that names the leader, unless this process leads.
    pub(crate) fn must_lead(&self) -> Result<(), String> {
        if self.standing.leads() {
            return Ok(());
        }
        let leader = self.standing.holder.pod();
        let leader = if leader.is_empty() { "no replica" } else { leader };
        Err(format!("this replica does not lead; {leader} does"))
    }

    /// Asks the elector that another replica leads.
    pub(crate) fn hand_over(&self, candidate: &Handle) -> Answer {
        self.must_lead()?;
        let sent = candidate.events.try_send(Event::YieldRequested);
        sent.map_err(|_| "the election does not answer".to_owned())?;
        Ok("the leadership is handed over to another replica, if there is one that can lead".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use ako_elect::{Holder, Timing, rehearsal};
    use tokio::sync::{mpsc, watch};

    use super::*;

    const LEASE: Duration = Duration::from_secs(15);

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    fn standing(phase: Phase, grants: u64) -> Standing {
        let me = Holder::of("ako-0", "uid", "nonce");
        Standing {
            me: me.clone(),
            phase,
            grants,
            permit: rehearsal::permit(at(0), Timing::default()),
            holder: me,
            epoch: grants,
            since: None,
            heard: None,
            finished: false,
        }
    }

    /// A process that was granted the leadership at a moment.
    fn granted(now: Moment) -> Leading {
        let (events, _) = mpsc::channel(1);
        let competing = Standing { permit: None, ..standing(Phase::Competing, 0) };
        let leads = watch::channel(false).1;
        let beside = watch::channel(Vec::new()).1;
        let handle = Handle { standing: watch::channel(competing).1, leads, events, beside };
        let mut leading = Leading::new(&handle, LEASE);
        assert_eq!(leading.turn(standing(Phase::Leading, 1), now), Turn::Granted { epoch: 1 });
        leading
    }

    #[test]
    fn a_reading_that_began_before_the_grant_lets_nothing_be_written() {
        let mut leading = granted(at(10));
        assert!(!leading.may_write_after(at(9)) && !leading.writes());
        assert!(leading.may_write_after(at(10)) && leading.writes());
        // Another leadership of the same process, with a gap before it.
        assert_eq!(leading.turn(standing(Phase::Leading, 2), at(20)), Turn::Granted { epoch: 2 });
        assert!(!leading.writes());
        assert!(!leading.may_write_after(at(19)) && !leading.writes());
        assert!(leading.may_write_after(at(20)) && leading.writes());
    }

    #[test]
    fn a_grant_from_before_the_driver_ran_is_noticed_before_anything_is_written() {
        let (events, _) = mpsc::channel(1);
        let leads = standing(Phase::Leading, 1);
        let (may_start, beside) = (watch::channel(true).1, watch::channel(Vec::new()).1);
        let handle = Handle { standing: watch::channel(leads.clone()).1, leads: may_start, events, beside };
        let mut leading = Leading::new(&handle, LEASE);
        assert!(!leading.may_write_after(at(9)), "what was read may be from before the grant");
        assert_eq!(leading.turn(leads.clone(), at(10)), Turn::Granted { epoch: 1 });
        assert_eq!(leading.turn(leads, at(11)), Turn::Same);
        assert!(!leading.may_write_after(at(9)));
        assert!(leading.may_write_after(at(10)));
    }

    #[test]
    fn no_write_starts_while_the_last_ones_are_waited_for() {
        let mut leading = granted(at(0));
        assert!(leading.starts_write().is_some());
        // The permit stands for what was sent.
        let draining = standing(Phase::Draining, 1);
        assert!(draining.permit.is_some());
        leading.turn(draining, at(1));
        assert!(leading.starts_write().is_none());
    }

    #[test]
    fn the_last_write_is_over_when_all_were_answered() {
        let (events, mut told) = mpsc::channel(8);
        let handle = Handle {
            standing: watch::channel(standing(Phase::Leading, 1)).1,
            leads: watch::channel(true).1,
            events,
            beside: watch::channel(Vec::new()).1,
        };
        let fitness = Fitness { warm: true, reachable: true, idle: false };
        let mut drained = |leading: &mut Leading| {
            leading.tell(&handle, fitness, at(1));
            let told: Vec<_> = std::iter::from_fn(|| told.try_recv().ok()).collect();
            told.contains(&Event::WritersDrained)
        };
        let mut leading = granted(at(0));
        leading.starts_write();
        leading.starts_write();
        assert!(!drained(&mut leading), "it leads");
        leading.turn(standing(Phase::Draining, 1), at(1));
        leading.answered(false, at(1));
        assert!(!drained(&mut leading), "one is under way");
        leading.answered(true, at(1));
        assert!(drained(&mut leading));
        assert!(!drained(&mut leading), "it is said once");
    }

    /// The seconds of readings that were asked for, of those up to `end`.
    fn readings(leading: &mut Leading, end: u64, mut each: impl FnMut(&mut Leading, u64)) -> Vec<u64> {
        let mut asked = Vec::new();
        for second in 1..=end {
            if leading.is_to_look_again(at(second)) {
                asked.push(second);
            }
            each(leading, second);
        }
        asked
    }

    #[test]
    fn doubts_do_not_put_the_second_look_after_a_takeover_off() {
        let mut leading = granted(at(0));
        assert!(leading.may_write_after(at(0)));
        let asked = readings(&mut leading, 15, |leading, second| {
            if second % 10 == 0 {
                leading.is_in_doubt(at(second));
            }
        });
        assert_eq!(asked, [15]);
    }

    #[test]
    fn doubts_that_go_on_ask_for_readings_until_a_lease_after_the_last() {
        let mut leading = granted(at(0));
        assert!(leading.may_write_after(at(0)));
        leading.after_takeover = None;
        let asked = readings(&mut leading, 100, |leading, second| {
            if second % 10 == 0 && second <= 50 {
                leading.is_in_doubt(at(second));
            }
        });
        assert_eq!(asked, [25, 35, 45, 55, 65]);
        assert_eq!(leading.look_again(), None);
    }
}
