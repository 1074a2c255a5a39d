//! The page `/api/v1/state`: how things are, as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_core::instance::Ranked;
use ako_core::{Conflict, Diagnostic};
use ako_elect::Moment;
use ako_engine::{Awaited, Held, Pending, Unproven, VirtualServiceReport};
use ako_kube_io::{Rule, Standing};
use serde_json::{Value, json};

use crate::run::history::Write;
use crate::run::latency::Latencies;
use crate::run::permissions;
use crate::run::report::{Report, SHOWN};
use crate::run::state::Startup;

/// The most served namespaces that are named.
const NAMED: usize = 20;

fn controller(startup: &Startup) -> Value {
    let (connection, errors) = startup.controller();
    let (certificate, certificate_problem) = startup.tls();
    json!({
        "state": connection,
        "errors": errors.iter().map(|(e, t)| json!({"error": e, "timestamp": t})).collect::<Vec<_>>(),
        "login_refused": startup.login_refused(),
        "cluster_name_taken": startup.cluster_name_taken(),
        "certificate": certificate,
        "certificate_problem": certificate_problem,
    })
}

/// The page `/api/v1/state`.
pub(crate) fn json(startup: &Startup, report: Option<&Report>) -> Value {
    let (pod, namespace) = startup.identity();
    let issues: Vec<_> = startup
        .issues()
        .iter()
        .map(|i| json!({"key": i.key, "value": i.value, "message": i.message, "fatal": i.fatal}))
        .collect();
    let mut state = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pod": pod,
        "namespace": namespace,
        "role": report.and_then(|r| r.standing.as_ref()).map_or("starting", Standing::role),
        "phase": phase(startup, report),
        "settled": report.is_some_and(|r| r.settled),
        "controller": controller(startup),
        "permissions": {
            "missing": startup.missing_rules().iter().map(missing_rule).collect::<Vec<_>>(),
            "way_out": permissions::WAY_OUT,
        },
        "issues": issues,
        "restart_needed": startup.waiting_for_restart(),
    });
    let (Some(report), Some(map)) = (report, state.as_object_mut()) else { return state };
    let [created, updated, deleted] = report.counters.written;
    let troubles = if report.troubles.is_empty() { "CONNECTED" } else { "TROUBLE" };
    let details = json!({
        "cluster": report.cluster,
        "owner": report.owner,
        "kubernetes": {
            "state": troubles,
            "troubles": report.troubles,
            "not_served": report.unserved.iter().map(|kind| kind.spec().full_name()).collect::<Vec<_>>(),
            "objects": report.resources.iter().map(|(k, n)| (k.as_str(), *n)).collect::<BTreeMap<_, _>>(),
        },
        "objects": objects(report),
        "writes": {
            "created": created, "updated": updated, "deleted": deleted, "failed": report.counters.failed,
            "total": created + updated + deleted,
        },
        "instances": report.instances.iter().map(|ranked| instance(ranked, &report.me)).collect::<Vec<_>>(),
        "disregarded": report.disregarded.iter()
            .map(|(namespace, why)| json!({"namespace": namespace, "why": why})).collect::<Vec<_>>(),
        "conflicts": report.conflicts.iter().take(SHOWN).map(conflict).collect::<Vec<_>>(),
        "served": {
            "count": report.served.len(),
            "namespaces": report.served.iter().take(NAMED).collect::<Vec<_>>(),
        },
        "leadership": report.standing.as_ref().map(|standing| leadership(standing, report)),
        "work": {"translated": report.counters.translated, "assembled": report.counters.assembled},
        "pending": report.pending.iter().map(|p| pending(p, report.now)).collect::<Vec<_>>(),
        "diagnostics": report.diagnostics.iter().map(diagnostic).collect::<Vec<_>>(),
        "held": report.held.as_ref().map(held),
        "unproven": report.unproven.as_ref().map(unproven),
        "handed_over": report.departures.iter().take(SHOWN).map(departure).collect::<Vec<_>>(),
        "awaited": report.awaited.iter().take(SHOWN).collect::<Vec<_>>(),
        "looked_up": report.looked_up.iter().map(looked_up).collect::<Vec<_>>(),
        "left_alone": report.left_alone.not_read,
        "kept": report.left_alone.cannot_be_told,
        "fronts": report.virtual_services.iter().map(virtual_service).collect::<Vec<_>>(),
        "last_writes": report.last_writes.iter().map(write).collect::<Vec<_>>(),
        "latency": latency(&report.latencies),
    });
    if let Value::Object(details) = details {
        map.extend(details);
    }
    state
}

pub(crate) fn departure((namespace, to): &(Arc<str>, Arc<str>)) -> Value {
    json!({"namespace": namespace, "to": to})
}

/// What is looked up on the controller, and who waits for it.
fn looked_up(awaited: &Awaited) -> Value {
    json!({"object": awaited.referred.to_string(), "by": awaited.by})
}

/// How many objects there are, by how far they are.
fn objects(report: &Report) -> Value {
    json!({
        "wanted": report.wanted,
        "observed": report.observed,
        "pending": report.backlog,
        "refused": report.refused,
        "unpublished": report.unpublished,
        "oldest_ms": report.pending.iter().map(|p| waiting_ms(p, report.now)).max(),
    })
}

fn missing_rule(rule: &Rule) -> Value {
    json!({
        "rule": rule.to_string(),
        "verb": rule.verb,
        "group": rule.group,
        "resource": rule.full_resource(),
        "name": rule.name,
        "namespace": rule.namespace,
        "purpose": rule.purpose.to_string(),
        "essential": rule.purpose.is_essential(),
    })
}

fn instance(ranked: &Ranked, me: &Arc<str>) -> Value {
    let claim = &ranked.claim;
    json!({
        "namespace": claim.namespace,
        "cluster": claim.cluster,
        "owner": claim.owner(),
        "primary": claim.primary,
        "scope": claim.scope.to_string(),
        "implementation": if ranked.is_ours { "ako-rs" } else { "AKO 2.2.1" },
        "me": claim.namespace == *me,
        "counts": ranked.counts,
        "barred": ranked.barred.as_ref().map(|(by, contest)| json!({"by": by, "contest": contest.as_str()})),
    })
}

fn conflict(c: &Conflict) -> Value {
    json!({
        "contest": c.contest.as_str(), "with": c.with, "refused": c.refused, "note": c.contest.is_note(),
        "namespaces": c.namespaces, "message": c.message,
    })
}

fn leadership(standing: &Standing, report: &Report) -> Value {
    let now = report.now;
    let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    json!({
        "me": standing.me.to_string(),
        "leader": standing.holder.pod(),
        "holder": standing.holder.to_string(),
        "epoch": standing.epoch,
        "since": standing.since.map(|since| since.to_string()),
        "grants": standing.grants,
        "writes": report.writes,
        "beside": report.beside,
        "heard_ms": standing.heard.map(|at| ms(now.since(at))),
        "permit_ms": standing.permit.and_then(|permit| permit.remaining(now)).map(ms),
    })
}

fn phase(startup: &Startup, report: Option<&Report>) -> String {
    match (startup.waiting_for(), report) {
        (Some(what), _) => format!("waiting for {what}"),
        (None, None) => "the driver does not answer".to_owned(),
        (None, Some(report)) if !report.synced => format!("waiting for {}", report.missing.join(", ")),
        (None, Some(_)) => "running".to_owned(),
    }
}

fn pending(p: &Pending, now: Moment) -> Value {
    json!({
        "object": p.key.to_string(),
        "state": p.state,
        "waiting_ms": waiting_ms(p, now),
        "failure": p.failure,
        "refused": p.refused,
        "reason": p.reason,
    })
}

fn waiting_ms(p: &Pending, now: Moment) -> u64 {
    u64::try_from(now.since(p.since).as_millis()).unwrap_or(u64::MAX)
}

fn virtual_service(v: &VirtualServiceReport) -> Value {
    let refusals: Vec<_> =
        v.refusals.iter().map(|(key, why)| json!({"object": key.to_string(), "why": why})).collect();
    json!({
        "refusals": refusals,
        "tenant": v.tenant, "name": v.name, "addresses": v.addresses, "served": v.served, "wanted": v.wanted,
        "confirmed": v.confirmed, "pending": v.pending, "refused": v.refused,
    })
}

fn write(w: &Write) -> Value {
    json!({
        "time": w.time.to_string(), "write": w.operation, "reason": w.reason, "outcome": w.outcome, "took_ms": w.took_ms,
    })
}

/// Upper bounds of the median and of the 99th percentile.
fn latency(latencies: &Latencies) -> Value {
    let (p50, p99) = (latencies.quantile(50), latencies.quantile(99));
    let word = |ms: Option<u64>| ms.map_or_else(|| "–".to_owned(), |ms| format!("≤ {ms}"));
    json!({"p50_ms": p50, "p99_ms": p99, "count": latencies.count, "text": format!("{} / {}", word(p50), word(p99))})
}

fn diagnostic(d: &Diagnostic) -> Value {
    json!({"object": d.object.to_string(), "reason": d.reason.as_str(), "message": d.message})
}

/// What the deletion guard holds.
pub(crate) fn held(held: &Held) -> Value {
    let examples: Vec<_> = held.examples.iter().map(ToString::to_string).collect();
    json!({"count": held.count, "of": held.of, "examples": examples, "digest": held.digest})
}

/// What waits for proofs.
pub(crate) fn unproven(unproven: &Unproven) -> Value {
    json!({"count": unproven.removals, "statuses": unproven.statuses, "sources": unproven.awaited})
}

#[cfg(test)]
pub(crate) mod tests {
    use ako_avi_io::Traffic;
    use ako_core::config::Config;
    use ako_core::resource::Namespace;
    use ako_core::scope::{Requirement, Scope};
    use ako_core::{Claim, CloudType, Delta, Facts, Installation, Resource, ResourceKind};
    use ako_engine::{Engine, Event};
    use ako_translate::Translator;

    use super::*;
    use crate::admin::metrics;
    use crate::run::clock;

    fn config(namespace: &str, app: &str) -> Config {
        let scope = Scope { requirements: vec![Requirement::equals("app", app)], ..Scope::default() };
        Config { operator_namespace: namespace.into(), cluster_name: "c1".into(), scope, ..Config::default() }
    }

    /// The state of the last of these, and what it was made of.
    fn state_of(configs: &[Config]) -> (Value, Report, Startup) {
        let own = configs.last().cloned().unwrap_or_default();
        let facts = Facts {
            cluster_uuid: "uuid".into(),
            enterprise: true,
            cloud: CloudType::VCenter,
            vrf: "global".into(),
            subdomains: Vec::new(),
            node_networks: BTreeMap::new(),
            vip_networks: BTreeMap::new(),
            has_foreign_ipam: false,
            vrf_tenant: "admin".into(),
            se_group_tenant: "admin".into(),
        };
        let mut engine = Engine::new(Translator::new(own, facts));
        for kind in ResourceKind::ALL {
            let objects = match kind {
                ResourceKind::ConfigMap => configs
                    .iter()
                    .zip(1..)
                    .map(|(c, created)| Resource::ConfigMap(Claim::of(c, created)))
                    .collect(),
                ResourceKind::StatefulSet => configs
                    .iter()
                    .map(|c| Resource::StatefulSet(Installation::new(c.operator_namespace.clone())))
                    .collect(),
                ResourceKind::Namespace => ["a", "b"]
                    .map(|app| {
                        let labels = BTreeMap::from([("app".into(), app.into())]);
                        Resource::Namespace(Namespace {
                            name: format!("of-{app}").into(),
                            labels,
                            ..Namespace::default()
                        })
                    })
                    .to_vec(),
                _ => Vec::new(),
            };
            engine.step(Event::Cluster(Delta::Reset(kind, objects)), Moment::default());
        }
        let startup = Startup::new("ako-0", "blue", clock::wall_time());
        let report = Report::of(&engine, Traffic::default(), Vec::new(), Moment::default());
        (json(&startup, Some(&report)), report, startup)
    }

    /// A second primary, that is barred.
    pub(crate) fn two_instances() -> (Value, Report, Startup) {
        state_of(&[config("avi-system", "a"), config("blue", "b")])
    }

    pub(crate) fn one_instance() -> (Value, Report, Startup) {
        state_of(&[config("blue", "b")])
    }

    #[test]
    fn the_state_tells_of_instances_and_conflicts() {
        let (state, ..) = two_instances();
        let expected = json!([
            {"namespace": "avi-system", "cluster": "c1", "owner": "ako-c1", "primary": true, "scope": "app=a",
             "implementation": "ako-rs", "me": false, "counts": true, "barred": null},
            {"namespace": "blue", "cluster": "c1", "owner": "ako-c1", "primary": true, "scope": "app=b",
             "implementation": "ako-rs", "me": true, "counts": true,
             "barred": {"by": "avi-system", "contest": "SameOwner"}},
        ]);
        assert_eq!(state["instances"], expected);
        assert_eq!(state["conflicts"][0]["contest"], "SameOwner");
        assert_eq!(state["conflicts"][0]["refused"], true);
        assert_eq!(state["served"], json!({"count": 0, "namespaces": []}));
        let (state, ..) = one_instance();
        assert_eq!(state["conflicts"], json!([]));
        assert_eq!(state["served"], json!({"count": 1, "namespaces": ["of-b"]}));
    }

    #[test]
    fn who_is_barred_is_ready_and_says_so() {
        let ready = two_instances().1.ready();
        assert!(
            ready
                .starts_with("ok\nthis instance writes nothing: SameOwner with the instance in avi-system\n")
        );
        assert!(ready.contains("set primaryInstance=false in ConfigMap blue/avi-k8s-config"), "{ready}");
        assert_eq!(one_instance().1.ready(), "ok\n");
    }

    #[test]
    fn conflicts_are_counted() {
        let (_, report, startup) = two_instances();
        let page = metrics::render(&startup, Some(&report)).unwrap_or_default();
        for line in [
            "ako_instance_conflicts{contest=\"SameOwner\",refused=\"true\"} 1\n",
            "ako_served_namespaces 0\n",
        ] {
            assert!(page.contains(line), "{page}");
        }
    }
}
