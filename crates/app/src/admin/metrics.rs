//! The page `/metrics`: upstream's names, and better ones beside them.
//! Source: configuration, §2.6.

use prometheus::proto::MetricFamily;
use prometheus::{Encoder as _, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::run::latency::BUCKETS_MS;
use crate::run::report::Report;
use crate::run::state::Startup;

/// Renders the page. The values are those of the report, so the registry is
/// made anew for every page.
pub(crate) fn render(startup: &Startup, report: Option<&Report>) -> prometheus::Result<String> {
    let registry = Registry::new();
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    gauge(&registry, "ako_up", "1 once the operator runs.", i64::from(report.is_some()))?;
    let connected = i64::from(startup.is_connected());
    let help = "1 while the Avi Controller answers and accepts the login.";
    gauge(&registry, "ako_controller_connected", help, connected)?;
    let missing = number(startup.missing_rules().len());
    gauge(&registry, "ako_missing_permissions", "RBAC rules that the operator needs and lacks.", missing)?;
    let help = "1 if the Avi Controller's certificate is verified.";
    let verified = number(usize::from(startup.is_certificate_verified()));
    gauge(&registry, "ako_controller_certificate_verified", help, verified)?;
    let help = "1 while another Kubernetes cluster has the cluster's name on the Avi Controller.";
    let taken = number(usize::from(startup.cluster_name_taken().is_some()));
    gauge(&registry, "ako_cluster_name_taken", help, taken)?;
    if let Some(report) = report {
        leadership(&registry, report)?;
        objects(&registry, report)?;
        instances(&registry, report)?;
        requests(&registry, report)?;
        upstream(&registry, startup, report)?;
    }
    let mut text = Vec::new();
    let families: Vec<MetricFamily> = registry.gather();
    TextEncoder::new().encode(&families, &mut text)?;
    let mut text = String::from_utf8(text).unwrap_or_default();
    if let Some(report) = report {
        text.push_str(&latency(report));
    }
    Ok(text)
}

fn objects(registry: &Registry, report: &Report) -> prometheus::Result<()> {
    let states = [
        ("wanted", report.wanted),
        ("observed", report.observed),
        ("pending", report.backlog),
        ("refused", report.refused),
    ];
    let family = gauges(registry, "ako_objects", "Objects on the Avi Controller, by state.", &["state"])?;
    for (state, count) in states {
        family.with_label_values(&[state]).set(number(count));
    }
    let family = gauges(registry, "ako_kubernetes_objects", "Kubernetes objects that are read.", &["kind"])?;
    for (kind, count) in &report.resources {
        family.with_label_values(&[kind.as_str()]).set(number(*count));
    }
    let held = report.held.as_ref().map_or(0, |held| held.count);
    gauge(registry, "ako_held_deletions", "Deletions that the guard holds.", number(held))?;
    gauge(registry, "ako_unpublished_statuses", "Statuses still to be written.", number(report.unpublished))?;
    gauge(
        registry,
        "ako_diagnostics",
        "Findings about Kubernetes objects.",
        number(report.diagnostics.len()),
    )?;
    gauge(registry, "ako_settled", "1 if everything is as it is wanted.", i64::from(report.settled))?;
    gauge(
        registry,
        "ako_synced",
        "1 if the cluster and the controller are known.",
        i64::from(report.synced),
    )?;
    gauge(
        registry,
        "ako_watches_in_trouble",
        "Kinds whose watch is in trouble.",
        number(report.troubles.len()),
    )?;
    let family =
        counters(registry, "ako_writes_total", "Writes to the Avi Controller that succeeded.", &["verb"])?;
    for (verb, count) in ["create", "update", "delete"].into_iter().zip(report.counters.written) {
        family.with_label_values(&[verb]).inc_by(count);
    }
    let failed =
        counters(registry, "ako_failed_calls_total", "Calls to the Avi Controller that failed.", &[])?;
    failed.with_label_values::<&str>(&[]).inc_by(report.counters.failed);
    let work =
        counters(registry, "ako_translations_total", "Units translated and fronts assembled.", &["what"])?;
    work.with_label_values(&["unit"]).inc_by(report.counters.translated);
    work.with_label_values(&["front"]).inc_by(report.counters.assembled);
    Ok(())
}

fn instances(registry: &Registry, report: &Report) -> prometheus::Result<()> {
    let help = "What instances of the cluster cannot both have, and whether it is this one that refuses.";
    let family = gauges(registry, "ako_instance_conflicts", help, &["contest", "refused"])?;
    for conflict in &report.conflicts {
        let refused = if conflict.refused { "true" } else { "false" };
        family.with_label_values(&[conflict.contest.as_str(), refused]).inc();
    }
    let served = number(report.served.len());
    gauge(registry, "ako_served_namespaces", "Namespaces that this instance serves.", served)
}

fn leadership(registry: &Registry, report: &Report) -> prometheus::Result<()> {
    let Some(standing) = &report.standing else { return Ok(()) };
    gauge(registry, "ako_leader", "1 if this replica leads.", i64::from(standing.leads()))?;
    let epoch = i64::try_from(standing.epoch).unwrap_or(i64::MAX);
    gauge(registry, "ako_leadership_epoch", "Counts the changes of leadership.", epoch)?;
    let grants =
        counters(registry, "ako_leadership_grants_total", "How often this replica began to lead.", &[])?;
    grants.with_label_values::<&str>(&[]).inc_by(standing.grants);
    let silence = standing.heard.map_or(0, |at| report.now.since(at).as_secs());
    let silence = i64::try_from(silence).unwrap_or(i64::MAX);
    let help = "Seconds since the leader's last renewal, as this replica saw it.";
    gauge(registry, "ako_leadership_silence_seconds", help, silence)
}

fn requests(registry: &Registry, report: &Report) -> prometheus::Result<()> {
    let labels = ["method", "kind", "outcome"];
    let family =
        counters(registry, "ako_controller_requests_total", "Requests to the Avi Controller.", &labels)?;
    for request in &report.traffic.requests {
        family.with_label_values(&[request.method, request.kind, request.outcome]).inc_by(request.count);
    }
    let in_flight = i64::try_from(report.traffic.in_flight).unwrap_or(i64::MAX);
    gauge(registry, "ako_controller_requests_in_flight", "Requests under way.", in_flight)?;
    gauge(registry, "ako_controller_requests_waiting", "Requests waiting.", number(report.traffic.waiting))?;
    let limit = number(report.traffic.concurrency_limit);
    gauge(registry, "ako_controller_concurrency_limit", "Requests that may be under way at a time.", limit)?;
    let logins = counters(registry, "ako_controller_relogins_total", "Sessions that were renewed.", &[])?;
    logins.with_label_values::<&str>(&[]).inc_by(report.traffic.relogins);
    Ok(())
}

/// Upstream's metrics, whose names hold the pod's name.
fn upstream(registry: &Registry, startup: &Startup, report: &Report) -> prometheus::Result<()> {
    let (pod, namespace) = startup.identity();
    let word = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let name = |what: &str| format!("ako_{}_{}_{what}", word(&pod), word(&namespace));
    let help = "As AKO has it.";
    let family = counters(registry, &name("rest_api_to_controller"), help, &["key", "type"])?;
    let mut total = 0;
    for request in &report.traffic.requests {
        family.with_label_values(&[request.kind, request.method]).inc_by(request.count);
        total += request.count;
    }
    let all = counters(registry, &name("total_rest_api_to_controller"), help, &[])?;
    all.with_label_values::<&str>(&[]).inc_by(total);
    let queues = gauges(registry, &name("total_objects_in_queue"), help, &["queuename"])?;
    let waiting = report.backlog.saturating_sub(report.refused);
    for (queue, count) in [
        ("ObjectIngestionLayer", 0),
        ("GraphLayer", waiting),
        ("StatusQueue", report.unpublished),
        ("FastRetryLayer", 0),
        ("SlowRetryLayer", report.refused),
    ] {
        queues.with_label_values(&[queue]).set(number(count));
    }
    Ok(())
}

/// The histogram, written by hand: its counts come from the report.
fn latency(report: &Report) -> String {
    use std::fmt::Write as _;
    let name = "ako_programming_latency_seconds";
    let mut text = format!(
        "# HELP {name} From a change to its confirmation by the controller.\n# TYPE {name} histogram\n"
    );
    let latencies = &report.latencies;
    for (bound, count) in BUCKETS_MS.iter().zip(latencies.buckets) {
        let _ = writeln!(text, "{name}_bucket{{le=\"{}\"}} {count}", seconds(*bound));
    }
    let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {}", latencies.count);
    let _ = writeln!(text, "{name}_sum {}", seconds(latencies.sum_ms));
    let _ = writeln!(text, "{name}_count {}", latencies.count);
    text
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn gauge(registry: &Registry, name: &str, help: &str, value: i64) -> prometheus::Result<()> {
    let gauge = IntGauge::new(name, help)?;
    gauge.set(value);
    registry.register(Box::new(gauge))
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let family = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}
