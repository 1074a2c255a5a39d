//! EndpointSlices.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{default, items, refuse_all, unchangeable};
use crate::cluster::text;
use crate::status::Cause;
use crate::syntax;

pub(crate) fn set_defaults(object: &mut Value) {
    for key in ["endpoints", "ports"] {
        if object.get(key).is_none() {
            object[key] = Value::Null;
        }
    }
    for port in object["ports"].as_array_mut().into_iter().flatten() {
        default(port, "name", "");
        default(port, "protocol", "TCP");
    }
    for endpoint in object["endpoints"].as_array_mut().into_iter().flatten() {
        default(endpoint, "conditions", json!({}));
    }
}

pub(crate) fn validate(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let kind = text(new, "addressType");
    match kind {
        "" => causes.push(Cause::required("addressType", "")),
        "IPv4" | "IPv6" | "FQDN" => {}
        _ => causes.push(Cause::unsupported("addressType", &new["addressType"], &["FQDN", "IPv4", "IPv6"])),
    }
    if let Some(old) = old.filter(|old| old["addressType"] != new["addressType"]) {
        unchangeable("addressType", &new["addressType"], &old["addressType"], &mut causes);
        return causes;
    }
    for (at, endpoint) in items(&new["endpoints"]) {
        let field = format!("endpoints[{at}].addresses");
        if items(&endpoint["addresses"]).next().is_none() {
            causes.push(Cause::required(field, "must contain at least 1 address"));
            continue;
        }
        for (number, address) in items(&endpoint["addresses"]) {
            check_address(kind, &field, number, address.as_str().unwrap_or_default(), &mut causes);
        }
    }
    let mut names = BTreeSet::new();
    for (at, port) in items(&new["ports"]) {
        let name = text(port, "name");
        if !name.is_empty() {
            refuse_all(&format!("ports[{at}].name"), name, syntax::label(name), &mut causes);
        }
        if !names.insert(name) {
            causes.push(Cause::duplicate(format!("ports[{at}].name"), &port["name"]));
        }
        if !matches!(text(port, "protocol"), "TCP" | "UDP" | "SCTP") {
            let field = format!("ports[{at}].protocol");
            causes.push(Cause::unsupported(field, &port["protocol"], &["SCTP", "TCP", "UDP"]));
        }
    }
    causes
}

fn check_address(kind: &str, list: &str, number: usize, given: &str, causes: &mut Vec<Cause>) {
    let field = format!("{list}[{number}]");
    let value = Value::from(given);
    if kind == "FQDN" {
        refuse_all(&field, given, syntax::subdomain(given), causes);
        return;
    }
    if !matches!(kind, "IPv4" | "IPv6") {
        return;
    }
    let address = match syntax::address(given) {
        Ok(address) => address,
        Err(why) => {
            causes.push(Cause::invalid(field, &value, why));
            return;
        }
    };
    if address.is_ipv4() != (kind == "IPv4") {
        causes.push(Cause::invalid(list, &value, format!("must be an {kind} address")));
    }
    if let Some(why) = special(address) {
        causes.push(Cause::invalid(field, &value, why));
    }
}

/// Why endpoints may not have an address.
fn special(address: IpAddr) -> Option<String> {
    let (link_local, link_local_multicast) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.segments()[0] == 0xff02),
    };
    if address.is_unspecified() {
        Some(format!("may not be unspecified ({address})"))
    } else if address.is_loopback() {
        Some("may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned())
    } else if link_local {
        Some("may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned())
    } else if link_local_multicast {
        Some("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned())
    } else {
        None
    }
}
