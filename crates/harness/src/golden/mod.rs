//! Recorded behaviour of the reference operator, and the comparison with it.
//!
//! The format is described in the README.md of the recordings.

mod canonical;
mod compare;
mod observed;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::Value;

pub use compare::{Addresses, Comparison, Difference, compare_avi, compare_status};
pub use observed::observed_status;

/// One recorded case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its folder's name.
    pub name: String,
    /// The folder itself, for programs that read its files.
    pub folder: PathBuf,
    /// The data of the operator's ConfigMap, without the controller's address.
    pub config: BTreeMap<String, String>,
    /// The operator's own namespace.
    pub namespace: String,
    /// What the controller held before it.
    pub environment: Value,
    /// CustomResourceDefinitions to apply first.
    pub crds: Vec<Value>,
    /// What was applied, and what came of it. Never empty.
    pub steps: Vec<Step>,
}

/// One step of a case.
#[derive(Clone, Debug)]
pub struct Step {
    /// Objects to apply, in this order.
    pub objects: Vec<Value>,
    /// The objects on the controller afterwards.
    pub avi: Value,
    /// Statuses and annotations in the cluster afterwards.
    pub status: Value,
}

impl Case {
    /// Addresses that the case asks for by name, in any step: all others were
    /// allocated by the controller.
    pub fn requested_addresses(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for object in self.steps.iter().flat_map(|step| &step.objects) {
            collect_requested(object, &mut found);
        }
        found
    }

    /// The comparison that fits this case.
    pub fn comparison(&self, addresses: Addresses) -> Comparison {
        Comparison { requested: self.requested_addresses(), addresses }
    }

    /// Every object that the case applies, to be removed after it.
    pub fn all_objects(&self) -> Vec<Value> {
        self.steps.iter().flat_map(|step| &step.objects).cloned().collect()
    }
}

/// All cases, by name: from `AKO_GOLDEN_DIR`, else from `shared/golden` beside
/// the repository, else those that the repository holds itself.
pub fn cases() -> anyhow::Result<Vec<Case>> {
    cases_in(&folder())
}

/// What the controller held before every case.
pub fn environment() -> anyhow::Result<Value> {
    read(&folder().join("environment.json"))
}

/// The folder that [`cases`] reads.
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("AKO_GOLDEN_DIR").filter(|folder| !folder.is_empty()) {
        return folder.into();
    }
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = crate_folder.join("../../../shared/golden");
    if beside.is_dir() { beside } else { crate_folder.join("golden") }
}

/// All cases of a folder, by name.
pub fn cases_in(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut cases = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.join("config.json").is_file() {
            cases.push(read_case(&path).with_context(|| format!("reading {}", path.display()))?);
        }
    }
    ensure!(!cases.is_empty(), "no cases in {}", folder.display());
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

fn read_case(folder: &Path) -> anyhow::Result<Case> {
    let name = folder.file_name().and_then(|name| name.to_str()).context("a name that is not UTF-8")?;
    let mut config = BTreeMap::new();
    let mut namespace = "avi-system".to_owned();
    let mut environment = "environment.json".to_owned();
    let mut crds = Vec::new();
    let Value::Object(fields) = read(&folder.join("config.json"))? else {
        anyhow::bail!("config.json is not an object")
    };
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("$namespace", Value::String(value)) => namespace = value,
            ("$environment", Value::String(value)) => environment = format!("environment-{value}.json"),
            ("$crds", Value::Array(values)) => crds = values,
            (_, Value::String(value)) => {
                config.insert(key, value);
            }
            (_, other) => anyhow::bail!("{key} is not a string: {other}"),
        }
    }
    let mut steps = Vec::new();
    while folder.join(format!("step-{}.json", steps.len() + 1)).is_file() {
        steps.push(read_step(folder, steps.len() + 1)?);
    }
    ensure!(!steps.is_empty(), "a case without steps");
    let beside = folder.parent().context("a folder without a parent")?;
    let environment = read(&beside.join(environment))?;
    let (name, folder) = (name.to_owned(), folder.to_owned());
    Ok(Case { name, folder, config, namespace, environment, crds, steps })
}

fn read_step(folder: &Path, number: usize) -> anyhow::Result<Step> {
    let Value::Array(objects) = read(&folder.join(format!("step-{number}.json")))? else {
        anyhow::bail!("step-{number}.json is not a list")
    };
    Ok(Step {
        objects,
        avi: read(&folder.join(format!("avi-{number}.json")))?,
        status: read(&folder.join(format!("status-{number}.json")))?,
    })
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

fn collect_requested(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let requests = matches!(key.as_str(), "loadBalancerIP" | "ako.vmware.com/load-balancer-ip");
                match value {
                    Value::String(addresses) if requests => {
                        found.extend(addresses.split(',').map(|address| address.trim().to_owned()));
                    }
                    other => collect_requested(other, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_requested(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vec<Case> {
        cases_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")).unwrap()
    }

    #[test]
    fn the_repository_holds_the_spine() {
        let cases = own();
        assert_eq!(cases.iter().filter(|case| case.name.starts_with("l4-")).count(), 19);
        assert_eq!(cases.iter().filter(|case| case.name.starts_with("l7-")).count(), 72);
    }

    #[test]
    fn every_recording_equals_itself() {
        for case in cases().unwrap() {
            for addresses in [Addresses::Allocated, Addresses::Unknown] {
                let comparison = case.comparison(addresses);
                for step in &case.steps {
                    assert_eq!(comparison.avi(&step.avi, &step.avi), [], "{}", case.name);
                    assert_eq!(comparison.status(&step.status, &step.status), [], "{}", case.name);
                }
            }
        }
    }

    #[test]
    fn what_a_case_requests_is_known() {
        let cases = own();
        let requested = |name: &str| {
            let case = cases.iter().find(|case| case.name == name).unwrap();
            case.requested_addresses().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(requested("l4-static-ip-changed"), ["100.64.0.77", "100.64.0.78"]);
        assert_eq!(requested("l4-single-port"), Vec::<String>::new());
    }

    #[test]
    fn the_operators_namespace_may_be_named() {
        let cases = own();
        let of = |name: &str| &cases.iter().find(|case| case.name == name).unwrap().namespace;
        assert_eq!(of("l4-single-port"), "avi-system");
        assert_eq!(of("l4-secondary-instance"), "blue-ako");
    }
}
