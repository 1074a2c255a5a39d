//! What the API server says when it refuses: `metav1.Status`.
//! Source: Kubernetes API conventions, "Response Status Kind".

use std::ops::{Deref, DerefMut};

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::resource::Resource;

/// The result of anything that the API server may refuse.
pub(crate) type Granted<T> = Result<T, Refusal>;

/// A refusal. What it says is on the heap: results stay small.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal(Box<Said>);

/// What a refusal says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) field: String,
    pub(crate) message: String,
}

impl Cause {
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, why: impl AsRef<str>) -> Self {
        let message = format!("Invalid value: {}: {}", shown(value), why.as_ref());
        Self { reason: "FieldValueInvalid", field: field.into(), message }
    }

    pub(crate) fn required(field: impl Into<String>, why: &str) -> Self {
        let message =
            if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { reason: "FieldValueRequired", field: field.into(), message }
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Duplicate value: {}", shown(value));
        Self { reason: "FieldValueDuplicate", field: field.into(), message }
    }

    pub(crate) fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self { reason: "FieldValueForbidden", field: field.into(), message: format!("Forbidden: {why}") }
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|one| format!("\"{one}\"")).collect();
        let message =
            format!("Unsupported value: {}: supported values: {}", shown(value), supported.join(", "));
        Self { reason: "FieldValueNotSupported", field: field.into(), message }
    }

    fn shown(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }

    fn line(&self) -> String {
        format!("{}: {}", self.field, self.message)
    }
}

/// Values are shown as Go's `%#v` of JSON shows them: scalars as JSON.
fn shown(value: &Value) -> String {
    value.to_string()
}

impl Deref for Refusal {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.0
    }
}

impl DerefMut for Refusal {
    fn deref_mut(&mut self) -> &mut Said {
        &mut self.0
    }
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Said { code, reason, message: message.into(), details: None }))
    }

    fn about(mut self, resource: &Resource, name: &str) -> Self {
        self.details = Some(details(name, &resource.group, &resource.plural));
        self
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self::new(404, "NotFound", message).about(resource, name)
    }

    /// No such path.
    pub(crate) fn no_path() -> Self {
        let mut refusal = Self::new(404, "NotFound", "the server could not find the requested resource");
        refusal.details = Some(json!({}));
        refusal
    }

    pub(crate) fn exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).about(resource, name)
    }

    pub(crate) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified());
        Self::new(409, "Conflict", message).about(resource, name)
    }

    pub(crate) fn stale(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try \
                   again";
        Self::conflict(resource, name, why)
    }

    /// Field managers disagree.
    pub(crate) fn apply_conflict(message: String, causes: &[Value]) -> Self {
        let mut refusal = Self::new(409, "Conflict", message);
        refusal.details = Some(json!({ "causes": causes }));
        refusal
    }

    pub(crate) fn invalid(resource: &Resource, name: &str, causes: &[Cause]) -> Self {
        let qualified = if resource.group.is_empty() {
            resource.kind.to_string()
        } else {
            format!("{}.{}", resource.kind, resource.group)
        };
        let said = lines(causes);
        let mut refusal = Self::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {said}"));
        let mut about = details(name, &resource.group, &resource.kind);
        about["causes"] = causes.iter().map(Cause::shown).collect();
        refusal.details = Some(about);
        refusal
    }

    /// As [`Self::invalid`], naming the resource instead of the kind.
    pub(crate) fn invalid_plural(resource: &Resource, name: &str, causes: &[Cause]) -> Self {
        let mut refusal = Self::invalid(resource, name, causes);
        refusal.message = format!("{} \"{name}\" is invalid: {}", resource.qualified(), lines(causes));
        if let Some(details) = &mut refusal.details {
            details["kind"] = (&*resource.plural).into();
        }
        refusal
    }

    /// Options of a request that are not valid.
    pub(crate) fn invalid_options(kind: &str, causes: &[Cause]) -> Self {
        let message = format!("{kind}.meta.k8s.io \"\" is invalid: {}", lines(causes));
        let mut refusal = Self::new(422, "Invalid", message);
        let mut about = details("", "meta.k8s.io", kind);
        about["causes"] = causes.iter().map(Cause::shown).collect();
        refusal.details = Some(about);
        refusal
    }

    /// A patch that does not fit.
    pub(crate) fn unprocessable() -> Self {
        let why = "the server rejected our request due to an error in our request";
        let mut refusal = Self::new(422, "Invalid", why);
        refusal.details = Some(json!({}));
        refusal
    }

    /// A preconditions of a deletion, about which the server names the kind.
    pub(crate) fn conflict_of_kind(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.kind);
        let mut refusal = Self::new(409, "Conflict", message);
        refusal.details = Some(details(name, "", &resource.kind));
        refusal
    }

    /// An error that kube-apiserver does not classify.
    pub(crate) fn unexpected(message: &str) -> Self {
        Self::new(500, "", message)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn forbidden(message: impl Into<String>, details: Value) -> Self {
        let mut refusal = Self::new(403, "Forbidden", message);
        refusal.details = Some(details);
        refusal
    }

    /// Refused for a reason that lies in the object's namespace or itself.
    pub(crate) fn forbidden_object(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        Self::new(403, "Forbidden", message).about(resource, name)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let mut refusal = Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
        refusal.details = Some(json!({}));
        refusal
    }

    pub(crate) fn unsupported_media(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn too_new(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut refusal = Self::new(504, "Timeout", message);
        refusal.details = Some(json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }));
        refusal
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        let mut refusal = Self::new(500, "InternalError", format!("Internal error occurred: {message}"));
        refusal.details = Some(json!({"causes": [{"message": message}]}));
        refusal
    }

    pub(crate) fn too_large() -> Self {
        Self::new(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    }

    /// The status that a fault asks for.
    pub(crate) fn injected(code: u16, message: &str) -> Self {
        let reason = match code {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            410 => "Expired",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "InternalError",
        };
        Self::new(code, reason, message)
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        });
        if !self.reason.is_empty() {
            body["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            body["details"] = details.clone();
        }
        body["code"] = self.code.into();
        body
    }
}

fn lines(causes: &[Cause]) -> String {
    let lines: Vec<String> = causes.iter().map(Cause::line).collect();
    match lines.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

fn details(name: &str, group: &str, kind: &str) -> Value {
    let mut details = Map::new();
    for (key, text) in [("name", name), ("group", group), ("kind", kind)] {
        if !text.is_empty() {
            details.insert(key.to_owned(), text.into());
        }
    }
    Value::Object(details)
}
