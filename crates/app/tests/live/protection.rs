//! What keeps a live installation from harm.

use ako_harness::eventually;
use serde_json::{Value, json};

use crate::lifecycle::{ako, has, has_not};
use crate::world::{SOON, World, config, deleted, ingress, ingress_class, object, service};

/// Enough to be beyond the guard's limits.
const MANY: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_disappearance_is_held_until_a_person_agrees() {
    let Some(mut world) = World::start(&config(&[]), "avi-system").await else { return };
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    let ingresses: Vec<Value> =
        (0..MANY).map(|i| ingress(&format!("shop-{i}"), &format!("h{i}.foo.com"), "/", "web")).collect();
    world.apply(&ingresses).await;
    world.published("Ingress", "default", &format!("shop-{}", MANY - 1)).await;
    world.settled().await;
    world.operator.kill();
    let gone: Vec<_> = ingresses.iter().map(deleted).collect();
    world.apply(&gone).await;
    // The new process sees an empty cluster, and nobody who emptied it.
    world.start_operator().await;
    let held = |state: &Value| state["held"]["count"].as_u64().unwrap_or(0);
    eventually(SOON, async || {
        let state = world.operator.get_json("/api/v1/state").await.map_err(|e| e.to_string())?;
        if held(&state) >= MANY as u64 { Ok(()) } else { Err(format!("{state:#}")) }
    })
    .await
    .unwrap();
    assert_eq!(world.sim.requests().iter().filter(|r| r.method == "DELETE").count(), 0);
    // New work goes on meanwhile.
    world.apply(&[ingress("new", "new.foo.com", "/", "web")]).await;
    world.published("Ingress", "default", "new").await;
    let port = world.installed.port.to_string();
    let release = async |digest: &str| {
        ako(&world, &["release-deletions", "--local", "--port", &port, "--digest", digest]).await
    };
    let (code, text) = release("abcdef").await;
    assert!(code != 0 && text.contains("what is held is not"), "{code} {text}");
    assert_eq!(world.sim.requests().iter().filter(|r| r.method == "DELETE").count(), 0);
    let state = world.operator.get_json("/api/v1/state").await.unwrap();
    let (code, text) = release(state["held"]["digest"].as_str().unwrap()).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("are released"), "{text}");
    world.wait_for(|dump| has_not(dump, "pool", "c1--h0.foo.com_-default-shop-0")).await;
    world.settled().await;
    assert_eq!(world.sim.dump()["pool"].as_object().map(serde_json::Map::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_somebody_else_is_left_alone() {
    let Some(world) = World::start(&config(&[]), "avi-system").await else { return };
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    world.apply(&[ingress("shop", "foo.com", "/", "web")]).await;
    world.published("Ingress", "default", "shop").await;
    world.settled().await;
    // Somebody else takes a pool over; then it would have to be changed.
    let pool = "c1--foo.com_theirs-default-theirs";
    world.apply(&service("other", "ClusterIP", &["10.244.3.7"])).await;
    world.apply(&[ingress("theirs", "foo.com", "/theirs", "other")]).await;
    world.wait_for(|dump| has(dump, "pool", pool)).await;
    world.settled().await;
    assert!(world.sim.edit("pool", "admin", pool, &json!({"created_by": "somebody-else"})));
    world.apply(&service("other", "ClusterIP", &["10.244.3.8"])).await;
    eventually(SOON, async || {
        let state = world.operator.get_json("/api/v1/state").await.map_err(|e| e.to_string())?;
        let pending = state["pending"].to_string();
        if pending.contains("belongs to somebody-else") { Ok(()) } else { Err(format!("{state:#}")) }
    })
    .await
    .unwrap_or_else(|e| world.fail(&e));
    let dump = world.sim.dump();
    let taken = object(&dump, "pool", pool).unwrap();
    assert_eq!((&taken["created_by"], &taken["servers"][0]["port"]), (&json!("somebody-else"), &json!(8080)));
    assert_eq!(taken["servers"][0]["ip"]["addr"], "10.244.3.7");
    // The host that shares the pool group is served on.
    let members = object(&dump, "poolgroup", "c1--Shared-L7-0").unwrap()["members"].to_string();
    assert!(members.contains("c1--foo.com_-default-shop"), "{members}");
    // Nor is it deleted when it is no longer wanted.
    world.apply(&[deleted(&ingress("theirs", "foo.com", "/theirs", "other"))]).await;
    world.settled().await;
    assert!(object(&world.sim.dump(), "pool", pool).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_configuration_takes_effect_where_it_is_safe() {
    let Some(world) = World::start(&config(&[]), "avi-system").await else { return };
    world.apply(&[ingress_class()]).await;
    world.apply(&service("lb", "LoadBalancer", &["10.244.1.5"])).await;
    world.published("Service", "default", "lb").await;
    world.settled().await;
    let change = |key: &str, value: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "avi-k8s-config", "namespace": world.installed.namespace},
            "data": {key: value},
        })
    };
    // Live: L4 services are no longer ours. One service is below the guard's minimum.
    let patch = change("layer7Only", "true").to_string();
    let target =
        ["-n", &world.installed.namespace, "patch", "configmap", "avi-k8s-config", "--type=merge", "-p"];
    let mut arguments = target.to_vec();
    arguments.push(&patch);
    world.control_plane.kubectl(&arguments).await.unwrap();
    world.wait_for(|dump| has_not(dump, "virtualservice", "c1--default-lb")).await;
    // Needs a restart: nothing moves, and the log says so.
    let patch = change("clusterName", "other").to_string();
    let mut arguments = target.to_vec();
    arguments.push(&patch);
    world.control_plane.kubectl(&arguments).await.unwrap();
    eventually(SOON, async || {
        let log = world.operator.log();
        let said = log.lines().any(|l| l.contains("after a restart") && l.contains("clusterName"));
        if said { Ok(()) } else { Err("the log says nothing of a restart") }
    })
    .await
    .unwrap();
    world.settled().await;
    assert!(!world.sim.dump().to_string().contains("other--"));
}
