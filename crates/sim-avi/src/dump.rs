//! The canonical form: all objects as JSON that two Controllers can be compared by.
//!
//! `{type: {"<tenant>/<name>": object}}`; references are `/api/<type>?name=<name>`;
//! `uuid`, `url` and `_last_modified` are left out; objects show the fields that were
//! sent, and the addresses their vips were given. Where others have the name of a network,
//! `#<uuid>` is added to its key, and references to it are `/api/network/<uuid>`.

use std::convert::Infallible;

use serde_json::{Map, Value};

use crate::kind;
use crate::reference;
use crate::store::{Fields, Object, Store};

/// Objects that an operator made or marked; all of them if `all`.
pub(crate) fn dump(store: &Store, all: bool) -> Value {
    let mut types: Map<String, Value> = Map::new();
    for object in store.all().filter(|object| all || is_marked(object)) {
        let (key, shown) = entry(store, object);
        let objects = types.entry(object.kind.path).or_insert_with(|| Value::Object(Map::new()));
        objects[key] = shown;
    }
    Value::Object(types)
}

fn is_marked(object: &Object) -> bool {
    let some = |key: &str| match object.sent.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    };
    match object.kind.path {
        "vrfcontext" if some("static_routes") => true,
        "serviceenginegroup" if some("labels") => true,
        _ => some("created_by") || some("markers"),
    }
}

fn tenant_name<'a>(store: &'a Store, uuid: &'a str) -> &'a str {
    store.get(uuid).map_or(uuid, |tenant| &tenant.name)
}

/// An object in canonical form, with the key that it has in a dump.
pub(crate) fn entry(store: &Store, object: &Object) -> (String, Value) {
    let mut key = format!("{}/{}", tenant_name(store, &object.tenant), object.name);
    if has_namesakes(store, object) {
        key = format!("{key}#{}", object.uuid);
    }
    (key, canonical(store, object))
}

/// Whether other networks have the name.
fn has_namesakes(store: &Store, object: &Object) -> bool {
    object.kind.path == "network" && store.named(object.kind, &object.name).count() > 1
}

fn canonical(store: &Store, object: &Object) -> Value {
    let mut fields = object.sent.clone();
    fields.remove("uuid");
    show_addresses(&mut fields, &object.full);
    by_name(store, fields)
}

/// The fields with their references in canonical form.
pub(crate) fn by_name(store: &Store, mut fields: Fields) -> Value {
    let Ok(()) = reference::rewrite_fields::<Infallible>(&mut fields, &mut |_, text| {
        // What was read from the Controller names it first.
        let text = text.find("/api/").map_or(text, |at| &text[at..]);
        let target = reference::uuid(text).and_then(|uuid| store.get(uuid));
        Ok(Some(target.map_or_else(
            || text.to_owned(),
            |target| {
                let (path, name) = (target.kind.path, &target.name);
                if has_namesakes(store, target) {
                    reference::internal(target.kind, &target.uuid)
                } else {
                    format!("/api/{path}?name={name}")
                }
            },
        )))
    });
    Value::Object(fields)
}

fn show_addresses(sent: &mut Fields, full: &Fields) {
    let (Some(Value::Array(vips)), Some(Value::Array(held))) = (sent.get_mut("vip"), full.get("vip")) else {
        return;
    };
    for (vip, held) in vips.iter_mut().filter_map(Value::as_object_mut).zip(held) {
        for key in ["ip_address", "ip6_address"] {
            if let Some(address) = held.get(key) {
                vip.insert(key.to_owned(), address.clone());
            }
        }
    }
}

/// Objects in canonical form, in an order in which the references of each lead to
/// earlier ones where possible: type, tenant name, fields.
pub(crate) fn entries(environment: &Value) -> impl Iterator<Item = (&'static kind::Kind, &str, &Fields)> {
    kind::in_seeding_order().flat_map(move |kind| {
        let objects = environment.get(kind.path).and_then(Value::as_object).into_iter().flatten();
        objects.filter_map(move |(key, object)| {
            let (tenant, _) = key.split_once('/')?;
            Some((kind, tenant, object.as_object()?))
        })
    })
}
