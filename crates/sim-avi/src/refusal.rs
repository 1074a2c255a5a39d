//! What the Controller says when it refuses (Avi REST API contract, §5).

use http::StatusCode;
use serde_json::{Value, json};

use crate::kind::Kind;

/// A refused request: status and error text.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
    /// Sent as `obj_name` where the Controller names the object.
    pub(crate) object: Option<String>,
    /// The body is the bare text and no JSON (the CSRF refusal, §1.1).
    pub(crate) plain: bool,
}

/// The result of anything that can be refused.
pub(crate) type Granted<T> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), object: None, plain: false }
    }

    pub(crate) fn invalid(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(crate) fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    pub(crate) fn about(mut self, object: &str) -> Self {
        self.object = Some(object.to_owned());
        self
    }

    /// The text of a `uuid` in the path that does not exist.
    pub(crate) fn absent(kind: &Kind) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{} object not found!", kind.model))
    }

    /// The text of a reference that leads nowhere: 404, but 400 for VRFs and networks.
    pub(crate) fn dangling(kind: &Kind) -> Self {
        let status = match kind.path {
            "vrfcontext" | "network" => StatusCode::BAD_REQUEST,
            _ => StatusCode::NOT_FOUND,
        };
        Self::new(status, format!("{} object not found!", kind.model))
    }

    pub(crate) fn bad_message(detail: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("Bad pb: {detail}"))
    }

    pub(crate) fn unknown_tenant(name: &str) -> Self {
        Self::forbidden(format!("Tenant '{name}' does not exist!"))
    }

    pub(crate) fn method_not_allowed(method: &http::Method) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("Method '{method}' not allowed."))
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        if self.plain {
            return self.error.clone().into_bytes();
        }
        let mut body = json!({ "error": self.error });
        if let Some(object) = &self.object {
            body["obj_name"] = Value::from(object.as_str());
        }
        body.to_string().into_bytes()
    }
}
