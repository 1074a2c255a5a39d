//! One process of the model: the elector and a driver as it is in production,
//! with one request to the API server and one write to the controller.

use std::collections::BTreeMap;
use std::time::Duration;

use ako_elect::{
    Action, Elector, Event, Holder, Identity, Moment, Mutant, Observed, Phase, Record, Timing, Unreadable,
    Version, WriteError, WritePermit,
};

use crate::view::View;

/// Every local clock shows this always: instead of moving it on, what the
/// process remembers is moved back, so that states do not differ by the time
/// of day.
pub(crate) const NOW: Moment = Moment::from_millis(100);

/// One unit of time.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// A request to the API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    Read,
    Create(Record),
    Update(Record, Version),
}

/// A request that was sent, and its answer once the server has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Sent(Request),
    Read(Option<Observed>),
    Written(Result<Observed, WriteError>),
}

/// A write to the controller that the driver waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Write {
    /// Units until the client gives up.
    pub(crate) left: u8,
    /// The controller has executed it.
    pub(crate) committed: bool,
}

/// A process that runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) elector: Elector,
    /// The driver's copy, as the elector's actions told it.
    pub(crate) permit: Option<WritePermit>,
    pub(crate) call: Option<Call>,
    pub(crate) write: Option<Write>,
    pub(crate) draining: bool,
    pub(crate) paused: bool,
    /// What it has observed of the cluster, if its deletions are judged.
    pub(crate) view: Option<View>,
}

impl Process {
    /// Starts; `nonce` and `pod` are who it is.
    pub(crate) fn start(index: usize, pod: u8, nonce: u8, timing: Timing, mutant: Option<Mutant>) -> Self {
        let nonce = if mutant == Some(Mutant::IdentityWithoutNonce) { 0 } else { nonce };
        let holder = Holder::of(&format!("p{index}"), &pod.to_string(), &nonce.to_string());
        let me = Identity { holder, ordinal: 0 };
        let mut process = Self {
            elector: Elector::new(me, timing, NOW).mutated(mutant),
            permit: None,
            call: None,
            write: None,
            draining: false,
            paused: false,
            view: None,
        };
        process.tell(&Event::Warm(true));
        process.tell(&Event::ControllerReachable(true));
        process
    }

    /// The permit as the driver would check it before a write.
    pub(crate) fn permitted(&self) -> Option<u8> {
        let left = self.permit?.remaining(NOW)?.as_millis();
        u8::try_from(left).ok()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.elector.phase() == Phase::Stopped
    }

    /// Hands an event to the elector and does what it says.
    pub(crate) fn tell(&mut self, event: &Event) {
        for action in self.elector.step(event, NOW) {
            let sent = match action {
                Action::Read { .. } => Request::Read,
                Action::Create { record, .. } => Request::Create(record),
                Action::Update { record, at, .. } => Request::Update(record, at),
                Action::Granted(permit) => {
                    self.view.iter_mut().for_each(View::granted);
                    self.extended(permit);
                    continue;
                }
                Action::Extended(permit) => {
                    self.extended(permit);
                    continue;
                }
                Action::Revoked => {
                    self.permit = None;
                    self.view.iter_mut().for_each(View::revoked);
                    continue;
                }
                Action::BeginDrain => {
                    self.draining = true;
                    continue;
                }
                Action::Released => {
                    self.draining = false;
                    continue;
                }
                Action::SetTimer(_) | Action::StandBack(_) => continue,
            };
            assert!(self.call.is_none(), "two requests at once");
            self.call = Some(Call::Sent(sent));
        }
        self.report_drained();
    }

    fn extended(&mut self, permit: WritePermit) {
        self.permit = Some(permit);
        self.draining = false;
    }

    /// The client got no answer, or gave up waiting for it.
    pub(crate) fn fail_call(&mut self) {
        let event = match self.call.take() {
            Some(Call::Sent(Request::Read) | Call::Read(_)) => Event::RecordRead(Err(Unreadable)),
            _ => Event::WriteDone(Err(WriteError::Unknown)),
        };
        self.tell(&event);
    }

    pub(crate) fn take_answer(&mut self) {
        match self.call.take() {
            Some(Call::Read(found)) => self.tell(&Event::RecordRead(Ok(found))),
            Some(Call::Written(answer)) => self.tell(&Event::WriteDone(answer)),
            other => self.call = other,
        }
    }

    /// The write was answered, or its time is over.
    pub(crate) fn end_write(&mut self) {
        self.write = None;
        self.report_drained();
    }

    fn report_drained(&mut self) {
        if self.draining && self.write.is_none() {
            self.draining = false;
            self.tell(&Event::WritersDrained);
        }
    }

    /// One unit of time goes by on this process's clock. Returns the write
    /// that has timed out, if one has.
    pub(crate) fn pass(&mut self) -> Option<Write> {
        self.elector.rebase(TICK, NOW);
        let leads = self.permit.is_some();
        self.view.iter_mut().for_each(|view| view.pass(leads));
        self.permit = self.permit.map(|permit| permit.rebased(TICK)).filter(|p| p.remaining(NOW).is_some());
        let mut out = None;
        if let Some(write) = &mut self.write {
            write.left -= 1;
            out = Some(*write).filter(|write| write.left == 0);
        }
        if !self.paused {
            self.wake(out.is_some());
        } else if out.is_some() {
            self.write = None;
        }
        out
    }

    pub(crate) fn wake(&mut self, write_is_over: bool) {
        if write_is_over {
            self.end_write();
        }
        self.report_drained();
        if !self.is_stopped() {
            self.tell(&Event::Tick);
        }
    }
}

/// The record after somebody emptied it.
pub(crate) fn cleared() -> Record {
    Record::from_data(&BTreeMap::new())
}
