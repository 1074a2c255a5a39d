//! The files of the chart that follow from the operator's code: its RBAC rules, from the table
//! of kinds and what else it asks for, what is to be known of each key, and the
//! CustomResourceDefinitions, from the types that read their objects.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use ako_core::config::{KeySpec, Support, keys};
use ako_core::{Program, ResourceKind};
use ako_harness::helm::Helm;
use ako_kube_io::{Rule, needed_rules};
use serde_json::Value;

use crate::objects::{Objects, is_fresh, least, repository, with};

const HEADER: &str = "# Generated from the operator's code, which a test holds it against; see\n\
                      # crates/harness/tests/chart/main.rs.\n";

/// Verbs in the order in which they are written.
const VERBS: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];

/// A rule of a Role.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PolicyRule {
    group: String,
    resources: Vec<String>,
    name: Option<&'static str>,
    verbs: Vec<&'static str>,
}

/// As few rules as allow just these: one for each resource with all its verbs, and then one for
/// all resources of a group with the same verbs.
fn policy(needed: impl Iterator<Item = Rule>) -> Vec<PolicyRule> {
    let mut single: Vec<PolicyRule> = Vec::new();
    for rule in needed {
        let resources = vec![rule.full_resource()];
        let same = |known: &&mut PolicyRule| {
            known.group == rule.group && known.resources == resources && known.name == rule.name
        };
        match single.iter_mut().find(same) {
            Some(known) if known.verbs.contains(&rule.verb) => {}
            Some(known) => known.verbs.push(rule.verb),
            None => single.push(PolicyRule {
                group: rule.group.to_owned(),
                resources,
                name: rule.name,
                verbs: vec![rule.verb],
            }),
        }
    }
    let mut merged: Vec<PolicyRule> = Vec::new();
    for mut rule in single {
        rule.verbs.sort_by_key(|verb| VERBS.iter().position(|known| known == verb));
        let same = |known: &&mut PolicyRule| {
            known.group == rule.group && known.verbs == rule.verbs && known.name == rule.name
        };
        match merged.iter_mut().find(same) {
            Some(known) => known.resources.append(&mut rule.resources),
            None => merged.push(rule),
        }
    }
    merged
}

fn yaml(rules: &[PolicyRule]) -> String {
    let list = |items: &[String]| serde_json::to_string(items).unwrap().replace(',', ", ");
    let mut text = HEADER.to_owned();
    for rule in rules {
        let _ = writeln!(text, "- apiGroups: [{:?}]", rule.group);
        let _ = writeln!(text, "  resources: {}", list(&rule.resources));
        if let Some(name) = rule.name {
            let _ = writeln!(text, "  resourceNames: [{name:?}]");
        }
        let verbs: Vec<_> = rule.verbs.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  verbs: {}", list(&verbs));
    }
    text
}

/// Both programs, each with its chart.
fn charts() -> [(Program, PathBuf); 2] {
    let chart = Helm::chart();
    let of_crd_operator = chart.join("charts/ako-crd-operator");
    [(Program::Operator, chart), (Program::CrdOperator, of_crd_operator)]
}

/// Every rule that an instance of a program may need, whatever its configuration.
fn all_needed(program: Program) -> Vec<Rule> {
    let kinds = ResourceKind::ALL.into_iter().filter(|kind| kind.is_read_by(program)).collect();
    needed_rules(program, "avi-system", &kinds, true)
}

#[test]
fn the_rules_follow_from_the_kinds_and_what_is_asked_for() {
    for (program, chart) in charts() {
        let files = chart.join("files");
        let (own, cluster): (Vec<_>, Vec<_>) =
            all_needed(program).into_iter().partition(|rule| rule.namespace.is_some());
        is_fresh(&files.join("cluster-rules.yaml"), &yaml(&policy(cluster.into_iter())));
        is_fresh(&files.join("own-rules.yaml"), &yaml(&policy(own.into_iter())));
    }
}

#[test]
fn the_definitions_follow_from_the_types_that_read_their_objects() {
    for (program, chart) in charts() {
        let folder = chart.join("crds");
        let mut expected = BTreeSet::new();
        for definition in ako_kube_types::schema::definitions_of(program) {
            let text = |pointer: &str| definition.pointer(pointer).unwrap().as_str().unwrap();
            let name = format!("{}_{}.yaml", text("/spec/group"), text("/spec/names/plural"));
            let yaml = serde_saphyr::to_string(&definition).unwrap();
            is_fresh(&folder.join(&name), &format!("{HEADER}{yaml}"));
            expected.insert(name);
        }
        let files = std::fs::read_dir(&folder).unwrap();
        let found = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(expected, found, "what is in {}", folder.display());
    }
}

/// The fields of an object, as `a.b[].c`.
fn fields(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    let (object, at) = match schema.get("items") {
        Some(items) => (items, format!("{at}[]")),
        None => (schema, at.to_owned()),
    };
    for (name, field) in object["properties"].as_object().into_iter().flatten() {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        fields(field, &path, found);
        found.insert(path);
    }
}

#[test]
fn the_page_of_custom_resources_names_every_field_and_no_other() {
    let page = std::fs::read_to_string(repository("docs/custom-resources.md")).unwrap();
    for definition in ako_kube_types::schema::definitions() {
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        let section = page.split("\n## ").find_map(|section| section.strip_prefix(&format!("{kind}\n")));
        let rows = section.unwrap_or_else(|| panic!("there is no section {kind}")).lines();
        let named = rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`'));
        let named: BTreeSet<_> = named.map(|(field, _)| field.to_owned()).collect();
        let versions = definition["spec"]["versions"].as_array().unwrap();
        let stored = versions.iter().find(|version| version["storage"] == true).unwrap();
        let mut expected = BTreeSet::new();
        fields(&stored["schema"]["openAPIV3Schema"]["properties"]["spec"], "", &mut expected);
        assert_eq!(named, expected, "{kind}: docs/custom-resources.md, and the schema");
    }
}

#[test]
fn what_is_known_of_keys_follows_from_them() {
    let names = |wanted: &dyn Fn(&KeySpec) -> bool| {
        let names = keys().iter().filter(|key| wanted(key)).map(|key| format!("  - {}\n", key.name));
        names.collect::<String>()
    };
    let mut text = HEADER.to_owned();
    text += "\n# Take effect after a restart.\nrestart:\n";
    text += &names(&|key| !key.live && key.support == Support::Full);
    text += "\n# The operator does not run with these.\nrefused:\n";
    text += &names(&|key| key.support == Support::Refused);
    text += "\n# The variables by which AKO's StatefulSet has them.\nenvironment:\n";
    for key in keys().iter().filter(|key| !key.env.is_empty()) {
        let _ = writeln!(text, "  - {{name: {}, key: {}}}", key.env, key.name);
    }
    is_fresh(&Helm::chart().join("files/keys.yaml"), &text);
}

/// Whether the rules of a rendered role allow something.
fn allows(role: &Value, needed: &Rule) -> bool {
    let holds =
        |list: &Value, item: &str| list.as_array().is_some_and(|list| list.iter().any(|known| known == item));
    role["rules"].as_array().unwrap().iter().any(|rule| {
        let is_for_name = match (&rule["resourceNames"], needed.name) {
            (Value::Null, _) => true,
            (names, Some(name)) => holds(names, name),
            (_, None) => false,
        };
        holds(&rule["apiGroups"], needed.group)
            && holds(&rule["resources"], &needed.full_resource())
            && holds(&rule["verbs"], needed.verb)
            && is_for_name
    })
}

#[test]
fn each_instance_may_do_what_it_needs_and_nothing_is_allowed_by_a_star() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let primary = Objects::of(&helm, &least());
    let secondary = Objects::of(&helm, &with(least(), "AKOSettings.primaryInstance", false.into()));
    let cluster_role = primary.get("ClusterRole", "ako-cr");
    assert!(secondary.find("ClusterRole", "ako-cr").is_none(), "the primary instance brings it");
    for (objects, binding) in [(&primary, "ako-crb"), (&secondary, "ako-crb-avi-system")] {
        assert_eq!(objects.get("ClusterRoleBinding", binding)["roleRef"]["name"], "ako-cr");
        assert_eq!(objects.get("RoleBinding", "ako")["roleRef"]["name"], "ako");
        may_do_what_it_needs(Program::Operator, cluster_role, objects.get("Role", "ako"));
    }
    let [cluster_role, role] = ["ClusterRole", "Role"].map(|kind| primary.get(kind, "ako-crd-operator"));
    may_do_what_it_needs(Program::CrdOperator, cluster_role, role);
}

fn may_do_what_it_needs(program: Program, cluster_role: &Value, role: &Value) {
    for rule in all_needed(program) {
        let is_own = rule.namespace.is_some();
        assert!(allows(cluster_role, &rule) || (is_own && allows(role, &rule)), "{rule}");
    }
    assert!(!role["rules"].to_string().contains('*') && !cluster_role["rules"].to_string().contains('*'));
}
