//! `docs/values.md`, made of the comments in the chart's `values.yaml`, its schema, and what a
//! change to a key of the ConfigMap does.

use std::fmt::Write as _;
use std::path::PathBuf;

use ako_core::config::{Support, keys};
use ako_harness::helm::Helm;
use serde_json::Value;

use crate::objects::{is_fresh, repository};
use crate::values::{OF_AKO, OWN, defaults};

const INTRODUCTION: &str = "# Values of the chart

Generated from `charts/ako/values.yaml`, the schema beside it and the operator's keys: edit those.

The names and defaults are those of AKO 2.2.1, but for what says so. Where a value becomes a key of
[ConfigMap `avi-k8s-config`](configuration.md), the key is named: *live* ones take effect at once,
those that say *restart* roll the pods. How to install: [install](install.md).
";

/// A value, or a group of them.
struct Entry {
    path: Vec<String>,
    comment: String,
    /// It has values with comments of their own.
    is_group: bool,
}

/// The values with their comments, in the order of the file.
fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let (mut path, mut comment): (Vec<String>, Vec<&str>) = Default::default();
    for line in text.lines() {
        let content = line.trim_start();
        if let Some(words) = content.strip_prefix("# ") {
            comment.push(words);
        } else if let Some((name, _)) = content.split_once(':').filter(|_| !comment.is_empty()) {
            path.truncate((line.len() - content.len()) / 2);
            path.push(name.to_owned());
            if let Some(parent) = entries.iter_mut().find(|entry| entry.path == path[..path.len() - 1]) {
                parent.is_group = true;
            }
            entries.push(Entry { path: path.clone(), comment: comment.join(" "), is_group: false });
            comment.clear();
        } else {
            comment.clear();
        }
    }
    entries
}

/// What a value may be, by the schema.
fn allowed(schema: &Value, path: &[String]) -> String {
    let mut place = schema;
    for name in path {
        place = &place["properties"][name];
    }
    let definition = place["$ref"].as_str().and_then(|name| name.strip_prefix("#/definitions/"));
    if let Some(name) = definition {
        let word = match name {
            "flag" | "exactFlag" => "true, false",
            "duration" => "15s, 500ms",
            _ => "text",
        };
        return word.to_owned();
    }
    if let Some(values) = place["enum"].as_array() {
        let named = values.iter().filter_map(Value::as_str).filter(|value| !value.is_empty());
        return named.collect::<Vec<_>>().join(", ");
    }
    let kinds = [("boolean", "true, false"), ("integer", "number"), ("array", "list"), ("object", "map")];
    let is = |kind: &str| {
        place["type"] == kind || place["type"].as_array().is_some_and(|all| all.contains(&kind.into()))
    };
    kinds.iter().find(|(kind, _)| is(kind)).map_or("text", |(_, word)| word).to_owned()
}

/// The key of the ConfigMap, and what a change to it does.
fn key(path: &str) -> Option<String> {
    let row = OF_AKO.iter().chain(&OWN).find(|row| row.path == path && !row.key.is_empty())?;
    let key = keys().iter().find(|key| key.name == row.key)?;
    let change = match (key.support, key.live) {
        (Support::Full, true) => ", live",
        (Support::Full, false) => ", restart",
        _ => "",
    };
    Some(format!(" (`{}`{change})", key.name))
}

/// The schema, with that of the CRD operator's chart in its place.
fn schema() -> Value {
    let read = |chart: PathBuf| -> Value {
        serde_json::from_str(&std::fs::read_to_string(chart.join("values.schema.json")).unwrap()).unwrap()
    };
    let mut schema = read(Helm::chart());
    let of_crd_operator = read(Helm::chart().join("charts/ako-crd-operator"))["properties"].take();
    let place = schema["properties"]["ako-crd-operator"]["properties"].as_object_mut().unwrap();
    place.extend(of_crd_operator.as_object().unwrap().clone());
    schema
}

fn page() -> String {
    let text = std::fs::read_to_string(Helm::chart().join("values.yaml")).unwrap();
    let (schema, defaults) = (schema(), defaults());
    let mut sections = vec![("The pods and the rest".to_owned(), String::new(), String::new())];
    for Entry { path, comment, is_group } in entries(&text) {
        if is_group && path.len() == 1 {
            sections.push((path[0].clone(), comment, String::new()));
            continue;
        }
        let name = path.join(".");
        let default = match defaults.pointer(&format!("/{}", path.join("/"))) {
            Some(Value::String(text)) if !text.is_empty() => format!("`{text}`"),
            Some(Value::String(_)) | None => String::new(),
            Some(_) if is_group => String::new(),
            Some(value) => format!("`{value}`"),
        };
        let allowed = if is_group { String::new() } else { allowed(&schema, &path) };
        let key = key(&name).unwrap_or_default();
        let rows = sections.iter_mut().find(|(section, ..)| *section == path[0] && path.len() > 1);
        let row = format!("| `{name}` | {default} | {allowed} | {comment}{key} |\n");
        match rows {
            Some((_, _, rows)) => rows.push_str(&row),
            None => sections[0].2.push_str(&row),
        }
    }
    // What has no section comes last.
    sections.rotate_left(1);
    let mut page = INTRODUCTION.to_owned();
    for (title, words, rows) in sections {
        let words = if words.is_empty() { words } else { format!("{words}\n\n") };
        let head = "| value | default | may be | meaning |\n| --- | --- | --- | --- |\n";
        let _ = write!(page, "\n## {title}\n\n{words}{head}{rows}");
    }
    page
}

#[test]
fn the_page_of_the_values_follows_from_them() {
    is_fresh(&repository("docs/values.md"), &page());
}

/// A value without a comment is not on the page.
#[test]
fn each_value_has_a_comment_and_a_place_in_the_schema() {
    let text = std::fs::read_to_string(Helm::chart().join("values.yaml")).unwrap();
    let schema = schema();
    let entries = entries(&text);
    let paths: Vec<_> = entries.iter().map(|entry| entry.path.join(".")).collect();
    for row in OF_AKO.iter().chain(&OWN) {
        assert!(paths.iter().any(|path| path == row.path), "{} has no comment", row.path);
    }
    for name in defaults().as_object().unwrap().keys() {
        assert!(paths.contains(name), "{name} has no comment");
        assert!(schema["properties"][name].is_object(), "{name} is not in the schema");
    }
}
