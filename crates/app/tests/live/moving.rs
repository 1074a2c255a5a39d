//! A namespace that changes hands while its applications are used.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ako_harness::pods::{self, Pod};
use ako_harness::{eventually, visitor};
use ako_sim_avi::{DataPlane, DataPlaneOptions, Loopback};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::instances::{Fleet, PRIMARY, SECONDARY};
use crate::world::{SOON, ingress, ingress_class, service};

const POD: Pod = Pod { name: "web", address: Ipv4Addr::new(10, 41, 1, 1), port: 8080 };
const HOST: &str = "red.example.com";

/// People who use a host and a LoadBalancer Service of a namespace all the time.
struct Visitors {
    answers: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Visitors {
    fn start(data_plane: &Arc<DataPlane>) -> Self {
        let (answers, stop) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        for front in ["c1--red-direct", "Shared-L7-"] {
            let (data_plane, answers, stopped) = (data_plane.clone(), answers.clone(), stop.subscribe());
            tasks.spawn(async move {
                while !*stopped.borrow() {
                    assert!(is_served(&data_plane, front).await, "{front}: a request was lost");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { answers, stop, tasks }
    }

    /// Each of them is answered some more.
    async fn go_on(&mut self) {
        let before = self.answers.load(Ordering::Relaxed);
        eventually(SOON, async || {
            if let Some(lost) = self.tasks.try_join_next() {
                lost.unwrap();
            }
            let more = self.answers.load(Ordering::Relaxed) - before;
            if more > 20 { Ok(()) } else { Err(format!("{more} answers")) }
        })
        .await
        .unwrap();
    }

    /// All of them were answered whenever they asked.
    async fn end(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// Whether a virtual service of that name leads to the pod. A host on a shared one gets
/// another address when it moves: then somebody who asks DNS anew finds the other one.
async fn is_served(data_plane: &DataPlane, front: &str) -> bool {
    for _ in 0..2 {
        let listeners = data_plane.listeners();
        let fronts = listeners.iter().filter(|l| l.virtual_service.contains(front) && l.port == 80);
        for listener in fronts {
            let answer = visitor::get(listener.address, HOST, "/").await.unwrap_or_default();
            if answer.starts_with("HTTP/1.1 200") && answer.contains("Hello from pod web ") {
                return true;
            }
        }
    }
    false
}

/// A namespace with a host and a Service, used by visitors.
async fn used(fleet: &Fleet) -> (Visitors, JoinSet<()>) {
    let options = DataPlaneOptions {
        port_offset: Some(40_500),
        loopback: Loopback::of_this_process().unwrap(),
        ..DataPlaneOptions::default()
    };
    let data_plane = Arc::new(fleet.world.sim.data_plane(options).unwrap());
    let pods = pods::serve(&[POD], None).await.unwrap();
    fleet.world.apply(&[ingress_class()]).await;
    fleet.label("red", &[("app", "migrate")]).await;
    let address = POD.address.to_string();
    let mut objects = service("web", "ClusterIP", &[&address]);
    objects.extend(service("direct", "LoadBalancer", &[&address]));
    objects.push(ingress("shop", HOST, "/", "web"));
    fleet.put("red", objects).await;
    fleet.owned_by("red", PRIMARY).await;
    for front in ["c1--red-direct", "Shared-L7-"] {
        eventually(SOON, async || if is_served(&data_plane, front).await { Ok(()) } else { Err(front) })
            .await
            .unwrap_or_else(|error| fleet.fail(&error));
    }
    (Visitors::start(&data_plane), pods)
}

async fn rests(fleet: &Fleet, namespace: &str) {
    let is_at_rest = |state: &Value| {
        state["settled"] == true && state["handed_over"] == json!([]) && state["awaited"] == json!([])
    };
    fleet.says(namespace, "that it is at rest", is_at_rest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_while_a_namespace_moves_to_and_fro_and_to_one_that_is_dead() {
    let Some(mut fleet) = Fleet::start().await else { return };
    let (mut visitors, _pods) = used(&fleet).await;
    let owners = [(("key", "value2"), SECONDARY, "blue"), (("app", "migrate"), PRIMARY, "avi-system")];
    for (label, owner, _) in [owners, owners].concat() {
        fleet.label("red", &[label]).await;
        fleet.owned_by("red", owner).await;
        for (.., instance) in owners {
            rests(&fleet, instance).await;
        }
        visitors.go_on().await;
    }

    // Its next owner does not run: nothing goes, and it is said for whom it waits.
    let dead: BTreeSet<_> =
        fleet.running.keys().filter(|(namespace, _)| namespace == "blue").cloned().collect();
    for pod in &dead {
        fleet.running.remove(pod).unwrap().kill();
    }
    let position = fleet.position();
    fleet.label("red", &[("key", "value2")]).await;
    let state =
        fleet.says("avi-system", "that it holds what is left", |state| !state["held"].is_null()).await;
    assert_eq!(state["handed_over"], json!([{"namespace": "red", "to": "blue"}]));
    visitors.go_on().await;
    let requests = fleet.world.sim.requests_since(position);
    let changed: Vec<_> =
        requests.iter().filter(|r| r.committed && r.method != "GET" && r.path != "/login").collect();
    assert!(changed.is_empty(), "{changed:?}");

    // It is back, and has everything.
    let installed =
        ako_harness::operator::Installed { namespace: "blue".to_owned(), ..fleet.world.installed.clone() };
    fleet.start_replicas(&installed, 2).await;
    fleet.owned_by("red", SECONDARY).await;
    for (.., instance) in owners {
        rests(&fleet, instance).await;
    }
    visitors.go_on().await;
    visitors.end().await;
}
