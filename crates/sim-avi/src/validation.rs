//! The checks of a single object's fields (Avi REST API contract, §8.15).
//!
//! Rules are tables over field paths: `vip.ip_address` is the field `ip_address` of
//! every element of `vip`; a path without its beginning matches at any depth.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::Value;

use crate::defaults::elements;
use crate::kind::Kind;
use crate::refusal::{Granted, Refusal};
use crate::store::Fields;

/// The longest name the Controller takes.
const MAX_NAME: usize = 255;

/// Type, path of an object, field it must have.
const REQUIRED: &[(&str, &str, &str)] = &[
    ("stringgroup", "", "type"),
    ("applicationprofile", "", "type"),
    ("healthmonitor", "", "type"),
    ("applicationpersistenceprofile", "", "persistence_type"),
    ("virtualservice", "services", "port"),
    ("virtualservice", "vh_matches", "host"),
    ("virtualservice", "matches.path", "match_criteria"),
    ("virtualservice", "http_policies", "http_policy_set_ref"),
    ("virtualservice", "http_policies", "index"),
    ("virtualservice", "l4_policies", "l4_policy_set_ref"),
    ("virtualservice", "vs_datascripts", "vs_datascript_set_ref"),
    ("pool", "servers", "ip"),
    ("poolgroup", "members", "pool_ref"),
    ("httppolicyset", "rules", "name"),
    ("httppolicyset", "rules", "index"),
    ("httppolicyset", "match.path", "match_criteria"),
    ("httppolicyset", "match.host_hdr", "match_criteria"),
    ("httppolicyset", "match.vs_port", "match_criteria"),
    ("httppolicyset", "switching_action", "action"),
    ("l4policyset", "rules", "name"),
    ("l4policyset", "rules", "index"),
    ("l4policyset", "match.protocol", "protocol"),
    ("vsdatascriptset", "datascript", "evt"),
    ("vsdatascriptset", "datascript", "script"),
    ("sslkeyandcertificate", "", "certificate"),
    ("vsvip", "dns_info", "fqdn"),
    ("vrfcontext", "static_routes", "prefix"),
    ("vrfcontext", "static_routes", "next_hop"),
    ("vrfcontext", "static_routes", "route_id"),
    ("vrfcontext", "static_routes.labels", "key"),
    ("serviceenginegroup", "labels", "key"),
];

/// Type, path of a list, most elements.
const LIMITS: &[(&str, &str, usize)] = &[
    ("pool", "servers", 5000),
    ("pool", "health_monitor_refs", 50),
    ("vsvip", "dns_info", 1000),
    ("vsvip", "bgp_peer_labels", 128),
    ("virtualservice", "icap_request_profile_refs", 1),
    ("serviceenginegroup", "labels", 1),
    ("vrfcontext", "static_routes.labels", 1),
];

/// Type, path of a text, values it may have.
const ENUMERATIONS: &[(&str, &str, &[&str])] = &[
    ("virtualservice", "type", &["VS_TYPE_NORMAL", "VS_TYPE_VH_PARENT", "VS_TYPE_VH_CHILD"]),
    ("virtualservice", "vh_type", &["VS_TYPE_VH_SNI", "VS_TYPE_VH_ENHANCED"]),
    ("virtualservice", "path.match_criteria", PATH_CRITERIA),
    ("virtualservice", "path.match_case", MATCH_CASES),
    ("httppolicyset", "path.match_criteria", PATH_CRITERIA),
    ("httppolicyset", "path.match_case", MATCH_CASES),
    ("httppolicyset", "host_hdr.match_criteria", HEADER_CRITERIA),
    ("httppolicyset", "vs_port.match_criteria", SET_CRITERIA),
    ("httppolicyset", "switching_action.action", SWITCHING_ACTIONS),
    ("httppolicyset", "redirect_action.protocol", &["HTTP", "HTTPS"]),
    ("httppolicyset", "redirect_action.status_code", REDIRECT_CODES),
    ("l4policyset", "match.port.match_criteria", SET_CRITERIA),
    ("l4policyset", "match.protocol.match_criteria", SET_CRITERIA),
    ("l4policyset", "match.protocol.protocol", L4_PROTOCOLS),
    (
        "l4policyset",
        "select_pool.action_type",
        &["L4_RULE_ACTION_SELECT_POOL", "L4_RULE_ACTION_SELECT_POOLGROUP"],
    ),
    ("stringgroup", "type", &["SG_TYPE_STRING", "SG_TYPE_KEYVAL"]),
    ("sslkeyandcertificate", "type", CERTIFICATE_TYPES),
    ("applicationpersistenceprofile", "persistence_type", PERSISTENCE_TYPES),
    ("pool", "lb_algorithm", LB_ALGORITHMS),
    ("vsvip", "vip.auto_allocate_ip_type", &["V4_ONLY", "V6_ONLY", "V4_V6"]),
];

const PATH_CRITERIA: &[&str] = &[
    "BEGINS_WITH",
    "DOES_NOT_BEGIN_WITH",
    "CONTAINS",
    "DOES_NOT_CONTAIN",
    "ENDS_WITH",
    "DOES_NOT_END_WITH",
    "EQUALS",
    "DOES_NOT_EQUAL",
    "REGEX_MATCH",
    "REGEX_DOES_NOT_MATCH",
];
const MATCH_CASES: &[&str] = &["SENSITIVE", "INSENSITIVE"];
const HEADER_CRITERIA: &[&str] = &[
    "HDR_EXISTS",
    "HDR_DOES_NOT_EXIST",
    "HDR_BEGINS_WITH",
    "HDR_DOES_NOT_BEGIN_WITH",
    "HDR_CONTAINS",
    "HDR_DOES_NOT_CONTAIN",
    "HDR_ENDS_WITH",
    "HDR_DOES_NOT_END_WITH",
    "HDR_EQUALS",
    "HDR_DOES_NOT_EQUAL",
];
const SET_CRITERIA: &[&str] = &["IS_IN", "IS_NOT_IN"];
const SWITCHING_ACTIONS: &[&str] =
    &["HTTP_SWITCHING_SELECT_POOL", "HTTP_SWITCHING_SELECT_LOCAL", "HTTP_SWITCHING_SELECT_POOLGROUP"];
const REDIRECT_CODES: &[&str] = &[
    "HTTP_REDIRECT_STATUS_CODE_301",
    "HTTP_REDIRECT_STATUS_CODE_302",
    "HTTP_REDIRECT_STATUS_CODE_307",
    "HTTP_REDIRECT_STATUS_CODE_308",
];
const L4_PROTOCOLS: &[&str] = &["PROTOCOL_TCP", "PROTOCOL_UDP", "PROTOCOL_SCTP", "PROTOCOL_TCP_UDP"];
const CERTIFICATE_TYPES: &[&str] =
    &["SSL_CERTIFICATE_TYPE_VIRTUALSERVICE", "SSL_CERTIFICATE_TYPE_SYSTEM", "SSL_CERTIFICATE_TYPE_CA"];
const PERSISTENCE_TYPES: &[&str] = &[
    "PERSISTENCE_TYPE_CLIENT_IP_ADDRESS",
    "PERSISTENCE_TYPE_HTTP_COOKIE",
    "PERSISTENCE_TYPE_TLS",
    "PERSISTENCE_TYPE_CLIENT_IPV6_ADDRESS",
    "PERSISTENCE_TYPE_CUSTOM_HTTP_HEADER",
    "PERSISTENCE_TYPE_APP_COOKIE",
    "PERSISTENCE_TYPE_GSLB_SITE",
];
const LB_ALGORITHMS: &[&str] = &[
    "LB_ALGORITHM_LEAST_CONNECTIONS",
    "LB_ALGORITHM_ROUND_ROBIN",
    "LB_ALGORITHM_FASTEST_RESPONSE",
    "LB_ALGORITHM_CONSISTENT_HASH",
    "LB_ALGORITHM_LEAST_LOAD",
    "LB_ALGORITHM_FEWEST_SERVERS",
    "LB_ALGORITHM_RANDOM",
    "LB_ALGORITHM_FEWEST_TASKS",
    "LB_ALGORITHM_NEAREST_SERVER",
    "LB_ALGORITHM_CORE_AFFINITY",
    "LB_ALGORITHM_TOPOLOGY",
];

/// The name of an object that is to be stored.
pub(crate) fn name(kind: &Kind, object: &Fields) -> Granted<String> {
    let name = match object.get("name") {
        Some(Value::String(name)) if !name.is_empty() => name,
        Some(Value::String(_)) | None => {
            return Err(Refusal::invalid(format!("{}: name is a required field", kind.model)));
        }
        Some(_) => return Err(Refusal::invalid(format!("{}: name must be a string", kind.model))),
    };
    if name.chars().count() > MAX_NAME {
        let error = format!("{}: name must have at most {MAX_NAME} characters", kind.model);
        return Err(Refusal::invalid(error).about(name));
    }
    Ok(name.clone())
}

/// Checks required fields, limits, enumerations, addresses and routes.
pub(crate) fn check(kind: &Kind, object: &Fields) -> Granted<()> {
    check_fields(kind, &mut Vec::new(), object)?;
    match kind.path {
        "vrfcontext" => static_routes(kind, object),
        "healthmonitor" => intervals(kind, object),
        _ => Ok(()),
    }
}

/// A server answers before it is asked again. Source: Avi API reference, `HealthMonitor.receive_timeout`.
fn intervals(kind: &Kind, monitor: &Fields) -> Granted<()> {
    let seconds = |field: &str, default| monitor.get(field).and_then(Value::as_u64).unwrap_or(default);
    let (timeout, interval) = (seconds("receive_timeout", 4), seconds("send_interval", 10));
    if timeout < interval {
        return Ok(());
    }
    let error =
        format!("{}: receive_timeout ({timeout}) must be less than send_interval ({interval})", kind.model);
    Err(Refusal::invalid(error))
}

/// A route's id tells it from the others, and its prefix is one.
fn static_routes(kind: &Kind, vrf: &Fields) -> Granted<()> {
    let mut ids = HashSet::new();
    for route in elements(vrf, "static_routes") {
        let id = route["route_id"].as_str().unwrap_or_default();
        if !ids.insert(id) {
            return Err(Refusal::invalid(format!("{}: route_id {id} is used twice", kind.model)));
        }
        let prefix = &route["prefix"];
        let longest = if prefix["ip_addr"]["type"] == "V6" { 128 } else { 32 };
        if prefix["mask"].as_u64().is_none_or(|mask| mask > longest) {
            return Err(Refusal::invalid(format!("{}: invalid prefix of route {id}", kind.model)));
        }
    }
    Ok(())
}

fn check_fields<'a>(kind: &Kind, path: &mut Vec<&'a str>, fields: &'a Fields) -> Granted<()> {
    required(kind, path, fields)?;
    address(path, fields)?;
    for (key, value) in fields {
        path.push(key);
        check_value(kind, path, value)?;
        path.pop();
    }
    Ok(())
}

fn check_value<'a>(kind: &Kind, path: &mut Vec<&'a str>, value: &'a Value) -> Granted<()> {
    match value {
        Value::Object(fields) => check_fields(kind, path, fields),
        Value::Array(items) => {
            within_limit(kind, path, items.len())?;
            items.iter().try_for_each(|item| check_value(kind, path, item))
        }
        Value::String(text) => known_value(kind, path, text),
        _ => Ok(()),
    }
}

/// Whether a rule's path is the end of the actual one. A path of one word that
/// names a field of the object itself must not match deeper fields.
fn ends_with(path: &[&str], rule: &str) -> bool {
    let mut actual = path.iter().rev();
    rule.rsplit('.').all(|word| actual.next() == Some(&word))
}

fn required(kind: &Kind, path: &[&str], fields: &Fields) -> Granted<()> {
    for (_, rule, field) in REQUIRED.iter().filter(|(of, _, _)| *of == kind.path) {
        let here = if rule.is_empty() { path.is_empty() } else { ends_with(path, rule) };
        let missing = fields.get(*field).is_none_or(|value| value.is_null() || value == "");
        if here && missing {
            let place = if path.is_empty() { String::new() } else { format!(" of {}", path.join(".")) };
            return Err(Refusal::invalid(format!("{}: {field}{place} is a required field", kind.model)));
        }
    }
    Ok(())
}

fn within_limit(kind: &Kind, path: &[&str], length: usize) -> Granted<()> {
    for (_, rule, most) in LIMITS.iter().filter(|(of, _, _)| *of == kind.path) {
        if path == rule.split('.').collect::<Vec<_>>() && length > *most {
            let error = format!("{}: {rule} has {length} entries, at most {most} are allowed", kind.model);
            return Err(Refusal::invalid(error));
        }
    }
    Ok(())
}

fn known_value(kind: &Kind, path: &[&str], text: &str) -> Granted<()> {
    for (_, rule, values) in ENUMERATIONS.iter().filter(|(of, _, _)| *of == kind.path) {
        let here = if rule.contains('.') { ends_with(path, rule) } else { path == [*rule] };
        if here && !values.contains(&text) {
            return Err(Refusal::invalid(format!("{}: invalid value '{text}' for {rule}", kind.model)));
        }
    }
    Ok(())
}

/// An `IpAddr` message needs `addr` and `type`; an empty one is a malformed
/// message (500 `Bad pb`, §5).
fn address(path: &[&str], fields: &Fields) -> Granted<()> {
    const MESSAGES: &[&str] =
        &["ip", "ip_address", "ip6_address", "ip_addr", "next_hop", "begin", "end", "floating_ip"];
    let Some(place) = path.last().filter(|key| MESSAGES.contains(key)) else { return Ok(()) };
    let text = |key| fields.get(key).and_then(Value::as_str);
    let (Some(addr), Some(family)) = (text("addr"), text("type")) else {
        return Err(Refusal::bad_message(&format!("{place} lacks addr or type")));
    };
    let fits = match family {
        "V4" => matches!(addr.parse(), Ok(IpAddr::V4(_))),
        "V6" => matches!(addr.parse(), Ok(IpAddr::V6(_))),
        "DNS" => true,
        _ => false,
    };
    if fits { Ok(()) } else { Err(Refusal::invalid(format!("Invalid {family} address '{addr}' in {place}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;
    use serde_json::json;

    fn verdict(path: &str, object: &Value) -> Result<(), String> {
        let kind = kind::find(path).expect("known type");
        check(kind, object.as_object().expect("an object")).map_err(|refusal| refusal.error)
    }

    #[test]
    fn rules_match_their_place_only() {
        assert!(verdict("virtualservice", &json!({"type": "VS_TYPE_NORMAL", "a": {"type": "x"}})).is_ok());
        assert!(verdict("virtualservice", &json!({"type": "x"})).is_err());
        assert!(verdict("virtualservice", &json!({"services": [{"port": 80}, {}]})).is_err());
    }

    #[test]
    fn a_monitor_waits_less_long_than_it_pauses() {
        let of = |fields: &Value| verdict("healthmonitor", fields);
        assert!(of(&json!({"type": "HEALTH_MONITOR_TCP"})).is_ok());
        assert!(of(&json!({"type": "HEALTH_MONITOR_TCP", "send_interval": 5})).is_ok());
        let refused = of(&json!({"type": "HEALTH_MONITOR_TCP", "send_interval": 4}));
        assert!(refused.is_err_and(|text| text.contains("must be less than send_interval")));
    }

    #[test]
    fn routes_have_ids_of_their_own_and_prefixes() {
        let route = |id: &str, mask: u32| {
            json!({"route_id": id, "prefix": {"ip_addr": {"addr": "10.1.0.0", "type": "V4"}, "mask": mask},
                "next_hop": {"addr": "10.0.0.1", "type": "V4"}, "labels": [{"key": "clustername", "value": "c"}]})
        };
        let of = |routes: &[Value]| verdict("vrfcontext", &json!({ "static_routes": routes }));
        assert!(of(&[route("a", 24), route("b", 32)]).is_ok());
        assert!(of(&[route("a", 24), route("a", 25)]).is_err_and(|text| text.contains("used twice")));
        assert!(of(&[route("a", 33)]).is_err_and(|text| text.contains("invalid prefix")));
    }

    #[test]
    fn an_empty_address_is_a_malformed_message() {
        let error = verdict("vsvip", &json!({"vip": [{"ip6_address": {}}]}));
        assert!(error.is_err_and(|text| text.starts_with("Bad pb")));
    }
}
