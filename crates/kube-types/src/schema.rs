//! The CustomResourceDefinitions of AKO's rules, made of the types that read them.
//! Source: Custom resources, §0.

use ako_core::kinds::table::KindScope;
use ako_core::{Program, ResourceKind, annotation};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::{
    application_profile, health_monitor, host_rule, http_rule, infra_setting, l4_rule, l7_rule, pki_profile,
    profile, route_backend_extension, rule, sso_rule,
};

/// What is to be known of a kind beside the table of kinds and its schema.
struct Definition {
    kind: ResourceKind,
    spec: Value,
    short_names: &'static [&'static str],
    /// The name and the path of a column of `kubectl get`, beside the status and the age.
    column: Option<(&'static str, &'static str)>,
    status: Value,
    /// Where its status says in a word how it is.
    said_at: &'static str,
    /// With an older version that is served, too: the fields that it lacks.
    older: Option<&'static [&'static str]>,
}

/// The version that is served beside the one that is stored. Nothing is converted: it lacks some
/// fields, which get lost when an object is written by it.
const OLDER: &str = "v1alpha1";

/// What [`OLDER`] lacks of HostRules.
const NEW_IN_HOST_RULES: [&str; 5] = [
    "virtualhost.networkSecurityPolicy",
    "virtualhost.l7Rule",
    "virtualhost.applicationRootPath",
    "virtualhost.useRegex",
    "virtualhost.analyticsPolicy.fullClientLogs.duration",
];
/// What [`OLDER`] lacks of HTTPRules.
const NEW_IN_HTTP_RULES: [&str; 1] = ["paths.enableHTTP2"];

/// The CustomResourceDefinitions of both programs, as they are installed.
pub fn definitions() -> Vec<Value> {
    all().iter().map(Definition::write).collect()
}

/// Those of one program: of the kinds whose statuses it writes.
pub fn definitions_of(program: Program) -> Vec<Value> {
    let all = all().into_iter().filter(|definition| definition.kind.is_published_by(program));
    all.map(|definition| definition.write()).collect()
}

fn all() -> [Definition; 10] {
    let of = |kind, spec, short_names| Definition {
        kind,
        spec,
        short_names,
        column: None,
        status: schema_of::<rule::RuleStatus>(),
        said_at: ".status.status",
        older: None,
    };
    let profile = |kind, spec, short_names| Definition {
        status: schema_of::<profile::ProfileStatus>(),
        said_at: ".status.conditions[?(@.type=='Programmed')].reason",
        ..of(kind, spec, short_names)
    };
    [
        Definition {
            older: Some(&[]),
            ..of(ResourceKind::AviInfraSetting, schema_of::<infra_setting::Spec>(), &[])
        },
        Definition {
            column: Some(("Host", ".spec.virtualhost.fqdn")),
            older: Some(&NEW_IN_HOST_RULES),
            ..of(ResourceKind::HostRule, schema_of::<host_rule::Spec>(), &["hostrule", "hr"])
        },
        Definition {
            column: Some(("HOST", ".spec.fqdn")),
            older: Some(&NEW_IN_HTTP_RULES),
            ..of(ResourceKind::HTTPRule, schema_of::<http_rule::Spec>(), &["httprule"])
        },
        of(ResourceKind::L4Rule, schema_of::<l4_rule::Spec>(), &["l4rule"]),
        of(ResourceKind::L7Rule, schema_of::<l7_rule::Spec>(), &["l7rule"]),
        of(ResourceKind::SSORule, schema_of::<sso_rule::Spec>(), &["ssorule"]),
        profile(ResourceKind::HealthMonitor, schema_of::<health_monitor::Spec>(), &["hm"]),
        profile(ResourceKind::ApplicationProfile, schema_of::<application_profile::Spec>(), &["ap"]),
        profile(ResourceKind::PKIProfile, schema_of::<pki_profile::Spec>(), &["pp"]),
        Definition {
            status: schema_of::<route_backend_extension::ExtensionStatus>(),
            ..of(ResourceKind::RouteBackendExtension, schema_of::<route_backend_extension::Spec>(), &["rbe"])
        },
    ]
}

impl Definition {
    fn write(&self) -> Value {
        let spec = self.kind.spec();
        let mut names = json!({
            "kind": spec.name,
            "listKind": format!("{}List", spec.name),
            "plural": spec.plural,
            "singular": spec.name.to_lowercase(),
        });
        if !self.short_names.is_empty() {
            names["shortNames"] = json!(self.short_names);
        }
        let older = self.older.map(|lacks| older(self.spec.clone(), &self.status, lacks));
        let versions: Vec<_> = older.into_iter().chain([self.stored()]).collect();
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            // By that, an older release knows that it has to leave it alone.
            "metadata": {
                "name": spec.full_name(),
                "annotations": {annotation::RELEASE: env!("CARGO_PKG_VERSION")},
            },
            "spec": {
                "conversion": {"strategy": "None"},
                "group": spec.group,
                "names": names,
                "scope": match spec.scope {
                    KindScope::Cluster => "Cluster",
                    KindScope::Namespaced => "Namespaced",
                },
                "versions": versions,
            },
        })
    }

    /// The version that is stored and read.
    fn stored(&self) -> Value {
        let column = |(name, path): (&str, &str)| json!({"name": name, "type": "string", "jsonPath": path});
        let columns = self.column.into_iter().chain([("Status", self.said_at)]).map(column);
        let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
        json!({
            "name": self.kind.spec().version,
            "served": true,
            "storage": true,
            "additionalPrinterColumns": columns.chain([age]).collect::<Vec<_>>(),
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": object(&self.spec, &self.status)},
        })
    }
}

/// The older version of a kind, without the fields that it lacks.
fn older(mut spec: Value, status: &Value, lacks: &[&str]) -> Value {
    for path in lacks {
        remove(&mut spec, path);
    }
    json!({
        "name": OLDER,
        "served": true,
        "storage": false,
        "schema": {"openAPIV3Schema": object(&spec, status)},
    })
}

/// Removes a field; the entries of a list count as the list.
fn remove(schema: &mut Value, path: &str) {
    let schema = if schema.get("items").is_some() { &mut schema["items"] } else { schema };
    let fields = &mut schema["properties"];
    match path.split_once('.') {
        Some((field, rest)) => remove(&mut fields[field], rest),
        None => {
            fields.as_object_mut().map(|fields| fields.remove(path));
        }
    }
}

/// The schema of an object with that spec and status.
fn object(spec: &Value, status: &Value) -> Value {
    json!({
        "type": "object",
        "description": spec["description"],
        "properties": {
            "apiVersion": {"type": "string", "description": "The group and the version of the object's form."},
            "kind": {"type": "string", "description": "The kind of the object."},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    })
}

/// The schema of a type, in the form that Kubernetes asks for.
fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let generator = settings.with_transform(RecursiveTransform(structural)).into_generator();
    generator.into_root_schema_for::<T>().into()
}

/// Kubernetes asks for one type, and what may be absent need not be null.
fn structural(schema: &mut Schema) {
    let Some(fields) = schema.as_object_mut() else { return };
    fields.remove("title");
    if let Some(Value::Array(choices)) = fields.remove("anyOf") {
        let inner = choices.into_iter().filter(|choice| choice["type"] != "null");
        for (key, value) in inner.filter_map(|choice| choice.as_object().cloned()).flatten() {
            fields.entry(key).or_insert(value);
        }
    }
    fields.retain(|key, value| key != "format" || value == "date-time");
    if let Some(Value::Array(types)) = fields.get("type") {
        let one = types.iter().find(|name| *name != "null").cloned();
        fields.insert("type".to_owned(), one.into());
    }
    join_lines(fields);
}

/// The lines of a comment are one paragraph.
fn join_lines(fields: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
    }
}
