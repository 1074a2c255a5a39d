//! Sets of fields, as `managedFields` writes them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::schema::{Form, ListKind, View};

/// Fields of an object. Steps are written as in FieldsV1: `f:` a field, `k:` an item
/// of a list by its keys, `v:` an item by its value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FieldSet(BTreeMap<String, Node>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    /// Whether the place itself is in the set, besides what is below it.
    member: bool,
    below: FieldSet,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl FieldSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads FieldsV1.
    pub(crate) fn read(fields: &Value) -> Self {
        let fields = fields.as_object().into_iter().flatten();
        let read = |(step, below): (&String, &Value)| {
            let member = below.get(".").is_some() || below.as_object().is_none_or(Map::is_empty);
            (step.clone(), Node { member, below: Self::read(below) })
        };
        Self(fields.filter(|(step, _)| *step != ".").map(read).collect())
    }

    /// Writes FieldsV1.
    pub(crate) fn write(&self) -> Value {
        let mut fields = Map::new();
        for (step, node) in &self.0 {
            let mut below = node.below.write();
            if let Value::Object(entries) = &mut below
                && node.member
                && !entries.is_empty()
            {
                entries.insert(".".to_owned(), Value::Object(Map::new()));
            }
            fields.insert(step.clone(), below);
        }
        Value::Object(fields)
    }

    pub(crate) fn below(&mut self, step: &str) -> &mut Self {
        &mut self.0.entry(step.to_owned()).or_default().below
    }

    pub(crate) fn child(&self, step: &str) -> Option<&Self> {
        self.0.get(step).map(|node| &node.below)
    }

    pub(crate) fn insert(&mut self, step: &str) {
        self.0.entry(step.to_owned()).or_default().member = true;
    }

    pub(crate) fn has(&self, step: &str) -> bool {
        self.0.get(step).is_some_and(|node| node.member)
    }

    /// Whether the place or anything below it is in the set.
    pub(crate) fn touches(&self, step: &str) -> bool {
        self.0.contains_key(step)
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Takes a place and everything below it out.
    pub(crate) fn cut(&mut self, steps: &[&str]) {
        let Some((first, rest)) = steps.split_first() else { return };
        if rest.is_empty() {
            self.0.remove(*first);
        } else if let Some(node) = self.0.get_mut(*first) {
            node.below.cut(rest);
        }
        self.tidy();
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (step, node) in &other.0 {
            let mine = self.0.entry(step.clone()).or_default();
            mine.member |= node.member;
            mine.below.add(&node.below);
        }
    }

    /// Takes the members of `other` out.
    pub(crate) fn subtract(&mut self, other: &Self) {
        for (step, node) in &other.0 {
            if let Some(mine) = self.0.get_mut(step) {
                mine.member &= !node.member;
                mine.below.subtract(&node.below);
            }
        }
        self.tidy();
    }

    /// Takes the members of `other`, and everything below them, out.
    pub(crate) fn subtract_trees(&mut self, other: &Self) {
        for (step, node) in &other.0 {
            if node.member {
                self.0.remove(step);
            } else if let Some(mine) = self.0.get_mut(step) {
                mine.below.subtract_trees(&node.below);
            }
        }
        self.tidy();
    }

    /// What is in both.
    pub(crate) fn common(&self, other: &Self) -> Self {
        let mut common = Self::default();
        for (step, node) in &self.0 {
            let Some(theirs) = other.0.get(step) else { continue };
            let both = Node { member: node.member && theirs.member, below: node.below.common(&theirs.below) };
            if !both.is_empty() {
                common.0.insert(step.clone(), both);
            }
        }
        common
    }

    /// Drops places that hold nothing.
    pub(crate) fn tidy(&mut self) {
        self.0.retain(|_, node| {
            node.below.tidy();
            !node.is_empty()
        });
    }

    /// The members as messages name them: `.spec.ports[port=80,protocol="TCP"]`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        for (step, node) in &self.0 {
            let path = format!("{prefix}{}", shown(step));
            if node.member {
                paths.push(path.clone());
            }
            node.below.collect_paths(&path, paths);
        }
    }

    /// The fields that an applied configuration has an opinion on.
    pub(crate) fn of(view: Option<View<'_>>, value: &Value) -> Self {
        let mut set = Self::default();
        match value {
            Value::Object(fields) => {
                let known = view.is_some_and(View::is_struct);
                for (name, field) in fields {
                    let view = view.and_then(|view| view.field(name));
                    set.describe(&format!("f:{name}"), view, field, !(known && view.is_some()));
                }
            }
            Value::Array(items) => {
                for item in items {
                    if let Some(step) = item_step(view, item) {
                        set.describe(&step, view.and_then(View::item), item, true);
                    }
                }
            }
            _ => {}
        }
        set
    }

    fn describe(&mut self, step: &str, view: Option<View<'_>>, value: &Value, named: bool) {
        if named || is_leaf(view, value) {
            self.insert(step);
        }
        if !is_leaf(view, value) {
            let below = Self::of(view, value);
            *self.below(step) = below;
        }
    }
}

fn shown(step: &str) -> String {
    match step.split_once(':') {
        Some(("k", keys)) => {
            let keys: Value = serde_json::from_str(keys).unwrap_or_default();
            let pairs = keys.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={value}"));
            format!("[{}]", pairs.collect::<Vec<_>>().join(","))
        }
        Some(("v", value)) => format!("[={value}]"),
        Some((_, name)) => format!(".{name}"),
        None => String::new(),
    }
}

/// Whether a value is owned as a whole.
pub(crate) fn is_leaf(view: Option<View<'_>>, value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty() || view.is_some_and(|view| view.schema().atomic),
        Value::Array(items) => items.is_empty() || !is_keyed(view),
        _ => true,
    }
}

/// Whether a list is merged item by item.
pub(crate) fn is_keyed(view: Option<View<'_>>) -> bool {
    view.is_some_and(|view| {
        matches!(view.schema().form, Form::List(_)) && view.schema().list != ListKind::Atomic
    })
}

/// How an item is identified in its list. Missing keys have their defaults.
pub(crate) fn item_step(view: Option<View<'_>>, item: &Value) -> Option<String> {
    let view = view?;
    match &view.schema().list {
        ListKind::Atomic => None,
        ListKind::Set => Some(format!("v:{item}")),
        ListKind::Map(keys) => {
            let mut named = Map::new();
            for key in keys {
                let default = || view.item()?.field(key)?.default().cloned();
                if let Some(value) = item.get(key).cloned().or_else(default) {
                    named.insert(key.clone(), value);
                }
            }
            Some(format!("k:{}", Value::Object(named)))
        }
    }
}
