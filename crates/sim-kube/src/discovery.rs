//! What there is: versions, groups, resources and their schemas.
//! Source: Kubernetes documentation, "The Kubernetes API", "Discovery API" and
//! "OpenAPI V3".

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::cluster::Cluster;
use crate::resource::{Registry, Resource};
use crate::schema::DOCUMENT;
use crate::status::{Granted, Refusal};

/// What the server calls itself.
const VERSION: &str = "v1.36.3";

/// Resources that are asked, not kept: group, plural, kind, namespaced.
pub(crate) const REVIEWS: [(&str, &str, &str); 4] = [
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
    ("authentication.k8s.io", "tokenreviews", "TokenReview"),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"),
];

/// An answer that is not about one resource; `None` if the path is of another kind.
pub(crate) fn answer(cluster: &Cluster, call: &Call) -> Option<Granted<Value>> {
    let registry = &cluster.registry;
    let parts: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let aggregated = call.header("accept").contains("as=APIGroupDiscoveryList");
    let found = match parts.as_slice() {
        ["version"] => version(),
        ["api"] if aggregated => aggregated_list(registry, true),
        ["apis"] if aggregated => aggregated_list(registry, false),
        ["api"] => json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
        }),
        ["apis"] => groups(registry),
        ["apis", group] => match registry.groups().iter().find(|(name, _)| name == group) {
            Some((name, versions)) => {
                let mut found = group_of(name, versions);
                found["kind"] = "APIGroup".into();
                found["apiVersion"] = "v1".into();
                found
            }
            None => return Some(Err(Refusal::no_path())),
        },
        ["api", version] => return Some(resources(registry, "", version)),
        ["apis", group, version] => return Some(resources(registry, group, version)),
        ["openapi", "v3"] => index(registry),
        ["openapi", "v3", "api", version] => document(registry, "", version),
        ["openapi", "v3", "apis", group, version] => document(registry, group, version),
        ["openapi", "v2"] => json!({
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": VERSION},
            "paths": {},
            "definitions": {},
        }),
        _ => return None,
    };
    Some(Ok(found))
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": VERSION,
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    })
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn group_of(name: &str, versions: &[String]) -> Value {
    let shown = |version: &String| json!({"groupVersion": group_version(name, version), "version": version});
    let all: Vec<Value> = versions.iter().map(shown).collect();
    json!({"name": name, "versions": all, "preferredVersion": all.first()})
}

fn groups(registry: &Registry) -> Value {
    let all = registry.groups();
    let named = all.iter().filter(|(group, _)| !group.is_empty());
    let groups: Vec<Value> = named.map(|(group, versions)| group_of(group, versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// Subresources with the verbs that they know.
fn subresources(resource: &Resource) -> Vec<(&'static str, Value, &'static [&'static str])> {
    let own = json!({"group": &*resource.group, "version": &*resource.version, "kind": &*resource.kind});
    let mut all: Vec<(&'static str, Value, &'static [&'static str])> = Vec::new();
    if resource.is("", "Namespace") {
        all.push(("finalize", own.clone(), &["update"]));
    }
    if resource.scale.is_some() {
        let scale = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
        all.push(("scale", scale, &["get", "patch", "update"]));
    }
    if resource.status {
        all.push(("status", own, &["get", "patch", "update"]));
    }
    if resource.is("", "ServiceAccount") {
        let token = json!({"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"});
        all.push(("token", token, &["create"]));
    }
    all
}

fn resources(registry: &Registry, group: &str, version: &str) -> Granted<Value> {
    let mut all = Vec::new();
    for resource in registry.in_version(group, version) {
        let mut shown = json!({
            "name": &*resource.plural,
            "singularName": &*resource.singular,
            "namespaced": resource.namespaced,
            "kind": &*resource.kind,
            "verbs": resource.verbs(),
        });
        if !resource.short_names.is_empty() {
            shown["shortNames"] = resource.short_names.clone().into();
        }
        if !resource.categories.is_empty() {
            shown["categories"] = resource.categories.clone().into();
        }
        all.push(shown);
        for (name, kind, verbs) in subresources(resource) {
            let mut shown = json!({
                "name": format!("{}/{name}", resource.plural),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": kind["kind"],
                "verbs": verbs,
            });
            if kind["kind"] != *resource.kind {
                shown["group"] = kind["group"].clone();
                shown["version"] = kind["version"].clone();
            }
            all.push(shown);
        }
    }
    for (_, plural, kind) in REVIEWS.iter().filter(|(of, _, _)| *of == group && version == "v1") {
        let singular = kind.to_lowercase();
        all.push(json!({"name": plural, "singularName": singular, "namespaced": false, "kind": kind, "verbs": ["create"]}));
    }
    if all.is_empty() {
        return Err(Refusal::no_path());
    }
    Ok(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version(group, version),
        "resources": all,
    }))
}

fn aggregated_list(registry: &Registry, core: bool) -> Value {
    let groups = registry.groups();
    let wanted = groups.iter().filter(|(group, _)| group.is_empty() == core);
    let items: Vec<Value> = wanted
        .map(|(group, versions)| {
            let versions: Vec<Value> =
                versions.iter().map(|version| aggregated_version(registry, group, version)).collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({ "name": group }) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn aggregated_version(registry: &Registry, group: &str, version: &str) -> Value {
    let kind_of = |kind: &str| json!({"group": group, "version": version, "kind": kind});
    let mut all: Vec<Value> = Vec::new();
    for resource in registry.in_version(group, version) {
        let mut shown = json!({
            "resource": &*resource.plural,
            "responseKind": kind_of(&resource.kind),
            "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": &*resource.singular,
            "verbs": resource.verbs(),
        });
        if !resource.short_names.is_empty() {
            shown["shortNames"] = resource.short_names.clone().into();
        }
        if !resource.categories.is_empty() {
            shown["categories"] = resource.categories.clone().into();
        }
        let subresources = subresources(resource);
        if !subresources.is_empty() {
            let shown_one = |(name, kind, verbs): (&str, Value, &[&str])| json!({"subresource": name, "responseKind": kind, "verbs": verbs});
            shown["subresources"] = subresources.into_iter().map(shown_one).collect();
        }
        all.push(shown);
    }
    for (_, plural, kind) in REVIEWS.iter().filter(|(of, _, _)| *of == group && version == "v1") {
        all.push(json!({
            "resource": plural,
            "responseKind": kind_of(kind),
            "scope": "Cluster",
            "singularResource": kind.to_lowercase(),
            "verbs": ["create"],
        }));
    }
    json!({"version": version, "resources": all, "freshness": "Current"})
}

fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let path =
                if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
            // Clients cache by the hash: the number of schemas is what changes here.
            let hash = registry.in_version(&group, &version).count();
            paths.insert(
                path.clone(),
                json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash:X}")}),
            );
        }
    }
    json!({ "paths": paths })
}

/// Schemas and the operations that tell clients which parameters there are.
fn document(registry: &Registry, group: &str, version: &str) -> Value {
    let prefix =
        if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    let mut schemas = DOCUMENT.as_object().cloned().unwrap_or_default();
    let mut paths = Map::new();
    for resource in registry.in_version(group, version) {
        let kind = json!({"group": group, "version": version, "kind": &*resource.kind});
        let definition = match &resource.custom {
            Some(custom) => {
                let name = format!("{group}.{version}.{}", resource.kind);
                let mut schema = custom.schema.clone();
                schema["type"] = "object".into();
                for (field, form) in [
                    ("apiVersion", json!({"type": "string"})),
                    ("kind", json!({"type": "string"})),
                    (
                        "metadata",
                        json!({"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}),
                    ),
                ] {
                    schema["properties"][field] = form;
                }
                schemas.insert(name.clone(), schema);
                name
            }
            None => resource.schema.definition().to_owned(),
        };
        if let Some(schema) = schemas.get_mut(&definition) {
            schema["x-kubernetes-group-version-kind"] = json!([kind]);
        }
        let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        let collection = format!("{prefix}{scope}/{}", resource.plural);
        paths.insert(
            format!("{collection}/{{name}}"),
            operations(&kind, &definition, &["get", "put", "patch", "delete"]),
        );
        paths.insert(collection, operations(&kind, &definition, &["get", "post"]));
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

fn operations(kind: &Value, definition: &str, methods: &[&str]) -> Value {
    let parameter =
        |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let reference = json!({"$ref": format!("#/components/schemas/{definition}")});
    let mut all = Map::new();
    for &method in methods {
        let action = match method {
            "get" => "get",
            "put" => "put",
            "patch" => "patch",
            "delete" => "delete",
            _ => "post",
        };
        let mut parameters = vec![parameter("pretty")];
        if method != "get" {
            parameters.extend([parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")]);
        }
        let operation = json!({
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": reference}}}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind,
        });
        all.insert(method.to_owned(), operation);
    }
    Value::Object(all)
}
