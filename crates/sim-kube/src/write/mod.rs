//! Writes.
//! Source: Kubernetes documentation, "Kubernetes API Concepts"; behaviour of
//! kube-apiserver 1.36.

mod create;
mod delete;
mod patch;
mod scale;
mod update;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::apply::Writer;
use crate::call::{Call, Target};
use crate::cluster::{Cluster, text};
use crate::resource::Resource;
use crate::schema;
use crate::status::{Cause, Granted, Refusal};
use crate::store::Stored;
use std::sync::Arc;

/// What a write answers.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: StatusCode,
    pub(crate) answer: Answer,
    pub(crate) warnings: Vec<String>,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Answer {
    Object(Arc<Stored>),
    Value(Value),
}

impl Outcome {
    fn object(status: StatusCode, stored: Arc<Stored>, warnings: Vec<String>) -> Self {
        Self { status, answer: Answer::Object(stored), warnings }
    }

    pub(crate) fn value(status: StatusCode, value: Value) -> Self {
        Self { status, answer: Answer::Value(value), warnings: Vec::new() }
    }
}

impl Cluster {
    /// Executes a write to a resource.
    pub(crate) fn write(&mut self, call: &Call, target: &Target) -> Granted<Outcome> {
        let verb = call.verb(Some(target));
        if target.name.is_empty() && matches!(verb, "update" | "patch") {
            return Err(Refusal::method_not_allowed());
        }
        match (verb, target.subresource.as_str()) {
            ("create", "") if target.name.is_empty() => {
                let body = call.object()?;
                self.create(call, target, body)
            }
            ("update" | "patch", "scale") => self.write_scale(call, target),
            ("update", "finalize") => self.finalize(call, target),
            ("update", "" | "status") => self.update(call, target),
            ("patch", "" | "status") => self.patch(call, target),
            ("delete", "") => self.delete(call, target),
            ("deletecollection", "") => self.delete_collection(call, target),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn writer(&self, call: &Call, target: &Target) -> Writer {
        let subresource = target.subresource.clone();
        // Entries of the subresource `scale` have no time.
        let time = if subresource == "scale" { String::new() } else { self.clock.printed() };
        Writer { manager: call.manager(), subresource, time }
    }
}

/// Brings what a client sent into the form that is stored, and answers warnings.
fn decode(resource: &Resource, object: &mut Value, call: &Call) -> Granted<Vec<String>> {
    let (kind, version) = (text(object, "kind"), text(object, "apiVersion"));
    let handled = |why: String| {
        format!(
            "{} in version \"{}\" cannot be handled as a {}: {}",
            resource.kind,
            resource.version,
            resource.kind,
            why.replace(schema::KIND, &resource.kind)
        )
    };
    if (!kind.is_empty() && kind != &*resource.kind)
        || (!version.is_empty() && version != resource.api_version())
    {
        let given = version.rsplit('/').next().unwrap_or_default();
        return Err(Refusal::bad_request(format!(
            "{kind} in version \"{given}\" cannot be handled as a {}: converting ({given}.{kind}) to \
             (core.{}): unknown conversion",
            resource.kind, resource.kind
        )));
    }
    object["kind"] = (&*resource.kind).into();
    object["apiVersion"] = resource.api_version().into();
    if object["metadata"].is_null() {
        object["metadata"] = Value::Object(Map::new());
    }
    let Some(view) = resource.schema.view() else { return Ok(Vec::new()) };
    let unknown = if resource.custom.is_some() {
        let mut metadata = json!({"metadata": object["metadata"].take()});
        let mut found = schema::Found::default();
        // Only the metadata is of a built-in form.
        if let Some(field) = view.field("metadata") {
            schema::decode(field, &mut metadata["metadata"], &mut found)
                .map_err(|why| Refusal::bad_request(handled(why)))?;
        }
        object["metadata"] = metadata["metadata"].take();
        let mut unknown: Vec<String> = found.unknown.iter().map(|path| format!("metadata.{path}")).collect();
        unknown.extend(schema::prune(view, object));
        schema::default_values(view, object);
        unknown
    } else {
        let mut found = schema::Found::default();
        schema::decode(view, object, &mut found).map_err(|why| Refusal::bad_request(handled(why)))?;
        found.unknown
    };
    let complaints: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
    match call.query("fieldValidation") {
        "Strict" if !complaints.is_empty() => {
            let why = format!("strict decoding error: {}", complaints.join(", "));
            Err(Refusal::bad_request(handled(why)))
        }
        "Ignore" => Ok(Vec::new()),
        _ => Ok(complaints),
    }
}

/// An object of a kind in which nothing is set.
fn empty(resource: &Resource) -> Value {
    let mut object = json!({"kind": &*resource.kind, "apiVersion": resource.api_version(), "metadata": {}});
    if let Some(view) = resource.schema.view().filter(|_| resource.custom.is_none()) {
        let mut found = schema::Found::default();
        // An empty object has no field that could be wrong.
        let _ = schema::decode(view, &mut object, &mut found);
    }
    object
}

/// Everything that is wrong with an object.
fn validate(resource: &Resource, new: &Value, old: Option<&Value>) -> Granted<()> {
    let mut causes = crate::kinds::validate_metadata(resource, new);
    causes.extend(crate::kinds::validate(resource, new, old));
    if let (Some(_), Some(view)) = (&resource.custom, resource.schema.view()) {
        schema::validate(view, new, "", &mut causes);
    }
    refuse_if_any(resource, text(&new["metadata"], "name"), &causes)
}

fn refuse_if_any(resource: &Resource, name: &str, causes: &[Cause]) -> Granted<()> {
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid(resource, name, causes)) }
}

fn remove(object: &mut Value, key: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(key);
    }
}
