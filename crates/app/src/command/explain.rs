//! `ako explain`.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::str::FromStr;

use serde_json::Value;

use super::status::Address;
use super::{Format, stdout};

/// Exit code where something is not as it should be.
const NOT_RIGHT: u8 = 3;

/// Arguments of `ako explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to explain: `KIND/NAME` with a kind as `kubectl` takes it, `KIND/NAMESPACE/NAME` where
    /// several objects have that name, or `host/HOST`.
    object: Asked,
    #[command(flatten)]
    address: Address,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    kind: String,
    namespace: Option<String>,
    name: String,
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match *parts {
            [kind, name] => (kind, None, name),
            [kind, namespace, name] => (kind, Some(namespace), name),
            _ => return Err("write KIND/NAME, KIND/NAMESPACE/NAME or host/HOST".to_owned()),
        };
        // Names of Kubernetes, and hosts with a wildcard; none of this has to be encoded in a URL.
        let is_name = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_*:".contains(&b))
        };
        match parts.iter().find(|part| !is_name(part)) {
            Some(part) => Err(format!("{part:?} is no name")),
            None => Ok(Self {
                kind: kind.to_owned(),
                namespace: namespace.map(str::to_owned),
                name: name.to_owned(),
            }),
        }
    }
}

impl Asked {
    fn path(&self) -> String {
        let namespace = self.namespace.as_ref().map(|namespace| format!("&namespace={namespace}"));
        format!("/api/v1/explain?kind={}&name={}{}", self.kind, self.name, namespace.unwrap_or_default())
    }
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let told = arguments.address.call("GET", &arguments.object.path()).await?;
    if arguments.output == Format::Json {
        stdout::json(&told)?;
    } else {
        stdout::print(&text(&told))?;
    }
    Ok(if told["right"] == true { ExitCode::SUCCESS } else { ExitCode::from(NOT_RIGHT) })
}

/// The answer for people.
fn text(told: &Value) -> String {
    let mut out = format!("{}\n", word(&told["object"]));
    if told["verdict"].is_object() {
        let _ = writeln!(out, "  {}", verdict(&told["verdict"]));
    }
    for note in list(&told["notes"]) {
        let _ = writeln!(out, "  {}", word(note));
    }
    for part in list(&told["parts"]) {
        write_part(part, &mut out);
    }
    if let Some(more) = told["more"].as_u64().filter(|more| *more > 0) {
        let _ = writeln!(out, "\nand {more} more hosts, Services and shared virtual services");
    }
    if list(&told["findings"]).next().is_some() {
        out.push_str("\nFindings:\n");
    }
    for finding in list(&told["findings"]) {
        let (object, reason) = (word(&finding["object"]), word(&finding["reason"]));
        let _ = writeln!(out, "  {object} {reason}: {}", word(&finding["message"]));
    }
    out
}

fn write_part(part: &Value, out: &mut String) {
    let _ = writeln!(out, "\n{}", word(&part["what"]));
    let published: Vec<_> = list(&part["published_on"]).map(word).collect();
    if !published.is_empty() {
        let _ = writeln!(out, "  its addresses are published on {}", published.join(", "));
    }
    for rule in list(&part["rules"]) {
        let _ = writeln!(out, "  it goes by {}: {}", word(&rule["rule"]), verdict(rule));
    }
    for name in list(&part["shares"]) {
        let _ = writeln!(out, "  it is on shared virtual service {}", word(name));
    }
    let width = list(&part["objects"]).map(|object| word(&object["object"]).len()).max().unwrap_or(0);
    for object in list(&part["objects"]) {
        let uuid = object["uuid"].as_str().map(|uuid| format!("  {uuid}")).unwrap_or_default();
        let addresses: Vec<_> = list(&object["addresses"]).map(word).collect();
        let addresses =
            if addresses.is_empty() { String::new() } else { format!("  {}", addresses.join(", ")) };
        let failure = object["failure"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
        let (name, state) = (word(&object["object"]), word(&object["state"]));
        let _ = writeln!(out, "  {name:width$}  {state}{failure}{addresses}{uuid}");
    }
    if let Some(more) = part["more"].as_u64().filter(|more| *more > 0) {
        let _ = writeln!(out, "  and {more} more objects");
    }
}

/// What is said of a rule.
fn verdict(rule: &Value) -> String {
    let error = rule["error"].as_str().filter(|error| !error.is_empty());
    let status = rule["status"].as_str().unwrap_or("not there, or not known yet");
    format!("{status}{}", error.map(|error| format!(" ({error})")).unwrap_or_default())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_named_as_for_kubectl() {
        let asked = |text: &str| text.parse::<Asked>().map(|asked| asked.path());
        assert_eq!(asked("ingress/shop"), Ok("/api/v1/explain?kind=ingress&name=shop".to_owned()));
        assert_eq!(asked("svc/red/web"), Ok("/api/v1/explain?kind=svc&name=web&namespace=red".to_owned()));
        assert_eq!(asked("host/*.shop.com"), Ok("/api/v1/explain?kind=host&name=*.shop.com".to_owned()));
        for wrong in ["shop", "a/b/c/d", "ingress/", "ingress/a&b", "ingress/a b"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn everything_that_is_told_is_shown() {
        let told = json!({
            "object": "Ingress red/shop", "there": true, "right": false, "verdict": null, "more": 0,
            "notes": ["a note"],
            "parts": [{
                "what": "host shop.com", "published_on": ["Ingress red/shop"], "shares": ["c1--Shared-L7-0"],
                "rules": [{"rule": "HostRule red/r", "status": "Rejected", "error": "no such profile"}],
                "objects": [
                    {"object": "pool admin/p", "state": "refused by the controller", "failure": "400 too long",
                     "uuid": null, "addresses": []},
                    {"object": "vsvip admin/v", "state": "in sync", "failure": null, "uuid": "vsvip-1",
                     "addresses": ["10.0.0.1"]},
                ],
                "more": 2,
            }],
            "findings": [{"object": "Ingress red/shop", "reason": "RuleNotApplied", "message": "a message"}],
        });
        let shown = "Ingress red/shop\n  a note\n\nhost shop.com\n  its addresses are published on Ingress red/shop\n  \
                     it goes by HostRule red/r: Rejected (no such profile)\n  it is on shared virtual service \
                     c1--Shared-L7-0\n  pool admin/p   refused by the controller: 400 too long\n  \
                     vsvip admin/v  in sync  10.0.0.1  vsvip-1\n  and 2 more objects\n\nFindings:\n  \
                     Ingress red/shop RuleNotApplied: a message\n";
        assert_eq!(text(&told), shown);
    }
}
