//! The Lease beside the record, and the reference implementation's replicas,
//! which go by it alone.

use std::time::Duration;

use ako_elect::{
    Action, Event, Holder, Identity, Leadership, LeaseChange, LeaseSpec, Moment, News, Observed,
    ObservedLease, Record, Release, ResourceVersion, Task, Timing, Uid, Version, WallTime, WriteError,
    WritePermit,
};

const WALL: WallTime = WallTime(1_700_000_000_000_000);

/// One process, and an API server that answers at once.
struct Server {
    leadership: Leadership,
    now: u64,
    versions: u64,
    record: Option<Observed>,
    lease: Option<ObservedLease>,
    permit: Option<WritePermit>,
    lease_is_cut_off: bool,
    ended: bool,
}

impl Server {
    /// A process that finds a record that was given up.
    fn new(replicas: u32, reference_pods: bool, lease: Option<LeaseSpec>) -> Self {
        let me = Identity { holder: Holder::of("ako-0", "pod", "n"), ordinal: 0 };
        let now = 100_000;
        let leadership = Leadership::new(me, Timing::default(), Moment::from_millis(now));
        let mut server = Self {
            leadership,
            now,
            versions: 0,
            record: None,
            lease: None,
            permit: None,
            lease_is_cut_off: false,
            ended: false,
        };
        let version = server.version(None);
        let data = [("epoch", "3"), ("released", &format!("3 {}", version.uid))];
        let record = Record::from_data(&data.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        assert_eq!(record.released.as_ref().map(|release| &release.uid), Some(&version.uid));
        server.record = Some(Observed { version, record });
        server.lease = lease.map(|spec| ObservedLease { version: server.version(None), spec });
        for news in [News::Replicas(replicas), News::ReferencePods(reference_pods)] {
            server.tell(news);
        }
        for event in [Event::Warm(true), Event::ControllerReachable(true)] {
            server.tell(News::Elector(event));
        }
        server
    }

    fn version(&mut self, before: Option<&Version>) -> Version {
        self.versions += 1;
        let number = self.versions.to_string();
        let uid = before.map_or_else(|| Uid::new(&number), |before| before.uid.clone());
        Version { uid, resource_version: ResourceVersion::new(&number) }
    }

    fn now(&self) -> Moment {
        Moment::from_millis(self.now)
    }

    fn may_write(&self) -> bool {
        self.permit.is_some_and(|permit| permit.remaining(self.now()).is_some())
    }

    fn tell(&mut self, news: News) {
        let mut news = vec![news];
        while let Some(next) = news.pop() {
            for task in self.leadership.step(&next, self.now(), WALL) {
                news.extend(self.answer(task));
            }
        }
    }

    fn answer(&mut self, task: Task) -> Option<News> {
        match task {
            Task::Elector(Action::Read { .. }) => {
                Some(News::Elector(Event::RecordRead(Ok(self.record.clone()))))
            }
            Task::Elector(Action::Update { record, at, .. }) => {
                assert_eq!(self.record.as_ref().map(|stored| &stored.version), Some(&at));
                let version = self.version(Some(&at));
                self.record = Some(Observed { version, record });
                self.record.clone().map(|stored| News::Elector(Event::WriteDone(Ok(stored))))
            }
            Task::Elector(Action::Granted(permit) | Action::Extended(permit)) => {
                self.permit = Some(permit);
                None
            }
            Task::Elector(Action::Revoked) => {
                self.permit = None;
                None
            }
            Task::Elector(Action::BeginDrain) => Some(News::Elector(Event::WritersDrained)),
            Task::Elector(Action::Released) => {
                self.ended = true;
                None
            }
            Task::Elector(_) => None,
            Task::ReadLease { .. } => Some(News::LeaseRead(Ok(self.lease.clone()))),
            Task::ChangeLease { .. } if self.lease_is_cut_off => {
                Some(News::LeaseChanged(Err(WriteError::Unknown)))
            }
            Task::ChangeLease { change, .. } => Some(News::LeaseChanged(self.change(change))),
        }
    }

    fn change(&mut self, change: LeaseChange) -> Result<Option<ObservedLease>, WriteError> {
        let stored = self.lease.as_ref().map(|lease| lease.version.clone());
        self.lease = match change {
            LeaseChange::Create(spec) if stored.is_none() => {
                Some(ObservedLease { version: self.version(None), spec })
            }
            LeaseChange::Replace { spec, at } if stored == Some(at.clone()) => {
                Some(ObservedLease { version: self.version(Some(&at)), spec })
            }
            LeaseChange::Delete { at } if stored == Some(at.clone()) => None,
            _ => return Err(WriteError::Conflict),
        };
        Ok(self.lease.clone())
    }

    /// Time goes by; the reference implementation's leader renews its Lease.
    fn run(&mut self, seconds: u64, renewed_by: Option<&str>) {
        for _ in 0..seconds * 2 {
            self.now += 500;
            if let Some(holder) = renewed_by {
                let before = self.lease.take();
                let version = self.version(before.as_ref().map(|lease| &lease.version));
                self.lease = Some(ObservedLease { version, spec: foreign(holder) });
            }
            self.tell(News::Elector(Event::Tick));
        }
    }
}

fn foreign(holder: &str) -> LeaseSpec {
    LeaseSpec { holder: holder.to_owned(), duration_seconds: 15, ..LeaseSpec::default() }
}

fn holder(server: &Server) -> Option<&str> {
    server.lease.as_ref().map(|lease| lease.spec.holder.as_str())
}

#[test]
fn with_more_replicas_the_leader_shows_itself_in_the_lease() {
    let mut server = Server::new(2, false, None);
    server.run(3, None);
    assert!(server.may_write());
    assert_eq!(holder(&server), Some("ako-0_pod_n"));
    let shown = server.lease.clone().unwrap().spec;
    assert_eq!((shown.duration_seconds, shown.transitions, shown.renewed), (15, 4, Some(WALL)));
}

#[test]
fn with_one_replica_there_is_no_lease() {
    let mut server = Server::new(1, false, Some(foreign("ako-1_old_n")));
    server.run(16, None);
    assert!(server.may_write());
    assert_eq!(server.lease, None);
}

#[test]
fn from_one_replica_to_two_and_back() {
    let mut server = Server::new(1, false, None);
    server.run(3, None);
    assert_eq!(server.lease, None);
    server.tell(News::Replicas(2));
    server.run(16, None);
    assert_eq!(holder(&server), Some("ako-0_pod_n"));
    server.tell(News::Replicas(1));
    server.run(16, None);
    assert_eq!(server.lease, None);
    assert!(server.may_write());
}

#[test]
fn a_stop_clears_the_lease_before_it_is_over() {
    let mut server = Server::new(2, false, None);
    server.run(3, None);
    server.tell(News::Elector(Event::StopRequested));
    assert!(server.ended && !server.may_write());
    assert_eq!(holder(&server), Some(""));
    let record = server.record.unwrap();
    assert!(record.is_released());
    assert_eq!(record.record.released, Some(Release { uid: record.version.uid, epoch: record.record.epoch }));
}

#[test]
fn a_stop_ends_whoever_holds_the_lease() {
    for half_seconds in 0..8 {
        let mut server = Server::new(2, false, None);
        let version = server.version(server.lease.clone().map(|lease| lease.version).as_ref());
        server.lease = Some(ObservedLease { version, spec: LeaseSpec::default() });
        for _ in 0..half_seconds {
            server.now += 500;
            server.tell(News::Elector(Event::Tick));
        }
        server.tell(News::Elector(Event::StopRequested));
        assert!(server.ended, "stopped {half_seconds} half seconds after the Lease was cleared");
    }
}

#[test]
fn deleting_or_forging_the_lease_harms_nobody() {
    let mut server = Server::new(2, false, None);
    server.run(3, None);
    for spoiled in [None, Some(foreign("")), Some(foreign("ako-9_x_y"))] {
        let version = server.version(None);
        server.lease = spoiled.map(|spec| ObservedLease { version, spec });
        server.run(5, None);
        assert!(server.may_write());
        assert_eq!(holder(&server), Some("ako-0_pod_n"));
    }
}

#[test]
fn nobody_leads_while_the_reference_implementation_renews() {
    let mut server = Server::new(2, true, Some(foreign("ako-1")));
    server.run(40, Some("ako-1"));
    assert!(!server.may_write());
    assert_eq!(holder(&server), Some("ako-1"));
    server.run(14, None);
    assert!(!server.may_write(), "it may be alive still");
    server.run(6, None);
    assert!(!server.may_write(), "it may write without the Lease");
    server.tell(News::ReferencePods(false));
    server.run(1, None);
    assert!(server.may_write(), "it is gone");
    assert_eq!(holder(&server), Some("ako-0_pod_n"));
}

#[test]
fn a_foreign_lease_that_nobody_renews_is_in_the_way_for_one_duration() {
    let mut server = Server::new(2, false, Some(foreign("ako-1")));
    server.run(14, None);
    assert!(!server.may_write());
    server.run(5, None);
    assert!(server.may_write());
}

#[test]
fn a_reference_replica_without_a_lease_is_in_the_way_until_it_is_gone() {
    let mut server = Server::new(2, true, None);
    server.run(120, None);
    assert!(!server.may_write());
    server.tell(News::ReferencePods(false));
    server.run(1, None);
    assert!(server.may_write());
    // One that comes back, as when the image is set back, ends the leadership.
    server.tell(News::ReferencePods(true));
    server.run(1, None);
    assert!(!server.may_write());
    assert!(server.record.clone().unwrap().is_released(), "and nobody of ours takes over");
}

#[test]
fn a_reference_replica_that_takes_the_lease_ends_the_leadership() {
    let mut server = Server::new(2, false, None);
    server.run(3, None);
    assert!(server.may_write());
    let version = server.version(None);
    server.lease = Some(ObservedLease { version, spec: foreign("ako-1") });
    server.run(5, Some("ako-1"));
    assert!(!server.may_write());
    assert!(server.record.clone().unwrap().is_released(), "and nobody of ours takes over");
}

#[test]
fn an_unread_lease_is_in_the_way() {
    let me = Identity { holder: Holder::of("ako-0", "pod", "n"), ordinal: 0 };
    let now = Moment::from_millis(1);
    let mut leadership = Leadership::new(me, Timing::default(), now);
    let released = Server::new(2, false, None).record.unwrap();
    leadership.step(&News::Elector(Event::Warm(true)), now, WALL);
    leadership.step(&News::Elector(Event::ControllerReachable(true)), now, WALL);
    let tasks = leadership.step(&News::Elector(Event::RecordRead(Ok(Some(released)))), now, WALL);
    assert!(!tasks.iter().any(|task| matches!(task, Task::Elector(Action::Update { .. }))), "{tasks:?}");
    let later = now + Duration::from_secs(1);
    assert_eq!(leadership.permit(later), None);
}
