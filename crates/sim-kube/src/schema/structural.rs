//! Custom resources: pruning, defaulting and validation by structural schemas.
//! Source: Kubernetes documentation, "Extend the Kubernetes API with
//! CustomResourceDefinitions".

use serde_json::{Map, Value};

use super::{Form, View};
use crate::status::Cause;

/// Drops fields that the schema does not specify and answers their paths.
pub(crate) fn prune(view: View<'_>, value: &mut Value) -> Vec<String> {
    let mut dropped = Vec::new();
    prune_node(view, value, "", &mut dropped);
    dropped
}

fn prune_node(view: View<'_>, value: &mut Value, path: &str, dropped: &mut Vec<String>) {
    let schema = view.schema();
    match value {
        Value::Object(fields) => {
            let keeps = schema.preserves_unknown || !matches!(schema.form, Form::Struct(_));
            let embedded = ["apiVersion", "kind", "metadata"];
            fields.retain(|name, _| {
                let known = keeps
                    || view.field(name).is_some()
                    || (schema.is_embedded() && embedded.contains(&&**name));
                if !known {
                    dropped.push(format!("{path}{name}"));
                }
                known
            });
            for (name, field) in fields.iter_mut() {
                if let Some(view) = view.field(name) {
                    prune_node(view, field, &format!("{path}{name}."), dropped);
                }
            }
        }
        Value::Array(items) => {
            let Some(view) = view.item() else { return };
            let path = path.trim_end_matches('.');
            for (index, item) in items.iter_mut().enumerate() {
                prune_node(view, item, &format!("{path}[{index}]."), dropped);
            }
        }
        _ => {}
    }
}

/// Fills in the defaults; null is replaced where the schema does not allow it.
pub(crate) fn default_values(view: View<'_>, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in view.fields() {
                let missing =
                    fields.get(name).is_none_or(|value| value.is_null() && !field.schema().is_nullable());
                if let (true, Some(default)) = (missing, field.default()) {
                    fields.insert(name.to_owned(), default.clone());
                }
            }
            for (name, field) in fields.iter_mut() {
                if let Some(view) = view.field(name) {
                    default_values(view, field);
                }
            }
        }
        Value::Array(items) => {
            let Some(view) = view.item() else { return };
            for item in items {
                default_values(view, item);
            }
        }
        _ => {}
    }
}

/// What the schema does not allow. Patterns and CEL rules are not evaluated.
pub(crate) fn validate(view: View<'_>, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let schema = view.schema();
    if value.is_null() && schema.is_nullable() {
        return;
    }
    let (expected, fits) = match schema.form {
        Form::Any => ("object", schema.source["type"] != "object" || value.is_object()),
        Form::Struct(_) | Form::Map(_) => ("object", value.is_object()),
        Form::List(_) => ("array", value.is_array()),
        Form::Text => ("string", value.is_string()),
        Form::Integer => ("integer", value.is_i64() || value.is_u64()),
        Form::Number => ("number", value.is_number()),
        Form::Boolean => ("boolean", value.is_boolean()),
        Form::IntOrString => ("integer,string", value.is_string() || value.is_i64() || value.is_u64()),
    };
    if !fits {
        let given = kind_of(value);
        let why = format!("{path} in body must be of type {expected}: \"{given}\"");
        let mut cause = Cause::invalid(path, &Value::from(given), why);
        cause.reason = "FieldValueTypeInvalid";
        causes.push(cause);
        return;
    }
    limits(&schema.source, value, path, causes);
    match value {
        Value::Object(fields) => object(view, fields, path, causes),
        Value::Array(items) => {
            let Some(view) = view.item() else { return };
            for (index, item) in items.iter().enumerate() {
                validate(view, item, &format!("{path}[{index}]"), causes);
            }
        }
        _ => {}
    }
}

fn object(view: View<'_>, fields: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for name in &view.schema().required {
        if !fields.contains_key(name) {
            causes.push(Cause::required(join(name), ""));
        }
    }
    for (name, field) in fields {
        // The metadata is checked for all kinds alike.
        if path.is_empty() && name == "metadata" {
            continue;
        }
        if let Some(view) = view.field(name) {
            validate(view, field, &join(name), causes);
        }
    }
}

fn limits(source: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let mut refuse = |why: String| causes.push(Cause::invalid(path, value, why));
    if let Some(allowed) = source["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        causes.push(Cause::unsupported(path, value, &allowed));
        return;
    }
    let number = |key: &str| source[key].as_f64();
    if let Some(given) = value.as_f64() {
        if let Some(least) = number("minimum").filter(|least| given < *least) {
            refuse(format!("{path} in body should be greater than or equal to {least}"));
        }
        if let Some(most) = number("maximum").filter(|most| given > *most) {
            refuse(format!("{path} in body should be less than or equal to {most}"));
        }
    }
    let count = |key: &str| source[key].as_u64().and_then(|count| usize::try_from(count).ok());
    if let Some(text) = value.as_str() {
        let length = text.chars().count();
        if let Some(least) = count("minLength").filter(|least| length < *least) {
            refuse(format!("{path} in body should be at least {least} chars long"));
        }
        if let Some(most) = count("maxLength").filter(|most| length > *most) {
            refuse(format!("Too long: may not be more than {most} bytes"));
        }
    }
    if let Some(items) = value.as_array() {
        if let Some(least) = count("minItems").filter(|least| items.len() < *least) {
            refuse(format!("{path} in body should have at least {least} items"));
        }
        if let Some(most) = count("maxItems").filter(|most| items.len() > *most) {
            refuse(format!("Too many: {}: must have at most {most} items", items.len()));
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
