//! Takes part in the election of the leader: hands an [`ako_elect::Leadership`]
//! what happens, and does what it asks for.
//!
//! Invariants:
//! - Each request is answered exactly once, with its time-out as the latest
//!   answer.
//! - Requests have a client of their own, so that no other traffic delays a
//!   renewal.
//! - Whoever ends this task ends the process: a permit is only extended here.
//!   So do the tasks beside it: what they tell would be missed.

mod note;
mod peers;
mod requests;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use ako_core::Program;
use ako_elect::{
    Action, Event, Holder, Identity, Leadership, Moment, News, Phase, Task, Timing, Version, WallTime,
    WritePermit,
};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::event::WallClock;
use requests::Requests;

pub use note::NOTE;
pub use shared::Shared;

/// How many messages may wait for the candidate.
const QUEUE: usize = 256;

/// A monotonic clock that counts suspend.
pub type BootClock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// A process that may lead.
pub struct Candidate {
    /// Which program it is: each has a leader of its own.
    pub program: Program,
    /// A client that nothing else uses.
    pub client: Client,
    /// The operator's namespace: where the record and the Lease are.
    pub namespace: String,
    /// The name of the process's pod.
    pub pod: String,
    /// The uid of that pod; anything if there is none.
    pub pod_uid: String,
    /// Random, and made at the process's start.
    pub nonce: String,
    /// The same in all replicas.
    pub timing: Timing,
    /// What permits are judged by.
    pub clock: BootClock,
    /// What is written into the Lease for people.
    pub wall: WallClock,
}

/// Where the process stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who this process is in the record.
    pub me: Holder,
    /// What it does.
    pub phase: Phase,
    /// Counts the grants to this process: another number is another leadership,
    /// with a gap before it in which somebody else may have written.
    pub grants: u64,
    /// The newest permit, until it is revoked.
    pub permit: Option<WritePermit>,
    /// Who leads, or led last, as the record said when it was last seen.
    pub holder: Holder,
    /// Which leadership that is.
    pub epoch: u64,
    /// Since when, as far as this process saw it.
    pub since: Option<Timestamp>,
    /// When that record was first seen in its present version: for the leader
    /// its last renewal.
    pub heard: Option<Moment>,
    /// The process was stopped and has given up what it had.
    pub finished: bool,
}

impl Standing {
    fn new(me: Holder) -> Self {
        let holder = Holder::nobody();
        let phase = Phase::Competing;
        Self {
            me,
            phase,
            grants: 0,
            permit: None,
            holder,
            epoch: 0,
            since: None,
            heard: None,
            finished: false,
        }
    }

    /// Whether this process leads and may start writes.
    pub fn leads(&self) -> bool {
        self.phase == Phase::Leading && self.permit.is_some()
    }

    /// The word for people.
    pub fn role(&self) -> &'static str {
        match self.phase {
            Phase::Leading if self.permit.is_some() => "leader",
            Phase::Draining | Phase::Releasing => "handing over",
            Phase::Stopped => "stopped",
            Phase::Leading | Phase::Competing => "standby",
        }
    }
}

/// What others have of a running candidate.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Where the process stands.
    pub standing: watch::Receiver<Standing>,
    /// Whether the process leads and may start writes: [`Standing::leads`] for
    /// those who wait to write. False as soon as it begins to hand over.
    pub leads: watch::Receiver<bool>,
    /// Facts and requests for the elector.
    pub events: mpsc::Sender<Event>,
    /// The pods of AKO 2.2.1 that run in the own StatefulSet: while there are some, nobody
    /// of ours leads.
    pub beside: watch::Receiver<Vec<String>>,
}

impl Candidate {
    /// Prepares the candidacy; it begins when the future is polled. It ends only
    /// if something in it fails. After [`Event::StopRequested`],
    /// [`Standing::finished`] tells when there is nothing left to do, and whoever
    /// looks at the standing can go on doing so.
    pub fn start(self) -> (Handle, impl Future<Output = ()> + Send + 'static) {
        let me = Holder::of(&self.pod, &self.pod_uid, &self.nonce);
        let (standing, receiver) = watch::channel(Standing::new(me.clone()));
        let (leads, may_start) = watch::channel(false);
        let (events, facts) = mpsc::channel(QUEUE);
        let (news, told) = mpsc::channel(QUEUE);
        let (foreign, beside) = watch::channel(Vec::new());
        let handle = Handle { standing: receiver, leads: may_start, events, beside };
        let run = async move {
            let (note, stand_back) = watch::channel(None);
            let shared = Shared::of(self.program);
            let (client, namespace, period) = (&self.client, &self.namespace, self.timing.retry());
            let mut beside = JoinSet::new();
            beside.spawn(note::keep(client.clone(), namespace.clone(), self.pod.clone(), period, stand_back));
            beside.spawn(peers::watch_record(client.clone(), namespace.clone(), shared.record, news.clone()));
            let tell = peers::Tell { news, foreign };
            beside.spawn(peers::follow(
                client.clone(),
                (namespace.clone(), self.pod.clone()),
                shared,
                period,
                tell,
            ));
            let mut driver = Driver::new(&self, me, Published { standing, leads, note });
            tokio::select! {
                ended = driver.run(facts, told) => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a request of the election failed");
                        return;
                    }
                }
                _ = beside.join_next() => return,
            }
            beside.shutdown().await;
            std::future::pending::<()>().await;
        };
        (handle, run)
    }
}

/// What the driver tells others.
struct Published {
    standing: watch::Sender<Standing>,
    leads: watch::Sender<bool>,
    /// Whether others had better lead, for the note on the own Pod.
    note: watch::Sender<Option<bool>>,
}

impl Published {
    /// Publishes where the process stands. First comes what stops writes.
    fn stand(&self, standing: Standing) {
        let leads = standing.leads();
        self.leads.send_if_modified(|current| std::mem::replace(current, leads) != leads);
        self.standing.send_if_modified(|current| {
            let changed = *current != standing;
            *current = standing;
            changed
        });
    }
}

struct Driver {
    leadership: Leadership,
    requests: Requests,
    clock: BootClock,
    wall: WallClock,
    timer: Moment,
    retry: Duration,
    published: Published,
    /// The record that [`Standing::heard`] is about.
    heard: Option<Version>,
}

impl Driver {
    fn new(candidate: &Candidate, me: Holder, published: Published) -> Self {
        let now = (candidate.clock)();
        let identity = Identity { holder: me, ordinal: ordinal(&candidate.pod) };
        Self {
            leadership: Leadership::new(identity, candidate.timing, now),
            requests: Requests::new(
                candidate.client.clone(),
                &candidate.namespace,
                Shared::of(candidate.program),
            ),
            clock: candidate.clock.clone(),
            wall: candidate.wall.clone(),
            timer: now,
            retry: candidate.timing.retry(),
            published,
            heard: None,
        }
    }

    /// Runs until the process has given up what it had.
    async fn run(
        &mut self,
        mut facts: mpsc::Receiver<Event>,
        mut told: mpsc::Receiver<News>,
    ) -> Result<(), JoinError> {
        while !self.published.standing.borrow().finished {
            let wait = self.timer.since((self.clock)());
            let news = tokio::select! {
                biased;
                answer = self.requests.answer() => answer?,
                Some(news) = told.recv() => news,
                Some(event) = facts.recv() => News::Elector(event),
                () = tokio::time::sleep(wait) => {
                    // It went off; one that is needed again is set again.
                    self.timer = (self.clock)() + self.retry;
                    News::Elector(Event::Tick)
                }
            };
            self.take(&news);
        }
        Ok(())
    }

    fn take(&mut self, news: &News) {
        let now = (self.clock)();
        let wall = WallTime((self.wall)().as_microsecond());
        let tasks = self.leadership.step(news, now, wall);
        let mut standing = self.published.standing.borrow().clone();
        for task in tasks {
            self.carry_out(task, &mut standing);
        }
        standing.phase = self.leadership.elector().phase();
        if let Some(seen) = self.leadership.elector().record()
            && self.heard.as_ref() != Some(&seen.version)
        {
            self.heard = Some(seen.version.clone());
            if standing.holder != seen.record.holder || standing.epoch != seen.record.epoch.number() {
                standing.since = Some((self.wall)());
            }
            standing.holder = seen.record.holder.clone();
            standing.epoch = seen.record.epoch.number();
            standing.heard = Some(now);
        }
        self.published.stand(standing);
    }

    fn carry_out(&mut self, task: Task, standing: &mut Standing) {
        match task {
            Task::ReadLease { timeout } => self.requests.read_lease(timeout),
            Task::ChangeLease { change, timeout } => self.requests.change_lease(change, timeout),
            Task::Elector(action) => match action {
                Action::Read { timeout } => self.requests.read(timeout),
                Action::Create { record, timeout } => self.requests.create(&record, timeout),
                Action::Update { record, at, timeout } => self.requests.update(&record, &at, timeout),
                Action::SetTimer(at) => self.timer = at,
                Action::Granted(permit) => {
                    standing.grants += 1;
                    standing.permit = Some(permit);
                }
                Action::Extended(permit) => standing.permit = Some(permit),
                Action::Revoked => standing.permit = None,
                // Told by the phase, which is published after this.
                Action::BeginDrain => {}
                Action::Released => standing.finished = self.leadership.elector().phase() == Phase::Stopped,
                Action::StandBack(back) => drop(self.published.note.send_replace(Some(back))),
            },
        }
    }
}

/// The number at the end of a StatefulSet's pod's name.
fn ordinal(pod: &str) -> u32 {
    pod.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals() {
        assert_eq!((ordinal("ako-0"), ordinal("ako-12"), ordinal("ako")), (0, 12, 0));
    }
}
