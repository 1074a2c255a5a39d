//! Merging an applied configuration into an object.

use serde_json::{Map, Value};

use super::field_set::{FieldSet, is_keyed, item_step};
use crate::schema::View;

/// What the configuration says replaces what is there; lists with keys merge.
pub(crate) fn merge(view: Option<View<'_>>, live: &mut Value, applied: &Value) {
    match applied {
        Value::Object(changes) if !view.is_some_and(|view| view.schema().atomic) => {
            if !live.is_object() {
                *live = Value::Object(Map::new());
            }
            let Value::Object(fields) = live else { return };
            for (name, change) in changes {
                let view = view.and_then(|view| view.field(name));
                merge(view, fields.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
        Value::Array(changes) if is_keyed(view) => {
            if !live.is_array() {
                *live = Value::Array(Vec::new());
            }
            if let Value::Array(items) = live {
                merge_list(view, items, changes);
            }
        }
        other => *live = other.clone(),
    }
}

fn merge_list(view: Option<View<'_>>, items: &mut Vec<Value>, changes: &[Value]) {
    let mut positions = Vec::with_capacity(changes.len());
    for change in changes {
        let step = item_step(view, change);
        let at = items.iter().position(|item| item_step(view, item) == step);
        if let Some(at) = at {
            merge(view.and_then(View::item), &mut items[at], change);
            positions.push(at);
        } else {
            items.push(change.clone());
            positions.push(items.len() - 1);
        }
    }
    // What is applied has the applied order, in the places that it takes.
    let mut places = positions.clone();
    places.sort_unstable();
    let ordered: Vec<Value> = positions.iter().map(|&at| items[at].clone()).collect();
    for (place, item) in places.into_iter().zip(ordered) {
        items[place] = item;
    }
}

/// Removes what was applied before, is not any more and belongs to nobody else.
pub(crate) fn remove_abandoned(
    view: Option<View<'_>>,
    value: &mut Value,
    before: &FieldSet,
    kept: &FieldSet,
) {
    let nothing = FieldSet::default();
    for step in before.steps() {
        let below = before.child(step).unwrap_or(&nothing);
        let kept_below = kept.child(step).unwrap_or(&nothing);
        let abandoned = before.has(step) && !kept.touches(step);
        match (&mut *value, step.strip_prefix("f:")) {
            (Value::Object(fields), Some(name)) => {
                if abandoned {
                    fields.remove(name);
                } else if let Some(field) = fields.get_mut(name) {
                    let was_filled = is_filled(field);
                    remove_abandoned(view.and_then(|view| view.field(name)), field, below, kept_below);
                    // A map of which nothing is left and which nobody owns goes too.
                    if was_filled && !is_filled(field) && !kept.touches(step) {
                        fields.remove(name);
                    }
                }
            }
            (Value::Array(items), None) => {
                let Some(at) = items.iter().position(|item| item_step(view, item).as_deref() == Some(step))
                else {
                    continue;
                };
                if abandoned {
                    items.remove(at);
                } else {
                    remove_abandoned(view.and_then(View::item), &mut items[at], below, kept_below);
                }
            }
            _ => {}
        }
    }
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}
