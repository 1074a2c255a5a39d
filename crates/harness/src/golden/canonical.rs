//! What may differ between two equal results, taken out.
//!
//! Lists that are sets become objects keyed by what identifies their members:
//! order is gone, and a difference names the member instead of an index.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::compare::Addresses;

const AUTOMATIC: &str = "(automatic)";

/// Which addresses were requested, and what becomes of the others.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) requested: &'a BTreeSet<String>,
    pub(super) addresses: Addresses,
}

impl Rules<'_> {
    fn is_automatic(self, address: &Value) -> bool {
        address.as_str().is_some_and(|address| !self.requested.contains(address))
    }
}

/// All objects of a controller.
pub(super) fn avi(objects: &Value, rules: Rules<'_>) -> Value {
    let mut objects = objects.clone();
    avi_value(&mut objects, rules);
    objects
}

/// All statuses of a cluster.
pub(super) fn status(statuses: &Value, rules: Rules<'_>) -> Value {
    let mut statuses = statuses.clone();
    for entry in statuses.as_object_mut().into_iter().flat_map(Map::values_mut) {
        status_value(entry, rules);
        // The reference has no conditions where it has these two fields, which say the same.
        if let Some(fields) = entry.get_mut("status").and_then(Value::as_object_mut)
            && fields.contains_key("error")
        {
            fields.remove("conditions");
        }
        let annotations = entry.get_mut("annotations").and_then(Value::as_object_mut);
        for annotation in annotations.into_iter().flat_map(Map::values_mut) {
            if let Value::String(text) = annotation {
                *text = without_uuids(text);
            }
        }
    }
    statuses
}

fn avi_value(value: &mut Value, rules: Rules<'_>) {
    match value {
        Value::Object(fields) => avi_fields(fields, rules),
        Value::Array(values) => values.iter_mut().for_each(|value| avi_value(value, rules)),
        _ => {}
    }
}

fn avi_fields(fields: &mut Map<String, Value>, rules: Rules<'_>) {
    fields.values_mut().for_each(|value| avi_value(value, rules));
    // Any script does: what it must do is not written in its text.
    fields.remove("script");
    if let Some(Value::Array(vips)) = fields.get_mut("vip") {
        for vip in vips {
            hide_vip_address(vip, rules);
        }
    }
    hide_node_uid(fields);
    if let Some(Value::String(metadata)) = fields.get_mut("service_metadata") {
        *metadata = sorted_ingress_names(metadata);
    }
    for (key, value) in fields.iter_mut() {
        if key == "host_hdr" {
            if let Some(hosts) = value.get_mut("value") {
                list_to_set(hosts, scalar_key);
            }
        } else if let Some(identity) = set_identity(key) {
            list_to_set(value, identity);
        }
    }
}

type Identity = fn(&Value) -> String;

/// How members of a list are told apart, if the list is a set.
fn set_identity(list: &str) -> Option<Identity> {
    match list {
        "servers" => Some(|server| format!("{}:{}", shown(&server["ip"]["addr"]), shown(&server["port"]))),
        "members" => Some(|member| {
            let label = &member["priority_label"];
            format!("{} {}", shown(&member["pool_ref"]), shown(label)).trim_end().to_owned()
        }),
        "dns_info" => Some(|info| shown(&info["fqdn"])),
        "markers" => Some(|marker| shown(&marker["key"])),
        "static_routes" => Some(|route| {
            let prefix = &route["prefix"];
            let address = shown(&prefix["ip_addr"]["addr"]);
            format!("{address}/{} via {}", shown(&prefix["mask"]), shown(&route["next_hop"]["addr"]))
        }),
        "pool_group_refs" | "vh_domain_name" | "namespace_ingress_name" => Some(scalar_key),
        _ => None,
    }
}

fn scalar_key(value: &Value) -> String {
    shown(value)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn list_to_set(value: &mut Value, identity: Identity) {
    let Value::Array(members) = value else { return };
    let mut keyed: Vec<(String, Value)> =
        members.drain(..).map(|member| (identity(&member), member)).collect();
    keyed.sort_by_cached_key(|(key, member)| (key.clone(), member.to_string()));
    let mut set = Map::new();
    for (key, member) in keyed {
        let mut free = key.clone();
        let mut count = 1;
        while set.contains_key(&free) {
            count += 1;
            free = format!("{key} ({count})");
        }
        set.insert(free, member);
    }
    *value = Value::Object(set);
}

fn hide_vip_address(vip: &mut Value, rules: Rules<'_>) {
    let Some(fields) = vip.as_object_mut() else { return };
    for family in ["ip_address", "ip6_address"] {
        if !fields.get(family).is_some_and(|address| rules.is_automatic(&address["addr"])) {
            continue;
        }
        match rules.addresses {
            Addresses::Allocated => fields[family]["addr"] = AUTOMATIC.into(),
            Addresses::Unknown => {
                fields.remove(family);
            }
        }
    }
}

/// `<cluster>-<uid of the node>-<number>`: the uid differs in every cluster.
fn hide_node_uid(route: &mut Map<String, Value>) {
    let labels = route.get("labels").and_then(Value::as_array).into_iter().flatten();
    let cluster = labels
        .into_iter()
        .find(|label| label["key"] == "clustername")
        .and_then(|label| label["value"].as_str())
        .map(str::to_owned);
    let Some(Value::String(id)) = route.get_mut("route_id") else { return };
    let before = cluster
        .filter(|cluster| id.starts_with(&format!("{cluster}-")))
        .or_else(|| id.split_once('-').map(|(cluster, _)| cluster.to_owned()));
    if let (Some(before), Some((_, number))) = (before, id.rsplit_once('-')) {
        *id = format!("{before}-(node)-{number}");
    }
}

/// Sorts one list inside a JSON text and leaves every other byte as it is: the
/// text as a whole is compared, since the controller stores it as text.
fn sorted_ingress_names(metadata: &str) -> String {
    const KEY: &str = "\"namespace_ingress_name\":";
    let Some(start) = metadata.find(KEY).map(|at| at + KEY.len()) else { return metadata.to_owned() };
    let mut values = serde_json::Deserializer::from_str(&metadata[start..]).into_iter::<Value>();
    let Some(Ok(Value::Array(mut names))) = values.next() else { return metadata.to_owned() };
    let end = start + values.byte_offset();
    names.sort_by_cached_key(ToString::to_string);
    format!("{}{}{}", &metadata[..start], Value::Array(names), &metadata[end..])
}

fn status_value(value: &mut Value, rules: Rules<'_>) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| status_value(value, rules));
            if fields.get("ip").is_some_and(|address| rules.is_automatic(address)) {
                match rules.addresses {
                    Addresses::Allocated => fields["ip"] = AUTOMATIC.into(),
                    Addresses::Unknown => {
                        fields.remove("ip");
                    }
                }
            }
            if fields.get("type").is_some_and(|kind| kind == "Admitted") {
                admission(fields, rules);
            }
            if let Some(time) = fields.get_mut("lastTransitionTime") {
                *time = "T".into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| status_value(value, rules)),
        _ => {}
    }
}

/// The condition of a Route, whose message is an address, and whose reason has uuids.
fn admission(condition: &mut Map<String, Value>, rules: Rules<'_>) {
    if let Some(Value::String(reason)) = condition.get_mut("reason") {
        *reason = without_uuids(reason);
    }
    if condition.get("status").is_some_and(|status| status == "True")
        && condition.get("message").is_some_and(|address| rules.is_automatic(address))
    {
        match rules.addresses {
            Addresses::Allocated => condition["message"] = AUTOMATIC.into(),
            Addresses::Unknown => drop(condition.remove("message")),
        }
    }
}

fn without_uuids(text: &str) -> String {
    const PREFIX: &str = "virtualservice-";
    let mut parts = text.split(PREFIX);
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-');
        hidden.push_str(PREFIX);
        hidden.push_str("UUID");
        hidden.push_str(rest);
    }
    hidden
}
