//! The world of the model: the API server, the controller, and what may go
//! wrong, each kind as often as its budget allows.

use ako_elect::{Event, Holder, Mutant, Observed, Record, ResourceVersion, Timing, Uid, Version, WriteError};

use crate::process::{Call, Process, Request, Write, cleared};
use crate::view::{Cluster, View};

/// How often each thing may go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// Units of time that go by while a request is under way; otherwise it is
    /// answered, in any order, before time goes on.
    pub(crate) delays: u8,
    /// Requests whose answer does not arrive.
    pub(crate) losses: u8,
    /// Of the lost requests, those that are executed later.
    pub(crate) late: u8,
    /// Processes that die.
    pub(crate) crashes: u8,
    /// Processes that are stopped cleanly.
    pub(crate) stops: u8,
    /// Processes that are started again (in the same pod or a new one).
    pub(crate) starts: u8,
    /// Processes that hold still while time goes by.
    pub(crate) pauses: u8,
    /// Somebody deletes the record.
    pub(crate) deletions: u8,
    /// Somebody empties the record, or writes nonsense into it.
    pub(crate) edits: u8,
    /// Somebody restores a deleted record from a backup.
    pub(crate) restores: u8,
    /// Units by which a clock is ahead of the others.
    pub(crate) drifts: u8,
    /// Writes that the controller executes after the client gave up.
    pub(crate) zombies: u8,
    /// Times that the API server is away.
    pub(crate) outages: u8,
    /// Changes of the cluster.
    pub(crate) changes: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) record: Option<Observed>,
    pub(crate) uids: u8,
    /// What somebody saved, once it was worth it: held or given up.
    pub(crate) backup: Option<Record>,
    pub(crate) processes: Vec<Option<Process>>,
    /// Starts so far, and pods so far, per process.
    pub(crate) nonces: Vec<u8>,
    pub(crate) pods: Vec<u8>,
    /// Requests nobody waits for any more.
    pub(crate) late: Vec<Request>,
    /// Writes of processes that died, with the time they were sent for.
    pub(crate) orphans: Vec<(usize, u8)>,
    /// Writes that nobody waits for any more.
    pub(crate) zombies: u8,
    /// A write was executed whose permit was not valid any more while somebody
    /// else's was: L2 is broken.
    pub(crate) superseded: bool,
    /// A zombie's older state is on the controller.
    pub(crate) damaged: bool,
    pub(crate) outage: bool,
    /// The cluster that deletions are judged by, if they are.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) faults: Faults,
}

impl World {
    pub(crate) fn new(count: usize, faults: Faults) -> Self {
        Self {
            record: None,
            uids: 0,
            backup: None,
            processes: vec![None; count],
            nonces: vec![0; count],
            pods: vec![0; count],
            late: Vec::new(),
            orphans: Vec::new(),
            zombies: 0,
            superseded: false,
            damaged: false,
            outage: false,
            cluster: None,
            faults,
        }
    }

    pub(crate) fn start(&mut self, index: usize, new_pod: bool, timing: Timing, mutant: Option<Mutant>) {
        self.nonces[index] += 1;
        self.pods[index] += u8::from(new_pod);
        let (pod, nonce) = (self.pods[index], self.nonces[index]);
        let mut process = Process::start(index, pod, nonce, timing, mutant);
        let judged = self.cluster.as_ref().filter(|cluster| cluster.judged == index);
        process.view = judged.map(|cluster| View::new(cluster.sources(), mutant));
        self.processes[index] = Some(process);
    }

    /// Who may write now.
    pub(crate) fn leaders(&self) -> impl Iterator<Item = usize> + '_ {
        let valid = |process: &Process| process.permitted().is_some();
        let each = self.processes.iter().enumerate();
        each.filter_map(move |(index, process)| process.as_ref().is_some_and(valid).then_some(index))
    }

    /// A version that nobody in this state knows: versions are only compared,
    /// so one that is forgotten everywhere may be used again.
    fn fresh_version(&self) -> ResourceVersion {
        let mut used: Vec<&str> = Vec::new();
        used.extend(self.record.iter().map(|record| record.version.resource_version.as_str()));
        for process in self.processes.iter().flatten() {
            used.extend(process.elector.record().map(|record| record.version.resource_version.as_str()));
            match &process.call {
                Some(Call::Sent(Request::Update(_, at))) => used.push(at.resource_version.as_str()),
                Some(Call::Read(Some(seen)) | Call::Written(Ok(seen))) => {
                    used.push(seen.version.resource_version.as_str());
                }
                _ => {}
            }
        }
        for request in &self.late {
            if let Request::Update(_, at) = request {
                used.push(at.resource_version.as_str());
            }
        }
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];
        ResourceVersion::new(names.iter().find(|name| !used.contains(name)).expect("a version is free"))
    }

    /// Stores the record. Nothing reads the renewal counter, so it stays zero
    /// in the model.
    pub(crate) fn put(&mut self, record: Record) -> Observed {
        self.uids += u8::from(self.record.is_none());
        let new = || Uid::new(&self.uids.to_string());
        let uid = self.record.as_ref().map_or_else(new, |before| before.version.uid.clone());
        let version = Version { uid, resource_version: self.fresh_version() };
        let stored = Observed { version, record: Record { renewal: 0, ..record } };
        self.record = Some(stored.clone());
        stored
    }

    /// What the API server does with a request.
    pub(crate) fn execute(&mut self, request: Request, mutant: Option<Mutant>) -> Call {
        match request {
            Request::Read => Call::Read(self.record.clone()),
            Request::Create(_) if self.record.is_some() => Call::Written(Err(WriteError::Conflict)),
            Request::Create(record) => Call::Written(Ok(self.put(record))),
            Request::Update(record, at) => {
                let upsert = mutant == Some(Mutant::RecreateWithoutPrecondition) && self.record.is_none();
                if !upsert && self.record.as_ref().map(|stored| &stored.version) != Some(&at) {
                    return Call::Written(Err(WriteError::Conflict));
                }
                if record.released.is_some() && self.faults.restores > 0 {
                    self.backup = Some(record.clone());
                }
                Call::Written(Ok(self.put(record)))
            }
        }
    }

    /// The client gives up on a request; what was not executed may be later.
    pub(crate) fn lose(&mut self, index: usize) {
        let late = self.faults.late > 0;
        let Some(process) = &mut self.processes[index] else { return };
        if let Some(Call::Sent(request)) = &process.call
            && *request != Request::Read
            && late
        {
            self.faults.late -= 1;
            self.late.push(request.clone());
        }
        process.fail_call();
    }

    /// The controller executes a write of this process.
    pub(crate) fn commit(&mut self, writer: usize) {
        let superseded = self.leaders().any(|leader| leader != writer);
        self.superseded |= superseded;
    }

    /// A process dies: its requests may be executed all the same.
    pub(crate) fn crash(&mut self, index: usize) {
        let Some(process) = self.processes[index].take() else { return };
        if let Some(Call::Sent(request)) = process.call
            && request != Request::Read
            && self.faults.late > 0
        {
            self.faults.late -= 1;
            self.late.push(request);
        }
        if let Some(write) = process.write.filter(|write| !write.committed) {
            self.orphans.push((index, write.left));
        }
    }

    pub(crate) fn send_write(&mut self, index: usize, mutant: Option<Mutant>) {
        let Some(process) = &mut self.processes[index] else { return };
        let Some(left) = process.permitted() else { return };
        let longer = u8::from(mutant == Some(Mutant::TimeoutLongerThanThePermit)) * 3;
        process.write = Some(Write { left: left + longer, committed: false });
    }

    /// Whether a process waits for an answer that it could get now.
    pub(crate) fn is_waiting(&self) -> bool {
        self.processes.iter().flatten().any(|process| !process.paused && process.call.is_some())
    }

    /// One unit of time goes by.
    pub(crate) fn pass(&mut self) {
        self.faults.delays -= u8::from(self.is_waiting());
        for index in 0..self.processes.len() {
            self.pass_for(index);
        }
        self.cluster.iter_mut().for_each(Cluster::pass);
        for orphan in &mut self.orphans {
            orphan.1 -= 1;
        }
        let over = self.orphans.iter().filter(|(_, left)| *left == 0).count();
        self.orphans.retain(|(_, left)| *left > 0);
        for _ in 0..over {
            self.haunt();
        }
    }

    pub(crate) fn pass_for(&mut self, index: usize) {
        let Some(process) = &mut self.processes[index] else { return };
        if process.pass().is_some_and(|write| !write.committed) {
            self.haunt();
        }
        self.bury(index);
    }

    /// A write that timed out may still be on its way.
    fn haunt(&mut self) {
        if self.faults.zombies > 0 {
            self.faults.zombies -= 1;
            self.zombies += 1;
        }
    }

    /// A process that was stopped ends.
    pub(crate) fn bury(&mut self, index: usize) {
        if self.processes[index].as_ref().is_some_and(Process::is_stopped) {
            self.crash(index);
        }
    }

    pub(crate) fn tell(&mut self, index: usize, event: &Event) {
        if let Some(process) = &mut self.processes[index] {
            process.tell(event);
        }
        self.bury(index);
    }

    pub(crate) fn delete(&mut self) {
        let record = self.record.take().map(|gone| gone.record);
        if self.faults.restores > 0 && self.backup.is_none() {
            self.backup = record;
        }
    }

    pub(crate) fn edit(&mut self, nonsense: bool) {
        let record = match &self.record {
            Some(stored) if nonsense => Record { holder: Holder::new("somebody"), ..stored.record.clone() },
            _ => cleared(),
        };
        self.put(record);
    }
}
