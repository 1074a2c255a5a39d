//! The status of a Pod, from what is known of its containers.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use serde_json::{Value, json};

use super::containers::{Ended, Record, State};
use super::environment::Facts;

/// What the status of a Pod is made of.
pub(super) struct View<'a> {
    pub(super) pod: &'a Pod,
    pub(super) spec: &'a PodSpec,
    /// None until the Pod has an address.
    pub(super) facts: Option<&'a Facts>,
    pub(super) accepted: Timestamp,
    /// In the order of the spec.
    pub(super) init: &'a [Record],
    pub(super) main: &'a [Record],
}

impl View<'_> {
    /// `before` is the last status; conditions that are as they were keep their time.
    pub(super) fn status(&self, before: &Value, now: Timestamp) -> Value {
        let phase = self.phase();
        let initialized = self.init.iter().all(Record::has_succeeded);
        let unready: Vec<_> = std::iter::zip(&self.spec.containers, self.main)
            .filter(|(_, record)| !is_ready(record))
            .map(|(container, _)| container.name.as_str())
            .collect();
        let ready = unready.is_empty();
        let why = match phase {
            "Succeeded" => ("PodCompleted", String::new()),
            "Failed" => ("PodFailed", String::new()),
            _ => ("ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" "))),
        };
        let gates =
            ("ReadinessGatesNotReady", "a condition that a readiness gate names is not True".to_owned());
        let all = if ready { gates } else { why.clone() };
        let not_initialized = ("ContainersNotInitialized", "an init container has not succeeded".to_owned());
        let conditions = [
            condition("PodScheduled", true, ("", String::new()), before, now),
            condition("Initialized", initialized, not_initialized, before, now),
            condition("ContainersReady", ready, why, before, now),
            condition("Ready", ready && self.gates_are_open(), all, before, now),
        ];
        let mut status = json!({
            "phase": phase,
            "startTime": second(self.accepted),
            "conditions": conditions,
            "initContainerStatuses": statuses(self.spec.init_containers.as_deref(), self.init, Record::has_succeeded),
            "containerStatuses": statuses(Some(&self.spec.containers), self.main, is_ready),
        });
        if let Some(facts) = self.facts {
            status["hostIP"] = facts.node_address.clone().into();
            status["hostIPs"] = json!([{"ip": facts.node_address}]);
            status["podIP"] = facts.pod_address.clone().into();
            status["podIPs"] = json!([{"ip": facts.pod_address}]);
        }
        status
    }

    /// As the API documents it; what waits to be restarted has been started.
    fn phase(&self) -> &'static str {
        let ended = |record: &Record| match &record.state {
            State::Ended(ended) => Some(ended.code),
            _ => None,
        };
        if self.init.iter().filter_map(ended).any(|code| code != 0) {
            return "Failed";
        }
        let never_ran =
            |record: &Record| matches!(record.state, State::Waiting { .. }) && record.last.is_none();
        let codes: Vec<_> = self.main.iter().filter_map(ended).collect();
        if !self.init.iter().all(Record::has_succeeded) || self.main.iter().any(never_ran) {
            "Pending"
        } else if codes.len() < self.main.len() {
            "Running"
        } else if codes.iter().all(|code| *code == 0) {
            "Succeeded"
        } else {
            "Failed"
        }
    }

    fn gates_are_open(&self) -> bool {
        let conditions = self.pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let open: Vec<_> = conditions.filter(|c| c.status == "True").map(|c| c.type_.as_str()).collect();
        let mut gates = self.spec.readiness_gates.iter().flatten();
        gates.all(|gate| open.contains(&gate.condition_type.as_str()))
    }
}

fn condition(kind: &str, passes: bool, why: (&str, String), before: &Value, now: Timestamp) -> Value {
    let status = if passes { "True" } else { "False" };
    let earlier = before["conditions"].as_array().into_iter().flatten();
    let same = earlier.into_iter().find(|c| c["type"] == kind && c["status"] == status);
    let since = same.map_or_else(|| second(now), |same| same["lastTransitionTime"].clone());
    let mut condition = json!({"type": kind, "status": status, "lastTransitionTime": since});
    if !passes {
        condition["reason"] = why.0.into();
        condition["message"] = why.1.into();
    }
    condition
}

fn is_ready(record: &Record) -> bool {
    record.is_running() && record.probes.is_ready()
}

fn statuses(
    containers: Option<&[Container]>,
    records: &[Record],
    is_ready: impl Fn(&Record) -> bool,
) -> Vec<Value> {
    std::iter::zip(containers.unwrap_or_default(), records)
        .map(|(container, record)| {
            let last = record.last.as_ref().map_or_else(|| json!({}), terminated);
            json!({
                "name": container.name,
                "image": container.image.clone().unwrap_or_default(),
                "imageID": "",
                "ready": is_ready(record),
                "started": record.is_running() && record.probes.has_started(),
                "restartCount": record.restarts,
                "state": state(&record.state),
                "lastState": last,
            })
        })
        .collect()
}

fn state(state: &State) -> Value {
    match state {
        State::Waiting { reason, message, .. } => json!({"waiting": {"reason": reason, "message": message}}),
        State::Running { since } => json!({"running": {"startedAt": second(*since)}}),
        State::Ended(ended) => terminated(ended),
    }
}

fn terminated(ended: &Ended) -> Value {
    json!({"terminated": {
        "exitCode": ended.code,
        "reason": if ended.code == 0 { "Completed" } else { "Error" },
        "message": ended.message,
        "startedAt": second(ended.since),
        "finishedAt": second(ended.at),
    }})
}

/// Times in the API have whole seconds.
fn second(time: Timestamp) -> Value {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn waiting() -> Record {
        Record::new(at(100))
    }

    fn container() -> Container {
        serde_json::from_value(json!({"name": "c", "image": "i", "readinessProbe": {}})).unwrap()
    }

    fn unready() -> Record {
        let mut record = waiting();
        record.started(&container(), at(100));
        record
    }

    fn ready() -> Record {
        let mut record = unready();
        record.probes.outcome(super::super::probes::Kind::Readiness, Ok(()));
        record
    }

    fn ended(code: i32, again: bool) -> Record {
        let mut record = unready();
        record.ended(code, again, at(110));
        record
    }

    /// The status of a Pod with these containers and a readiness gate.
    fn status(init: &[Record], main: &[Record], gate: &str, before: &Value, now: Timestamp) -> Value {
        let spec = json!({
            "initContainers": vec![container(); init.len()], "containers": vec![container(); main.len()],
            "readinessGates": [{"conditionType": "gate"}],
        });
        let pod = json!({"spec": spec, "status": {"conditions": [{"type": "gate", "status": gate}]}});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let spec = pod.spec.clone().unwrap();
        let view = View { pod: &pod, spec: &spec, facts: None, accepted: at(90), init, main };
        view.status(before, now)
    }

    fn conditions(status: &Value) -> Vec<(&str, &str)> {
        let conditions = status["conditions"].as_array().unwrap().iter();
        conditions.map(|c| (c["type"].as_str().unwrap(), c["status"].as_str().unwrap())).collect()
    }

    #[test]
    fn the_phase_follows_from_the_containers() {
        for (init, main, phase) in [
            (vec![], vec![waiting()], "Pending"),
            (vec![], vec![ready(), waiting()], "Pending"),
            (vec![unready()], vec![waiting()], "Pending"),
            (vec![ended(1, true)], vec![waiting()], "Pending"),
            (vec![ended(1, false)], vec![waiting()], "Failed"),
            (vec![ended(0, false)], vec![unready()], "Running"),
            (vec![], vec![ended(1, true)], "Running"),
            (vec![], vec![ended(0, false), unready()], "Running"),
            (vec![], vec![ended(0, false), ended(0, false)], "Succeeded"),
            (vec![], vec![ended(0, false), ended(1, false)], "Failed"),
        ] {
            let status = status(&init, &main, "True", &Value::Null, at(120));
            assert_eq!(status["phase"], phase, "{init:?} {main:?}");
        }
    }

    #[test]
    fn a_pod_is_ready_when_its_containers_and_gates_are() {
        for (main, gate, containers, pod) in [
            (unready(), "True", "False", "False"),
            (ready(), "False", "True", "False"),
            (ready(), "True", "True", "True"),
            (ended(1, true), "True", "False", "False"),
        ] {
            let status = status(&[], &[main], gate, &Value::Null, at(120));
            let expected = [
                ("PodScheduled", "True"),
                ("Initialized", "True"),
                ("ContainersReady", containers),
                ("Ready", pod),
            ];
            assert_eq!(conditions(&status), expected);
        }
        let status = status(&[unready()], &[waiting()], "True", &Value::Null, at(120));
        assert_eq!(conditions(&status)[1], ("Initialized", "False"));
    }

    #[test]
    fn a_condition_keeps_its_time_until_it_changes() {
        let first = status(&[], &[unready()], "True", &Value::Null, at(120));
        let second = status(&[], &[ready()], "True", &first, at(130));
        let since = |status: &Value, at: usize| status["conditions"][at]["lastTransitionTime"].clone();
        assert_eq!(since(&second, 0), since(&first, 0));
        assert_eq!(since(&first, 3), "1970-01-01T00:02:00Z");
        assert_eq!(since(&second, 3), "1970-01-01T00:02:10Z");
    }

    #[test]
    fn a_container_shows_its_state_and_the_one_before() {
        let status = status(&[], &[ended(3, true)], "True", &Value::Null, at(120));
        let shown = &status["containerStatuses"][0];
        assert_eq!(shown["state"]["waiting"]["reason"], "CrashLoopBackOff");
        assert_eq!(shown["lastState"]["terminated"]["exitCode"], 3);
        assert_eq!(shown["lastState"]["terminated"]["finishedAt"], "1970-01-01T00:01:50Z");
        assert_eq!((&shown["ready"], &shown["started"]), (&json!(false), &json!(false)));
    }
}
