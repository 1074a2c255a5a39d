//! Scripts of requests, and records of answers.
//!
//! A request is a line `METHOD path [content type]` and, below it, a body up to an empty
//! line. `{ns}` is the script's namespace, `{rv}` and `{uid}` are those of the last object
//! that was answered, and `{first}` is the version of the first.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

fn path(name: &str, extension: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/contract/scripts")
        .join(format!("{name}.{extension}"))
}

#[derive(Default)]
struct Known {
    namespace: String,
    version: String,
    first: String,
    uid: String,
    next: String,
    /// Uids and versions, and what stands for them.
    names: BTreeMap<String, String>,
}

/// Runs a script and answers its transcript.
pub(crate) async fn run(client: &Client, name: &str) -> String {
    let script = std::fs::read_to_string(path(name, "txt")).unwrap();
    let mut known = Known { namespace: format!("contract-{}", name.replace('_', "-")), ..Known::default() };
    let namespace = json!({"metadata": {"name": known.namespace}}).to_string();
    send(client, "POST", "/api/v1/namespaces", "application/json", &namespace).await;
    if name == "custom_resources" {
        define_gadgets(client).await;
    }
    let mut transcript = String::new();
    for request in script.split("\n\n").map(str::trim) {
        let lines: Vec<&str> = request.lines().filter(|line| !line.starts_with('#')).collect();
        let Some((head, body)) = lines.split_first() else { continue };
        let mut words = head.split_whitespace();
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let media = words.next().unwrap_or("application/json");
        let (target, body) = (known.fill(target), known.fill(&body.join("\n")));
        let (status, answer) = send(client, method, &target, media, &body).await;
        writeln!(transcript, "> {head}\n< {status}").unwrap();
        for line in answer.lines() {
            match serde_json::from_str::<Value>(line) {
                Ok(mut value) => {
                    known.learn(&value);
                    known.learn(&value["object"]);
                    Known::hide(&mut value);
                    let text = known.hide_in(&value.to_string());
                    writeln!(transcript, "{text}").unwrap();
                }
                Err(_) => writeln!(transcript, "{line}").unwrap(),
            }
        }
        transcript.push('\n');
    }
    transcript
}

/// The real server takes a moment to serve a new kind.
async fn define_gadgets(client: &Client) {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.contract.test"},
        "spec": {
            "group": "contract.test",
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": {
                            "type": "object",
                            "required": ["size"],
                            "properties": {
                                "size": {"type": "integer", "minimum": 1, "maximum": 10},
                                "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
                            },
                        },
                        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
                    },
                }},
            }],
        },
    });
    ako_harness::cluster::apply(client, &definition).await.unwrap();
}

async fn send(client: &Client, method: &str, target: &str, media: &str, body: &str) -> (u16, String) {
    let request = http::Request::builder()
        .method(method)
        .uri(target)
        .header("content-type", media)
        .header("accept", "application/json")
        .header("user-agent", "contract/1")
        .body(Body::from(body.as_bytes().to_vec()))
        .unwrap();
    let response = client.send(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    // The real server prints single objects over many lines.
    let whole = serde_json::from_str::<Value>(&text).map(|value| value.to_string());
    (status, whole.unwrap_or(text))
}

impl Known {
    fn fill(&self, text: &str) -> String {
        text.replace("{ns}", &self.namespace)
            .replace("{rv}", &self.version)
            .replace("{first}", &self.first)
            .replace("{uid}", &self.uid)
            .replace("{next}", &self.next)
    }

    fn learn(&mut self, object: &Value) {
        let metadata = &object["metadata"];
        if let Some(version) = metadata["resourceVersion"].as_str() {
            version.clone_into(&mut self.version);
            if self.first.is_empty() {
                version.clone_into(&mut self.first);
            }
        }
        if let Some(uid) = metadata["uid"].as_str() {
            uid.clone_into(&mut self.uid);
            let number = self.names.len();
            self.names.entry(uid.to_owned()).or_insert_with(|| format!("<uid {number}>"));
        }
        if let Some(next) = metadata["continue"].as_str() {
            next.clone_into(&mut self.next);
        }
    }

    /// Replaces what differs from run to run.
    fn hide(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                // Entries of the same second come in any order.
                if let Some(Value::Array(entries)) = fields.get_mut("managedFields") {
                    entries.sort_by_key(|entry| {
                        format!("{}{}{}", entry["manager"], entry["operation"], entry["subresource"])
                    });
                }
                for (key, field) in fields.iter_mut() {
                    match (key.as_str(), &field) {
                        ("resourceVersion", Value::String(_)) => *field = "<version>".into(),
                        (
                            "creationTimestamp" | "deletionTimestamp" | "time" | "lastTransitionTime"
                            | "continue",
                            Value::String(_),
                        ) => *field = format!("<{key}>").into(),
                        ("clusterIP", Value::String(ip)) if ip.starts_with("10.96.") => {
                            *field = "<ip>".into();
                        }
                        ("clusterIPs", Value::Array(ips)) if ips[0] != "None" => *field = json!(["<ip>"]),
                        ("nodePort", Value::Number(_)) => *field = "<port>".into(),
                        _ => Self::hide(field),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(Self::hide),
            _ => {}
        }
    }

    fn hide_in(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, name) in &self.names {
            text = text.replace(value, name);
        }
        for marker in ["in record (", "resource version: ", "current: ", "requested watch version "] {
            while let Some(at) = text.find(marker) {
                let start = at + marker.len();
                let end = text[start..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| start + n);
                text.replace_range(at..end, &format!("{}<n>", marker.replace(' ', "_")));
            }
        }
        text
    }
}

/// How many answers a script was given; each is compared with its status and its body,
/// or is an event of a watch.
pub(crate) fn answers(answered: &str) -> usize {
    answered.lines().filter(|line| line.starts_with("< ")).count()
}

/// Says where a transcript differs from the record.
pub(crate) fn compare(name: &str, answered: &str) -> Result<(), String> {
    let recorded = std::fs::read_to_string(path(name, "record")).unwrap_or_default();
    if recorded == answered {
        return Ok(());
    }
    let steps = |text: &str| text.split("\n\n").map(str::to_owned).collect::<Vec<_>>();
    let (recorded, answered) = (steps(&recorded), steps(answered));
    let mut said = String::new();
    for (at, (recorded, answered)) in recorded.iter().zip(&answered).enumerate() {
        if recorded != answered {
            writeln!(said, "{name}, request {}:\n-- recorded\n{recorded}\n-- answered\n{answered}", at + 1)
                .unwrap();
        }
    }
    if recorded.len() != answered.len() {
        writeln!(said, "{name}: {} answers instead of {}", answered.len(), recorded.len()).unwrap();
    }
    Err(said)
}

pub(crate) fn record(name: &str, answered: &str) {
    std::fs::write(path(name, "record"), answered).unwrap();
}
