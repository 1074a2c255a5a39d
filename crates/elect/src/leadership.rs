//! The elector and the Lease's mirror together: what a driver runs.

use std::time::Duration;

use crate::elector::{Elector, Identity, Phase};
use crate::event::{Action, Event, Unreadable, WriteError};
use crate::lease::{LeaseChange, ObservedLease, WallTime};
use crate::mirror::{LeaseRequest, Mirror, Role};
use crate::moment::Moment;
use crate::permit::WritePermit;
use crate::timing::Timing;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Something that the elector has to know.
    Elector(Event),
    /// The answer to [`Task::ReadLease`] (a quorum read).
    LeaseRead(Result<Option<ObservedLease>, Unreadable>),
    /// The answer to [`Task::ChangeLease`]; `None` after a deletion. A missing
    /// object is a conflict.
    LeaseChanged(Result<Option<ObservedLease>, WriteError>),
    /// `spec.replicas` of the StatefulSet.
    Replicas(u32),
    /// Whether a pod of the StatefulSet runs the reference implementation. Taken for true
    /// until it is known.
    ReferencePods(bool),
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// As the elector says.
    Elector(Action),
    /// Read the Lease and answer with [`News::LeaseRead`].
    ReadLease {
        /// Unreadable after that.
        timeout: Duration,
    },
    /// Change the Lease and answer with [`News::LeaseChanged`].
    ChangeLease {
        /// How.
        change: LeaseChange,
        /// [`WriteError::Unknown`] after that.
        timeout: Duration,
    },
}

/// An [`Elector`] whose leader shows itself in the Lease, and that does not lead
/// while the reference implementation's replicas are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    elector: Elector,
    mirror: Mirror,
    timing: Timing,
    foreign: bool,
    /// The record was given up; said when the Lease is, too.
    released: bool,
}

impl Leadership {
    /// A process that has just started and knows nothing.
    pub fn new(me: Identity, timing: Timing, now: Moment) -> Self {
        let mirror = Mirror::new(me.holder.clone(), timing, now);
        let elector = Elector::new(me, timing, now);
        Self { elector, mirror, timing, foreign: false, released: false }
    }

    /// The elector, to look at.
    pub fn elector(&self) -> &Elector {
        &self.elector
    }

    /// The permit, as long as it is valid.
    pub fn permit(&self, now: Moment) -> Option<WritePermit> {
        self.elector.permit(now)
    }

    /// Takes news in, and says what to do about it. `wall` is the time of day,
    /// which is only written into the Lease.
    ///
    /// Of the requests for the record and of those for the Lease there is never
    /// more than one each that was not answered; every one must be answered.
    pub fn step(&mut self, news: &News, now: Moment, wall: WallTime) -> Vec<Task> {
        let event = match news {
            News::Elector(event) => event,
            News::LeaseRead(answer) => {
                self.mirror.read(answer, now);
                &Event::Tick
            }
            News::LeaseChanged(answer) => {
                self.mirror.written(answer, now);
                &Event::Tick
            }
            News::Replicas(replicas) => {
                self.mirror.set_replicas(*replicas);
                &Event::Tick
            }
            News::ReferencePods(present) => {
                self.mirror.set_reference_pods(*present);
                &Event::Tick
            }
        };
        let mut actions = Vec::new();
        let foreign = self.mirror.foreign_writer(now);
        if foreign != self.foreign {
            self.foreign = foreign;
            actions.extend(self.elector.step(&Event::ForeignWriter(foreign), now));
        }
        actions.extend(self.elector.step(event, now));
        self.mirror.set_role(self.role(), now);
        self.carry_out(actions, now, wall)
    }

    fn role(&self) -> Role {
        match (self.elector.phase(), self.elector.record()) {
            (Phase::Leading, Some(seen)) => Role::Leader(seen.record.clone()),
            (Phase::Leading | Phase::Draining, _) => Role::Draining,
            _ => Role::Follower,
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>, now: Moment, wall: WallTime) -> Vec<Task> {
        let mut out = Vec::new();
        let mut timer = self.mirror.wake_up();
        for action in actions {
            match action {
                Action::SetTimer(at) => timer = Some(timer.map_or(at, |timer| timer.min(at))),
                Action::Released => self.released = true,
                other => out.push(Task::Elector(other)),
            }
        }
        let timeout = self.timing.request();
        let stopped = self.elector.phase() == Phase::Stopped;
        let request =
            if stopped { self.mirror.last_request(now, wall) } else { self.mirror.request(now, wall) };
        match request {
            Some(LeaseRequest::Read) => out.push(Task::ReadLease { timeout }),
            Some(LeaseRequest::Change(change)) => out.push(Task::ChangeLease { change, timeout }),
            None => {}
        }
        if self.released && (self.mirror.is_done() || !stopped) {
            self.released = false;
            out.push(Task::Elector(Action::Released));
        }
        if !stopped {
            let latest = now + self.timing.retry();
            let at = timer.filter(|at| *at > now).map_or(latest, |at| at.min(latest));
            out.push(Task::Elector(Action::SetTimer(at)));
        }
        out
    }
}
