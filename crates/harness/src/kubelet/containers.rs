//! What is known of a container, and what is to be done with it next.
//!
//! Nothing here acts: [`Record::next`] says what to do, and whoever did it tells the record.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Container;

use super::probes::Probes;

/// A kubelet waits 10 s before the second restart, and up to 5 min; tests do not.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_millis(200);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(3);
/// What runs as long as this was no part of a crash loop.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// Before something that is missing is looked for again.
const RETRY: SignedDuration = SignedDuration::from_millis(300);
/// What is left to a program whose preStop hook took all the time.
const EXTRA: SignedDuration = SignedDuration::from_secs(2);

/// One container of a Pod.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) state: State,
    pub(super) last: Option<Ended>,
    pub(super) restarts: i32,
    pub(super) probes: Probes,
    pub(super) stop: Option<Stop>,
    /// Ends in a row without settling.
    crashes: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// Not started, for now or (without `until`) for good.
    Waiting {
        reason: String,
        message: String,
        until: Option<Timestamp>,
    },
    Running {
        since: Timestamp,
    },
    Ended(Ended),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) since: Timestamp,
    pub(super) at: Timestamp,
    pub(super) message: Option<String>,
}

/// It is on its way to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) deadline: Timestamp,
    pub(super) stage: Stage,
    pub(super) why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Asked,
    HookRuns,
    HookDone,
    Terminated,
    Killed,
}

/// What the Pod wants of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It is not its turn.
    Later,
    Running,
    /// By this time.
    Ended(Timestamp),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    Start,
    RunHook,
    Terminate,
    Kill,
}

impl Record {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            state: State::Waiting {
                reason: "ContainerCreating".to_owned(),
                message: String::new(),
                until: Some(now),
            },
            last: None,
            restarts: 0,
            probes: Probes::default(),
            stop: None,
            crashes: 0,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    pub(super) fn has_succeeded(&self) -> bool {
        matches!(&self.state, State::Ended(ended) if ended.code == 0)
    }

    /// What to do now. `grace` is the time that a restart leaves to the program.
    pub(super) fn next(&mut self, wanted: Wanted, hook: bool, grace: SignedDuration, now: Timestamp) -> Step {
        if !self.is_running() {
            let due = matches!(self.state, State::Waiting { until: Some(until), .. } if until <= now);
            return if due && wanted == Wanted::Running { Step::Start } else { Step::Nothing };
        }
        if let Wanted::Ended(deadline) = wanted {
            self.ask_to_stop(deadline, None);
        } else if let Some(why) = self.probes.verdict() {
            self.ask_to_stop(now + grace, Some(why));
        }
        let Some(stop) = &self.stop else { return Step::Nothing };
        let late = now >= stop.deadline;
        match stop.stage {
            Stage::Asked if hook && !late => Step::RunHook,
            Stage::Asked | Stage::HookDone => Step::Terminate,
            Stage::HookRuns if late => Step::Terminate,
            Stage::Terminated if late => Step::Kill,
            Stage::HookRuns | Stage::Terminated | Stage::Killed => Step::Nothing,
        }
    }

    /// The earliest deadline counts; the first reason does.
    fn ask_to_stop(&mut self, deadline: Timestamp, why: Option<String>) {
        let stop = self.stop.get_or_insert(Stop { deadline, stage: Stage::Asked, why });
        stop.deadline = stop.deadline.min(deadline);
    }

    pub(super) fn started(&mut self, container: &Container, now: Timestamp) {
        self.state = State::Running { since: now };
        self.probes = Probes::of(container, now);
        self.stop = None;
        self.restarts += i32::from(self.last.is_some());
    }

    /// It could not be started; `forever` if trying again is no use.
    pub(super) fn refused(&mut self, reason: &str, message: String, forever: bool, now: Timestamp) {
        let until = (!forever).then_some(now + RETRY);
        self.state = State::Waiting { reason: reason.to_owned(), message, until };
    }

    pub(super) fn reached(&mut self, stage: Stage, now: Timestamp) {
        let Some(stop) = &mut self.stop else { return };
        if stage == Stage::Terminated && stop.stage == Stage::HookRuns {
            stop.deadline = stop.deadline.max(now + EXTRA);
        }
        stop.stage = stop.stage.max(stage);
    }

    /// It ended; `again` if it is to be started once more.
    pub(super) fn ended(&mut self, code: i32, again: bool, now: Timestamp) {
        let State::Running { since } = self.state else { return };
        let message = self.stop.take().and_then(|stop| stop.why);
        let ended = Ended { code, since, at: now, message };
        self.probes = Probes::default();
        if !again {
            self.state = State::Ended(ended);
            return;
        }
        let settled = now.duration_since(since) >= SETTLED_AFTER;
        let pause = if settled { FIRST_PAUSE } else { pause(self.crashes) };
        self.crashes = if settled { 1 } else { self.crashes.saturating_add(1) };
        self.last = Some(ended);
        self.state = State::Waiting {
            reason: "CrashLoopBackOff".to_owned(),
            message: format!("restarted in {} ms, after it ended with {code}", pause.as_millis()),
            until: Some(now + pause),
        };
    }
}

fn pause(crashes: u32) -> SignedDuration {
    let factor = 1_i32.checked_shl(crashes.min(10)).unwrap_or(i32::MAX);
    FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
}

/// Whether a container that ended is started once more.
pub(super) fn restarts(policy: Option<&str>, code: i32, is_init: bool) -> bool {
    match policy.unwrap_or("Always") {
        "Never" => false,
        "OnFailure" => code != 0,
        // An init container that succeeded has done its part.
        _ => !is_init || code != 0,
    }
}

/// Init containers run one after the other, then all others.
pub(super) fn turn(init: &[Record], is_init: bool, at: usize) -> Wanted {
    let done = init.iter().take_while(|record| record.has_succeeded()).count();
    let turn = if is_init { at == done } else { done == init.len() };
    if turn { Wanted::Running } else { Wanted::Later }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GRACE: SignedDuration = SignedDuration::from_secs(5);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// A container that runs since 100, with a liveness probe.
    fn running() -> Record {
        let container = json!({"name": "c", "livenessProbe": {"failureThreshold": 1}});
        let mut record = Record::new(at(99));
        record.started(&serde_json::from_value(container).unwrap(), at(100));
        record
    }

    fn until(record: &Record) -> SignedDuration {
        let State::Waiting { until: Some(until), .. } = record.state else { panic!("{:?}", record.state) };
        until.duration_since(at(200))
    }

    #[test]
    fn a_container_starts_when_it_is_its_turn() {
        let mut record = Record::new(at(100));
        assert_eq!(record.next(Wanted::Later, false, GRACE, at(100)), Step::Nothing);
        assert_eq!(record.next(Wanted::Ended(at(130)), false, GRACE, at(100)), Step::Nothing);
        assert_eq!(record.next(Wanted::Running, false, GRACE, at(100)), Step::Start);
        assert_eq!(running().next(Wanted::Running, false, GRACE, at(101)), Step::Nothing);
    }

    #[test]
    fn what_was_refused_is_tried_again_unless_that_is_no_use() {
        let mut record = Record::new(at(100));
        record.refused("CreateContainerConfigError", "no Secret".to_owned(), false, at(100));
        assert_eq!(record.next(Wanted::Running, false, GRACE, at(100)), Step::Nothing);
        assert_eq!(record.next(Wanted::Running, false, GRACE, at(101)), Step::Start);
        record.refused("ErrImagePull", "no image".to_owned(), true, at(101));
        assert_eq!(record.next(Wanted::Running, false, GRACE, at(9999)), Step::Nothing);
        assert_eq!(record.restarts, 0);
    }

    #[test]
    fn a_pod_that_is_deleted_gets_its_hook_then_sigterm_then_sigkill() {
        let mut record = running();
        let wanted = Wanted::Ended(at(110));
        assert_eq!(record.next(wanted, true, GRACE, at(101)), Step::RunHook);
        record.reached(Stage::HookRuns, at(101));
        assert_eq!(record.next(wanted, true, GRACE, at(105)), Step::Nothing);
        record.reached(Stage::HookDone, at(105));
        assert_eq!(record.next(wanted, true, GRACE, at(105)), Step::Terminate);
        record.reached(Stage::Terminated, at(105));
        assert_eq!(record.next(wanted, true, GRACE, at(109)), Step::Nothing);
        assert_eq!(record.next(wanted, true, GRACE, at(110)), Step::Kill);
        record.reached(Stage::Killed, at(110));
        assert_eq!(record.next(wanted, true, GRACE, at(120)), Step::Nothing);
    }

    #[test]
    fn a_hook_that_takes_all_the_time_leaves_two_seconds_to_the_program() {
        let mut record = running();
        let wanted = Wanted::Ended(at(110));
        record.next(wanted, true, GRACE, at(101));
        record.reached(Stage::HookRuns, at(101));
        assert_eq!(record.next(wanted, true, GRACE, at(110)), Step::Terminate);
        record.reached(Stage::Terminated, at(110));
        assert_eq!(record.next(Wanted::Ended(at(140)), true, GRACE, at(111)), Step::Nothing);
        assert_eq!(record.next(Wanted::Ended(at(140)), true, GRACE, at(112)), Step::Kill);
    }

    #[test]
    fn a_second_deletion_may_shorten_the_grace_period() {
        let mut record = running();
        assert_eq!(record.next(Wanted::Ended(at(130)), false, GRACE, at(101)), Step::Terminate);
        record.reached(Stage::Terminated, at(101));
        assert_eq!(record.next(Wanted::Ended(at(160)), false, GRACE, at(102)), Step::Nothing);
        assert_eq!(record.next(Wanted::Ended(at(103)), false, GRACE, at(103)), Step::Kill);
    }

    #[test]
    fn a_failed_liveness_probe_ends_the_container_and_is_the_message() {
        let mut record = running();
        record.probes.outcome(super::super::probes::Kind::Liveness, Err("503".to_owned()));
        assert_eq!(record.next(Wanted::Running, false, GRACE, at(200)), Step::Terminate);
        record.reached(Stage::Terminated, at(200));
        assert_eq!(record.next(Wanted::Running, false, GRACE, at(204)), Step::Nothing);
        assert_eq!(record.next(Wanted::Running, false, GRACE, at(205)), Step::Kill);
        record.ended(137, true, at(205));
        let last = record.last.clone().unwrap();
        assert_eq!((last.code, last.since, last.at), (137, at(100), at(205)));
        assert!(last.message.unwrap().contains("the liveness probe failed: 503"));
    }

    #[test]
    fn restarts_are_counted_and_come_later_and_later() {
        let container = serde_json::from_value(json!({"name": "c"})).unwrap();
        let mut record = Record::new(at(200));
        let mut pauses = Vec::new();
        for restarts in 0..6 {
            record.started(&container, at(200));
            assert_eq!(record.restarts, restarts);
            record.ended(1, true, at(200));
            pauses.push(until(&record).as_millis());
        }
        assert_eq!(pauses, [200, 400, 800, 1600, 3000, 3000]);
        // One that ran for a while begins anew.
        record.started(&container, at(100));
        record.ended(1, true, at(200));
        assert_eq!(until(&record).as_millis(), 200);
    }

    #[test]
    fn the_restart_policy_decides() {
        for (policy, code, is_init, again) in [
            (None, 0, false, true),
            (Some("Always"), 1, false, true),
            (Some("OnFailure"), 0, false, false),
            (Some("OnFailure"), 1, false, true),
            (Some("Never"), 1, false, false),
            (Some("Always"), 0, true, false),
            (Some("Always"), 1, true, true),
            (Some("Never"), 1, true, false),
        ] {
            assert_eq!(restarts(policy, code, is_init), again, "{policy:?} {code} {is_init}");
        }
    }

    #[test]
    fn init_containers_take_turns() {
        let succeeded = || {
            let mut record = running();
            record.ended(0, false, at(101));
            record
        };
        let turns = |init: &[Record]| [turn(init, true, 0), turn(init, true, 1), turn(init, false, 2)];
        let (yes, no) = (Wanted::Running, Wanted::Later);
        assert_eq!(turns(&[running(), Record::new(at(99))]), [yes, no, no]);
        assert_eq!(turns(&[succeeded(), Record::new(at(99))]), [no, yes, no]);
        assert_eq!(turns(&[succeeded(), succeeded()]), [no, no, yes]);
    }
}
