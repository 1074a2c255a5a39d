//! Electors in virtual time, over an API server whose network delays and loses.

use std::collections::BTreeMap;
use std::time::Duration;

use ako_elect::{
    Action, Elector, Event, Holder, Identity, Moment, Observed, Phase, Record, ResourceVersion, Timing, Uid,
    Unreadable, Version, WriteError, WritePermit,
};

/// How the network behaves, in milliseconds and per cent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    pub(crate) delay: u64,
    pub(crate) lost_percent: u64,
    /// Requests that are executed long after the client gave up.
    pub(crate) late_percent: u64,
    pub(crate) seed: u64,
}

impl Network {
    fn draw(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below.max(1)
    }
}

pub(crate) struct Node {
    pub(crate) elector: Elector,
    pub(crate) permit: Option<WritePermit>,
    pub(crate) stand_back: Option<bool>,
    pub(crate) paused: bool,
    pub(crate) up: bool,
    per_mille: u64,
    timer: u64,
    asked: u64,
    pending: Vec<Event>,
}

enum Due {
    Execute { node: usize, asked: u64, request: Action, answer: bool },
    Tell { node: usize, asked: Option<u64>, event: Event },
}

pub(crate) struct Cluster {
    pub(crate) now: u64,
    pub(crate) record: Option<Observed>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
    pub(crate) outage: bool,
    pub(crate) reads: usize,
    timing: Timing,
    versions: u64,
    starts: u64,
    queue: BTreeMap<(u64, u64), Due>,
    sequence: u64,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) const QUIET: Network = Network { delay: 5, lost_percent: 0, late_percent: 0, seed: 1 };

impl Cluster {
    pub(crate) fn new(network: Network) -> Self {
        Self {
            now: 1_000_000,
            record: None,
            nodes: Vec::new(),
            network,
            outage: false,
            reads: 0,
            timing: Timing::default(),
            versions: 0,
            starts: 0,
            queue: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Starts a process whose clock makes so many ticks per thousand.
    pub(crate) fn start(&mut self, per_mille: u64) -> usize {
        let index = self.nodes.len();
        let node = self.fresh(index, per_mille);
        self.nodes.push(node);
        self.warm_up(index);
        index
    }

    /// Starts the process again in the same pod.
    pub(crate) fn restart(&mut self, index: usize) {
        self.nodes[index] = self.fresh(index, self.nodes[index].per_mille);
        self.warm_up(index);
    }

    fn fresh(&mut self, index: usize, per_mille: u64) -> Node {
        self.starts += 1;
        let holder = Holder::of(&format!("ako-{index}"), "uid", &self.starts.to_string());
        let ordinal = u32::try_from(index).unwrap_or(u32::MAX);
        let local = Moment::from_millis(self.now * per_mille / 1000);
        Node {
            elector: Elector::new(Identity { holder, ordinal }, self.timing, local),
            permit: None,
            stand_back: None,
            paused: false,
            up: true,
            per_mille,
            timer: self.now,
            asked: self.sequence,
            pending: Vec::new(),
        }
    }

    fn warm_up(&mut self, index: usize) {
        self.tell(index, Event::Warm(true));
        self.tell(index, Event::ControllerReachable(true));
    }

    pub(crate) fn local(&self, index: usize) -> Moment {
        Moment::from_millis(self.now * self.nodes[index].per_mille / 1000)
    }

    /// Everyone whose permit is valid now.
    pub(crate) fn leaders(&self) -> Vec<usize> {
        let valid = |index: &usize| {
            let node = &self.nodes[*index];
            node.up && node.permit.is_some_and(|permit| permit.remaining(self.local(*index)).is_some())
        };
        (0..self.nodes.len()).filter(valid).collect()
    }

    pub(crate) fn put(&mut self, record: Record) -> Observed {
        self.versions += 1;
        let number = self.versions.to_string();
        let uid = self.record.as_ref().map_or_else(|| Uid::new(&number), |old| old.version.uid.clone());
        let version = Version { uid, resource_version: ResourceVersion::new(&number) };
        let stored = Observed { version, record };
        self.record = Some(stored.clone());
        self.announce();
        stored
    }

    pub(crate) fn delete(&mut self) {
        self.record = None;
        self.announce();
    }

    /// The watch tells everyone, unless the message is lost.
    fn announce(&mut self) {
        for node in 0..self.nodes.len() {
            if self.network.draw(100) >= self.network.lost_percent {
                let version = self.record.as_ref().map(|record| record.version.clone());
                let at = self.now + 1 + self.network.draw(self.network.delay);
                self.enqueue(at, Due::Tell { node, asked: None, event: Event::RecordSeen(version) });
            }
        }
    }

    fn enqueue(&mut self, at: u64, due: Due) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), due);
    }

    pub(crate) fn tell(&mut self, index: usize, event: Event) {
        if !self.nodes[index].up {
            return;
        }
        if self.nodes[index].paused {
            self.nodes[index].pending.push(event);
            return;
        }
        let now = self.local(index);
        for action in self.nodes[index].elector.step(&event, now) {
            self.carry_out(index, action);
        }
        if self.nodes[index].elector.phase() == Phase::Stopped {
            self.nodes[index].up = false;
        }
    }

    pub(crate) fn resume(&mut self, index: usize) {
        self.nodes[index].paused = false;
        for event in std::mem::take(&mut self.nodes[index].pending) {
            self.tell(index, event);
        }
    }

    fn carry_out(&mut self, index: usize, action: Action) {
        match action {
            Action::Read { .. } => {
                self.reads += 1;
                self.send(index, action);
            }
            Action::Create { .. } | Action::Update { .. } => self.send(index, action),
            Action::SetTimer(at) => {
                let wait = at.since(self.local(index));
                self.nodes[index].timer = self.now + millis(wait) * 1000 / self.nodes[index].per_mille + 1;
            }
            Action::Granted(permit) | Action::Extended(permit) => self.nodes[index].permit = Some(permit),
            Action::Revoked => self.nodes[index].permit = None,
            Action::BeginDrain => {
                let at = self.now + self.network.draw(self.network.delay * 4);
                self.enqueue(at, Due::Tell { node: index, asked: None, event: Event::WritersDrained });
            }
            Action::StandBack(note) => self.nodes[index].stand_back = Some(note),
            Action::Released => {}
        }
    }

    fn send(&mut self, index: usize, request: Action) {
        let (Action::Read { timeout } | Action::Create { timeout, .. } | Action::Update { timeout, .. }) =
            request
        else {
            return;
        };
        self.sequence += 1;
        let asked = self.sequence;
        self.nodes[index].asked = asked;
        let failed = match request {
            Action::Read { .. } => Event::RecordRead(Err(Unreadable)),
            _ => Event::WriteDone(Err(WriteError::Unknown)),
        };
        let timeout = millis(timeout);
        self.enqueue(self.now + timeout, Due::Tell { node: index, asked: Some(asked), event: failed });
        let lost = self.outage || self.network.draw(100) < self.network.lost_percent;
        let late = lost && self.network.draw(100) < self.network.late_percent;
        let delay = self.network.delay + if late { 20_000 } else { 0 };
        let at = self.now + 1 + self.network.draw(delay);
        if !lost || late {
            self.enqueue(at, Due::Execute { node: index, asked, request, answer: !late });
        }
    }

    fn execute(&mut self, request: Action) -> Event {
        match request {
            Action::Create { record, .. } => {
                let conflict = self.record.is_some();
                Event::WriteDone(if conflict { Err(WriteError::Conflict) } else { Ok(self.put(record)) })
            }
            Action::Update { record, at, .. } => {
                let matches = self.record.as_ref().is_some_and(|stored| stored.version == at);
                Event::WriteDone(if matches { Ok(self.put(record)) } else { Err(WriteError::Conflict) })
            }
            _ => Event::RecordRead(Ok(self.record.clone())),
        }
    }

    fn handle(&mut self, due: Due) {
        match due {
            Due::Execute { node, asked, request, answer } => {
                let event = self.execute(request);
                if answer && self.network.draw(100) >= self.network.lost_percent {
                    let at = self.now + 1 + self.network.draw(self.network.delay);
                    self.enqueue(at, Due::Tell { node, asked: Some(asked), event });
                }
            }
            // Of an answer and a time-out the first one counts.
            Due::Tell { node, asked: Some(asked), event } => {
                if self.nodes[node].asked == asked {
                    self.nodes[node].asked = 0;
                    self.tell(node, event);
                }
            }
            Due::Tell { node, asked: None, event } => self.tell(node, event),
        }
    }

    /// Lets time go by, and checks at every event that at most one may write.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + millis(time);
        loop {
            let timers = self.nodes.iter().enumerate().filter(|(_, node)| node.up && !node.paused);
            let timer = timers.map(|(index, node)| (node.timer.max(self.now), index)).min();
            let message = self.queue.keys().next().copied();
            let timer_first = timer.is_some_and(|(at, _)| message.is_none_or(|(due, _)| at < due));
            let at = if timer_first { timer.map(|(at, _)| at) } else { message.map(|(at, _)| at) };
            let Some(at) = at.filter(|at| *at <= end) else { break };
            self.now = at.max(self.now);
            if let (true, Some((_, index))) = (timer_first, timer) {
                self.nodes[index].timer = u64::MAX;
                self.tell(index, Event::Tick);
            } else if let Some(due) = message.and_then(|key| self.queue.remove(&key)) {
                self.handle(due);
            }
            assert!(self.leaders().len() <= 1, "two leaders at {}: {:?}", self.now, self.leaders());
        }
        self.now = end;
    }

    /// Runs until this process leads, and says how long that took.
    pub(crate) fn until_led_by(&mut self, expected: &[usize], limit: Duration) -> Duration {
        let begin = self.now;
        while !self.leaders().iter().any(|leader| expected.contains(leader)) {
            self.run(Duration::from_millis(10));
            assert!(self.now - begin <= millis(limit), "nobody of {expected:?} leads after {limit:?}");
        }
        Duration::from_millis(self.now - begin)
    }
}
