//! Strategic merge patch: lists merge by the key that their schema names.

use serde_json::{Map, Value};

use crate::schema::View;

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// Applies a patch to an object of a kind.
pub(crate) fn strategic_patch(
    view: Option<View<'_>>,
    target: &mut Value,
    patch: &Value,
) -> Result<(), String> {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    match changes.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => {
            *target = Value::Object(without_directives(changes));
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        None | Some("merge") => {}
        Some(other) => return Err(format!("Unknown directive: {other}")),
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return Ok(()) };
    if let Some(Value::Array(kept)) = changes.get(RETAIN) {
        fields.retain(|name, _| kept.iter().any(|one| one == name.as_str()));
    }
    for (key, change) in changes {
        if let Some(name) = key.strip_prefix(DELETE) {
            if let (Some(Value::Array(items)), Value::Array(gone)) = (fields.get_mut(name), change) {
                items.retain(|item| !gone.contains(item));
            }
        } else if !key.starts_with('$') {
            let field = view.and_then(|view| view.field(key));
            patch_field(field, fields, key, change)?;
        }
    }
    for (key, order) in changes {
        if let (Some(name), Value::Array(order)) = (key.strip_prefix(ORDER), order)
            && let Some(Value::Array(items)) = fields.get_mut(name)
        {
            let merge_key =
                view.and_then(|view| view.field(name)).and_then(|view| view.schema().merge_key.clone());
            sort(items, order, merge_key.as_deref());
        }
    }
    Ok(())
}

fn patch_field(
    view: Option<View<'_>>,
    fields: &mut Map<String, Value>,
    key: &str,
    change: &Value,
) -> Result<(), String> {
    match change {
        Value::Null => {
            fields.remove(key);
        }
        Value::Object(_) => {
            let place = fields.entry(key.to_owned()).or_insert(Value::Null);
            strategic_patch(view, place, change)?;
        }
        Value::Array(changes) => {
            let merges = view.is_some_and(|view| view.schema().merges);
            match fields.get_mut(key) {
                Some(Value::Array(items)) if merges => {
                    let merge_key = view.and_then(|view| view.schema().merge_key.as_deref());
                    patch_list(view.and_then(View::item), items, changes, merge_key)?;
                }
                _ => {
                    let mut items = Vec::new();
                    let merge_key = view.and_then(|view| view.schema().merge_key.as_deref());
                    if merges {
                        patch_list(view.and_then(View::item), &mut items, changes, merge_key)?;
                    } else {
                        items.clone_from(changes);
                    }
                    fields.insert(key.to_owned(), Value::Array(items));
                }
            }
        }
        scalar => {
            fields.insert(key.to_owned(), scalar.clone());
        }
    }
    Ok(())
}

fn patch_list(
    view: Option<View<'_>>,
    items: &mut Vec<Value>,
    changes: &[Value],
    merge_key: Option<&str>,
) -> Result<(), String> {
    let Some(merge_key) = merge_key else {
        // A list of scalars is a set.
        let before = items.clone();
        for change in changes {
            if !items.contains(change) {
                items.push(change.clone());
            }
        }
        interleave(items, &before, |item| changes.contains(item), |one, other| one == other);
        return Ok(());
    };
    let before = items.clone();
    let replaces = |change: &Value| change[DIRECTIVE] == "replace";
    if changes.iter().any(replaces) {
        items.clear();
    }
    for change in changes.iter().filter(|change| !replaces(change) || change.get(merge_key).is_some()) {
        let Some(key) = change.get(merge_key) else {
            return Err(format!("map: {change} does not contain declared merge key: {merge_key}"));
        };
        let position = items.iter().position(|item| item.get(merge_key) == Some(key));
        if change[DIRECTIVE] == "delete" {
            items.retain(|item| item.get(merge_key) != Some(key));
        } else if let Some(at) = position {
            strategic_patch(view, &mut items[at], change)?;
        } else {
            let mut item = Value::Null;
            strategic_patch(view, &mut item, change)?;
            items.push(item);
        }
    }
    let same = |one: &Value, other: &Value| one.get(merge_key) == other.get(merge_key);
    interleave(items, &before, |item| changes.iter().any(|change| same(change, item)), same);
    Ok(())
}

/// Puts what a patch names before what it does not, unless the latter came earlier in
/// the list: the order of `mergeSortedSlice` in apimachinery.
fn interleave(
    items: &mut Vec<Value>,
    before: &[Value],
    named: impl Fn(&Value) -> bool,
    same: impl Fn(&Value, &Value) -> bool,
) {
    let place = |item: &Value| before.iter().position(|one| same(one, item));
    let (patched, others): (Vec<Value>, Vec<Value>) = items.drain(..).partition(|item| named(item));
    let mut others = others.into_iter().peekable();
    for item in patched {
        while let Some(other) = others.peek() {
            let earlier = matches!((place(other), place(&item)), (Some(a), Some(b)) if a < b);
            if !earlier {
                break;
            }
            items.extend(others.next());
        }
        items.push(item);
    }
    items.extend(others);
}

/// Items that the order names come in that order; others stay behind what they
/// followed.
fn sort(items: &mut Vec<Value>, order: &[Value], merge_key: Option<&str>) {
    let rank = |item: &Value| {
        order.iter().position(|wanted| match merge_key {
            Some(key) => item.get(key) == wanted.get(key),
            None => item == wanted,
        })
    };
    let mut previous = 0;
    let mut keyed: Vec<(usize, Value)> = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        previous = rank(&item).unwrap_or(previous);
        keyed.push((previous, item));
    }
    keyed.sort_by_key(|(rank, _)| *rank);
    items.extend(keyed.into_iter().map(|(_, item)| item));
}

fn without_directives(fields: &Map<String, Value>) -> Map<String, Value> {
    fields
        .iter()
        .filter(|(key, _)| !key.starts_with('$'))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::KindSchema;
    use serde_json::json;

    #[test]
    fn lists_merge_by_their_key() {
        let schema = KindSchema::built_in("io.k8s.api.core.v1.Service");
        let mut service = json!({"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]}});
        let patch = json!({"spec": {"ports": [
            {"port": 81, "name": "c"}, {"port": 82}, {"port": 80, "$patch": "delete"},
        ], "$setElementOrder/ports": [{"port": 82}, {"port": 81}]}});
        strategic_patch(schema.view(), &mut service, &patch).unwrap();
        assert_eq!(service, json!({"spec": {"ports": [{"port": 82}, {"port": 81, "name": "c"}]}}));
    }

    #[test]
    fn lists_of_scalars() {
        let schema = KindSchema::built_in("io.k8s.api.core.v1.ConfigMap");
        let mut object = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!({"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]}});
        strategic_patch(schema.view(), &mut object, &patch).unwrap();
        assert_eq!(object["metadata"]["finalizers"], json!(["c", "b"]));
    }
}
