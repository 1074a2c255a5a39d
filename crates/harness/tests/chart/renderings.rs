//! What is rendered for the documented combinations of values, as recorded in `golden`.

use std::fs;
use std::path::Path;

use ako_harness::helm::Helm;
use serde_json::Value;

use crate::objects::{Objects, copy_of_chart, is_fresh};

/// Renders each case's `values.yaml` as release `ako`, and compares with its `rendered.yaml`.
#[test]
fn the_documented_combinations_are_rendered_as_recorded() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart/golden");
    let cases: Vec<_> = fs::read_dir(&golden).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(cases.len() >= 12, "there are only {} cases", cases.len());
    for case in cases {
        let text = fs::read_to_string(case.join("values.yaml")).unwrap();
        let values: Value = serde_saphyr::from_str(&text).unwrap();
        // Cases say in their first line where they are to be installed.
        let namespace = text.lines().next().and_then(|line| line.strip_prefix("# Namespace ")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let chart = copy_of_chart(folder.path());
        if text.contains("\n# As if the operator supported it.\n") {
            let keys = fs::read_to_string(chart.join("files/keys.yaml")).unwrap();
            fs::write(chart.join("files/keys.yaml"), keys.replace("\nrefused:\n", "\nrefused: []\nonce:\n"))
                .unwrap();
        }
        let rendered = helm.template(&chart, namespace, &values, &[]).unwrap();
        let rendered = rendered.unwrap_or_else(|refusal| panic!("{}: {refusal}", case.display()));
        // Everything in there is YAML.
        Objects::read(&rendered);
        is_fresh(&case.join("rendered.yaml"), &rendered);
    }
}
