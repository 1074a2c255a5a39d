//! Objects as the controller sends them.

use std::sync::Arc;

use ako_avi_types::{Kind, Meta, Object, ObjectKey, Observed, Ref};
use bytes::Bytes;
use serde_json::Value;

/// An object that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Which; its name is its uuid if it has no name.
    pub key: ObjectKey,
    /// Its uuid, if it has one.
    pub uuid: Option<Arc<str>>,
    /// What is wrong with it.
    pub message: String,
}

/// The tenant of an object; without a name in its reference only `admin` is known.
pub(crate) fn tenant_of(body: &Value) -> Option<Arc<str>> {
    let tenant = text(body, "tenant_ref").map(Ref::parse)?;
    tenant.name.or_else(|| tenant.uuid.filter(|uuid| &**uuid == "admin"))
}

/// Reads an object; if it tells no tenant, it lies in the given one.
pub(crate) fn read(
    tenant: Option<&Arc<str>>,
    kind: Kind,
    body: Value,
) -> Result<(ObjectKey, Observed), Unreadable> {
    let uuid: Option<Arc<str>> = text(&body, "uuid").map(Arc::from);
    let name: Option<Arc<str>> = text(&body, "name").map(Arc::from);
    let tenant = tenant_of(&body).or_else(|| tenant.cloned());
    let known = name.clone().or(uuid.clone()).unwrap_or_else(|| "(no name)".into());
    let key = ObjectKey::new(kind, tenant.clone().unwrap_or_else(|| "(unknown)".into()), known);
    let unreadable = |key, message: String| Unreadable { key, uuid: uuid.clone(), message };
    if name.is_none() || tenant.is_none() || uuid.is_none() {
        return Err(unreadable(key, "it lacks a name, a tenant or a uuid".into()));
    }
    match observed(kind, body) {
        Ok(observed) => Ok((key, observed)),
        Err(message) => Err(unreadable(key, message)),
    }
}

/// Reads the body of an object that the controller sent.
pub(crate) fn observed(kind: Kind, body: Value) -> Result<Observed, String> {
    let uuid = text(&body, "uuid").ok_or("it has no uuid")?.into();
    let meta = Meta { uuid, last_modified: text(&body, "_last_modified").map(Arc::from) };
    let object = Object::read(kind, body).map_err(|e| e.to_string())?;
    Ok(Observed { meta, body: Arc::new(object) })
}

pub(crate) fn text<'a>(body: &'a Value, field: &str) -> Option<&'a str> {
    body.get(field).and_then(Value::as_str)
}

pub(crate) fn bytes(body: &Value) -> Bytes {
    Bytes::from(body.to_string())
}
