//! What the chart renders, as objects.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ako_harness::helm::Helm;
use serde_json::{Value, json};

/// Values with which the chart can be installed, and nothing else.
pub(crate) fn least() -> Value {
    json!({
        "ControllerSettings": {"controllerHost": "10.10.10.10"},
        "NetworkSettings": {"vipNetworkList": [{"networkName": "vip-net"}]},
    })
}

/// These values with another one at a path such as `AKOSettings.logLevel`.
pub(crate) fn with(mut values: Value, path: &str, value: Value) -> Value {
    let mut place = &mut values;
    for name in path.split('.') {
        place = &mut place[name];
    }
    *place = value;
    values
}

/// Rendered objects.
pub(crate) struct Objects(pub(crate) Vec<Value>);

impl Objects {
    /// What is rendered with these values in namespace `avi-system`.
    pub(crate) fn of(helm: &Helm, values: &Value) -> Self {
        let rendered = helm.template(&Helm::chart(), "avi-system", values, &[]).unwrap();
        Self::read(&rendered.unwrap_or_else(|refusal| panic!("{values}: {refusal}")))
    }

    pub(crate) fn read(rendered: &str) -> Self {
        let documents = rendered.split("\n---\n").map(|text| text.trim_start_matches("---\n"));
        let objects = documents.filter_map(|text| {
            let object: Value =
                serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
            (!object.is_null()).then_some(object)
        });
        Self(objects.collect())
    }

    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.0.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> &Value {
        self.find(kind, name).unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// The data of ConfigMap `avi-k8s-config`.
    pub(crate) fn data(&self) -> BTreeMap<String, String> {
        serde_json::from_value(self.get("ConfigMap", "avi-k8s-config")["data"].clone()).unwrap()
    }
}

/// A copy of the chart that a test may change.
pub(crate) fn copy_of_chart(to: &Path) -> PathBuf {
    let chart = to.join("ako");
    copy(&Helm::chart(), &chart);
    chart
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Holds a generated file against what it should be, or writes it if that is asked for.
pub(crate) fn is_fresh(path: &Path, expected: &str) {
    let mut found = fs::read_to_string(path).unwrap_or_default();
    // Nothing is written that is right: other tests read the chart meanwhile.
    if found != expected && std::env::var("AKO_UPDATE_CHART").is_ok_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, expected).unwrap();
        expected.clone_into(&mut found);
    }
    let difference = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{} is out of date; `cargo xtask generate` writes it. \
         First difference: {difference:?}, or one is longer",
        path.display()
    );
}
