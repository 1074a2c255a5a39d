//! Ingresses.

use serde_json::Value;

use super::{check_port, items, refuse_all};
use crate::cluster::text;
use crate::status::Cause;
use crate::syntax;

const NO_IP: &str = "must be a DNS name, not an IP address";

pub(crate) fn validate(new: &Value) -> Vec<Cause> {
    let spec = &new["spec"];
    let mut causes = Vec::new();
    if spec.get("defaultBackend").is_none() && items(&spec["rules"]).next().is_none() {
        let why = "either `defaultBackend` or `rules` must be specified";
        causes.push(Cause::invalid("spec", &Value::Null, why));
    }
    if let Some(backend) = spec.get("defaultBackend") {
        check_backend("spec.defaultBackend", backend, &mut causes);
    }
    for (at, rule) in items(&spec["rules"]) {
        check_rule(&format!("spec.rules[{at}]"), rule, &mut causes);
    }
    for (at, tls) in items(&spec["tls"]) {
        for (number, host) in items(&tls["hosts"]) {
            check_host(&format!("spec.tls[{at}].hosts[{number}]"), host, &mut causes);
        }
        let secret = text(tls, "secretName");
        if !secret.is_empty() {
            refuse_all(&format!("spec.tls[{at}].secretName"), secret, syntax::subdomain(secret), &mut causes);
        }
    }
    if let Some(class) = spec.get("ingressClassName").and_then(Value::as_str) {
        refuse_all("spec.ingressClassName", class, syntax::subdomain(class), &mut causes);
    }
    check_status(&new["status"], &mut causes);
    causes
}

fn check_rule(field: &str, rule: &Value, causes: &mut Vec<Cause>) {
    let host = text(rule, "host");
    if !host.is_empty() {
        if host.parse::<std::net::IpAddr>().is_ok() {
            causes.push(Cause::invalid(format!("{field}.host"), &rule["host"], NO_IP));
        }
        check_host(&format!("{field}.host"), &rule["host"], causes);
    }
    let Some(http) = rule.get("http") else { return };
    if items(&http["paths"]).next().is_none() {
        causes.push(Cause::required(format!("{field}.http.paths"), ""));
    }
    for (at, path) in items(&http["paths"]) {
        check_path(&format!("{field}.http.paths[{at}]"), path, causes);
    }
}

fn check_host(field: &str, host: &Value, causes: &mut Vec<Cause>) {
    let name = host.as_str().unwrap_or_default();
    let wrong = if name.contains('*') { syntax::wildcard(name) } else { syntax::subdomain(name) };
    refuse_all(field, name, wrong, causes);
}

fn check_path(field: &str, path: &Value, causes: &mut Vec<Cause>) {
    let place = format!("{field}.path");
    let given = text(path, "path");
    let shown = Value::from(given);
    let mut refuse = |why: String| causes.push(Cause::invalid(place.as_str(), &shown, why));
    match path.get("pathType").and_then(Value::as_str) {
        None => causes.push(Cause::required(format!("{field}.pathType"), "pathType must be specified")),
        Some("Exact" | "Prefix") => {
            if given.starts_with('/') {
                for part in ["//", "/./", "/../", "%2f", "%2F"] {
                    if given.contains(part) {
                        refuse(format!("must not contain '{part}'"));
                    }
                }
                for end in ["/..", "/."] {
                    if given.ends_with(end) {
                        refuse(format!("cannot end with '{end}'"));
                    }
                }
            } else {
                refuse("must be an absolute path".to_owned());
            }
        }
        Some("ImplementationSpecific") => {
            if !given.is_empty() && !given.starts_with('/') {
                refuse("must be an absolute path".to_owned());
            }
        }
        Some(_) => {
            let supported = ["Exact", "ImplementationSpecific", "Prefix"];
            causes.push(Cause::unsupported(format!("{field}.pathType"), &path["pathType"], &supported));
        }
    }
    if path.get("pathType").is_some() {
        check_backend(&format!("{field}.backend"), &path["backend"], causes);
    }
}

fn check_backend(field: &str, backend: &Value, causes: &mut Vec<Cause>) {
    match (backend.get("service"), backend.get("resource")) {
        (Some(_), Some(_)) => {
            causes.push(Cause::invalid(field, &"".into(), "cannot set both resource and service backends"));
        }
        (None, None) => {
            causes.push(Cause::invalid(field, &"".into(), "resource or service backend is required"));
        }
        (None, Some(_)) => {}
        (Some(service), None) => {
            let name = text(service, "name");
            if name.is_empty() {
                causes.push(Cause::required(format!("{field}.service.name"), ""));
            } else {
                refuse_all(&format!("{field}.service.name"), name, syntax::label(name), causes);
            }
            let port = &service["port"];
            let port_name = text(port, "name");
            let number = port["number"].as_i64().unwrap_or(0);
            match (port_name.is_empty(), number) {
                (true, 0) => causes.push(Cause::required(field, "port name or number is required")),
                (true, _) => check_port(&format!("{field}.service.port.number"), &port["number"], causes),
                (false, 0) => {
                    let wrong = syntax::port_name(port_name);
                    refuse_all(&format!("{field}.service.port.name"), port_name, wrong, causes);
                }
                (false, _) => {
                    causes.push(Cause::invalid(field, &"".into(), "cannot set both port name & port number"));
                }
            }
        }
    }
}

fn check_status(status: &Value, causes: &mut Vec<Cause>) {
    for (at, entry) in items(&status["loadBalancer"]["ingress"]) {
        check_entry(&format!("status.loadBalancer.ingress[{at}]"), entry, causes);
    }
}

/// An address and a host name of a load balancer.
pub(crate) fn check_entry(field: &str, entry: &Value, causes: &mut Vec<Cause>) {
    let (ip, host) = (text(entry, "ip"), text(entry, "hostname"));
    if !ip.is_empty()
        && let Err(why) = syntax::address(ip)
    {
        causes.push(Cause::invalid(format!("{field}.ip"), &entry["ip"], why));
    }
    if !host.is_empty() {
        if host.parse::<std::net::IpAddr>().is_ok() {
            causes.push(Cause::invalid(format!("{field}.hostname"), &entry["hostname"], NO_IP));
        } else {
            refuse_all(&format!("{field}.hostname"), host, syntax::subdomain(host), causes);
        }
    }
}
