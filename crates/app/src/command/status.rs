//! `ako status`.

use std::fmt::Write as _;
use std::process::ExitCode;

use ako_kube_io::Shared;
use serde_json::Value;

use super::{Format, stdout};
use crate::cluster::{Cluster, Which};
use crate::page;

/// Arguments of `ako status`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Where the operator is. In its pod it is found on loopback; elsewhere a
/// port-forward to the pod is made.
#[derive(Debug, clap::Args)]
pub(super) struct Address {
    #[command(flatten)]
    pub(super) cluster: Cluster,
    #[command(flatten)]
    pub(super) which: Which,
    /// The pod to ask [default: ako-0, or ako-crd-operator-0].
    #[arg(long, env = "POD_NAME")]
    pod: Option<String>,
    /// The operator's port, `apiServerPort` in its configuration.
    #[arg(long, env = "AKO_API_PORT", default_value_t = 8080)]
    pub(super) port: u16,
    /// Ask on this machine, without a port-forward.
    #[arg(long)]
    local: bool,
}

impl Address {
    /// Whether this runs in a pod of ours.
    pub(super) fn in_pod(&self) -> bool {
        std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() && self.cluster.kubeconfig.is_none()
    }

    /// Whether the operator is on this machine, as it is in its pod.
    pub(super) fn is_here(&self) -> bool {
        self.local || self.in_pod()
    }

    /// The pod to ask.
    pub(super) fn pod(&self) -> String {
        let first = || Shared::of(self.which.program()).first_pod();
        self.pod.clone().unwrap_or_else(first)
    }

    /// Calls the operator and answers the JSON that it sends.
    pub(super) async fn call(&self, method: &str, path: &str) -> anyhow::Result<Value> {
        if self.is_here() {
            return page::call_here(self.port, method, path).await;
        }
        let client = ako_kube_io::client(self.cluster.kubeconfig.as_deref()).await?;
        page::call_pod(&client, (&self.cluster.namespace, &self.pod()), self.port, method, path).await
    }
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let state = arguments.address.call("GET", "/api/v1/state").await?;
    if arguments.output == Format::Json {
        stdout::json(&state)?;
    } else {
        stdout::print(&text(&state))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines at the top, and where the state has them.
const FACTS: [(&str, &str); 20] = [
    ("Version", "/version"),
    ("Cluster", "/cluster"),
    ("Owner marker", "/owner"),
    ("Role", "/role"),
    ("Leader", "/leadership/leader"),
    ("Leadership epoch", "/leadership/epoch"),
    ("Leads since", "/leadership/since"),
    ("Last heard of, ms", "/leadership/heard_ms"),
    ("Phase", "/phase"),
    ("Settled", "/settled"),
    ("Avi Controller", "/controller/state"),
    ("Its certificate", "/controller/certificate"),
    ("Kubernetes", "/kubernetes/state"),
    ("Wanted objects", "/objects/wanted"),
    ("Observed objects", "/objects/observed"),
    ("Pending", "/objects/pending"),
    ("Refused", "/objects/refused"),
    ("Statuses to write", "/objects/unpublished"),
    ("Writes", "/writes/total"),
    ("Served namespaces", "/served/count"),
];

/// The state for people.
pub(crate) fn text(state: &Value) -> String {
    let mut out = String::new();
    for (label, pointer) in FACTS {
        let value = state.pointer(pointer).map_or_else(|| "-".to_owned(), word);
        let _ = writeln!(out, "{label:<18} {value}");
    }
    for (title, pointer) in [
        ("LOGIN", "/controller/login_refused"),
        ("LEADERSHIP", "/leadership/beside"),
        ("CLUSTER NAME", "/controller/cluster_name_taken"),
        ("CERTIFICATE", "/controller/certificate_problem"),
    ] {
        if let Some(why) = state.pointer(pointer).and_then(Value::as_str) {
            let _ = writeln!(out, "\n{title}: {why}");
        }
    }
    let keys: Vec<_> = state["restart_needed"].as_array().into_iter().flatten().map(word).collect();
    if !keys.is_empty() {
        let _ =
            writeln!(out, "\nRESTART: of the ConfigMap, this takes effect after one: {}", keys.join(", "));
    }
    let mut section = |title: &str, pointer: &str, line: &dyn Fn(&Value) -> String| {
        let items = state.pointer(pointer).and_then(Value::as_array).filter(|items| !items.is_empty());
        if let Some(items) = items {
            let _ = writeln!(out, "\n{title}:");
            for item in items {
                let _ = writeln!(out, "  {}", line(item));
            }
        }
    };
    let way_out = state.pointer("/permissions/way_out").map(word).unwrap_or_default();
    let title = format!("Missing permissions (for each: {way_out})");
    section(&title, "/permissions/missing", &|rule| word(&rule["rule"]));
    if state["instances"].as_array().is_some_and(|instances| instances.len() > 1) {
        section("Conflicts of instances", "/conflicts", &conflict);
        section("Instances", "/instances", &instance);
    }
    section("ConfigMaps of instances that do not count", "/disregarded", &|claim| {
        format!("{}: {}", word(&claim["namespace"]), word(&claim["why"]))
    });
    section("Configuration", "/issues", &|i| format!("{}: {}", word(&i["key"]), word(&i["message"])));
    section("Not as wanted", "/pending", &|p| {
        let failure = p["failure"].as_str().map(|f| format!(": {f}")).unwrap_or_default();
        format!("{} ({}){failure}", word(&p["object"]), word(&p["state"]))
    });
    section("Findings", "/diagnostics", &|d| {
        format!("{} {}: {}", word(&d["object"]), word(&d["reason"]), word(&d["message"]))
    });
    not_done(state, &mut out);
    out
}

/// What is not done, because it is not certain that it is wanted.
pub(super) fn not_done(state: &Value, out: &mut String) {
    if let Some(held) = state.get("held").filter(|held| !held.is_null()) {
        let _ = writeln!(
            out,
            "\nHELD: {} deletions and losses of {} observed objects, which no edit explains. If they are right, run\n  \
             ako release-deletions --digest {}\nin the leader's pod:",
            held["count"],
            held["of"],
            word(&held["digest"])
        );
        let examples = held["examples"].as_array().map(Vec::as_slice).unwrap_or_default();
        for example in examples {
            let _ = writeln!(out, "  {}", word(example));
        }
        let more = held["count"].as_u64().unwrap_or(0).saturating_sub(examples.len() as u64);
        if more > 0 {
            let _ = writeln!(out, "  and {more} more");
        }
    }
    if let Some(unproven) = state.get("unproven").filter(|unproven| !unproven.is_null()) {
        let sources: Vec<_> = unproven["sources"].as_array().into_iter().flatten().map(word).collect();
        let _ = writeln!(
            out,
            "\nWAITING: {} removals and {} statuses, until it is confirmed that what is known is up to date of: {}",
            unproven["count"],
            unproven["statuses"],
            sources.join(", ")
        );
    }
    for look in state["looked_up"].as_array().into_iter().flatten() {
        let by: Vec<_> = look["by"].as_array().into_iter().flatten().map(word).collect();
        let _ = writeln!(
            out,
            "\nWAITING: {} until {} is looked up on the controller; it stays as it is until then",
            by.join(", "),
            word(&look["object"])
        );
    }
    for namespace in state["awaited"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "\nWAITING: namespace {} is not served by this instance yet: its former owner may still be writing",
            word(namespace)
        );
    }
    for departure in state["handed_over"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "\nWAITING: namespace {} for the instance in {} to take it over; what this instance made for it stays \
             until then",
            word(&departure["namespace"]),
            word(&departure["to"])
        );
    }
    for (kind, count) in state["left_alone"].as_object().into_iter().flatten() {
        let _ = writeln!(
            out,
            "\nLEFT ALONE: {count} objects on the controller that were made for objects of kind {kind}, which \
             this version does not read"
        );
    }
    if let Some(kept) = state["kept"].as_u64().filter(|kept| *kept > 0) {
        let _ = writeln!(
            out,
            "\nLEFT ALONE: {kept} objects on the controller of hosts with a setting or a rule that cannot be used; the \
             findings say which"
        );
    }
}

fn conflict(conflict: &Value) -> String {
    let who = match (&conflict["refused"], &conflict["note"]) {
        (Value::Bool(true), _) => ", refused here",
        (_, Value::Bool(true)) => ", nothing is refused",
        _ => ", refused there",
    };
    format!(
        "{} with {}{who}: {}",
        word(&conflict["contest"]),
        word(&conflict["with"]),
        word(&conflict["message"])
    )
}

fn instance(instance: &Value) -> String {
    let barred = instance["barred"]["by"].as_str();
    let barred = barred.map(|by| format!("; barred by {by} ({})", word(&instance["barred"]["contest"])));
    format!(
        "{}{}: {}, {}, {}; {}{}{}",
        word(&instance["namespace"]),
        if instance["me"] == true { " (this one)" } else { "" },
        word(&instance["owner"]),
        if instance["primary"] == true { "primary" } else { "secondary" },
        word(&instance["implementation"]),
        word(&instance["scope"]),
        if instance["counts"] == false { "; does not count for the others" } else { "" },
        barred.unwrap_or_default()
    )
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::admin::state::tests::{one_instance, two_instances};

    #[test]
    fn several_instances_are_shown_and_conflicts_come_first() {
        let shown = super::text(&two_instances().0);
        let conflicts = shown.find("SameOwner with avi-system, refused here: ");
        assert!(conflicts.is_some() && conflicts < shown.find("\nInstances:\n"), "{shown}");
        for line in [
            "  avi-system: ako-c1, primary, ako-rs; app=a\n",
            "  blue (this one): ako-c1, primary, ako-rs; app=b; barred by avi-system (SameOwner)\n",
        ] {
            assert!(shown.contains(line), "{shown}");
        }
        assert!(!super::text(&one_instance().0).contains("Instances"));
    }

    #[test]
    fn a_namespace_that_waits_for_its_new_owner_is_told() {
        let (mut state, ..) = one_instance();
        assert!(!super::text(&state).contains("WAITING"));
        state["handed_over"] = serde_json::json!([{"namespace": "red", "to": "blue"}]);
        assert!(
            super::text(&state).contains("WAITING: namespace red for the instance in blue to take it over")
        );
    }

    #[test]
    fn keys_that_wait_for_a_restart_are_named() {
        let (mut state, ..) = one_instance();
        assert!(!super::text(&state).contains("RESTART"));
        state["restart_needed"] = serde_json::json!(["cniPlugin", "clusterName"]);
        let shown = super::text(&state);
        assert!(shown.contains("this takes effect after one: cniPlugin, clusterName\n"), "{shown}");
    }
}
