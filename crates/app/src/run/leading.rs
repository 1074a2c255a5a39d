//! What the driver makes of the election: when it may write, what it reports
//! back, and when the last write is over.

use std::time::Duration;

use ako_elect::{Event, Moment, Phase, WritePermit};
use ako_kube_io::{Handle, Standing};

use super::driver::Answer;

/// A leader whose plan is not empty makes no progress if no write succeeded for
/// this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Facts about this process that decide who had better lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// The caches are filled.
    pub(super) warm: bool,
    /// The controller answers.
    pub(super) reachable: bool,
    /// There is nothing to write.
    pub(super) idle: bool,
}

/// What a turn of the election means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
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

/// The leadership as the driver lives it.
#[derive(Debug)]
pub(super) struct Leading {
    standing: Standing,
    /// When it was noticed that this process leads.
    granted: Moment,
    /// The controller was read since then.
    writes: bool,
    /// After this long, nothing of an earlier leader is under way any more.
    lease: Duration,
    /// When to read the controller again, for what arrived late.
    look_again: Option<Moment>,
    in_flight: usize,
    /// It was said that the last write is over.
    drained: bool,
    /// When a write last succeeded, or none was needed.
    progressed: Moment,
    told: [Option<bool>; 3],
}

impl Leading {
    pub(super) fn new(candidate: &Handle, lease: Duration) -> Self {
        Self {
            standing: candidate.standing.borrow().clone(),
            granted: Moment::default(),
            writes: false,
            lease,
            look_again: None,
            in_flight: 0,
            drained: false,
            progressed: Moment::default(),
            told: [None; 3],
        }
    }

    pub(super) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Whether the engine may write.
    pub(super) fn writes(&self) -> bool {
        self.writes
    }

    /// Takes in how the election went on.
    pub(super) fn turn(&mut self, standing: Standing, now: Moment) -> Turn {
        let before = std::mem::replace(&mut self.standing, standing);
        let leads = self.standing.leads();
        if leads && !(before.leads() && before.grants == self.standing.grants) {
            self.granted = now;
            self.progressed = now;
            self.writes = false;
            self.drained = false;
            return Turn::Granted { epoch: self.standing.epoch };
        }
        if !leads && before.leads() {
            self.writes = false;
            let leader =
                if self.standing.holder == self.standing.me { "" } else { self.standing.holder.pod() };
            return Turn::Ended { leader: leader.to_owned() };
        }
        Turn::Same
    }

    /// The controller was read, beginning at that moment. Answers whether
    /// writing may begin because of it.
    pub(super) fn may_write_after(&mut self, started: Moment) -> bool {
        let may = self.standing.leads() && !self.writes && started >= self.granted;
        if may {
            self.writes = true;
            self.look_again = Some(self.granted + self.lease);
        }
        may
    }

    /// When the controller has to be read once more: a write of a former leader
    /// that left in time, or one of ours that was not answered, may have arrived
    /// late.
    pub(super) fn look_again(&self) -> Option<Moment> {
        self.look_again
    }

    /// What became of a write is not known, and it may still be executed when
    /// its object was read again: the controller is read once more after that.
    pub(super) fn is_in_doubt(&mut self, now: Moment) {
        self.look_again = Some(now + self.lease);
    }

    /// Whether it is time to; it is told once.
    pub(super) fn is_to_look_again(&mut self, now: Moment) -> bool {
        self.look_again.take_if(|at| *at <= now).is_some() && self.writes
    }

    /// A write is about to be sent: the permit for it, if there is one.
    pub(super) fn starts_write(&mut self) -> Option<WritePermit> {
        self.in_flight += 1;
        self.standing.permit.filter(|_| self.standing.leads())
    }

    /// A write was answered, timed out, or was not sent.
    pub(super) fn answered(&mut self, well: bool, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if well {
            self.progressed = now;
        }
    }

    /// Tells the elector what it has to know, unless it knows.
    pub(super) fn tell(&mut self, candidate: &Handle, facts: Facts, now: Moment) {
        if facts.idle {
            self.progressed = now;
        }
        let progressing = !self.writes || now.since(self.progressed) < PATIENCE;
        let news = [
            (facts.warm, Event::Warm(facts.warm)),
            (facts.reachable, Event::ControllerReachable(facts.reachable)),
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
    pub(super) fn must_lead(&self) -> Result<(), String> {
        if self.standing.leads() {
            return Ok(());
        }
        let leader = self.standing.holder.pod();
        let leader = if leader.is_empty() { "no replica" } else { leader };
        Err(format!("this replica does not lead; {leader} does"))
    }

    /// Asks the elector that another replica leads.
    pub(super) fn hand_over(&self, candidate: &Handle) -> Answer {
        self.must_lead()?;
        let sent = candidate.events.try_send(Event::YieldRequested);
        sent.map_err(|_| "the election does not answer".to_owned())?;
        Ok("the leadership is handed over to another replica, if there is one that can lead".to_owned())
    }
}
