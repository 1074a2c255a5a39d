//! What the operator makes of the ConfigMap that the chart renders.

use std::collections::BTreeMap;

use ako_core::Config;
use ako_core::config::{Support, VipNetwork, keys};
use ako_harness::helm::Helm;
use serde_json::{Value, json};

use crate::objects::{Objects, least, with};
use crate::values::{OF_AKO, OWN, Row, json_of};

/// Other values without which a value cannot be used, or has no effect.
fn together_with(row: &Row, values: Value) -> Value {
    match row.key {
        "nodeKey" | "nodeValue" => with(values, "L7Settings.serviceType", json!("NodePort")),
        "bgpPeerLabels" => with(values, "NetworkSettings.enableRHI", json!(true)),
        _ => values,
    }
}

/// Rows that become a key, each with values that have it set and values that have not.
fn changes() -> impl Iterator<Item = (&'static Row, Value, Value)> {
    let rows = OF_AKO.iter().chain(&OWN).filter(|row| !row.key.is_empty());
    rows.map(|row| {
        let before = together_with(row, least());
        let after = with(before.clone(), row.path, json_of(row.other.0));
        (row, before, after)
    })
}

#[test]
fn the_defaults_are_those_of_the_operator() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let data = Objects::of(&helm, &least()).data();
    let (config, issues) = Config::parse("avi-system", &data);
    let expected = Config {
        cluster_name: "my-cluster".into(),
        controller_host: "10.10.10.10".into(),
        vip_networks: vec![VipNetwork { name: "vip-net".into(), ..VipNetwork::default() }],
        // AKO's own default.
        crd_operator: true,
        ..Config::default()
    };
    assert_eq!(config, expected);
    let issues: Vec<_> = issues.iter().map(ToString::to_string).collect();
    assert_eq!(issues, Vec::<String>::new());
}

/// Keys of AKO are always there, keys of this operator if they are set.
#[test]
fn the_keys_are_those_of_ako() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let data = Objects::of(&helm, &least()).data();
    let mut expected: Vec<_> = OF_AKO.iter().map(|row| row.key).filter(|key| !key.is_empty()).collect();
    expected.retain(|key| !matches!(*key, "nodeKey" | "nodeValue"));
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(data.keys().map(String::as_str).collect::<Vec<_>>(), expected);
}

/// Each value changes its key and nothing else of the ConfigMap, and the operator understands it.
#[test]
fn each_value_becomes_its_key() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    for (row, before, after) in changes() {
        let expected = row.other.1;
        let before = Objects::of(&helm, &before).data();
        let after = Objects::of(&helm, &after).data();
        assert_eq!(after.get(row.key).map(String::as_str), Some(expected), "{}", row.path);
        let others = |data: &BTreeMap<String, String>| {
            let mut data = data.clone();
            data.remove(row.key);
            // They are there only in this mode.
            data.retain(|key, _| row.key != "serviceType" || !key.starts_with("node"));
            data
        };
        assert_eq!(others(&after), others(&before), "{} changes other keys, too", row.path);
        let issues = Config::parse("avi-system", &after).1;
        assert!(!issues.iter().any(|issue| issue.fatal), "{}: {issues:?}", row.path);
    }
}

/// Pods restart for what takes effect after a restart, and for nothing else.
#[test]
fn only_what_needs_a_restart_rolls_the_pods() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let template = |values: &Value| Objects::of(&helm, values).get("StatefulSet", "ako")["spec"].clone();
    for (row, before, after) in changes() {
        let key = keys().iter().find(|key| key.name == row.key).unwrap();
        // What has no effect has none after a restart either.
        let rolls = !key.live && key.support == Support::Full;
        // Prometheus finds the pods by their annotations.
        let rolls = rolls || row.key == "enablePrometheus";
        assert_eq!(template(&before) != template(&after), rolls, "{}", row.path);
    }
}

#[test]
fn the_older_default_domain_gives_way() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let values = with(least(), "L4Settings.defaultDomain", json!("old.internal"));
    let values = with(values, "NetworkSettings.defaultDomain", json!("new.internal"));
    assert_eq!(Objects::of(&helm, &values).data()["defaultDomain"], "new.internal");
}

/// A values file with `key:` and nothing after it takes the default of the chart away.
#[test]
fn what_is_empty_has_the_default_of_the_operator() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let mut values = least();
    for row in OF_AKO.iter().filter(|row| !row.key.is_empty()) {
        let is_required = matches!(row.key, "clusterName" | "controllerIP" | "vipNetworkList");
        if !is_required {
            values = with(values, row.path, Value::Null);
        }
    }
    let data = Objects::of(&helm, &values).data();
    let (config, issues) = Config::parse("avi-system", &data);
    let defaults = Config::parse("avi-system", &Objects::of(&helm, &least()).data()).0;
    // The chart's default is what it installs, and nobody says whether that is there.
    let defaults = Config { crd_operator: false, ..defaults };
    assert_eq!((config, issues), (defaults, Vec::new()));
}
