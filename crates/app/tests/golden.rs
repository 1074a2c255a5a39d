//! Recorded cases of the reference system: the first step of each, offline.
#![allow(clippy::unwrap_used, reason = "a broken recording should stop the test")]

use ako_app::offline::{Environment, Input, translate};
use ako_harness::golden::{self, Addresses, Case};

/// How the names of cases begin whose features exist…
const IN_SCOPE: [&str; 6] = ["l4-", "l7-", "tenant-", "vrf-", "cloud-", "v6-"];
/// …but for those with one of these in their names: they need custom resources, `vpcMode`, or
/// the choice between networks of one name.
const NOT_YET: [&str; 4] = ["-public-ip", "-infra-", "-revoke-vip-route", "-vpc-"];

fn differences(case: &Case) -> Vec<String> {
    let input = Input {
        config: case.config.clone(),
        namespace: case.namespace.clone(),
        objects: case.steps[0].objects.clone(),
        environment: Environment::new(case.environment.clone()),
    };
    let output = match translate(input) {
        Ok(output) => output,
        Err(error) => return vec![format!("refused: {error:#}")],
    };
    let comparison = case.comparison(Addresses::Unknown);
    let avi = comparison.avi(&case.steps[0].avi, &output.avi());
    let status = comparison.status(&case.steps[0].status, &output.status());
    avi.iter().chain(&status).map(ToString::to_string).collect()
}

/// The cases that `docs/deviations.md` names.
fn deviations() -> Vec<String> {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/deviations.md")).unwrap();
    let items = text.lines().filter_map(|line| line.strip_prefix("- `"));
    items.filter_map(|item| item.split('`').next()).map(str::to_owned).collect()
}

#[test]
fn the_first_step_of_every_case_is_reproduced() {
    let cases = golden::cases().unwrap();
    let in_scope = |case: &&Case| {
        IN_SCOPE.iter().any(|start| case.name.starts_with(start))
            && !NOT_YET.iter().any(|part| case.name.contains(part))
    };
    let deviations = deviations();
    let mut failed = 0;
    let chosen: Vec<_> = cases.iter().filter(in_scope).collect();
    assert!(!chosen.is_empty(), "no case is in scope");
    for case in &chosen {
        let differences = differences(case);
        let listed = deviations.contains(&case.name);
        if listed && differences.is_empty() {
            failed += 1;
            println!("{}: is listed as a deviation, but does not differ", case.name);
        }
        if !listed && !differences.is_empty() {
            failed += 1;
            println!("{}:", case.name);
            differences.iter().take(12).for_each(|d| println!("    {d}"));
        }
    }
    println!("{} cases compared, {} left out", chosen.len(), cases.len() - chosen.len());
    assert_eq!(failed, 0, "{failed} cases differ");
}
