//! The elector step by step, where the order of two events matters.

#![allow(clippy::unwrap_used, reason = "in the functions that tests share")]

use std::time::Duration;

use ako_elect::{
    Action, Elector, Event, Holder, Identity, Moment, Observed, Phase, Record, ResourceVersion, Timing, Uid,
    Unreadable, Version, WriteError,
};

const SECOND: Duration = Duration::from_secs(1);

fn version(number: u32) -> Version {
    Version { uid: Uid::new("r"), resource_version: ResourceVersion::new(&number.to_string()) }
}

fn released() -> Observed {
    let data = [("epoch", "3"), ("released", "3 r"), ("holder", "ako-1_x_y"), ("durationSeconds", "15")];
    let data = data.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Observed { version: version(1), record: Record::from_data(&data) }
}

/// One elector that is asked by hand.
struct Hand {
    elector: Elector,
    now: Moment,
    actions: Vec<Action>,
}

impl Hand {
    /// It has read a record that was released, and asks for it.
    fn acquiring() -> Self {
        let now = Moment::from_millis(50_000);
        let me = Identity { holder: Holder::of("ako-0", "pod", "n"), ordinal: 0 };
        let mut hand = Self { elector: Elector::new(me, Timing::default(), now), now, actions: Vec::new() };
        hand.tell(&Event::Warm(true));
        hand.tell(&Event::ControllerReachable(true));
        hand.tell(&Event::RecordRead(Ok(Some(released()))));
        hand
    }

    fn leading() -> Self {
        let mut hand = Self::acquiring();
        hand.write_succeeds(2);
        assert_eq!(hand.elector.phase(), Phase::Leading);
        hand
    }

    fn tell(&mut self, event: &Event) {
        self.actions = self.elector.step(event, self.now);
        // Nothing depends on a timer that was computed wrongly, and none is due at once.
        let latest = self.now + Timing::default().retry();
        for action in &self.actions {
            if let Action::SetTimer(at) = action {
                assert!(*at > self.now && *at <= latest, "{at:?} at {:?}", self.now);
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.tell(&Event::Tick);
    }

    fn update(&self) -> Option<(Record, Version)> {
        self.actions.iter().find_map(|action| match action {
            Action::Update { record, at, .. } => Some((record.clone(), at.clone())),
            _ => None,
        })
    }

    fn write_succeeds(&mut self, number: u32) {
        let (record, _) = self.update().unwrap();
        self.tell(&Event::WriteDone(Ok(Observed { version: version(number), record })));
    }

    fn asks_to(&self, wanted: &Action) -> bool {
        self.actions.contains(wanted)
    }

    fn left(&self) -> Option<Duration> {
        self.elector.permit(self.now)?.remaining(self.now)
    }
}

#[test]
fn an_acquisition_raises_the_epoch_and_forgets_the_release() {
    let (record, at) = Hand::acquiring().update().unwrap();
    assert_eq!((record.epoch.number(), record.holder.pod(), &record.released), (4, "ako-0", &None));
    assert_eq!(at, version(1));
}

#[test]
fn the_permit_counts_from_before_the_request() {
    let mut hand = Hand::acquiring();
    hand.now = hand.now + SECOND * 4;
    hand.write_succeeds(2);
    assert_eq!(hand.left(), Some(SECOND * 6));
}

#[test]
fn an_answer_after_the_permit_would_have_ended_grants_nothing() {
    let mut hand = Hand::acquiring();
    hand.now = hand.now + SECOND * 10;
    hand.write_succeeds(2);
    assert_eq!((hand.left(), hand.elector.phase()), (None, Phase::Competing));
}

#[test]
fn an_answer_that_names_somebody_else_grants_nothing() {
    let mut hand = Hand::acquiring();
    let (record, _) = hand.update().unwrap();
    let record = Record { holder: Holder::new("changed on the way"), ..record };
    hand.tell(&Event::WriteDone(Ok(Observed { version: version(2), record })));
    assert_eq!(hand.left(), None);
}

#[test]
fn a_lost_renewal_is_read_before_the_next_one() {
    let mut hand = Hand::leading();
    hand.wait(SECOND * 2);
    let (renewed, at) = hand.update().unwrap();
    assert_eq!(at, version(2));
    hand.tell(&Event::WriteDone(Err(WriteError::Unknown)));
    assert_eq!(hand.update(), None);
    hand.wait(SECOND * 2);
    assert_eq!(hand.left(), Some(SECOND * 6), "what was granted stays");
    hand.tell(&Event::RecordRead(Ok(Some(Observed { version: version(3), record: renewed }))));
    assert_eq!(hand.left(), Some(SECOND * 6), "reading extends nothing");
    assert_eq!(hand.update().unwrap().1, version(3));
    hand.write_succeeds(4);
    assert_eq!(hand.left(), Some(SECOND * 10));
}

#[test]
fn an_unreadable_record_changes_nothing() {
    let mut hand = Hand::leading();
    hand.tell(&Event::RecordSeen(None));
    hand.tell(&Event::RecordRead(Err(Unreadable)));
    assert_eq!(hand.left(), Some(SECOND * 10));
}

#[test]
fn a_record_that_names_this_process_in_another_leadership_is_not_its_own() {
    let mut hand = Hand::leading();
    hand.wait(SECOND * 2);
    let (renewed, _) = hand.update().unwrap();
    hand.tell(&Event::WriteDone(Err(WriteError::Unknown)));
    let of_another =
        Record { epoch: Record::from_data(&[("epoch".to_owned(), "9".to_owned())].into()).epoch, ..renewed };
    hand.wait(SECOND * 2);
    hand.tell(&Event::RecordRead(Ok(Some(Observed { version: version(3), record: of_another }))));
    assert_eq!(hand.update(), None, "it was renewed");
}

#[test]
fn a_leader_that_hands_nothing_over_has_no_last_write() {
    let mut hand = Hand::leading();
    hand.tell(&Event::WritersDrained);
    assert_eq!((hand.elector.phase(), hand.left(), hand.update()), (Phase::Leading, Some(SECOND * 10), None));
}

#[test]
fn a_release_waits_for_the_writers() {
    let mut hand = Hand::leading();
    hand.tell(&Event::StopRequested);
    assert!(hand.asks_to(&Action::BeginDrain));
    assert_eq!((hand.update(), hand.left()), (None, Some(SECOND * 10)));
    hand.tell(&Event::WritersDrained);
    assert_eq!(hand.actions[0], Action::Revoked);
    let (record, at) = hand.update().unwrap();
    assert_eq!((record.released.unwrap().epoch, at), (record.epoch, version(2)));
}

#[test]
fn writers_that_never_report_are_waited_for_until_the_permit_ends() {
    let mut hand = Hand::leading();
    hand.tell(&Event::StopRequested);
    hand.wait(SECOND * 9);
    assert_eq!(hand.update(), None);
    hand.wait(SECOND);
    assert!(hand.asks_to(&Action::Revoked) && hand.update().is_some());
}

#[test]
fn a_release_without_an_answer_is_repeated_as_it_was_and_given_up_in_the_end() {
    let mut hand = Hand::leading();
    hand.tell(&Event::StopRequested);
    hand.tell(&Event::WritersDrained);
    let first = hand.update();
    for _ in 0..7 {
        hand.tell(&Event::WriteDone(Err(WriteError::Unknown)));
        hand.wait(SECOND * 2);
        assert_eq!(hand.update(), first);
    }
    hand.tell(&Event::WriteDone(Err(WriteError::Unknown)));
    hand.wait(SECOND * 2);
    assert!(hand.asks_to(&Action::Released));
    assert_eq!(hand.elector.phase(), Phase::Stopped);
}

#[test]
fn a_release_that_meets_a_conflict_is_over() {
    let mut hand = Hand::leading();
    hand.tell(&Event::StopRequested);
    hand.tell(&Event::WritersDrained);
    hand.tell(&Event::WriteDone(Err(WriteError::Conflict)));
    assert!(hand.asks_to(&Action::Released) && !hand.asks_to(&Action::BeginDrain));
}

#[test]
fn a_stop_while_acquiring_releases_what_it_gets() {
    let mut hand = Hand::acquiring();
    hand.tell(&Event::StopRequested);
    assert_eq!(hand.elector.phase(), Phase::Releasing);
    let acquired = released().record;
    let record = Record { holder: Holder::of("ako-0", "pod", "n"), released: None, ..acquired };
    hand.tell(&Event::WriteDone(Ok(Observed { version: version(2), record })));
    assert_eq!(hand.left(), None, "no permit for it");
    assert!(hand.update().unwrap().0.released.is_some());
    hand.write_succeeds(3);
    assert_eq!(hand.elector.phase(), Phase::Stopped);
}

#[test]
fn a_stop_of_a_candidate_is_over_at_once() {
    let mut hand = Hand::acquiring();
    hand.tell(&Event::WriteDone(Err(WriteError::Conflict)));
    hand.tell(&Event::StopRequested);
    assert!(hand.asks_to(&Action::Released));
    hand.wait(SECOND);
    assert!(hand.actions.is_empty(), "and it asks for nothing more");
}

#[test]
fn a_refusal_is_not_repeated_faster_than_every_period() {
    let mut hand = Hand::acquiring();
    hand.tell(&Event::WriteDone(Err(WriteError::Denied)));
    let quiet = |hand: &Hand| {
        hand.actions.iter().all(|action| matches!(action, Action::SetTimer(_) | Action::StandBack(_)))
    };
    assert!(quiet(&hand), "{:?}", hand.actions);
    hand.wait(SECOND);
    assert!(quiet(&hand), "{:?}", hand.actions);
}

#[test]
fn a_record_that_is_free_is_not_taken_beside_somebody_who_does_not_go_by_it() {
    let now = Moment::from_millis(50_000);
    let me = Identity { holder: Holder::of("ako-0", "pod", "n"), ordinal: 0 };
    let mut hand = Hand { elector: Elector::new(me, Timing::default(), now), now, actions: Vec::new() };
    for event in [Event::Warm(true), Event::ControllerReachable(true), Event::ForeignWriter(true)] {
        hand.tell(&event);
    }
    hand.tell(&Event::RecordRead(Ok(Some(released()))));
    for _ in 0..100 {
        assert_eq!(hand.update(), None, "at {:?}", hand.now);
        hand.wait(SECOND);
        if hand.actions.iter().any(|action| matches!(action, Action::Read { .. })) {
            hand.tell(&Event::RecordRead(Ok(Some(released()))));
        }
    }
    hand.tell(&Event::ForeignWriter(false));
    assert!(hand.update().is_some());
}

/// Etcd was set back, and its versions began again.
#[test]
fn another_record_that_has_the_version_of_the_known_one_is_waited_for_anew() {
    let held = |epoch: &str| {
        let data = [("epoch", epoch), ("holder", "ako-1_x_y"), ("durationSeconds", "15")];
        let data = data.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Observed { version: version(7), record: Record::from_data(&data) }
    };
    let mut hand = Hand::acquiring();
    hand.tell(&Event::WriteDone(Err(WriteError::Conflict)));
    let mut follow = |epoch: &str, seconds: u64| {
        for _ in 0..seconds {
            if hand.actions.iter().any(|action| matches!(action, Action::Read { .. })) {
                hand.tell(&Event::RecordRead(Ok(Some(held(epoch)))));
            }
            if let Some((record, _)) = hand.update() {
                return Some(record.epoch.number());
            }
            hand.wait(SECOND);
        }
        None
    };
    assert_eq!(follow("4", 14), None);
    assert_eq!(follow("5", 14), None, "it was led anew meanwhile");
    assert_eq!(follow("5", 5), Some(6));
}
