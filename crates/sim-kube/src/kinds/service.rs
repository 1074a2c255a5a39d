//! Services.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{check_port, default, ingress, items, refuse_all};
use crate::cluster::text;
use crate::status::Cause;
use crate::syntax;

pub(crate) fn set_defaults(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "sessionAffinity", "None");
    default(spec, "type", "ClusterIP");
    if spec["sessionAffinity"] == "ClientIP" {
        default(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10_800}}));
    } else {
        remove(spec, "sessionAffinityConfig");
    }
    let kind = text(spec, "type").to_owned();
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        default(port, "protocol", "TCP");
        let number = port["port"].clone();
        if matches!(port.get("targetPort"), None | Some(Value::Null))
            || port["targetPort"] == ""
            || port["targetPort"] == 0
        {
            port["targetPort"] = number;
        }
    }
    if kind != "ExternalName" {
        default(spec, "internalTrafficPolicy", "Cluster");
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") || items(&spec["externalIPs"]).next().is_some() {
        default(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        default(spec, "allocateLoadBalancerNodePorts", true);
    }
    if spec["clusterIP"].is_null()
        && let Some(first) = spec["clusterIPs"].get(0).cloned()
    {
        spec["clusterIP"] = first;
    }
    // Reading a field that is missing left a null behind.
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    default_ip_modes(object);
}

/// Load balancers take traffic to their address unless they say otherwise.
pub(crate) fn default_ip_modes(object: &mut Value) {
    let entries = object["status"]["loadBalancer"].get_mut("ingress").and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        if !text(entry, "ip").is_empty() {
            default(entry, "ipMode", "VIP");
        }
    }
}

/// What an update leaves as it was, and what a change of the type takes away.
pub(crate) fn prepare_update(new: &mut Value, old: &Value) {
    let asked = new["spec"].get("clusterIP").filter(|ip| ip.is_string()).cloned();
    if let Some(asked) = asked
        && Some(&asked) != old["spec"].get("clusterIP")
        && new["spec"].get("clusterIPs") == old["spec"].get("clusterIPs")
    {
        new["spec"]["clusterIPs"] = json!([asked]);
    }
    let (was, is) = (text(&old["spec"], "type").to_owned(), text(&new["spec"], "type").to_owned());
    if is == "ExternalName" && was != "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            if new["spec"].get(field) == old["spec"].get(field) {
                remove(&mut new["spec"], field);
            }
        }
    } else if is != "ExternalName" && was != "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if let Some(kept) = old["spec"].get(field) {
                default(&mut new["spec"], field, kept.clone());
            }
        }
    }
    let exposed = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    if exposed(&was) && exposed(&is) {
        keep_node_ports(new, old);
    }
    if exposed(&was) && !exposed(&is) {
        let unchanged = new["spec"].get("externalTrafficPolicy") == old["spec"].get("externalTrafficPolicy");
        if unchanged {
            remove(&mut new["spec"], "externalTrafficPolicy");
        }
        let before = old["spec"]["ports"].clone();
        for (at, port) in new["spec"]["ports"].as_array_mut().into_iter().flatten().enumerate() {
            if before[at].get("nodePort") == port.get("nodePort") {
                remove(port, "nodePort");
            }
        }
    }
    if was == "LoadBalancer" && is != "LoadBalancer" {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass", "loadBalancerSourceRanges"] {
            if new["spec"].get(field) == old["spec"].get(field) {
                remove(&mut new["spec"], field);
            }
        }
        new["status"] = json!({"loadBalancer": {}});
    }
}

/// Ports that name no node port keep the one that they have.
fn keep_node_ports(new: &mut Value, old: &Value) {
    for port in new["spec"]["ports"].as_array_mut().into_iter().flatten() {
        let same = |before: &&Value| before["port"] == port["port"] && before["protocol"] == port["protocol"];
        let kept = items(&old["spec"]["ports"]).map(|(_, before)| before).find(same);
        let kept = kept.and_then(|before| before.get("nodePort")).cloned();
        if let Some(kept) = kept
            && port["nodePort"].as_u64().unwrap_or(0) == 0
        {
            port["nodePort"] = kept;
        }
        if port["nodePort"].is_null() {
            remove(port, "nodePort");
        }
    }
}

fn remove(object: &mut Value, key: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(key);
    }
}

pub(crate) fn validate(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let spec = &new["spec"];
    let kind = text(spec, "type");
    let mut causes = Vec::new();
    let headless = text(spec, "clusterIP") == "None";
    let count = items(&spec["ports"]).count();
    if count == 0 && !headless && kind != "ExternalName" {
        causes.push(Cause::required("spec.ports", ""));
    }
    let mut names = BTreeSet::new();
    for (at, port) in items(&spec["ports"]) {
        check_service_port(&format!("spec.ports[{at}]"), port, count > 1, &mut names, &mut causes);
    }
    for (key, value) in spec["selector"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        refuse_all("spec.selector", key, syntax::qualified_name(key), &mut causes);
        refuse_all("spec.selector", value, syntax::label_value(value), &mut causes);
    }
    if !matches!(text(spec, "sessionAffinity"), "None" | "ClientIP") {
        let supported = ["ClientIP", "None"];
        causes.push(Cause::unsupported("spec.sessionAffinity", &spec["sessionAffinity"], &supported));
    }
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        let supported = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
        causes.push(Cause::unsupported("spec.type", &spec["type"], &supported));
    }
    if kind == "ExternalName" {
        let name = text(spec, "externalName").trim_end_matches('.');
        if name.is_empty() {
            causes.push(Cause::required("spec.externalName", ""));
        } else {
            refuse_all("spec.externalName", name, syntax::subdomain(name), &mut causes);
        }
    }
    check_duplicates(spec, &mut causes);
    if kind == "ClusterIP" {
        for (at, port) in
            items(&spec["ports"]).filter(|(_, port)| port["nodePort"].as_u64().unwrap_or(0) != 0)
        {
            let _ = port;
            let why = "may not be used when `type` is 'ClusterIP'";
            causes.push(Cause::forbidden(format!("spec.ports[{at}].nodePort"), why));
        }
    }
    if kind != "LoadBalancer" && spec.get("loadBalancerClass").is_some() {
        causes.push(Cause::forbidden(
            "spec.loadBalancerClass",
            "may only be used when `type` is 'LoadBalancer'",
        ));
    }
    check_status(new, &mut causes);
    if let Some(old) = old {
        check_change(new, old, &mut causes);
    }
    causes
}

fn check_service_port<'a>(
    field: &str,
    port: &'a Value,
    named: bool,
    taken: &mut BTreeSet<&'a str>,
    causes: &mut Vec<Cause>,
) {
    let name = text(port, "name");
    if name.is_empty() {
        if named {
            causes.push(Cause::required(format!("{field}.name"), ""));
        }
    } else {
        refuse_all(&format!("{field}.name"), name, syntax::label(name), causes);
        if !taken.insert(name) {
            causes.push(Cause::duplicate(format!("{field}.name"), &port["name"]));
        }
    }
    check_port(&format!("{field}.port"), &port["port"], causes);
    if !matches!(text(port, "protocol"), "TCP" | "UDP" | "SCTP") {
        let supported = ["SCTP", "TCP", "UDP"];
        causes.push(Cause::unsupported(format!("{field}.protocol"), &port["protocol"], &supported));
    }
    let target = format!("{field}.targetPort");
    match port["targetPort"].as_str() {
        Some(name) => refuse_all(&target, name, syntax::port_name(name), causes),
        None => check_port(&target, &port["targetPort"], causes),
    }
}

fn check_duplicates(spec: &Value, causes: &mut Vec<Cause>) {
    let mut seen = BTreeSet::new();
    for (at, port) in items(&spec["ports"]) {
        let number = port["port"].as_i64().unwrap_or(0);
        let protocol = text(port, "protocol");
        if !seen.insert((number, protocol)) {
            let message = format!(
                "Duplicate value: {{\"Name\":\"\",\"Protocol\":\"{protocol}\",\"AppProtocol\":null,\"Port\":\
                 {number},\"TargetPort\":0,\"NodePort\":0}}"
            );
            let field = format!("spec.ports[{at}]");
            causes.push(Cause { reason: "FieldValueDuplicate", field, message });
        }
    }
}

fn check_status(new: &Value, causes: &mut Vec<Cause>) {
    let entries = &new["status"]["loadBalancer"]["ingress"];
    if items(entries).next().is_none() {
        return;
    }
    if new["spec"]["type"] != "LoadBalancer" {
        let why = "may only be used when `spec.type` is 'LoadBalancer'";
        causes.push(Cause::forbidden("status.loadBalancer.ingress", why));
        return;
    }
    for (at, entry) in items(entries) {
        let field = format!("status.loadBalancer.ingress[{at}]");
        ingress::check_entry(&field, entry, causes);
        let mode = text(entry, "ipMode");
        if !matches!(mode, "" | "VIP" | "Proxy") {
            let supported = ["Proxy", "VIP"];
            causes.push(Cause::unsupported(format!("{field}.ipMode"), &entry["ipMode"], &supported));
        }
    }
}

fn check_change(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let external = |service: &Value| service["spec"]["type"] == "ExternalName";
    if external(new) || external(old) {
        return;
    }
    let (before, after) = (&old["spec"]["clusterIP"], &new["spec"]["clusterIP"]);
    if before.is_string() && before != after {
        let after = &new["spec"]["clusterIPs"];
        causes.push(Cause::invalid("spec.clusterIPs[0]", after, "may not change once set"));
    }
}
