//! `docs/fields.md` says what becomes of every field that the API server knows.

use std::collections::BTreeSet;

use axum::http::Request;
use serde_json::Value;

use crate::world::{World, config};

/// The page's headings, and where the schema of each kind is.
const KINDS: [(&str, &str, &str); 5] = [
    ("Ingress", "apis/networking.k8s.io/v1", "io.k8s.api.networking.v1.Ingress"),
    ("IngressClass", "apis/networking.k8s.io/v1", "io.k8s.api.networking.v1.IngressClass"),
    ("Service", "api/v1", "io.k8s.api.core.v1.Service"),
    ("EndpointSlice", "apis/discovery.k8s.io/v1", "io.k8s.api.discovery.v1.EndpointSlice"),
    ("Secret", "api/v1", "io.k8s.api.core.v1.Secret"),
];

/// What all objects have.
const COMMON: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// The fields in the table of a kind.
fn documented(page: &str, kind: &str) -> BTreeSet<String> {
    let section =
        page.split("\n## ").find(|section| section.lines().next() == Some(kind)).unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

/// The paths of all values under a schema.
fn paths(schemas: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let referred = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    if let Some(name) = referred.and_then(|reference| reference.rsplit('/').next()) {
        return paths(schemas, &schemas[name], path, found);
    }
    if schema["type"] == "array" {
        return paths(schemas, &schema["items"], &format!("{path}[]"), found);
    }
    let Some(properties) = schema["properties"].as_object() else {
        found.insert(path.trim_end_matches("[]").to_owned());
        return;
    };
    for (name, schema) in properties {
        let is_common = path.is_empty() && COMMON.contains(&&**name);
        if !is_common {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            paths(schemas, schema, &path, found);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_every_field_of_the_api() {
    let Some(world) = World::start_unready(&config(&[]), "avi-system").await else { return };
    let page = include_str!("../../../../docs/fields.md");
    for (kind, group, name) in KINDS {
        let request = Request::get(format!("/openapi/v3/{group}")).body(Vec::new()).unwrap();
        let schema: Value = world.client.request(request).await.unwrap();
        let schemas = &schema["components"]["schemas"];
        let mut known = BTreeSet::new();
        paths(schemas, &schemas[name], "", &mut known);
        assert!(known.len() > 1, "{kind}: {known:?}");
        let documented = documented(page, kind);
        let is_in = |path: &str, row: &str| {
            path.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let missing: Vec<_> =
            known.iter().filter(|path| !documented.iter().any(|row| is_in(path, row))).collect();
        assert_eq!(missing, Vec::<&String>::new(), "{kind}: fields that docs/fields.md does not name");
        let stale: Vec<_> =
            documented.iter().filter(|row| !known.iter().any(|path| is_in(path, row))).collect();
        assert_eq!(stale, Vec::<&String>::new(), "{kind}: docs/fields.md names what the API does not have");
    }
}
