//! `metadata.managedFields`.

use serde_json::{Value, json};

use super::compare::compare;
use super::field_set::FieldSet;
use super::merge::{merge, remove_abandoned};
use crate::cluster::text;
use crate::resource::Resource;
use crate::status::{Granted, Refusal};

/// Fields that belong to nobody.
const NOT_MANAGED: [&[&str]; 11] = [
    &["f:apiVersion"],
    &["f:kind"],
    &["f:metadata", "f:name"],
    &["f:metadata", "f:namespace"],
    &["f:metadata", "f:creationTimestamp"],
    &["f:metadata", "f:selfLink"],
    &["f:metadata", "f:uid"],
    &["f:metadata", "f:generation"],
    &["f:metadata", "f:managedFields"],
    &["f:metadata", "f:resourceVersion"],
    &["f:metadata", "f:deletionTimestamp"],
];

/// Who writes.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) manager: String,
    pub(crate) subresource: String,
    pub(crate) time: String,
}

/// One entry of `managedFields`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    manager: String,
    applies: bool,
    version: String,
    subresource: String,
    time: String,
    fields: FieldSet,
}

impl Entry {
    pub(crate) fn read_all(object: &Value) -> Vec<Self> {
        let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
        let entry = |entry: &Value| Self {
            manager: text(entry, "manager").to_owned(),
            applies: entry["operation"] == "Apply",
            version: text(entry, "apiVersion").to_owned(),
            subresource: text(entry, "subresource").to_owned(),
            time: text(entry, "time").to_owned(),
            fields: FieldSet::read(&entry["fieldsV1"]),
        };
        entries.map(entry).collect()
    }

    pub(crate) fn write_all(object: &mut Value, mut entries: Vec<Self>) {
        entries.retain(|entry| !entry.fields.is_empty());
        entries.sort_by(|a, b| {
            let key = |entry: &Self| {
                (!entry.applies, entry.time.clone(), entry.manager.clone(), entry.subresource.clone())
            };
            key(a).cmp(&key(b))
        });
        let Some(metadata) = object["metadata"].as_object_mut() else { return };
        if entries.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), entries.iter().map(Self::write).collect());
        }
    }

    fn write(&self) -> Value {
        let mut entry = json!({
            "manager": self.manager,
            "operation": if self.applies { "Apply" } else { "Update" },
            "apiVersion": self.version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.write(),
        });
        if !self.time.is_empty() {
            entry["time"] = self.time.as_str().into();
        }
        if !self.subresource.is_empty() {
            entry["subresource"] = self.subresource.as_str().into();
        }
        entry
    }

    fn new(resource: &Resource, writer: &Writer, applies: bool) -> Self {
        Self {
            manager: writer.manager.clone(),
            applies,
            version: resource.api_version(),
            subresource: writer.subresource.clone(),
            time: writer.time.clone(),
            fields: FieldSet::default(),
        }
    }

    fn is_by(&self, resource: &Resource, writer: &Writer, applies: bool) -> bool {
        self.manager == writer.manager
            && self.applies == applies
            && self.subresource == writer.subresource
            && (applies || self.version == resource.api_version())
    }

    /// The one who is to blame for a conflict.
    fn shown(&self) -> String {
        let mut shown = format!("\"{}\"", self.manager);
        if !self.subresource.is_empty() {
            shown = format!("{shown} with subresource \"{}\"", self.subresource);
        }
        if self.applies { shown } else { format!("{shown} using {}", self.version) }
    }
}

fn managed(mut fields: FieldSet, resource: &Resource, writer: &Writer) -> FieldSet {
    for path in NOT_MANAGED {
        fields.cut(path);
    }
    // A subresource leaves alone what is not its own.
    if resource.status {
        fields.cut(&[if writer.subresource == "status" { "f:spec" } else { "f:status" }]);
    }
    fields
}

/// Notes in `new` who changed what since `old`. The entries that `new` came with are
/// those that count: a client may empty them.
pub(crate) fn track_update(resource: &Resource, writer: &Writer, old: &Value, new: &mut Value) {
    let view = resource.schema.view();
    let difference = compare(view, old, new);
    let mut entries = Entry::read_all(new);
    let changed = managed(difference.changed, resource, writer);
    let removed = managed(difference.removed, resource, writer);
    let own = entries.iter().position(|entry| entry.is_by(resource, writer, false));
    let own = own.unwrap_or_else(|| {
        entries.push(Entry::new(resource, writer, false));
        entries.len() - 1
    });
    for (at, entry) in entries.iter_mut().enumerate() {
        if at == own {
            let before = entry.fields.clone();
            entry.fields.add(&changed);
            entry.fields.subtract_trees(&removed);
            if entry.fields != before {
                entry.time.clone_from(&writer.time);
            }
        } else {
            entry.fields.subtract(&changed);
            entry.fields.subtract_trees(&removed);
        }
    }
    Entry::write_all(new, entries);
}

/// Applies a configuration to an object.
pub(crate) fn apply(
    resource: &Resource,
    writer: &Writer,
    live: &Value,
    applied: &Value,
    force: bool,
) -> Granted<Value> {
    let view = resource.schema.view();
    let mut entries = Entry::read_all(live);
    let set = managed(FieldSet::of(view, applied), resource, writer);
    let own = entries.iter().position(|entry| entry.is_by(resource, writer, true));
    let own = own.unwrap_or_else(|| {
        entries.push(Entry::new(resource, writer, true));
        entries.len() - 1
    });
    let before = std::mem::replace(&mut entries[own].fields, set.clone());
    if before != set {
        entries[own].time.clone_from(&writer.time);
    }
    let mut merged = live.clone();
    merge(view, &mut merged, applied);
    let changed = compare(view, live, &merged).changed;
    let conflicts: Vec<(usize, FieldSet)> = entries
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != own)
        .map(|(at, entry)| (at, entry.fields.common(&changed).common(&set)))
        .filter(|(_, conflict)| !conflict.is_empty())
        .collect();
    if !conflicts.is_empty() && !force {
        return Err(refusal(&entries, &conflicts));
    }
    for (at, conflict) in &conflicts {
        entries[*at].fields.subtract(conflict);
    }
    let mut kept = FieldSet::default();
    for entry in &entries {
        kept.add(&entry.fields);
    }
    remove_abandoned(view, &mut merged, &before, &kept);
    Entry::write_all(&mut merged, entries);
    Ok(merged)
}

fn refusal(entries: &[Entry], conflicts: &[(usize, FieldSet)]) -> Refusal {
    let mut causes = Vec::new();
    let mut said = Vec::new();
    let mut count = 0;
    for (at, conflict) in conflicts {
        let who = entries[*at].shown();
        let paths = conflict.paths();
        count += paths.len();
        for path in &paths {
            let message = format!("conflict with {who}");
            causes.push(json!({"reason": "FieldManagerConflict", "message": message, "field": path}));
        }
        said.push(match paths.as_slice() {
            [path] => format!("conflict with {who}: {path}"),
            many => {
                let lines: Vec<String> = many.iter().map(|path| format!("- {path}")).collect();
                format!("conflicts with {who}:\n{}", lines.join("\n"))
            }
        });
    }
    let noun = if count == 1 { "conflict" } else { "conflicts" };
    Refusal::apply_conflict(format!("Apply failed with {count} {noun}: {}", said.join("\n")), &causes)
}
