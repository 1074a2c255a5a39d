//! Cells of the built-in kinds, as the printers of kube-apiserver fill them.

use jiff::Timestamp;
use serde_json::Value;

use crate::cluster::text;
use crate::resource::Resource;

const NONE: &str = "<none>";

/// Columns of Events, whose name is the last.
pub(super) const EVENT_COLUMNS: [(&str, u64); 10] = [
    ("Last Seen", 0),
    ("Type", 0),
    ("Reason", 0),
    ("Object", 0),
    ("Subobject", 1),
    ("Source", 1),
    ("Message", 0),
    ("First Seen", 1),
    ("Count", 1),
    ("Name", 1),
];

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = texts.collect();
    if all.is_empty() { NONE.to_owned() } else { all.join(",") }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { NONE.to_owned() } else { text.to_owned() }
}

/// How long ago, as `duration.HumanDuration` prints it.
pub(super) fn age(since: &Value, now: Timestamp) -> String {
    let Some(since) = since.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else {
        return "<unknown>".to_owned();
    };
    let seconds = (now.as_second() - since.as_second()).max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    let pair = |big: i64, unit: &str, small: i64, rest: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{rest}") }
    };
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        pair(minutes, "m", seconds % 60, "s")
    } else if hours < 3 {
        format!("{minutes}m")
    } else if hours < 8 {
        pair(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if days < 8 {
        pair(days, "d", hours % 24, "h")
    } else if days < 365 * 2 {
        format!("{days}d")
    } else if days < 365 * 8 {
        pair(days / 365, "y", days % 365, "d")
    } else {
        format!("{}y", days / 365)
    }
}

pub(super) fn cell(resource: &Resource, column: &str, object: &Value) -> Value {
    let spec = &object["spec"];
    let number = |path: &Value| path.as_i64().unwrap_or(0);
    match (&*resource.kind, column) {
        ("Namespace", "Status") => text(&object["status"], "phase").into(),
        ("Node", _) => node(column, object).into(),
        ("Service", _) => service(column, object).into(),
        ("Secret", "Type") => text(object, "type").into(),
        ("Secret" | "ConfigMap", "Data") => {
            let count = |key: &str| object[key].as_object().map_or(0, serde_json::Map::len);
            (count("data") + count("binaryData")).into()
        }
        ("Pod", _) => pod(column, object),
        ("EndpointSlice", _) => endpoint_slice(column, object).into(),
        ("Ingress", _) => ingress(column, object).into(),
        ("IngressClass", "Controller") => text(spec, "controller").into(),
        ("IngressClass", _) => match spec.get("parameters") {
            None => NONE.into(),
            Some(parameters) => {
                let kind = text(parameters, "kind");
                let group = parameters["apiGroup"].as_str().map(|group| format!(".{group}"));
                format!("{kind}{}/{}", group.unwrap_or_default(), text(parameters, "name")).into()
            }
        },
        (_, "Containers") => {
            joined(list(&spec["template"]["spec"]["containers"]).map(|c| text(c, "name").to_owned())).into()
        }
        (_, "Images") => {
            joined(list(&spec["template"]["spec"]["containers"]).map(|c| text(c, "image").to_owned())).into()
        }
        (_, "Selector") => labels(&spec["selector"]["matchLabels"]).into(),
        ("ReplicaSet", "Desired") => number(&spec["replicas"]).into(),
        ("ReplicaSet", "Current") => number(&object["status"]["replicas"]).into(),
        ("ReplicaSet", "Ready") => number(&object["status"]["readyReplicas"]).into(),
        (_, "Ready") => {
            format!("{}/{}", number(&object["status"]["readyReplicas"]), number(&spec["replicas"])).into()
        }
        (_, "Up-to-date") => number(&object["status"]["updatedReplicas"]).into(),
        (_, "Available") => number(&object["status"]["availableReplicas"]).into(),
        ("Lease", "Holder") => text(spec, "holderIdentity").into(),
        (_, "Role") => {
            let role = &object["roleRef"];
            format!("{}/{}", text(role, "kind"), text(role, "name")).into()
        }
        (_, "Users") => subjects(object, "User").into(),
        (_, "Groups") => subjects(object, "Group").into(),
        (_, "ServiceAccounts") => subjects(object, "ServiceAccount").into(),
        (_, "Created At") => object["metadata"]["creationTimestamp"].clone(),
        _ => "".into(),
    }
}

fn labels(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    joined(pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())))
}

fn subjects(object: &Value, kind: &str) -> String {
    let of_kind = list(&object["subjects"]).filter(|subject| subject["kind"] == kind);
    let names = of_kind.map(|subject| match text(subject, "namespace") {
        "" => text(subject, "name").to_owned(),
        namespace => format!("{namespace}/{}", text(subject, "name")),
    });
    names.collect::<Vec<_>>().join(", ")
}

fn node(column: &str, object: &Value) -> String {
    let status = &object["status"];
    let address = |kind: &str| {
        let found = list(&status["addresses"]).find(|address| address["type"] == kind);
        or_none(found.map(|address| text(address, "address")).unwrap_or_default())
    };
    let info = |key: &str| {
        let told = text(&status["nodeInfo"], key);
        if told.is_empty() { "<unknown>".to_owned() } else { told.to_owned() }
    };
    match column {
        "Status" => {
            let ready = list(&status["conditions"]).find(|condition| condition["type"] == "Ready");
            let state = match ready.map(|condition| text(condition, "status")) {
                Some("True") => "Ready",
                Some(_) => "NotReady",
                None => "Unknown",
            };
            if object["spec"]["unschedulable"] == true {
                format!("{state},SchedulingDisabled")
            } else {
                state.to_owned()
            }
        }
        "Roles" => {
            let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
            joined(
                labels.filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/").map(str::to_owned)),
            )
        }
        "Version" => text(&status["nodeInfo"], "kubeletVersion").to_owned(),
        "Internal-IP" => address("InternalIP"),
        "External-IP" => address("ExternalIP"),
        "OS-Image" => info("osImage"),
        "Kernel-Version" => info("kernelVersion"),
        _ => info("containerRuntimeVersion"),
    }
}

fn load_balancer(object: &Value) -> String {
    let entries = list(&object["status"]["loadBalancer"]["ingress"]);
    let shown = entries.map(|entry| match text(entry, "ip") {
        "" => text(entry, "hostname").to_owned(),
        ip => ip.to_owned(),
    });
    shown.collect::<Vec<_>>().join(",")
}

fn service(column: &str, object: &Value) -> String {
    let spec = &object["spec"];
    match column {
        "Type" => text(spec, "type").to_owned(),
        "Cluster-IP" => or_none(text(spec, "clusterIP")),
        "External-IP" => {
            let external = list(&spec["externalIPs"]).filter_map(Value::as_str).collect::<Vec<_>>().join(",");
            match text(spec, "type") {
                "LoadBalancer" => {
                    let balanced = load_balancer(object);
                    match (balanced.is_empty(), external.is_empty()) {
                        (true, true) => "<pending>".to_owned(),
                        (true, false) => external,
                        (false, true) => balanced,
                        (false, false) => format!("{balanced},{external}"),
                    }
                }
                "ExternalName" => text(spec, "externalName").to_owned(),
                _ => or_none(&external),
            }
        }
        "Port(s)" => joined(list(&spec["ports"]).map(|port| {
            let (number, protocol) = (&port["port"], text(port, "protocol"));
            match port["nodePort"].as_u64() {
                Some(node) if node > 0 => format!("{number}:{node}/{protocol}"),
                _ => format!("{number}/{protocol}"),
            }
        })),
        _ => labels(&spec["selector"]),
    }
}

fn pod(column: &str, object: &Value) -> Value {
    let status = &object["status"];
    let containers = list(&status["containerStatuses"]);
    match column {
        "Ready" => {
            let ready = containers.filter(|container| container["ready"] == true).count();
            format!("{ready}/{}", list(&object["spec"]["containers"]).count()).into()
        }
        "Status" if object["metadata"]["deletionTimestamp"].is_string() => "Terminating".into(),
        "Status" => text(status, "phase").into(),
        "Restarts" => containers
            .map(|container| container["restartCount"].as_u64().unwrap_or(0))
            .sum::<u64>()
            .to_string()
            .into(),
        "IP" => or_none(text(status, "podIP")).into(),
        "Node" => or_none(text(&object["spec"], "nodeName")).into(),
        _ => NONE.into(),
    }
}

fn endpoint_slice(column: &str, object: &Value) -> String {
    match column {
        "AddressType" => text(object, "addressType").to_owned(),
        "Ports" => {
            let ports: Vec<String> = list(&object["ports"]).map(|port| port["port"].to_string()).collect();
            if ports.is_empty() { "<unset>".to_owned() } else { shortened(&ports) }
        }
        _ => {
            let addresses = list(&object["endpoints"]).flat_map(|endpoint| list(&endpoint["addresses"]));
            let addresses: Vec<String> = addresses.filter_map(Value::as_str).map(str::to_owned).collect();
            if addresses.is_empty() { "<unset>".to_owned() } else { shortened(&addresses) }
        }
    }
}

fn shortened(all: &[String]) -> String {
    match all.get(..3) {
        Some(first) if all.len() > 3 => format!("{} + {} more...", first.join(","), all.len() - 3),
        _ => all.join(","),
    }
}

fn ingress(column: &str, object: &Value) -> String {
    let spec = &object["spec"];
    match column {
        "Class" => or_none(text(spec, "ingressClassName")),
        "Hosts" => {
            let rules = list(&spec["rules"]);
            let hosts: Vec<String> =
                rules.map(|rule| text(rule, "host").to_owned()).filter(|host| !host.is_empty()).collect();
            if hosts.is_empty() { "*".to_owned() } else { shortened(&hosts) }
        }
        "Address" => load_balancer(object),
        _ => if list(&spec["tls"]).next().is_some() { "80, 443" } else { "80" }.to_owned(),
    }
}

pub(super) fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let about = &object["involvedObject"];
    let kind = text(about, "kind").to_lowercase();
    let last =
        if object["lastTimestamp"].is_string() { &object["lastTimestamp"] } else { &object["eventTime"] };
    let first =
        if object["firstTimestamp"].is_string() { &object["firstTimestamp"] } else { &object["eventTime"] };
    vec![
        age(last, now).into(),
        text(object, "type").into(),
        text(object, "reason").into(),
        format!("{kind}/{}", text(about, "name")).into(),
        text(about, "fieldPath").into(),
        text(&object["source"], "component").into(),
        text(object, "message").trim().into(),
        age(first, now).into(),
        object["count"].as_i64().unwrap_or(1).into(),
        object["metadata"]["name"].clone(),
    ]
}

/// Follows a JSON path.
pub(super) fn json_path<'a>(path: &str, object: &'a Value) -> Option<&'a Value> {
    let mut value = object;
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end > 0 {
                value = value.get(&after[..end])?;
            }
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix("[?(@.") {
            let end = after.find(")]")?;
            let (field, wanted) = after[..end].split_once("==")?;
            let wanted = wanted.trim().trim_matches(['"', '\'']);
            value = list(value).find(|item| text(item, field.trim()) == wanted)?;
            rest = &after[end + 2..];
        } else if let Some(after) = rest.strip_prefix('[') {
            let end = after.find(']')?;
            let key = after[..end].trim_matches(['"', '\'']);
            value = match value {
                Value::Array(items) => items.get(key.parse::<usize>().ok()?)?,
                other => other.get(key)?,
            };
            rest = &after[end + 1..];
        } else {
            return None;
        }
    }
    Some(value)
}
