//! How objects leave the Controller (Avi REST API contract, §3.4 and §4).

use std::convert::Infallible;

use serde_json::{Value, json};

use crate::certificate::PEM_FIELDS;
use crate::kind::Kind;
use crate::reference;
use crate::store::{Fields, Object, Store};

/// What stands for a secret in replies.
const SENSITIVE: &str = "<sensitive>";

/// The kind of reply an object is shown in.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// `https://host`, the beginning of every reference.
    pub(crate) origin: String,
    /// Add `#<name>` to references.
    pub(crate) names: bool,
    /// The reply to a write: no PEM, no key.
    pub(crate) written: bool,
    /// Only these fields, with `name`, `url` and `uuid`.
    pub(crate) only: Vec<String>,
    /// All but these fields.
    pub(crate) without: Vec<String>,
}

impl View {
    /// The reply to a POST, PUT or PATCH.
    pub(crate) fn of_write(origin: &str) -> Self {
        Self { origin: origin.to_owned(), names: true, written: true, ..Self::default() }
    }

    /// The object's own reference.
    pub(crate) fn url(&self, object: &Object) -> String {
        let plain = format!("{}{}", self.origin, reference::internal(object.kind, &object.uuid));
        if self.names { format!("{plain}#{}", object.name) } else { plain }
    }

    pub(crate) fn show(&self, store: &Store, object: &Object) -> Value {
        let mut fields = self.selected(object);
        if self.keeps("uuid") {
            fields.insert("uuid".to_owned(), (&*object.uuid).into());
        }
        if self.keeps("url") {
            fields.insert("url".to_owned(), self.url(object).into());
        }
        if self.keeps("_last_modified") {
            fields.insert("_last_modified".to_owned(), object.modified.to_string().into());
        }
        if object.kind.path == "virtualservice" && !self.written && self.only.is_empty() {
            runtime(store, object, &mut fields);
        }
        let Ok(()) = reference::rewrite_fields::<Infallible>(&mut fields, &mut |_, text| {
            let known = reference::uuid(text).and_then(|uuid| store.get(uuid));
            Ok(Some(known.map_or_else(|| text.to_owned(), |target| self.url(target))))
        });
        hide_secrets(object.kind, &mut fields, self.written);
        Value::Object(fields)
    }

    fn keeps(&self, key: &str) -> bool {
        let always = matches!(key, "name" | "url" | "uuid");
        (self.only.is_empty() || always || self.only.iter().any(|field| field == key))
            && !self.without.iter().any(|field| field == key)
    }

    fn selected(&self, object: &Object) -> Fields {
        if self.only.is_empty() && self.without.is_empty() {
            return object.full.clone();
        }
        let kept = object.full.iter().filter(|(key, _)| self.keeps(key));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// What a GET of a virtual service shows beside its configuration (§8.9).
fn runtime(store: &Store, object: &Object, fields: &mut Fields) {
    fields.insert("version".to_owned(), object.version.to_string().into());
    fields.insert("marked_for_delete".to_owned(), false.into());
    if fields.get("type").is_some_and(|kind| kind == "VS_TYPE_VH_PARENT") {
        let children = store
            .referrers(&object.uuid)
            .filter(|other| reference::field(&other.full, "vh_parent_vs_ref") == Some(&object.uuid));
        let uuids: Vec<&str> = children.map(|child| &*child.uuid).collect();
        fields.insert("vh_child_vs_uuid".to_owned(), json!(uuids));
    }
}

fn hide_secrets(kind: &Kind, fields: &mut Fields, written: bool) {
    match kind.path {
        "sslkeyandcertificate" if written => {
            fields.remove("key");
            if let Some(Value::Object(certificate)) = fields.get_mut("certificate") {
                for key in PEM_FIELDS {
                    certificate.remove(*key);
                }
            }
        }
        "sslkeyandcertificate" => {
            if let Some(key) = fields.get_mut("key").filter(|key| *key != "") {
                *key = SENSITIVE.into();
            }
        }
        "virtualservice" => {
            fields.get_mut("oauth_vs_config").into_iter().for_each(hide_passwords);
        }
        "healthmonitor" => {
            fields.get_mut("authentication").into_iter().for_each(hide_passwords);
        }
        "cloud" | "cloudconnectoruser" | "user" => {
            fields.values_mut().for_each(hide_passwords);
            fields
                .iter_mut()
                .filter(|(key, _)| *key == "password")
                .for_each(|(_, value)| *value = SENSITIVE.into());
        }
        _ => {}
    }
}

fn hide_passwords(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                if matches!(
                    key.as_str(),
                    "password" | "secret_access_key" | "client_secret" | "server_secret"
                ) {
                    *value = SENSITIVE.into();
                } else {
                    hide_passwords(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_passwords),
        _ => {}
    }
}
