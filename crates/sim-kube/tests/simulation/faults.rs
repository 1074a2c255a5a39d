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
    while begun() < ResourceKind::always().len() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    sim.inject(Fault::new(Action::DropEvent).resource("ingresses").name("lost").times(1));
    sim.inject(Fault::new(Action::DuplicateEvent).resource("ingresses").name("two").times(1));
    sim.inject(Fault::new(Action::DelayEvent { ms: 6_000 }).resource("ingresses").name("late").times(1));
    for name in ["lost", "two", "late"] {
        apply(&sim, ingress(name, &format!("{name}.example.com"))).await;
    }
    watched.until(has("two")).await;
    let started = tokio::time::Instant::now();
    watched.until(has("late")).await;
    assert!(started.elapsed() >= Duration::from_secs(5));
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

/// Waits until the watches of all kinds are open.
async fn begun(sim: &ako_sim_kube::SimKube) {
    while sim.requests().iter().filter(|request| request.verb == "watch").count()
        < ResourceKind::always().len()
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_sends_nothing_until_the_fault_ends() {
    for breaks in [false, true] {
        let sim = sim();
        let mut watched = Watched::start(&sim);
        begun(&sim).await;
        let requests = sim.requests().len();
        let silence = Fault::new(Action::Silence { breaks }).verb("watch").resource("ingresses");
        // Shorter than a watch lasts.
        sim.inject(silence.lasting(Duration::from_secs(8)));
        apply(&sim, ingress("late", "late.example.com")).await;
        let started = tokio::time::Instant::now();
        watched.until(has("late")).await;
        assert!(started.elapsed() >= Duration::from_secs(8), "after {:?}", started.elapsed());
        let again =
            sim.requests()[requests..].iter().any(|r| r.path.contains("ingresses") && r.verb == "watch");
        assert_eq!(again, breaks, "a connection that goes on is not opened again");
        assert_eq!(sim.faults_struck().get("silent watch ingresses"), Some(&1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_does_not_end_when_its_time_is_over() {
    let sim = sim();
    let mut watched = Watched::start(&sim);
    begun(&sim).await;
    let requests = sim.requests().len();
    sim.inject(Fault::new(Action::Silence { breaks: false }).verb("watch").resource("ingresses"));
    apply(&sim, ingress("late", "late.example.com")).await;
    // The server would end it after ten seconds, the client gives up 5 seconds later.
    tokio::time::sleep(Duration::from_secs(14)).await;
    let begun_again = |sim: &ako_sim_kube::SimKube| {
        let records = sim.requests();
        records[requests..].iter().filter(|r| r.path.contains("ingresses") && r.verb == "watch").count()
    };
    assert_eq!(begun_again(&sim), 0);
    tokio::time::sleep(Duration::from_secs(30)).await;
    // The next one hangs, and is answered when the silence is over.
    assert_eq!(begun_again(&sim), 0);
    sim.clear_faults();
    watched.until(has("late")).await;
    assert_eq!(begun_again(&sim), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_hang_for_one_connection_and_one_object_only() {
    let sim = sim();
    let hanging = sim.client_as("admin-token", "ns/pod/cluster");
    let other = sim.client_as("admin-token", "ns/pod/election");
    let silence = Fault::new(Action::Silence { breaks: false }).resource("configmaps").namespace("default");
    sim.inject(silence.client("ns/pod/cluster").name("a").lasting(Duration::from_secs(30)));
    let maps = |client: &kube::Client| Api::<ConfigMap>::namespaced(client.clone(), "default");
    let started = tokio::time::Instant::now();
    maps(&other).get_opt("a").await.unwrap();
    maps(&hanging).get_opt("b").await.unwrap();
    maps(&hanging).list(&ListParams::default()).await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
    let named = ListParams::default().fields("metadata.name=a");
    Api::<ConfigMap>::all(hanging.clone()).list(&named).await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO, "it is about all namespaces");
    maps(&hanging).list(&named).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn an_etcd_that_was_set_back_gives_its_versions_again() {
    let sim = sim();
    apply(&sim, ingress("one", "one.example.com")).await;
    let (snapshot, then) = (sim.snapshot(), sim.revision());
    let maps: Api<ConfigMap> = Api::default_namespaced(sim.client());
    for name in ["a", "b", "c"] {
        maps.create(&PostParams::default(), &config_map(name)).await.unwrap();
    }
    let lost = maps.get("c").await.unwrap();
    let mut watched = Watched::start(&sim);
    watched.until(has("one")).await;
    sim.set_back(&snapshot);
    assert_eq!(sim.revision(), then);
    assert!(maps.get_opt("c").await.unwrap().is_none());
    // A version that is not there yet is refused, one that is forgotten has expired.
    let watch = kube::api::WatchParams::default();
    let since = lost.metadata.resource_version.unwrap();
    let code = |error: &kube::core::WatchEvent<ConfigMap>| match error {
        kube::core::WatchEvent::Error(status) => status.code,
        _ => 0,
    };
    for (version, expected) in [(since.as_str(), 504), ("2", 410)] {
        use futures::StreamExt as _;
        let mut events = Box::pin(maps.watch(&watch, version).await.unwrap());
        assert_eq!(code(&events.next().await.unwrap().unwrap()), expected, "from version {version}");
    }
    // The next change has a version that something else had.
    let other = maps.create(&PostParams::default(), &config_map("other")).await.unwrap();
    assert_eq!(other.metadata.resource_version, Some((then + 1).to_string()));
}

#[tokio::test(start_paused = true)]
async fn changes_are_remembered_for_a_while() {
    let sim = ako_sim_kube::SimKube::new(ako_sim_kube::Options {
        remember: Duration::from_secs(20),
        ..ako_sim_kube::Options::default()
    });
    let maps: Api<ConfigMap> = Api::default_namespaced(sim.client());
    let begun = tokio::time::Instant::now();
    for name in ["a", "b"] {
        maps.create(&PostParams::default(), &config_map(name)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(15)).await;
    }
    maps.delete("a", &kube::api::DeleteParams::default()).await.unwrap();
    let paths = |since| {
        let changes = sim.changes_since(since);
        changes.into_iter().map(|change| (change.path, change.after.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(paths(begun), [("default/b".to_owned(), true), ("default/a".to_owned(), false)]);
    assert_eq!(paths(tokio::time::Instant::now()), [("default/a".to_owned(), false)]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_sends_no_bookmark_either() {
    use futures::StreamExt as _;
    let sim = sim();
    let maps: Api<ConfigMap> = Api::default_namespaced(sim.client());
    let watch = kube::api::WatchParams::default();
    let mut events = Box::pin(maps.watch(&watch, &sim.revision().to_string()).await.unwrap());
    let next = tokio::time::timeout(Duration::from_secs(90), events.next()).await;
    assert!(matches!(next, Ok(Some(Ok(kube::core::WatchEvent::Bookmark(_))))), "{next:?}");
    sim.inject(Fault::new(Action::Silence { breaks: false }).verb("watch"));
    let next = tokio::time::timeout(Duration::from_secs(200), events.next()).await;
    assert!(next.is_err(), "{next:?}");
}
