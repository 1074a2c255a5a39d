//! Faults on demand.

use std::time::Duration;

use ako_core::ResourceKind;
use ako_sim_kube::{Action, Fault};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

use crate::operator::{Watched, apply, has, ingress, sim};

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
}

#[tokio::test(start_paused = true)]
async fn refused_late_and_broken_requests() {
    let sim = sim();
    let maps: Api<ConfigMap> = Api::default_namespaced(sim.client());
    let busy = Action::Status { code: 503, message: "busy".to_owned(), retry_after: None };
    sim.inject(Fault::new(busy).verb("create").resource("configmaps").times(1));
    let refused = maps.create(&PostParams::default(), &config_map("a")).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 503));
    sim.inject(Fault::new(Action::DropAfter).verb("create").times(1));
    maps.create(&PostParams::default(), &config_map("a")).await.unwrap_err();
    assert!(maps.get_opt("a").await.unwrap().is_some(), "the write had its effect");
    sim.inject(Fault::new(Action::Break).verb("list").times(1));
    maps.list(&ListParams::default()).await.unwrap_err();
    let before = sim.revision();
    maps.create(&PostParams::default(), &config_map("b")).await.unwrap();
    sim.inject(Fault::new(Action::Stale { revision: before }).verb("list").times(1));
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 1);
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 2);
    sim.set_latency(Duration::from_secs(5));
    let started = tokio::time::Instant::now();
    maps.get("a").await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    let statuses: Vec<u16> = sim.requests().iter().map(|request| request.status).take(2).collect();
    assert_eq!(statuses, [503, 0]);
}

#[tokio::test(start_paused = true)]
async fn events_of_watches() {
    let sim = sim();
    let mut watched = Watched::start(&sim);
    let begun = || sim.requests().iter().filter(|request| request.verb == "watch").count();
    while begun() < ResourceKind::ALWAYS.len() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    sim.inject(Fault::new(Action::DropEvent).resource("ingresses").name("lost").times(1));
    sim.inject(Fault::new(Action::DuplicateEvent).resource("ingresses").name("two").times(1));
    sim.inject(Fault::new(Action::DelayEvent { ms: 60_000 }).resource("ingresses").name("late").times(1));
    for name in ["lost", "two", "late"] {
        apply(&sim, ingress(name, &format!("{name}.example.com"))).await;
    }
    watched.until(has("two")).await;
    let started = tokio::time::Instant::now();
    watched.until(has("late")).await;
    assert!(started.elapsed() >= Duration::from_secs(50));
    // Only a new list tells of what was lost.
    sim.compact();
    sim.disconnect("operator");
    apply(&sim, ingress("more", "more.example.com")).await;
    sim.compact();
    watched.until(|snapshot| has("lost")(snapshot) && has("more")(snapshot)).await;
}

#[tokio::test(start_paused = true)]
async fn snapshots() {
    let sim = sim();
    apply(&sim, ingress("one", "one.example.com")).await;
    let snapshot = sim.snapshot();
    let revision = sim.revision();
    apply(&sim, ingress("two", "two.example.com")).await;
    apply(&sim, ingress("one", "other.example.com")).await;
    let mut watched = Watched::start(&sim);
    watched.until(has("two")).await;
    sim.restore(&snapshot);
    assert!(sim.revision() > revision);
    watched.until(|snapshot| !has("two")(snapshot)).await;
    let one = sim.get("networking.k8s.io", "ingresses", "default", "one").unwrap();
    assert_eq!(one["spec"]["rules"][0]["host"], "one.example.com");
}
