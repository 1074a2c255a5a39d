//! The state machine of one process.

#[cfg(feature = "model")]
mod model;

use crate::event::{Action, Event, Unreadable, WriteError};
use crate::fitness::Fitness;
use crate::moment::Moment;
use crate::mutant::Mutant;
use crate::permit::{Epoch, WritePermit};
use crate::record::{Holder, LONGEST_LEASE, Observed, Record, Release, Uid, Version};
use crate::timing::Timing;

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Its name in the record.
    pub holder: Holder,
    /// The ordinal of its pod: lower ones go first.
    pub ordinal: u32,
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It does not lead, and takes over when it may.
    Competing,
    /// It leads.
    Leading,
    /// It leads, but starts nothing new.
    Draining,
    /// It wrote its last, and gives the record up.
    Releasing,
    /// It was stopped.
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Request {
    Read,
    Create,
    Acquire,
    Renew,
    Release,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct InFlight {
    request: Request,
    sent: Moment,
}

/// What a watch saw and nobody looked at yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Hint {
    Nothing,
    Gone,
    Version(Version),
}

/// The record as this process knows it, and since when it knows this version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seen {
    observed: Observed,
    since: Moment,
}

/// The leadership that this process took.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Tenure {
    uid: Uid,
    epoch: Epoch,
}

/// Decides for one process when it leads. See the crate's documentation for
/// the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Elector {
    me: Identity,
    timing: Timing,
    phase: Phase,
    stopping: bool,
    foreign_writer: bool,
    /// The record as last read or written; `None` if it was not there.
    seen: Option<Seen>,
    /// It has to be read before anything is decided by it.
    stale: bool,
    /// What a watch saw, until there is time to look.
    hint: Hint,
    in_flight: Option<InFlight>,
    tenure: Option<Tenure>,
    permit: Option<WritePermit>,
    next_read: Moment,
    next_write: Moment,
    last_read: Moment,
    /// When a release that gets no answer is left to the others' patience.
    give_up: Moment,
    fitness: Fitness,
    mutant: Option<Mutant>,
}

impl Elector {
    /// A process that has just started and knows nothing.
    pub fn new(me: Identity, timing: Timing, now: Moment) -> Self {
        Self {
            me,
            timing,
            phase: Phase::Competing,
            stopping: false,
            foreign_writer: false,
            seen: None,
            stale: true,
            hint: Hint::Nothing,
            in_flight: None,
            tenure: None,
            permit: None,
            next_read: now,
            next_write: now,
            last_read: now,
            give_up: now,
            fitness: Fitness::new(now),
            mutant: None,
        }
    }

    /// Where the process stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The permit, as long as it is valid.
    pub fn permit(&self, now: Moment) -> Option<WritePermit> {
        self.permit.filter(|permit| permit.remaining(now).is_some())
    }

    /// The record as this process last knew it.
    pub fn record(&self) -> Option<&Observed> {
        self.seen.as_ref().map(|seen| &seen.observed)
    }

    /// Takes an event in, and says what to do about it.
    ///
    /// Of `Read`, `Create` and `Update` there is never more than one that was
    /// not answered; every one must be answered once.
    pub fn step(&mut self, event: &Event, now: Moment) -> Vec<Action> {
        let mut out = Vec::new();
        if self.phase == Phase::Stopped {
            return out;
        }
        self.lapse(now, &mut out);
        self.fitness.learn(event, now);
        match event {
            Event::RecordRead(answer) => self.read(answer, now, &mut out),
            Event::WriteDone(answer) => self.written(answer, now, &mut out),
            Event::RecordSeen(version) => {
                self.hint = version.clone().map_or(Hint::Gone, Hint::Version);
            }
            Event::StopRequested => self.stop(now, &mut out),
            Event::WritersDrained if self.phase == Phase::Draining => self.drained(now, &mut out),
            Event::ForeignWriter(writes) => self.foreign_writer = *writes,
            _ => {}
        }
        self.yield_if_better(now, &mut out);
        self.request(now, &mut out);
        if let Some(note) = self.fitness.note(now, &self.timing) {
            out.push(Action::StandBack(note));
        }
        if self.phase != Phase::Stopped {
            out.push(Action::SetTimer(self.wake_up(now)));
        }
        out
    }

    /// A permit that ran out is gone, whatever the record says.
    fn lapse(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.permit.is_none() || self.permit(now).is_some() {
            return;
        }
        if self.phase == Phase::Draining {
            self.drained(now, out);
            return;
        }
        self.permit = None;
        self.tenure = None;
        self.phase = Phase::Competing;
        out.push(Action::Revoked);
    }

    fn read(&mut self, answer: &Result<Option<Observed>, Unreadable>, now: Moment, out: &mut Vec<Action>) {
        if self.in_flight.take_if(|sent| sent.request == Request::Read).is_none() {
            return;
        }
        // What is read after the last write decides nothing any more: only
        // what was known while the permit stood may be released.
        if matches!(self.phase, Phase::Draining | Phase::Releasing) {
            return;
        }
        let Ok(found) = answer else { return };
        self.stale = false;
        match found {
            None => self.seen = None,
            Some(observed) => self.saw(observed, now),
        }
        if self.broken(Mutant::RenewalByReading) && self.renews() {
            self.grant(now, now, out);
        }
    }

    /// Remembers the record, and keeps the time since which it is unchanged. Both count,
    /// its version and what it says: where etcd was set back so that versions began again,
    /// another record may have this version.
    fn saw(&mut self, observed: &Observed, now: Moment) {
        if self.seen.as_ref().is_some_and(|seen| seen.observed == *observed) {
            return;
        }
        let since = if self.broken(Mutant::ExpiryByRemoteTime) { Moment::default() } else { now };
        self.seen = Some(Seen { observed: observed.clone(), since });
    }

    fn written(&mut self, answer: &Result<Observed, WriteError>, now: Moment, out: &mut Vec<Action>) {
        let Some(InFlight { request, sent }) = self.in_flight.take_if(|sent| sent.request != Request::Read)
        else {
            return;
        };
        match answer {
            Ok(observed) => {
                self.stale = false;
                self.saw(observed, now);
                self.wrote(request, observed, sent, now, out);
            }
            Err(WriteError::Conflict) => {
                // Soon again, but not at once: waiting a whole period could
                // meet an edit that comes as regularly every time.
                self.stale = true;
                self.next_read = now;
                self.next_write = now + self.timing.gap();
            }
            Err(WriteError::Unknown | WriteError::Denied) => self.stale = true,
        }
        // A release that was refused has nothing to release any more; one
        // that got no answer is repeated as it was.
        if request == Request::Release && *answer != Err(WriteError::Unknown) {
            self.finish(now, out);
        }
    }

    fn wrote(
        &mut self,
        request: Request,
        observed: &Observed,
        sent: Moment,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        let named = observed.record.holder == self.me.holder;
        let renewed = request == Request::Renew && self.renews();
        let acquired = request == Request::Acquire
            || (request == Request::Create && self.broken(Mutant::CreateThatGrants))
            || (request == Request::Renew && self.broken(Mutant::IdentityWithoutNonce));
        if acquired && named {
            self.tenure = Some(Tenure { uid: observed.version.uid.clone(), epoch: observed.record.epoch });
        }
        if request == Request::Create
            && self.broken(Mutant::AcquireOnAbsence)
            && let Some(seen) = &mut self.seen
        {
            seen.since = Moment::default();
        }
        let competes = matches!(self.phase, Phase::Competing | Phase::Leading);
        if named && competes && (acquired || renewed) {
            self.grant(sent, now, out);
        }
    }

    /// The permit lasts from before the request that it is granted for.
    fn grant(&mut self, sent: Moment, now: Moment, out: &mut Vec<Action>) {
        let sent = if self.broken(Mutant::DeadlineFromAfterTheRequest) { now } else { sent };
        let Some(tenure) = &self.tenure else { return };
        let permit = WritePermit::until(tenure.epoch, sent + self.timing.renew());
        if permit.remaining(now).is_none() {
            return;
        }
        let first = self.permit.replace(permit).is_none();
        self.phase = Phase::Leading;
        if first {
            self.fitness.granted(now);
        }
        out.push(if first { Action::Granted(permit) } else { Action::Extended(permit) });
    }

    /// A watch saw something: read it, unless it is what is known (the watch
    /// shows a leader its own renewals).
    fn heed(&mut self) {
        let known = self.seen.as_ref().map(|seen| &seen.observed.version);
        let news = match &self.hint {
            Hint::Nothing => false,
            Hint::Gone => known.is_some(),
            Hint::Version(version) => known != Some(version),
        };
        self.hint = Hint::Nothing;
        if news {
            self.stale = true;
            self.next_read = self.next_read.min(self.last_read + self.timing.gap());
        }
    }

    fn stop(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.stopping = true;
        let acquiring = self.in_flight.is_some_and(|sent| sent.request == Request::Acquire);
        match self.phase {
            Phase::Leading => self.drain(now, out),
            // Should it succeed yet, it is given up at once.
            Phase::Competing if acquiring => self.leave(now),
            Phase::Competing => {
                self.phase = Phase::Stopped;
                out.push(Action::Released);
            }
            Phase::Draining | Phase::Releasing | Phase::Stopped => {}
        }
    }

    fn drain(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.phase = Phase::Draining;
        out.push(Action::BeginDrain);
        if self.broken(Mutant::ReleaseBeforeDrain) {
            self.drained(now, out);
        }
    }

    /// The last write is over: nothing is sent any more, and the record may go.
    fn drained(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.permit.take().is_some() {
            out.push(Action::Revoked);
        }
        self.leave(now);
    }

    fn leave(&mut self, now: Moment) {
        self.phase = Phase::Releasing;
        self.next_write = now;
        self.give_up = now + self.timing.lease();
    }

    fn yield_if_better(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.phase != Phase::Leading {
            return;
        }
        let better = self.fitness.yields_at(&self.timing).is_some_and(|at| at <= now);
        if better || self.foreign_writer {
            self.drain(now, out);
        }
    }

    /// The record is given up, or was lost.
    fn finish(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.tenure = None;
        self.stale = true;
        self.next_read = now;
        self.phase = if self.stopping { Phase::Stopped } else { Phase::Competing };
        self.fitness.yielded(now, &self.timing);
        out.push(Action::Released);
    }

    /// Whether the record is this process's to renew: the permit stands, and
    /// the record is the object it was granted for and says what it wrote.
    fn renews(&self) -> bool {
        self.phase == Phase::Leading && self.permit.is_some() && self.is_own()
    }

    /// Whether the record shows the leadership that this process took.
    fn is_own(&self) -> bool {
        let (Some(seen), Some(tenure)) = (&self.seen, &self.tenure) else { return false };
        let Observed { version, record } = &seen.observed;
        version.uid == tenure.uid
            && record.epoch == tenure.epoch
            && record.holder == self.me.holder
            && record.released.is_none()
    }

    /// When others, too, may take the record over.
    fn opening(&self, seen: &Seen) -> Moment {
        let record = &seen.observed.record;
        if seen.observed.is_released() || self.opens_by_mistake(record) {
            return seen.since;
        }
        seen.since + self.timing.lease().max(record.duration.min(LONGEST_LEASE))
    }

    #[cfg(not(feature = "model"))]
    #[expect(clippy::unused_self, reason = "as the model check's, which looks for mutants")]
    fn opens_by_mistake(&self, _: &Record) -> bool {
        false
    }

    /// Sends the next request, if it is time and none is under way.
    fn request(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.in_flight.is_some() {
            return;
        }
        self.heed();
        let next = match self.phase {
            Phase::Competing | Phase::Leading => Some(self.next_request(now)),
            Phase::Releasing if !self.is_own() || now >= self.give_up => {
                self.finish(now, out);
                return;
            }
            Phase::Releasing => Some((Request::Release, self.next_write)),
            Phase::Draining | Phase::Stopped => None,
        };
        if let Some((request, at)) = next
            && at <= now
        {
            self.in_flight = Some(InFlight { request, sent: now });
            self.next_read = now + self.timing.retry();
            if request == Request::Read {
                self.last_read = now;
            } else {
                self.next_write = now + self.timing.retry();
            }
            out.push(self.action(request));
        }
    }

    /// What a leader or a candidate asks next, and when.
    fn next_request(&self, now: Moment) -> (Request, Moment) {
        let read = (Request::Read, self.next_read);
        if self.stale {
            return read;
        }
        let Some(seen) = &self.seen else { return (Request::Create, self.next_write) };
        let trusted =
            self.broken(Mutant::IdentityWithoutNonce) && seen.observed.record.holder == self.me.holder;
        if self.renews() || trusted {
            return (Request::Renew, self.next_write);
        }
        let turn = self.fitness.turn(self.opening(seen), self.me.ordinal, &self.timing).max(self.next_write);
        let may = self.permit.is_none() && !self.foreign_writer;
        if may && (turn <= now || turn <= self.next_read) { (Request::Acquire, turn) } else { read }
    }

    fn action(&self, request: Request) -> Action {
        let timeout = self.timing.request();
        match (request, &self.seen) {
            (Request::Read, _) => Action::Read { timeout },
            (Request::Create, _) | (_, None) => {
                let mut record = Record::unheld(Epoch::default(), self.timing.lease());
                if self.broken(Mutant::CreateThatGrants) {
                    record.holder = self.me.holder.clone();
                }
                Action::Create { record, timeout }
            }
            (_, Some(seen)) => {
                let Observed { version, record } = &seen.observed;
                let record = self.next_record(request, record, &version.uid);
                Action::Update { record, at: version.clone(), timeout }
            }
        }
    }

    fn next_record(&self, request: Request, before: &Record, uid: &Uid) -> Record {
        let epoch = if request == Request::Acquire { before.epoch.next() } else { before.epoch };
        Record {
            holder: self.me.holder.clone(),
            epoch,
            duration: self.timing.lease(),
            renewal: before.renewal.wrapping_add(1),
            released: (request == Request::Release).then(|| Release { uid: uid.clone(), epoch }),
        }
    }

    /// When something is to be done next; at least every retryPeriod, so that
    /// nothing depends on a timer that was computed wrongly.
    fn wake_up(&self, now: Moment) -> Moment {
        let next = match self.phase {
            _ if self.in_flight.is_some() => None,
            Phase::Releasing => Some(self.next_write),
            Phase::Competing | Phase::Leading => Some(self.next_request(now).1),
            Phase::Draining | Phase::Stopped => None,
        };
        let yields = self.fitness.yields_at(&self.timing).filter(|_| self.phase == Phase::Leading);
        let deadline = self.permit.map(|permit| permit.deadline());
        let latest = now + self.timing.retry();
        [next, yields, deadline].into_iter().flatten().filter(|at| *at > now).fold(latest, Moment::min)
    }

    fn broken(&self, mutant: Mutant) -> bool {
        cfg!(feature = "model") && self.mutant == Some(mutant)
    }
}
