//! Recorded cases of the reference system, offline: the first step of each as files are
//! translated, and all steps as a running operator takes them over, change by change.
#![allow(clippy::unwrap_used, reason = "a broken recording should stop the test")]

use std::collections::{BTreeMap, BTreeSet};

use ako_app::offline::{Environment, Input, Output, translate};
use ako_core::{Delta, NamespacedName, Program, ResourceId, ResourceKind};
use ako_harness::golden::{self, Addresses, Case};
use serde_json::{Value, json};

fn input(case: &Case, objects: &[Value]) -> Input {
    Input {
        program: Program::Operator,
        config: case.config.clone(),
        namespace: case.namespace.clone(),
        objects: objects.to_vec(),
        environment: Environment::new(case.environment.clone()),
    }
}

fn differences(case: &Case) -> Vec<String> {
    let output = match translate(input(case, &case.steps[0].objects)) {
        Ok(output) => output,
        Err(error) => return vec![format!("refused: {error:#}")],
    };
    let comparison = case.comparison(Addresses::Unknown);
    let avi = comparison.avi(&case.steps[0].avi, &output.avi());
    let status = comparison.status(&case.steps[0].status, &output.status());
    avi.iter().chain(&status).map(ToString::to_string).collect()
}

/// The steps that `docs/deviations.md` names: the case, and the number of the step.
fn deviations() -> BTreeSet<(String, usize)> {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/deviations.md")).unwrap();
    let items = text.lines().filter_map(|line| line.strip_prefix("- `")?.split_once('`'));
    items
        .map(|(case, rest)| {
            let step = rest.strip_prefix(" step ").and_then(|rest| rest.split(':').next()?.parse().ok());
            (case.to_owned(), step.unwrap_or(1))
        })
        .collect()
}

/// Prints what differs in a step though it should not, or does not though it should. Answers
/// whether that is so.
fn is_surprise(
    case: &Case,
    step: usize,
    differences: &[String],
    deviations: &BTreeSet<(String, usize)>,
) -> bool {
    let listed = deviations.contains(&(case.name.clone(), step));
    if listed && differences.is_empty() {
        println!("{} step {step}: is listed as a deviation, but does not differ", case.name);
    }
    if !listed && !differences.is_empty() {
        println!("{} step {step}:", case.name);
        differences.iter().take(12).for_each(|d| println!("    {d}"));
    }
    listed == differences.is_empty()
}

#[test]
fn the_first_step_of_every_case_is_reproduced() {
    let cases = golden::cases().unwrap();
    let deviations = deviations();
    assert!(!cases.is_empty(), "no case is there");
    let failed = cases.iter().filter(|case| is_surprise(case, 1, &differences(case), &deviations)).count();
    println!("{} cases compared", cases.len());
    assert_eq!(failed, 0, "{failed} cases differ");
}

/// What applying or deleting an object means; nothing if it is of a kind that is not read.
fn delta(object: &Value) -> Option<Delta> {
    if object["$delete"] == json!(true) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        let kind = ResourceKind::ALL.into_iter().find(|kind| object["kind"] == kind.as_str())?;
        let name = NamespacedName::new(text("namespace"), text("name"));
        return Some(Delta::Delete(ResourceId { kind, name }));
    }
    let converted = ako_kube_types::convert::from_json(object).ok()?;
    converted.resource.map(Delta::Apply)
}

/// An operator that runs, and the objects that it was told of, each with when it was created.
struct Running {
    output: Output,
    created: BTreeMap<String, String>,
}

impl Running {
    fn new(case: &Case) -> Self {
        let mut output = translate(input(case, &[])).unwrap();
        let kinds = case.steps.iter().flat_map(|step| &step.objects).map(|object| &object["kind"]);
        for kind in kinds.filter_map(|name| ResourceKind::ALL.into_iter().find(|kind| name == kind.as_str()))
        {
            let touched = output.snapshot.serve(kind, true);
            output.desired.update(&output.snapshot, &touched);
        }
        Self { output, created: BTreeMap::new() }
    }

    /// One object after the other is applied or deleted.
    fn apply(&mut self, objects: &[Value]) {
        for object in objects {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let name = ["/kind", "/metadata/namespace", "/metadata/name"].map(text).join("/");
            let next = self.created.len();
            let time = format!("2020-01-01T{:02}:{:02}:{:02}Z", next / 3600, next / 60 % 60, next % 60);
            let created = self.created.entry(name).or_insert(time).clone();
            let mut object = object.clone();
            let metadata = object["metadata"].as_object_mut().unwrap();
            metadata.entry("creationTimestamp").or_insert(json!(created));
            let Some(delta) = delta(&object) else { continue };
            self.output.apply(delta);
        }
    }

    /// What differs from what was recorded after a step. Objects that show nothing are not
    /// compared: what is cleared is a matter of the engine.
    fn differences(&self, case: &Case, step: usize) -> Vec<String> {
        let comparison = case.comparison(Addresses::Unknown);
        let avi = comparison.avi(&case.steps[step].avi, &self.output.avi());
        avi.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn every_step_of_every_case_is_reproduced_change_by_change() {
    let cases = golden::cases().unwrap();
    let deviations = deviations();
    let (mut failed, mut steps) = (0, 0);
    for case in &cases {
        let mut running = Running::new(case);
        for (step, number) in case.steps.iter().zip(1..) {
            running.apply(&step.objects);
            steps += 1;
            // What the first step shows of statuses alone is not seen here.
            let differences = running.differences(case, number - 1);
            failed += usize::from(
                (number > 1 || !differences.is_empty())
                    && is_surprise(case, number, &differences, &deviations),
            );
        }
    }
    println!("{steps} steps compared");
    assert_eq!(failed, 0, "{failed} steps differ");
}
