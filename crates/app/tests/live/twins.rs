//! Two clusters of one name on one controller.

use ako_harness::{cluster, eventually, stateful_set};
use serde_json::{Value, json};

use crate::lifecycle::{ako, has};
use crate::permissions::told;
use crate::world::{SOON, World, config, deleted, ingress, ingress_class, service};

const GROUP: &str = "ako-cluster-c1";

async fn uid(world: &World) -> String {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}});
    let found = cluster::get(&world.client, &namespace).await.unwrap().unwrap();
    found["metadata"]["uid"].as_str().unwrap().to_owned()
}

async fn application(world: &World, name: &str) {
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    world.apply(&service("direct", "LoadBalancer", &["10.244.1.6"])).await;
    world.apply(&[ingress(name, &format!("{name}.example.com"), "/", "web")]).await;
}

/// The uid that the claim on the controller holds.
fn holder(world: &World) -> Option<String> {
    let group = world.sim.named("stringgroup", GROUP)?;
    Some(group["kv"][0]["value"].as_str().unwrap().to_owned())
}

async fn is_refused(world: &World, by: &str) {
    eventually(SOON, async || {
        let (status, page) = world.operator.get("/readyz").await.map_err(|e| e.to_string())?;
        let is_said = page.contains("this instance writes nothing")
            && page.contains(&format!("ako take-cluster-name --from {by}"));
        if status == 200 && is_said { Ok(()) } else { Err(format!("{status}: {page}")) }
    })
    .await
    .unwrap_or_else(|e| world.fail(&e));
}

/// The names of everything on the controller.
fn names(dump: &Value) -> Vec<String> {
    let kinds = dump.as_object().into_iter().flatten();
    let names = kinds.flat_map(|(kind, objects)| {
        objects.as_object().into_iter().flatten().map(move |(name, _)| format!("{kind} {name}"))
    });
    names.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_one_refuses_until_the_name_is_free_or_taken() {
    let Some(mut first) = World::start(&config(&[]), "avi-system").await else { return };
    let of_first = uid(&first).await;
    assert_eq!(holder(&first), None, "nothing is claimed before anything is written");
    application(&first, "one").await;
    first.published("Ingress", "default", "one").await;
    first.published("Service", "default", "direct").await;
    first.settled().await;
    assert_eq!(holder(&first).as_ref(), Some(&of_first));

    let before = (names(&first.sim.dump()), first.writes());
    let mut second = first.twin(&config(&[]), "avi-system").await;
    second.operator.kill();
    stateful_set::scale(&second.client, "avi-system", 1).await.unwrap();
    stateful_set::add_pod(&second.client, "avi-system", "ako-0").await.unwrap();
    second.start_operator().await;
    let of_second = uid(&second).await;
    assert_ne!(of_first, of_second);
    application(&second, "two").await;
    is_refused(&second, &of_first).await;
    let event = eventually(SOON, async || told(&second, "ClusterNameTaken").await).await.unwrap();
    assert!(event.contains(&of_first) && event.contains("clusterName in ConfigMap"), "{event}");
    let (_, metrics) = second.operator.get("/metrics").await.unwrap();
    assert!(metrics.contains("ako_cluster_name_taken 1\n"), "{metrics}");
    let port = second.installed.port.to_string();
    let (_, shown) = ako(&second, &["status", "--local", "--port", &port]).await;
    assert!(shown.contains("CLUSTER NAME: the name c1 belongs to another Kubernetes cluster"), "{shown}");
    assert_eq!((names(&first.sim.dump()), first.writes()), before, "it wrote something");
    // The first one goes on.
    first.apply(&[ingress("more", "more.example.com", "/", "web")]).await;
    first.published("Ingress", "default", "more").await;
    assert_eq!(first.sim.requests().iter().filter(|r| r.method == "DELETE").count(), 0);

    // It is gone, and its name is taken on purpose.
    first.operator.kill();
    eventually(SOON, async || {
        let state = second.operator.get_json("/api/v1/state").await.map_err(|e| e.to_string())?;
        if state["role"] == "leader" { Ok(()) } else { Err(format!("{state:#}")) }
    })
    .await
    .unwrap_or_else(|e| second.fail(&e));
    let (status, told) =
        ako(&second, &["take-cluster-name", "--local", "--port", &port, "--from", "nobody"]).await;
    assert!(status != 0 && told.contains("no string group ako-cluster-c1 holds"), "{told}");
    let (status, told) =
        ako(&second, &["take-cluster-name", "--local", "--port", &port, "--from", &of_first]).await;
    assert_eq!(status, 0, "{told}");
    assert_eq!(holder(&second).as_ref(), Some(&of_second));
    second.published("Ingress", "default", "two").await;
    first.start_operator().await;
    is_refused(&first, &of_second).await;

    // The second one leaves, and gives the name up; the first one has it again.
    second.apply(&[deleted(&ingress("two", "two.example.com", "/", "web"))]).await;
    second.install(&config(&[("deleteConfig", "true")])).await;
    eventually(SOON, async || holder(&second).is_none().then_some(()).ok_or("still claimed"))
        .await
        .unwrap_or_else(|e| second.fail(&e));
    first.wait_for(|dump| has(dump, "pool", "c1--one.example.com_-default-one")).await;
    assert_eq!(holder(&first), Some(of_first));
}
