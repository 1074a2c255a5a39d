//! What probes have found: when they are due, and what follows from their outcomes.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, Probe};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Startup,
    Readiness,
    Liveness,
}

/// The probes of a container that runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    startup: Option<Check>,
    readiness: Option<Check>,
    liveness: Option<Check>,
}

/// One probe.
#[derive(Clone, Debug)]
struct Check {
    period: SignedDuration,
    success_threshold: i32,
    failure_threshold: i32,
    next: Timestamp,
    in_flight: bool,
    successes: i32,
    failures: i32,
    /// None until one of the thresholds was reached.
    passes: Option<bool>,
    why: String,
}

impl Probes {
    pub(super) fn of(container: &Container, started: Timestamp) -> Self {
        let check = |probe: &Option<Probe>| probe.as_ref().map(|probe| Check::new(probe, started));
        Self {
            startup: check(&container.startup_probe),
            readiness: check(&container.readiness_probe),
            liveness: check(&container.liveness_probe),
        }
    }

    /// Which to run now. Each is due again a period after it was.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Kind> {
        let kinds: &[Kind] =
            if self.has_started() { &[Kind::Readiness, Kind::Liveness] } else { &[Kind::Startup] };
        kinds.iter().copied().filter(|kind| self.check(*kind).is_some_and(|check| check.take(now))).collect()
    }

    pub(super) fn outcome(&mut self, kind: Kind, outcome: Result<(), String>) {
        if let Some(check) = self.check(kind) {
            check.outcome(outcome);
        }
    }

    pub(super) fn has_started(&self) -> bool {
        self.startup.as_ref().is_none_or(|check| check.passes == Some(true))
    }

    pub(super) fn is_ready(&self) -> bool {
        self.has_started() && self.readiness.as_ref().is_none_or(|check| check.passes == Some(true))
    }

    /// Why the container has to be restarted, if it has to.
    pub(super) fn verdict(&self) -> Option<String> {
        let failed = |name: &str, check: &Option<Check>| {
            let check = check.as_ref().filter(|check| check.passes == Some(false))?;
            Some(format!("the {name} probe failed: {}", check.why))
        };
        failed("startup", &self.startup).or_else(|| failed("liveness", &self.liveness))
    }

    fn check(&mut self, kind: Kind) -> Option<&mut Check> {
        match kind {
            Kind::Startup => self.startup.as_mut(),
            Kind::Readiness => self.readiness.as_mut(),
            Kind::Liveness => self.liveness.as_mut(),
        }
    }
}

impl Check {
    fn new(probe: &Probe, started: Timestamp) -> Self {
        let seconds =
            |value: Option<i32>, default| SignedDuration::from_secs(value.unwrap_or(default).into());
        Self {
            period: seconds(probe.period_seconds, 10),
            success_threshold: probe.success_threshold.unwrap_or(1),
            failure_threshold: probe.failure_threshold.unwrap_or(3),
            next: started + seconds(probe.initial_delay_seconds, 0),
            in_flight: false,
            successes: 0,
            failures: 0,
            passes: None,
            why: String::new(),
        }
    }

    fn take(&mut self, now: Timestamp) -> bool {
        let due = !self.in_flight && now >= self.next;
        if due {
            self.in_flight = true;
            self.next = now + self.period;
        }
        due
    }

    fn outcome(&mut self, outcome: Result<(), String>) {
        self.in_flight = false;
        match outcome {
            Ok(()) => (self.successes, self.failures) = (self.successes.saturating_add(1), 0),
            Err(why) => {
                (self.successes, self.failures) = (0, self.failures.saturating_add(1));
                self.why = why;
            }
        }
        if self.successes >= self.success_threshold {
            self.passes = Some(true);
        } else if self.failures >= self.failure_threshold {
            self.passes = Some(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn probes(container: serde_json::Value) -> Probes {
        let mut container = container;
        container["name"] = "c".into();
        Probes::of(&serde_json::from_value(container).unwrap(), at(100))
    }

    fn fail() -> Result<(), String> {
        Err("503".to_owned())
    }

    #[test]
    fn without_probes_what_runs_is_ready() {
        let mut probes = probes(json!({}));
        assert!(probes.has_started() && probes.is_ready());
        assert_eq!(probes.due(at(1000)), []);
        assert_eq!(probes.verdict(), None);
    }

    #[test]
    fn a_probe_is_due_after_its_delay_and_each_period_but_never_twice_at_once() {
        let mut probes = probes(json!({"readinessProbe": {"initialDelaySeconds": 5, "periodSeconds": 2}}));
        assert_eq!(probes.due(at(104)), []);
        assert_eq!(probes.due(at(105)), [Kind::Readiness]);
        assert_eq!(probes.due(at(200)), [], "the first has no outcome yet");
        probes.outcome(Kind::Readiness, Ok(()));
        assert_eq!(probes.due(at(106)), []);
        assert_eq!(probes.due(at(107)), [Kind::Readiness]);
    }

    #[test]
    fn readiness_changes_at_the_thresholds_and_restarts_nothing() {
        let mut probes = probes(json!({"readinessProbe": {"successThreshold": 2, "failureThreshold": 2}}));
        // Each outcome, and whether the container is ready after it.
        let outcomes =
            [(true, false), (true, true), (false, true), (true, true), (false, true), (false, false)];
        for (at, (passes, ready)) in outcomes.into_iter().enumerate() {
            probes.outcome(Kind::Readiness, if passes { Ok(()) } else { fail() });
            assert_eq!(probes.is_ready(), ready, "after outcome {at}");
        }
        assert_eq!(probes.verdict(), None);
    }

    #[test]
    fn the_other_probes_wait_for_the_startup_probe() {
        let mut probes = probes(json!({"startupProbe": {}, "readinessProbe": {}, "livenessProbe": {}}));
        assert_eq!(probes.due(at(100)), [Kind::Startup]);
        assert!(!probes.has_started());
        probes.outcome(Kind::Startup, Ok(()));
        assert!(probes.has_started() && !probes.is_ready());
        assert_eq!(probes.due(at(100)), [Kind::Readiness, Kind::Liveness]);
    }

    #[test]
    fn a_container_is_restarted_when_liveness_or_startup_fails_for_good() {
        for (name, kind) in [("livenessProbe", Kind::Liveness), ("startupProbe", Kind::Startup)] {
            let mut probes = probes(json!({name: {"failureThreshold": 2}}));
            probes.outcome(kind, fail());
            assert_eq!(probes.verdict(), None, "{name}");
            probes.outcome(kind, fail());
            assert!(probes.verdict().unwrap().contains("503"), "{name}");
        }
    }
}
