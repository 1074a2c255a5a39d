//! What an object on the controller consists of, as far as it can be lost: servers,
//! hosts, rules, routes and references.

use std::collections::BTreeSet;

use serde_json::Value;

/// What says where an object is and whose it is, but serves nobody.
const NOT_JUDGED: [&str; 5] = ["markers", "tenant_ref", "cloud_ref", "url", "labels"];

/// What the controller chooses where nothing is said: it is the same, said or not.
const DEFAULTS: [&str; 1] = ["/api/analyticsprofile?name=System-Analytics-Profile"];

/// What nobody loses anything by, whatever becomes of it: how something is tuned, and the networks
/// that it is in.
const TUNING: [&str; 8] = [
    "analytics_profile_ref",
    "application_persistence_profile_ref",
    "error_page_profile_ref",
    "health_monitor_refs",
    "network_ref",
    "placement_networks",
    "subnet",
    "vip",
];

/// What may be replaced by another one: where something is, how it is spoken to, who is let in.
const REPLACEABLE: [&str; 11] = [
    "application_profile_ref",
    "bot_policy_ref",
    "network_profile_ref",
    "network_security_policy_ref",
    "se_group_ref",
    "security_policy_ref",
    "ssl_profile_ref",
    "sso_policy_ref",
    "vrf_context_ref",
    "vrf_ref",
    "waf_policy_ref",
];

/// What of an object is lost where these parts are left.
pub(crate) fn lost(before: &BTreeSet<String>, left: &BTreeSet<String>) -> BTreeSet<String> {
    let is_left = |field: &str| left.iter().any(|part| field_of(part) == field);
    let is_lost = |part: &&String| {
        let field = field_of(part);
        // Of a rule its hosts, paths and references count: it may have more of them.
        !(field == "rules" || TUNING.contains(&field) || REPLACEABLE.contains(&field) && is_left(field))
    };
    before.difference(left).filter(is_lost).cloned().collect()
}

fn field_of(part: &str) -> &str {
    part.split_once(' ').map_or(part, |(field, _)| field)
}

/// The parts of an object of a type, in canonical form.
pub(crate) fn parts(kind: &str, object: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if kind == "vrfcontext" {
        // The rest of it is not ours; of the routes, those of others have to stay.
        let routes = object["static_routes"].as_array().into_iter().flatten();
        found.extend(routes.map(|route| format!("route {}", identity("static_routes", route))));
        return found;
    }
    collect("", object, &mut found);
    found
}

fn collect(field: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| !NOT_JUDGED.contains(&name.as_str())) {
                collect(name, value, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                found.insert(format!("{field} {}", identity(field, item)));
                collect(field, item, found);
            }
        }
        Value::String(text) if field.ends_with("_ref") && !DEFAULTS.contains(&text.as_str()) => {
            found.insert(format!("{field} {text}"));
        }
        _ => {}
    }
}

/// What makes an element of a list the same one though details of it change.
fn identity(field: &str, item: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match field {
        "servers" => format!("{}:{}", text(&item["ip"]["addr"]), item["port"]),
        "dns_info" => text(&item["fqdn"]),
        "members" => text(&item["pool_ref"]),
        "http_policies" => text(&item["http_policy_set_ref"]),
        "vs_datascripts" => text(&item["vs_datascript_set_ref"]),
        "l4_policies" => text(&item["l4_policy_set_ref"]),
        "services" => item["port"].to_string(),
        "vip" => text(&item["vip_id"]),
        "static_routes" => {
            let (prefix, hop) = (&item["prefix"], &item["next_hop"]["addr"]);
            format!("{}/{} via {}", text(&prefix["ip_addr"]["addr"]), prefix["mask"], text(hop))
        }
        _ => canonical(item),
    }
}

/// JSON with its fields in order.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name}={}", canonical(value))).collect();
            fields.sort();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lost(kind: &str, before: &Value, after: &Value) -> Vec<String> {
        super::lost(&parts(kind, before), &parts(kind, after)).into_iter().collect()
    }

    #[test]
    fn what_is_lost_is_named() {
        let server = |address: &str, ratio: u32| json!({"ip": {"addr": address}, "port": 80, "ratio": ratio});
        let before = json!({"servers": [server("10.0.0.1", 1), server("10.0.0.2", 1)], "vrf_ref": "v"});
        let after = json!({"servers": [server("10.0.0.1", 5)], "vrf_ref": "v"});
        assert_eq!(lost("pool", &before, &after), ["servers 10.0.0.2:80"]);
        assert_eq!(lost("pool", &before, &json!({"servers": before["servers"]})), ["vrf_ref v"]);
        let placed = json!({"vrf_ref": "w", "application_persistence_profile_ref": "p"});
        assert_eq!(lost("pool", &placed, &json!({"vrf_ref": "v"})), Vec::<String>::new());
        let vsvip = json!({"dns_info": [{"fqdn": "a"}, {"fqdn": "b"}]});
        assert_eq!(lost("vsvip", &vsvip, &json!({"dns_info": [{"fqdn": "b", "ttl": 1}]})), ["dns_info a"]);
        let rule = |host: &str| json!({"match": {"host_hdr": {"value": [host]}}});
        let policy = |hosts: &[&str]| {
            let rules: Vec<_> = hosts.iter().map(|host| rule(host)).collect();
            json!({"http_request_policy": {"rules": rules}})
        };
        let named =
            |index: u32| json!({"rules": [{"index": index, "name": format!("{index}"), "match": "a"}]});
        assert_eq!(lost("httppolicyset", &named(0), &named(1)), Vec::<String>::new());
        let gone = lost("httppolicyset", &policy(&["a", "b"]), &policy(&["a"]));
        assert!(gone.iter().any(|part| part == "value \"b\""), "{gone:?}");
    }

    #[test]
    fn of_the_vrf_all_routes_count_and_nothing_else() {
        let route = |cluster: &str, net: &str| {
            json!({
                "prefix": {"ip_addr": {"addr": net}, "mask": 24}, "next_hop": {"addr": "n"},
                "labels": [{"key": "clustername", "value": cluster}],
            })
        };
        let before =
            json!({"static_routes": [route("c1", "10.0.0.0"), route("c9", "10.9.0.0")], "a_ref": "b"});
        let after = json!({"static_routes": [route("c1", "10.0.0.0")]});
        assert_eq!(lost("vrfcontext", &before, &after), ["route 10.9.0.0/24 via n"]);
    }
}
