//! Where a kind of Kubernetes object may be named: in its own modules, and where it is used
//! by name for a reason that stands here. Everything else comes from the table of kinds, so
//! that a new kind is a row and two files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::sources::{rust_files, without_tests};
use crate::workspace::root;

const TABLE: &str = "crates/core/src/kinds/table.rs";

/// The crates that the operator is made of, as far as they know kinds.
const CRATES: [&str; 6] = ["core", "translate", "engine", "kube-types", "kube-io", "app"];

/// What kinds are named where, and why.
const BY_NAME: [(&str, &[&str], &str); 21] = [
    ("crates/core/src/kinds/key.rs", &["Namespace"], "whether a namespace is served depends on it"),
    (
        "crates/core/src/snapshot.rs",
        &["ConfigMap", "StatefulSet", "Pod", "BlockAffinity", "HostSubnet", "CiliumNode"],
        "instances are made of the first two; pods are found by the Services that select them; subnets of nodes \
         are asked for by the kind that the CNI keeps them in",
    ),
    (
        "crates/translate/src/unit.rs",
        &[
            "Ingress",
            "Route",
            "Service",
            "Node",
            "AviInfraSetting",
            "HostRule",
            "HTTPRule",
            "L4Rule",
            "L7Rule",
            "SSORule",
            "HealthMonitor",
            "ApplicationProfile",
            "PKIProfile",
            "RouteBackendExtension",
        ],
        "what units are about",
    ),
    (
        "crates/translate/src/rules/mod.rs",
        &["AviInfraSetting", "HostRule", "HTTPRule", "L4Rule", "L7Rule", "SSORule"],
        "each kind of rule has its own verdict",
    ),
    (
        "crates/translate/src/view.rs",
        &["Route", "Secret"],
        "where there are Routes, they are served instead of Ingresses, and useDefaultSecretsOnly acts",
    ),
    (
        "crates/kube-io/src/reach.rs",
        &["Route", "Secret"],
        "useDefaultSecretsOnly acts where there are Routes",
    ),
    (
        "crates/translate/src/static_routes.rs",
        &["BlockAffinity"],
        "with Calico, a node without a subnet is no mistake",
    ),
    (
        "crates/engine/src/purpose.rs",
        &[
            "Namespace",
            "ConfigMap",
            "StatefulSet",
            "Service",
            "EndpointSlice",
            "Pod",
            "Node",
            "AviInfraSetting",
        ],
        "whose a namespace is, what says where pods are, and what places Services",
    ),
    (
        "crates/engine/src/status.rs",
        &["Ingress", "Route", "Service"],
        "what an object asks for decides whose addresses without annotations are",
    ),
    (
        "crates/translate/src/profiles/mod.rs",
        &["HealthMonitor", "ApplicationProfile", "PKIProfile", "RouteBackendExtension"],
        "each kind is made in its own way",
    ),
    (
        "crates/translate/src/profiles/made.rs",
        &["ApplicationProfile", "PKIProfile"],
        "the kind of the controller that is made of each",
    ),
    ("crates/engine/src/made.rs", &["HealthMonitor"], "AKO writes its name with a space in one text"),
    ("crates/engine/src/policy.rs", &["ConfigMap"], "the subject of findings about the configuration"),
    (
        "crates/kube-types/src/schema.rs",
        &[
            "AviInfraSetting",
            "HostRule",
            "HTTPRule",
            "L4Rule",
            "L7Rule",
            "SSORule",
            "HealthMonitor",
            "ApplicationProfile",
            "PKIProfile",
            "RouteBackendExtension",
        ],
        "the kinds that are ours to define, with their short names and columns",
    ),
    ("crates/kube-io/src/authority.rs", &["StatefulSet"], "whether one counts is asked of the API server"),
    ("crates/kube-io/src/source.rs", &["StatefulSet"], "the same"),
    ("crates/kube-io/src/watch.rs", &["Secret"], "they are large, and are listed in smaller pages"),
    (
        "crates/kube-io/src/writer.rs",
        &["Secret", "StatefulSet"],
        "a renewed token is stored, and notes of the operator's own are written",
    ),
    ("crates/app/src/offline/status.rs", &["Service"], "the API server adds a field to its addresses"),
    (
        "crates/app/src/run/conflicts.rs",
        &["Namespace", "ConfigMap", "StatefulSet"],
        "conflicts of instances come from these",
    ),
    ("crates/app/src/run/publishing.rs", &["Namespace"], "the subject of conflicts of instances"),
];

#[test]
fn a_kind_is_named_in_its_own_modules_and_where_there_is_a_reason() {
    let kinds = kinds();
    let expected: BTreeMap<_, BTreeSet<_>> =
        BY_NAME.into_iter().map(|(file, kinds, _)| (file, kinds.iter().copied().collect())).collect();
    let mut found = BTreeMap::new();
    for folder in CRATES {
        for path in rust_files(&root().join("crates").join(folder).join("src")) {
            let file = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            if file.ends_with("tests.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let mut named = named(without_tests(&text), &kinds);
            named.retain(|kind| {
                let is_kept = file == format!("crates/core/src/kinds/{}.rs", kinds[kind]);
                !is_kept && !text.contains(&format!("impl Convert for {kind}"))
            });
            if !named.is_empty() {
                found.insert(file, named);
            }
        }
    }
    for (file, named) in &found {
        let listed = expected.get(file.as_str()).cloned().unwrap_or_default();
        let more: Vec<_> = named.iter().filter(|kind| !listed.contains(kind.as_str())).collect();
        assert!(
            more.is_empty(),
            "{file} names {more:?}: let it follow from the table of kinds ({TABLE}), or give the reason in {}",
            file!()
        );
    }
    for (file, listed) in expected {
        let named = found.get(file).cloned().unwrap_or_default();
        let over: Vec<_> = listed.into_iter().filter(|kind| !named.contains(*kind)).collect();
        assert!(
            over.is_empty(),
            "{file} does not name {over:?} any more: take it off the list in {}",
            file!()
        );
    }
}

/// The kinds of the table, each with the module of what is kept of it.
fn kinds() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join(TABLE)).unwrap();
    let rows = text.lines().filter_map(|line| {
        let (kind, rest) = line.trim().split_once(' ')?;
        let (module, _) = rest.split_once("::")?;
        let is_row = line.ends_with(';') && line.contains('"') && kind.chars().all(char::is_alphanumeric);
        is_row.then(|| (kind.to_owned(), module.to_owned()))
    });
    let kinds: BTreeMap<_, _> = rows.collect();
    assert!(kinds.len() >= 13, "{TABLE} is not understood: {kinds:?}");
    kinds
}

/// The kinds that a text names as values of the enums of all kinds. Some have the names of kinds of
/// the Avi Controller, which are values of another enum.
fn named(text: &str, kinds: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let renamed = text.contains("ResourceKind as Kind").then_some(" Kind::");
    let paths = ["ResourceKind::", "Resource::"].into_iter().chain(renamed);
    for (at, path) in paths.flat_map(|path| text.match_indices(path)) {
        let rest = &text[at + path.len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default(),
        };
        let names = names.split(',').map(str::trim).filter(|name| kinds.contains_key(*name));
        found.extend(names.map(str::to_owned));
    }
    found
}
