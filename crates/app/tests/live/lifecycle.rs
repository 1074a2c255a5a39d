//! What happens to a running installation.

use std::path::PathBuf;

use ako_harness::{cluster, eventually};
use ako_sim_avi::{Action, Fault};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::{SOON, World, config, deleted, ingress, ingress_class, object, service};

pub(crate) fn has(dump: &Value, kind: &str, name: &str) -> Result<(), String> {
    object(dump, kind, name).map(drop).ok_or_else(|| format!("no {kind} {name}"))
}

pub(crate) fn has_not(dump: &Value, kind: &str, name: &str) -> Result<(), String> {
    object(dump, kind, name).map_or(Ok(()), |_| Err(format!("{kind} {name} is there")))
}

/// `ako` with these arguments, on the world's cluster: exit code and output.
pub(crate) async fn ako(world: &World, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_ako")))
        .args(arguments)
        .env("KUBECONFIG", world.control_plane.kubeconfig())
        .env("POD_NAMESPACE", &world.installed.namespace)
        .output()
        .await
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_come_follow_and_go_and_a_restart_writes_nothing() {
    let Some(mut world) = World::start(&config(&[]), "avi-system").await else { return };
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    world.apply(&service("lb", "LoadBalancer", &["10.244.9.9"])).await;
    let shop = ingress("shop", "foo.com", "/shop", "web");
    world.apply(std::slice::from_ref(&shop)).await;
    world.wait_for(|dump| has(dump, "virtualservice", "c1--Shared-L7-0")).await;
    world.wait_for(|dump| has(dump, "virtualservice", "c1--default-lb")).await;
    let entries = world.published("Ingress", "default", "shop").await;
    assert_eq!(entries[0]["hostname"], "foo.com");
    assert_eq!(world.published("Service", "default", "lb").await[0]["hostname"], "lb.default.avi.internal");

    // An endpoint changes: one write.
    world.settled().await;
    let before = world.writes();
    world.apply(&service("web", "ClusterIP", &["10.244.1.5", "10.244.2.6"])).await;
    world
        .wait_for(|dump| {
            let pool = object(dump, "pool", "c1--foo.com_shop-default-shop").ok_or("no pool")?;
            let count = pool["servers"].as_array().map_or(0, Vec::len);
            if count == 2 { Ok(()) } else { Err(format!("{count} servers")) }
        })
        .await;
    world.settled().await;
    assert_eq!(world.writes() - before, 1);

    // A restart on an unchanged world.
    let before = world.writes();
    world.restart_operator().await;
    world.settled().await;
    assert_eq!(world.writes(), before);
    let (code, text) = ako(&world, &["plan"]).await;
    assert_eq!((code, text.contains("no changes")), (0, true), "{text}");

    // A hand edit shows in the plan, with its field.
    let edit = json!({"graceful_disable_timeout": 7});
    assert!(world.sim.edit("pool", "admin", "c1--foo.com_shop-default-shop", &edit));
    let (code, text) = ako(&world, &["plan"]).await;
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("pool admin/c1--foo.com_shop-default-shop"), "{text}");
    assert!(text.contains("graceful_disable_timeout: 7 -> 1"), "{text}");

    // What is deleted goes, with its status.
    world.apply(&[deleted(&shop)]).await;
    world.wait_for(|dump| has_not(dump, "pool", "c1--foo.com_shop-default-shop")).await;
    world.wait_for(|dump| has(dump, "virtualservice", "c1--Shared-L7-0")).await;
    let port = world.installed.port.to_string();
    let (code, text) = ako(&world, &["status", "--local", "--port", &port]).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("running"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_controller_are_overcome() {
    let Some(world) = World::start(&config(&[]), "avi-system").await else { return };
    let status = |status| Action::Status { status, body: json!({"error": "injected"}), retry_after: None };
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    let faults = [
        Fault::new(status(503)).method("POST").kind("vsvip").times(2),
        Fault::new(Action::DropAfter).method("POST").kind("pool").times(1),
        Fault::new(Action::DropBefore).method("POST").kind("poolgroup").times(1),
        Fault::new(Action::ExpireSession).method("POST").kind("vsdatascriptset").times(1),
        Fault::new(status(500)).method("POST").kind("virtualservice").times(1),
    ];
    for fault in faults {
        assert!(world.sim.inject(fault));
    }
    world.apply(&[ingress("shop", "foo.com", "/", "web")]).await;
    world.published("Ingress", "default", "shop").await;
    world.settled().await;
    // A stale version: somebody else wrote in between.
    {
        let name = "c1--Shared-L7-0";
        assert!(world.sim.edit("poolgroup", "admin", name, &json!({"min_servers": 1})));
    }
    world.apply(&[ingress("more", "foo.com", "/more", "web")]).await;
    world
        .wait_for(|dump| {
            let group = object(dump, "poolgroup", "c1--Shared-L7-0").ok_or("no pool group")?;
            let members = group["members"].as_array().map_or(0, Vec::len);
            if members == 2 { Ok(()) } else { Err(format!("{members} members")) }
        })
        .await;
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_restarts_and_lists_that_break_cost_nothing() {
    let Some(mut world) = World::start(&config(&[]), "avi-system").await else { return };
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    world.apply(&[ingress("shop", "foo.com", "/", "web")]).await;
    world.published("Ingress", "default", "shop").await;
    world.settled().await;
    let before = world.writes();
    world.control_plane.restart_api_server().await.unwrap();
    world.apply(&[ingress("more", "bar.com", "/", "web")]).await;
    world.published("Ingress", "default", "more").await;
    world.settled().await;
    let deletes = world.sim.requests().iter().filter(|r| r.method == "DELETE").count();
    assert_eq!(deletes, 0);
    assert!(world.writes() > before);

    // The controller breaks its lists off while the operator starts.
    world.operator.kill();
    assert!(world.sim.inject(Fault::new(Action::Break).method("GET").kind("pool").times(3)));
    assert!(world.sim.inject(Fault::new(Action::Truncate).method("GET").kind("virtualservice").times(2)));
    let before = world.writes();
    world.start_operator().await;
    world.settled().await;
    assert_eq!(world.writes(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_that_somebody_holds_is_served_until_it_is_gone() {
    let Some(world) = World::start(&config(&[]), "avi-system").await else { return };
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    let mut held = ingress("shop", "foo.com", "/", "web");
    held["metadata"]["finalizers"] = json!(["example.org/hold"]);
    world.apply(&[held.clone()]).await;
    world.published("Ingress", "default", "shop").await;
    let arguments = ["delete", "ingress", "shop", "--wait=false"];
    world.control_plane.kubectl(&arguments).await.unwrap();
    // What comes after the deletion is done, and the Ingress is still served.
    world.apply(&[ingress("more", "bar.com", "/", "web")]).await;
    world.published("Ingress", "default", "more").await;
    world.settled().await;
    world.published("Ingress", "default", "shop").await;
    let pool = "c1--foo.com_-default-shop";
    assert_eq!(has(&world.sim.dump(), "pool", pool), Ok(()));
    let release = r#"{"metadata":{"finalizers":null}}"#;
    let arguments = ["patch", "ingress", "shop", "--type=merge", "-p", release];
    world.control_plane.kubectl(&arguments).await.unwrap();
    world.wait_for(|dump| has_not(dump, "pool", pool)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_any_two_writes_is_recovered_from() {
    let Some(mut world) = World::start(&config(&[("enableEVH", "true")]), "avi-system").await else { return };
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    let shop = ingress("shop", "foo.com", "/", "web");
    // The writes that it takes are counted, then cut off after each of them.
    world.apply(std::slice::from_ref(&shop)).await;
    world.published("Ingress", "default", "shop").await;
    world.settled().await;
    // The cluster's name is claimed once and for all.
    let all = world.writes() - 1;
    assert!(all >= 5, "{all}");
    let complete = world.sim.dump();
    for cut in 1..u32::try_from(all).unwrap() {
        world.apply(&[deleted(&shop)]).await;
        world
            .wait_for(|dump| has_not(dump, "poolgroup", "c1--5074016835d3e6daf33c134a419efd68a5c5f304"))
            .await;
        world.restart_operator().await;
        world.wait_for(|dump| if dump == &json!({}) { Ok(()) } else { Err(format!("{dump:#}")) }).await;
        world.sim.clear_requests();
        // From the cut on, every write is lost; then the process is killed.
        assert!(world.sim.inject(Fault::new(Action::DropBefore).method("POST").skip(cut)));
        world.apply(std::slice::from_ref(&shop)).await;
        eventually(SOON, async || {
            let lost = world.sim.requests().iter().any(|r| r.method == "POST" && r.status == 0);
            if lost { Ok(()) } else { Err("no write was lost yet") }
        })
        .await
        .unwrap();
        world.operator.kill();
        world.sim.clear_faults();
        world.start_operator().await;
        world
            .wait_for(|dump| {
                if without_addresses(dump) == without_addresses(&complete) {
                    Ok(())
                } else {
                    Err(format!("{dump:#}"))
                }
            })
            .await;
    }
    cluster::remove_all(&world.client, &[shop]).await.unwrap();
}

/// A dump without what the controller allocates.
fn without_addresses(dump: &Value) -> Value {
    let mut dump = dump.clone();
    for vsvip in dump["vsvip"].as_object_mut().into_iter().flatten().map(|(_, v)| v) {
        for vip in vsvip["vip"].as_array_mut().into_iter().flatten() {
            vip.as_object_mut().map(|vip| vip.remove("ip_address"));
        }
    }
    dump
}
