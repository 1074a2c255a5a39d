//! Built-in kinds as Go's decoder leaves them: unknown fields are dropped, so is what
//! is empty, and what Go always writes is there.

use serde_json::{Map, Value};

use super::{Form, View};

/// Fields that Go keeps when they are set, even to nothing: pointers.
const KEPT_EMPTY: [&str; 8] = [
    "holderIdentity",
    "ingressClassName",
    "storageClassName",
    "hostname",
    "nodeName",
    "appProtocol",
    "loadBalancerClass",
    "fieldsV1",
];

/// Stands for the kind in messages; the caller knows it.
pub(crate) const KIND: &str = "<kind>";

/// What was noticed on the way.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Paths of fields that the kind does not have.
    pub(crate) unknown: Vec<String>,
}

/// Brings an object into the form that is stored. The error names what cannot be
/// read, as Go's decoder does.
pub(crate) fn decode(view: View<'_>, value: &mut Value, found: &mut Found) -> Result<(), String> {
    node(view, value, "", found)
}

fn node(view: View<'_>, value: &mut Value, path: &str, found: &mut Found) -> Result<(), String> {
    match (&view.schema().form, &mut *value) {
        (Form::Any, _)
        | (Form::Text, Value::String(_))
        | (Form::Boolean, Value::Bool(_))
        | (Form::Integer | Form::Number, Value::Number(_))
        | (Form::IntOrString, Value::String(_) | Value::Number(_)) => check_scalar(view, value),
        (Form::Struct(_), Value::Object(fields)) => strukt(view, fields, path, found),
        (Form::Map(_), Value::Object(entries)) => {
            // Go keeps entries of maps that are null as zero values.
            for (key, entry) in entries.iter_mut() {
                let Some(schema) = view.field(key) else { continue };
                if entry.is_null() && matches!(schema.schema().form, Form::Text) {
                    *entry = "".into();
                }
                // Messages name the map, not the entry.
                node(schema, entry, path, found)?;
            }
            Ok(())
        }
        (Form::List(_), Value::Array(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                let Some(schema) = view.item() else { continue };
                if item.is_null() && schema.is_struct() {
                    *item = Value::Object(Map::new());
                }
                node(schema, item, &format!("{path}[{index}]"), found)?;
            }
            Ok(())
        }
        // Quantities are strings that may be written as numbers.
        (Form::Text, Value::Number(number)) if view.schema().format.is_empty() && is_quantity(path) => {
            *value = Value::String(number.to_string());
            Ok(())
        }
        (form, value) => Err(format!(
            "json: cannot unmarshal {} into Go struct field {KIND}.{} of type {}",
            name_of(value),
            dotted(path),
            go_type(form)
        )),
    }
}

fn check_scalar(view: View<'_>, value: &Value) -> Result<(), String> {
    let Value::String(text) = value else { return Ok(()) };
    match view.schema().format.as_str() {
        "date-time" if text.parse::<jiff::Timestamp>().is_err() => Err(format!(
            "parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{text}\" as \"2006\""
        )),
        "byte" => {
            use base64::Engine as _;
            match base64::engine::general_purpose::STANDARD.decode(text) {
                Ok(_) => Ok(()),
                Err(_) => Err("illegal base64 data at input byte 0".to_owned()),
            }
        }
        _ => Ok(()),
    }
}

fn strukt(
    view: View<'_>,
    fields: &mut Map<String, Value>,
    path: &str,
    found: &mut Found,
) -> Result<(), String> {
    fields.retain(|name, value| {
        let known = view.field(name).is_some();
        if !known {
            found.unknown.push(join(path, name).trim_start_matches('.').to_owned());
        }
        known && !value.is_null()
    });
    for (name, schema) in view.fields() {
        if let Some(value) = fields.get_mut(name) {
            node(schema, value, &join(path, name), found)?;
            if is_omitted(name, schema, value) {
                fields.remove(name);
            }
        }
        if !fields.contains_key(name)
            && let Some(default) = schema.default()
        {
            let mut default = default.clone();
            node(schema, &mut default, &join(path, name), found)?;
            fields.insert(name.to_owned(), default);
        }
    }
    Ok(())
}

/// Whether Go leaves the field out.
fn is_omitted(name: &str, schema: View<'_>, value: &Value) -> bool {
    if KEPT_EMPTY.contains(&name) || schema.default().is_some() {
        return false;
    }
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty() && matches!(schema.schema().form, Form::Map(_)),
        _ => false,
    }
}

fn is_quantity(path: &str) -> bool {
    [".limits.", ".requests.", ".capacity.", ".allocatable."].iter().any(|part| path.contains(part))
}

fn join(path: &str, name: &str) -> String {
    format!("{path}.{name}")
}

/// `spec.ports[0].name` is `spec.ports.name` to Go.
fn dotted(path: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in path.trim_start_matches('.').chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn go_type(form: &Form) -> &'static str {
    match form {
        Form::Text => "string",
        Form::Integer => "int32",
        Form::Number => "float64",
        Form::Boolean => "bool",
        Form::IntOrString => "intstr.IntOrString",
        Form::List(_) => "[]",
        Form::Map(_) => "map[string]string",
        Form::Struct(_) | Form::Any => "struct",
    }
}
