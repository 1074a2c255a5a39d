//! Many objects.

use std::time::{Duration, Instant};

use ako_sim_kube::{Options, SimKube};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

use crate::operator::{Watched, ingress};

const COUNT: usize = 10_000;

#[tokio::test(start_paused = true)]
async fn ten_thousand_of_two_kinds_and_three_watchers() {
    let sim = SimKube::new(Options::default());
    let started = Instant::now();
    let ingresses: Api<Ingress> = Api::default_namespaced(sim.client());
    let services: Api<Service> = Api::default_namespaced(sim.client());
    for number in 0..COUNT {
        let object = ingress(&format!("i{number}"), &format!("h{number}.example.com"));
        ingresses.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        let object = json!({"metadata": {"name": format!("s{number}")}, "spec": {"ports": [{"port": 80}]}});
        services.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }
    let created = started.elapsed();
    let mut watchers: Vec<Watched> = (0..3).map(|_| Watched::start(&sim)).collect();
    let whole = |snapshot: &ako_core::Snapshot| {
        snapshot.count(ako_core::ResourceKind::Ingress) == COUNT && snapshot.services().count() > COUNT
    };
    join_all(watchers.iter_mut().map(|watched| watched.until(whole))).await;
    let listed = started.elapsed().saturating_sub(created);
    let mut page = ListParams::default().limit(500);
    let mut seen = 0;
    loop {
        let list = ingresses.list(&page).await.unwrap();
        seen += list.items.len();
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => break,
        }
    }
    assert_eq!(seen, COUNT);
    // Printed with --nocapture. Wide of the mark: the machine is shared.
    println!("created in {created:?}, listed by three in {listed:?}");
    assert!(created + listed < Duration::from_mins(5));
}
