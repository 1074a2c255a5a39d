//! The status page: everything at a glance, rendered here, live by
//! server-sent events, usable without a script and without a mouse.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse as _, Response};
use futures::Stream;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::{Shared, state};

/// How often an open page looks for news.
const PERIOD: Duration = Duration::from_secs(1);
/// A browser without scripts loads the page anew after so many seconds.
const RELOAD_S: u32 = 5;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--good:#187a35;--bad:#b3261e;--warn:#8a5a00}\
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:75rem;padding:1rem}\
h1{font-size:1.35rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}\
.table{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
.tiles{display:flex;flex-wrap:wrap;gap:.6rem;margin:1rem 0}\
.tile{border:1px solid var(--line);border-radius:.5rem;padding:.5rem .8rem;min-width:8rem}\
.tile b{display:block;font-size:1.25rem}.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}\
.note{border-left:.3rem solid var(--bad);padding:.4rem .8rem;margin:1rem 0}\
code{font-family:ui-monospace,monospace;font-size:.92em;overflow-wrap:anywhere}\
@media(prefers-color-scheme:dark){:root{--good:#6fd08c;--bad:#ff8a80;--warn:#ffcf70}}";

/// Replaces the content whenever the server sends another one.
const SCRIPT: &str = "\
const main=document.querySelector('main'),lost=document.getElementById('lost');\
const news=new EventSource('/events');\
news.onmessage=e=>{lost.hidden=true;main.innerHTML=e.data};\
news.onerror=()=>{lost.hidden=false};";

pub(super) async fn page(State(shared): State<Shared>) -> Response {
    let state = current(&shared).await;
    let title = format!("{} {}", text(&state, "/cluster"), text(&state, "/phase"));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "ako: " (title) }
                style { (PreEscaped(STYLE)) }
                noscript { meta http-equiv="refresh" content=(RELOAD_S); }
            }
            body {
                p #lost.note role="alert" hidden { "The operator does not answer; what you see is old." }
                main aria-live="polite" { (content(&state)) }
                p { "The same as JSON: " a href="/api/v1/state" { "/api/v1/state" } " · " a href="/metrics" { "metrics" } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Html(page.into_string()).into_response()
}

/// Sends the content now and whenever it changes.
pub(super) async fn events(
    State(shared): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let first: Option<String> = None;
    let stream = futures::stream::unfold((shared, first), |(shared, mut last)| async move {
        loop {
            if last.is_some() {
                tokio::time::sleep(PERIOD).await;
            }
            let now = content(&current(&shared).await).into_string();
            if last.as_ref() != Some(&now) {
                last = Some(now.clone());
                return Some((Ok(Event::default().data(now)), (shared, last)));
            }
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

async fn current(shared: &Shared) -> Value {
    let report = shared.reports.recent().await;
    state::json(&shared.startup, report.as_deref())
}

fn content(state: &Value) -> Markup {
    html! {
        (heading(state))
        (permissions(state))
        (login(state))
        (restart(state))
        (held(state))
        (waiting(state))
        (refused_parts(state))
        (tiles(state))
        (fronts(state))
        (pending(state))
        (instances(state))
        (rows(state, "/diagnostics", "Findings about Kubernetes objects", &["object", "reason", "message"]))
        (rows(state, "/issues", "Problems with the configuration", &["key", "value", "message"]))
        (rows(state, "/controller/errors", "Last errors of the controller", &["timestamp", "error"]))
        (rows(state, "/last_writes", "Last writes", &["time", "write", "outcome", "took_ms", "reason"]))
    }
}

fn heading(state: &Value) -> Markup {
    let settled = state["settled"] == Value::Bool(true);
    html! {
        h1 { "Cluster " (text(state, "/cluster")) }
        p {
            "Pod " code { (text(state, "/namespace")) "/" (text(state, "/pod")) }
            " · " strong { (text(state, "/role")) }
            " · leader " code { (text(state, "/leadership/leader")) } ", epoch " (text(state, "/leadership/epoch"))
            " since " (moment(&text(state, "/leadership/since")))
            " · owner marker " code { (text(state, "/owner")) }
            " · version " (text(state, "/version"))
            " · the controller's certificate is " (text(state, "/controller/certificate"))
        }
        p {
            @if settled { strong.good { "✓ everything is as it is wanted" } }
            @else if text(state, "/role") == "standby" && text(state, "/phase") == "running" {
                strong { "stands by" } "; what differs below, differed when it last read the controller"
            }
            @else if only_refused(state) { strong.bad { "✗ all but what the controller refuses is as it is wanted" } }
            @else if text(state, "/phase") == "running" { strong.warn { "… work is under way" } }
            @else { strong.warn { (text(state, "/phase")) } }
        }
    }
}

/// Whether nothing is left to do but what the controller refuses.
fn only_refused(state: &Value) -> bool {
    let number = |pointer: &str| state.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let refused = number("/objects/refused");
    refused > 0 && refused == number("/objects/pending") && number("/objects/unpublished") == 0
}

/// A time without fractions of seconds.
fn moment(time: &str) -> String {
    time.split_once('.').map_or_else(|| time.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}

fn held(state: &Value) -> Markup {
    let held = &state["held"];
    html! {
        @if held.is_object() {
            div.note role="alert" {
                strong { (word(&held["count"])) " deletions and losses are held" }
                " of " (word(&held["of"])) " observed objects: no edit explains them. If they are right, run "
                code { "ako release-deletions --digest " (word(&held["digest"])) } " in the leader's pod. Some of them: "
                @for example in held["examples"].as_array().into_iter().flatten() { code { (word(example)) } " " }
            }
        }
    }
}

/// What waits until the state of the cluster is confirmed, and what this version cannot
/// judge at all.
fn waiting(state: &Value) -> Markup {
    let unproven = &state["unproven"];
    html! {
        @if unproven.is_object() {
            div.note role="alert" {
                strong {
                    (word(&unproven["count"])) " removals and " (word(&unproven["statuses"])) " statuses wait"
                }
                " until it is confirmed that what is known is up to date of: " (word(&unproven["sources"]))
            }
        }
        @for look in list(state, "/looked_up") {
            div.note {
                (word(&look["by"])) " waits until " code { (word(&look["object"])) } " is looked up on the controller"
            }
        }
        @for namespace in list(state, "/awaited") {
            div.note {
                "Namespace " code { (word(namespace)) } " is not served by this instance yet: its former owner may "
                "still be writing"
            }
        }
        @for departure in list(state, "/handed_over") {
            div.note {
                "Namespace " code { (word(&departure["namespace"])) } " waits for the instance in "
                code { (word(&departure["to"])) } " to take it over; what this instance made for it stays until then"
            }
        }
        @for (kind, count) in state["left_alone"].as_object().into_iter().flatten() {
            div.note {
                (word(count)) " objects on the controller were made for objects of kind " (kind)
                ", which this version does not read; they are left alone"
            }
        }
        @if state["kept"].as_u64().is_some_and(|kept| kept > 0) {
            div.note {
                (word(&state["kept"])) " objects on the controller stay as they are, as a setting or a rule of their "
                "hosts cannot be used; the findings say which"
            }
        }
    }
}

/// The changed keys of the ConfigMap that are not in force.
fn restart(state: &Value) -> Markup {
    let keys = &state["restart_needed"];
    html! {
        @if keys.as_array().is_some_and(|keys| !keys.is_empty()) {
            div.note { "Of the ConfigMap, this takes effect after a restart: " (word(keys)) }
        }
    }
}

/// The RBAC rules that are missing, and what to do about them.
fn permissions(state: &Value) -> Markup {
    let missing = list(state, "/permissions/missing");
    html! {
        @if !missing.is_empty() {
            div.note role="alert" {
                strong { "Permissions are missing" } ": "
                @for rule in missing { code { (word(&rule["rule"])) } "; " }
                "for each: " (text(state, "/permissions/way_out"))
            }
        }
    }
}

/// Why the operator cannot log in, or judges a certificate as before.
fn login(state: &Value) -> Markup {
    html! {
        @for pointer in ["/leadership/beside", "/controller/login_refused", "/controller/cluster_name_taken", "/controller/certificate_problem"] {
            @if let Some(why) = state.pointer(pointer).and_then(Value::as_str) {
                div.note role="alert" { (why) }
            }
        }
    }
}

/// What this instance leaves to others.
fn refused_parts(state: &Value) -> Markup {
    html! {
        @for conflict in list(state, "/conflicts").iter().filter(|conflict| conflict["refused"] == true) {
            div.note role="alert" { strong { (word(&conflict["contest"])) } ": " (word(&conflict["message"])) }
        }
    }
}

/// The instances of the cluster, if there are several; what they cannot both
/// have comes first.
fn instances(state: &Value) -> Markup {
    let (instances, conflicts) = (list(state, "/instances"), list(state, "/conflicts"));
    html! {
        @for claim in list(state, "/disregarded") {
            p { "ConfigMap " code { (word(&claim["namespace"])) "/avi-k8s-config" } " does not count: " (word(&claim["why"])) }
        }
        @if instances.len() > 1 {
            (table("Instances", &html! {
                thead { tr { th { "Namespace" } th { "Owner marker" } th { "Primary" } th { "Selects" } th { "Is" } } }
                tbody {
                    @for conflict in conflicts.iter().filter(|conflict| conflict["refused"] == false) {
                        tr { td colspan="5" {
                            @if conflict["note"] == true { "note: " } @else { span.warn { "left to this one: " } }
                            (word(&conflict["message"]))
                        } }
                    }
                    @for instance in instances { tr {
                        td { code { (word(&instance["namespace"])) } @if instance["me"] == true { " (this one)" } }
                        td { code { (word(&instance["owner"])) } }
                        td { @if instance["primary"] == true { "yes" } @else { "no" } }
                        td { (word(&instance["scope"])) }
                        td {
                            (word(&instance["implementation"]))
                            @if instance["counts"] == false { ", " span.warn { "does not count for the others" } }
                            @if let Some(by) = instance["barred"]["by"].as_str() {
                                ", " span.bad { "barred by " (by) " (" (word(&instance["barred"]["contest"])) ")" }
                            }
                        }
                    } }
                }
            }))
            p { "This one serves " (text(state, "/served/count")) " namespaces: " (text(state, "/served/namespaces")) }
        }
    }
}

fn tiles(state: &Value) -> Markup {
    let tile = |label: &str, pointer: &str, class: &str| {
        html! { div.tile { (label) b class=(class) { (text(state, pointer)) } } }
    };
    let connection = |pointer: &str| if text(state, pointer) == "CONNECTED" { "good" } else { "bad" };
    let some = |pointer: &str, class: &'static str| {
        if state.pointer(pointer).and_then(Value::as_u64).unwrap_or(0) > 0 { class } else { "" }
    };
    html! {
        div.tiles {
            (tile("Avi Controller", "/controller/state", connection("/controller/state")))
            (tile("Kubernetes", "/kubernetes/state", connection("/kubernetes/state")))
            (tile("Wanted", "/objects/wanted", ""))
            (tile("Observed", "/objects/observed", ""))
            (tile("Not as wanted", "/objects/pending", some("/objects/pending", "warn")))
            (tile("Oldest, ms", "/objects/oldest_ms", ""))
            (tile("Refused", "/objects/refused", some("/objects/refused", "bad")))
            (tile("Statuses to write", "/objects/unpublished", some("/objects/unpublished", "warn")))
            (tile("Writes", "/writes/total", ""))
            (tile("Latency p50 / p99, ms", "/latency/text", ""))
        }
    }
}

fn fronts(state: &Value) -> Markup {
    let fronts = list(state, "/fronts");
    html! {
        @if !fronts.is_empty() {
            (table("Virtual services", &html! {
                thead { tr {
                    th { "Name" } th { "Addresses" } th.n { "Served" } th.n { "Wanted" } th.n { "Confirmed" }
                    th.n { "Pending" } th.n { "Refused" }
                } }
                tbody { @for front in fronts {
                    tr {
                        td { code { (word(&front["name"])) } }
                        td { (word(&front["addresses"])) }
                        @for column in ["served", "wanted", "confirmed", "pending"] { td.n { (word(&front[column])) } }
                        td.n.bad[front["refused"].as_u64().unwrap_or(0) > 0] { (word(&front["refused"])) }
                    }
                    (refusals(front))
                } }
            }))
        }
    }
}

/// What the controller refused of a virtual service, and why.
fn refusals(front: &Value) -> Markup {
    let refusals = list(front, "/refusals");
    html! {
        @for refusal in refusals {
            tr { td.bad colspan="7" { "refused: " code { (word(&refusal["object"])) } " " (word(&refusal["why"])) } }
        }
    }
}

fn pending(state: &Value) -> Markup {
    let pending = list(state, "/pending");
    html! {
        @if !pending.is_empty() {
            (table("Not as wanted", &html! {
                thead { tr { th { "Object" } th { "State" } th.n { "For, ms" } th { "For whom" } th { "Why" } } }
                tbody { @for item in pending { tr {
                    td { code { (word(&item["object"])) } }
                    td { (word(&item["state"])) }
                    td.n { (word(&item["waiting_ms"])) }
                    td { (word(&item["reason"])) }
                    td.bad { (word(&item["failure"])) }
                } } }
            }))
        }
    }
}

fn rows(state: &Value, pointer: &str, title: &str, columns: &[&str]) -> Markup {
    let items = list(state, pointer);
    html! {
        @if !items.is_empty() {
            (table(title, &html! {
                thead { tr { @for column in columns { th { (column.replace('_', " ")) } } } }
                tbody { @for item in items { tr { @for column in columns { td { (word(&item[*column])) } } } } }
            }))
        }
    }
}

/// A table under its title. A wide one is scrolled by itself, with the keyboard,
/// too.
fn table(title: &str, content: &Markup) -> Markup {
    html! {
        h2 { (title) }
        div.table tabindex="0" role="region" aria-label=(title) { table { (content) } }
    }
}

fn list<'a>(state: &'a Value, pointer: &str) -> &'a [Value] {
    state.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text(state: &Value, pointer: &str) -> String {
    state.pointer(pointer).map_or_else(|| "–".to_owned(), word)
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(word).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::admin::state::tests::{one_instance, two_instances};

    #[test]
    fn what_is_refused_is_on_top_with_the_way_out() {
        let page = super::content(&two_instances().0).into_string();
        let (refused, instances) = (page.find("primaryInstance=false"), page.find("<h2>Instances</h2>"));
        assert!(refused.is_some() && refused < instances, "{page}");
        assert!(page.contains("<code>blue</code> (this one)"), "{page}");
        assert!(page.contains("barred by avi-system (SameOwner)"), "{page}");
    }

    #[test]
    fn what_waits_is_told_with_what_it_waits_for() {
        let (mut state, ..) = one_instance();
        let page = super::content(&state).into_string();
        assert!(!page.contains("statuses wait") && !page.contains("after a restart"), "{page}");
        state["unproven"] = json!({"count": 3, "statuses": 2, "sources": ["Ingress", "Service"]});
        state["left_alone"] = json!({"Gateway": 7});
        state["kept"] = json!(4);
        state["looked_up"] = json!([{"object": "wafpolicy admin/strict", "by": ["host a.com"]}]);
        state["handed_over"] = json!([{"namespace": "red", "to": "blue"}]);
        state["restart_needed"] = json!(["cniPlugin"]);
        let page = super::content(&state).into_string();
        assert!(
            page.contains("3 removals and 2 statuses wait</strong>") && page.contains("of: Ingress, Service"),
            "{page}"
        );
        assert!(
            page.contains("host a.com waits until <code>wafpolicy admin/strict</code> is looked up"),
            "{page}"
        );
        assert!(page.contains("<code>red</code> waits for the instance in <code>blue</code>"), "{page}");
        assert!(page.contains("7 objects") && page.contains("of kind Gateway"), "{page}");
        assert!(page.contains("4 objects on the controller stay as they are"), "{page}");
        assert!(page.contains("after a restart: cniPlugin"), "{page}");
    }

    #[test]
    fn one_instance_is_no_matter() {
        let page = super::content(&one_instance().0).into_string();
        assert!(!page.contains("Instances"), "{page}");
    }
}
