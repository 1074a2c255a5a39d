//! What differs between two versions of an object.

use serde_json::Value;

use super::field_set::{FieldSet, is_keyed, is_leaf, item_step};
use crate::schema::{Form, View};

/// Fields that are new or have another value, and fields that are gone.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) changed: FieldSet,
    pub(crate) removed: FieldSet,
}

pub(crate) fn compare(view: Option<View<'_>>, old: &Value, new: &Value) -> Difference {
    let mut difference = Difference::default();
    children(view, old, new, &mut difference.changed, &mut difference.removed);
    difference.changed.tidy();
    difference.removed.tidy();
    difference
}

fn children(
    view: Option<View<'_>>,
    old: &Value,
    new: &Value,
    changed: &mut FieldSet,
    removed: &mut FieldSet,
) {
    for (step, view, new) in parts(view, new) {
        let before = part(view.parent, old, &step).or_else(|| always_there(view.parent, old, &step));
        place(&step, view.own, before, Some(new), changed, removed);
    }
    for (step, view, old) in parts(view, old) {
        if part(view.parent, new, &step).is_none() {
            place(&step, view.own, Some(old), None, changed, removed);
        }
    }
}

fn place(
    step: &str,
    view: Option<View<'_>>,
    old: Option<&Value>,
    new: Option<&Value>,
    changed: &mut FieldSet,
    removed: &mut FieldSet,
) {
    match (old, new) {
        // What is null was not said.
        (None, Some(Value::Null)) => {}
        (Some(Value::Null), Some(new)) if !is_leaf(view, new) => {
            children(view, &Value::Null, new, changed.below(step), removed.below(step));
        }
        (None, Some(new)) => {
            changed.insert(step);
            if !is_leaf(view, new) {
                children(view, &Value::Null, new, changed.below(step), removed.below(step));
            }
        }
        (Some(_), None) => removed.insert(step),
        (Some(old), Some(new)) if old != new => {
            let whole = is_leaf(view, old) && is_leaf(view, new);
            let same_form = old.is_object() == new.is_object() && old.is_array() == new.is_array();
            if whole || !same_form {
                changed.insert(step);
            } else {
                children(view, old, new, changed.below(step), removed.below(step));
            }
        }
        _ => {}
    }
}

/// The schema of a part and of what it is a part of.
#[derive(Clone, Copy)]
struct Views<'a> {
    own: Option<View<'a>>,
    parent: Option<View<'a>>,
}

fn parts<'a>(view: Option<View<'a>>, value: &'a Value) -> Vec<(String, Views<'a>, &'a Value)> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| {
                let own = view.and_then(|view| view.field(name));
                (format!("f:{name}"), Views { own, parent: view }, field)
            })
            .collect(),
        Value::Array(items) if is_keyed(view) => items
            .iter()
            .filter_map(|item| {
                let views = Views { own: view.and_then(View::item), parent: view };
                Some((item_step(view, item)?, views, item))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Lists that Go always writes are there, as null, in every object that is.
fn always_there<'a>(view: Option<View<'_>>, old: &'a Value, step: &str) -> Option<&'a Value> {
    let name = step.strip_prefix("f:")?;
    let view = view.filter(|_| old.is_object())?;
    let list = matches!(view.field(name)?.schema().form, Form::List(_));
    (list && view.schema().required.iter().any(|one| one == name)).then_some(&Value::Null)
}

/// The part of a value that a step leads to.
pub(crate) fn part<'a>(view: Option<View<'_>>, value: &'a Value, step: &str) -> Option<&'a Value> {
    match (value, step.strip_prefix("f:")) {
        (Value::Object(fields), Some(name)) => fields.get(name),
        (Value::Array(items), None) => {
            items.iter().find(|item| item_step(view, item).as_deref() == Some(step))
        }
        _ => None,
    }
}
