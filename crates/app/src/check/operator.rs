//! How the operator does, if it runs.

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{Api, Client};
use serde_json::Value;

use super::Place;
use super::report::{About, Report};
use crate::page;

/// The StatefulSet of the operator.
const STATEFUL_SET: &str = "ako";
/// The page with the state of a replica.
const STATE: &str = "/api/v1/state";

/// Asks a pod of the operator for its state.
pub(super) async fn check(place: &Place, client: &Client, report: &mut Report) {
    let pod = format!("pod {}/{}", place.cluster.namespace, place.pod);
    let namespace = &*place.cluster.namespace;
    let answer = if place.is_here {
        page::call_here(place.port, "GET", STATE).await
    } else if is_installed(client, namespace, report).await {
        page::call_pod(client, (namespace, &place.pod), place.port, "GET", STATE).await
    } else {
        return;
    };
    match answer {
        Ok(state) => judge(&pod, &state, report),
        Err(error) => {
            let way_out = "look at `kubectl describe` of the pod, and at its log";
            report.failed(About::Operator, format!("{pod} does not tell how it does: {error:#}"), way_out);
        }
    }
}

/// What runs now, and would be taken over.
pub(super) async fn predecessor(place: &Place, client: &Client, report: &mut Report) {
    let namespace = &*place.cluster.namespace;
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let set = match sets.get_opt(STATEFUL_SET).await {
        Ok(Some(set)) => set,
        Ok(None) => {
            let way_out = "there is nothing to take over: install the chart; --namespace says where to look";
            return report.warning(About::Operator, "it is not installed in this namespace", way_out);
        }
        Err(error) => {
            let found = format!("StatefulSet {namespace}/{STATEFUL_SET} cannot be read: {error}");
            return report.warning(About::Operator, found, "run this as somebody who may get StatefulSets");
        }
    };
    let spec = set.spec.unwrap_or_default();
    let images = spec.template.spec.into_iter().flat_map(|pod| pod.containers);
    let images: Vec<_> = images.filter_map(|container| container.image).collect();
    let replicas = spec.replicas.unwrap_or(1);
    let found = format!(
        "StatefulSet {namespace}/{STATEFUL_SET} runs {} with {replicas} replica(s); this is ako {}",
        images.join(", "),
        env!("CARGO_PKG_VERSION")
    );
    report.ok(About::Operator, found);
}

/// Whether there are replicas to be asked; if not, that is noted.
async fn is_installed(client: &Client, namespace: &str, report: &mut Report) -> bool {
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    match sets.get_opt(STATEFUL_SET).await {
        Ok(Some(set)) if set.spec.as_ref().and_then(|spec| spec.replicas) == Some(0) => {
            report.warning(
                About::Operator,
                "its StatefulSet has no replicas",
                "set replicaCount to 1 or more",
            );
            false
        }
        Ok(None) => {
            let way_out = "install the chart; before that, this is all that can be checked";
            report.warning(About::Operator, "it is not installed in this namespace", way_out);
            false
        }
        // Whoever may not read StatefulSets may still ask the pod.
        Ok(Some(_)) | Err(_) => true,
    }
}

/// What the state of a replica says.
fn judge(pod: &str, state: &Value, report: &mut Report) {
    let text = |pointer: &str| state.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let phase = text("/phase");
    if phase == "running" {
        report.ok(About::Operator, format!("{pod} runs version {}", text("/version")));
    } else {
        report.failed(
            About::Operator,
            format!("{pod} is {phase}"),
            "the checks above say why, or its log does",
        );
    }
    leader(state, report);
    freshness(state, report);
    conflicts(state, report);
}

fn leader(state: &Value, report: &mut Report) {
    let leader = state.pointer("/leadership/leader").and_then(Value::as_str).unwrap_or_default();
    if leader.is_empty() {
        let way_out =
            "one is elected within seconds of the start; if none is, a permission is missing (above)";
        return report.failed(About::Leader, "no replica leads, so nothing is written", way_out);
    }
    let beside = state.pointer("/leadership/beside").and_then(Value::as_str);
    match beside {
        Some(why) => report.failed(About::Leader, format!("{leader} leads, and writes nothing: {why}"), ""),
        None => report.ok(About::Leader, format!("{leader} leads")),
    }
}

/// Whether what the replica knows is up to date, and written.
fn freshness(state: &Value, report: &mut Report) {
    let named =
        |pointer: &str| state.pointer(pointer).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let (cluster, controller) = (named("/kubernetes/state"), named("/controller/state"));
    let is_fresh = cluster == "CONNECTED" && controller == "CONNECTED";
    let found = format!("the watches are {cluster}, the controller is {controller}");
    if is_fresh {
        report.ok(About::Freshness, found);
    } else {
        report.warning(About::Freshness, found, "`ako status` says which watch or call fails");
    }
    let count = |pointer: &str| state.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    let (refused, held) = (count("/objects/refused"), count("/held/count"));
    if refused > 0 {
        let found = format!("the controller refuses {refused} objects");
        report.warning(About::Objects, found, "`ako status` names them under \"Not as wanted\"");
    }
    if held > 0 {
        let found = format!("the deletion guard holds {held} deletions and losses");
        report.warning(
            About::Objects,
            found,
            "look at them with `ako status`, and release them if they are right",
        );
    }
    if refused + held == 0 {
        report.ok(About::Objects, format!("{} are wanted on the controller", count("/objects/wanted")));
    }
}

/// What several instances cannot both have.
fn conflicts(state: &Value, report: &mut Report) {
    let all = state["conflicts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (notes, conflicts): (Vec<_>, Vec<_>) = all.iter().partition(|conflict| conflict["note"] == true);
    if conflicts.is_empty() {
        let others = state["instances"].as_array().map_or(0, |all| all.len().saturating_sub(1));
        report.ok(About::Conflicts, format!("none with {others} other instances, {} notes", notes.len()));
    }
    for conflict in conflicts {
        let found = conflict["message"].as_str().unwrap_or_default();
        if conflict["refused"] == true {
            report.failed(About::Conflicts, found, "");
        } else {
            report.warning(About::Conflicts, found, "");
        }
    }
}
