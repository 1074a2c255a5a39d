//! NodePortLocal, with pods that Antrea would have annotated.

use ako_harness::{cluster, eventually};
use serde_json::{Value, json};

use crate::world::{SOON, World, config, deleted, ingress, ingress_class, object, service};

const REQUEST: &str = "nodeportlocal.antrea.io/enabled";

/// A pod of Service `app` that is reached by a port of a node.
fn pod(app: &str, number: u8) -> Value {
    let reached = format!(
        r#"[{{"podPort":8080,"nodeIP":"10.10.0.{number}","nodePort":6100{number},"protocol":"tcp"}}]"#
    );
    let address = format!("10.244.1.{number}");
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{app}-{number}"), "namespace": "default", "labels": {"app": app},
            "annotations": {"nodeportlocal.antrea.io": reached},
        },
        "spec": {"containers": [{"name": "c", "image": "x", "ports": [{"containerPort": 8080}]}]},
        "status": {
            "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

/// Waits until a pool has exactly these servers.
async fn servers(world: &World, pool: &str, expected: &[&str]) {
    let text = |server: &Value| format!("{}:{}", server["ip"]["addr"].as_str().unwrap(), server["port"]);
    world
        .wait_for(|dump| {
            let pool = object(dump, "pool", pool).ok_or("no pool")?;
            let found: Vec<_> = pool["servers"].as_array().into_iter().flatten().map(text).collect();
            if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
}

/// The request on a Service.
async fn request(world: &World, name: &str) -> Result<Option<String>, String> {
    let identity =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}});
    let found = cluster::get(&world.client, &identity).await.map_err(|e| e.to_string())?;
    let found = found.ok_or_else(|| format!("no Service {name}"))?;
    Ok(found["metadata"]["annotations"][REQUEST].as_str().map(str::to_owned))
}

async fn requested(world: &World, name: &str, expected: Option<&str>) {
    eventually(SOON, async || {
        let found = request(world, name).await?;
        if found.as_deref() == expected { Ok(()) } else { Err(format!("{name}: {found:?}")) }
    })
    .await
    .unwrap_or_else(|e| world.fail(&e));
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_behind_node_ports_come_and_go_and_services_are_annotated() {
    let config = config(&[("serviceType", "NodePortLocal"), ("cniPlugin", "antrea")]);
    let Some(mut world) = World::start(&config, "avi-system").await else { return };
    world.apply(&[ingress_class(), pod("web", 1), pod("web", 2), pod("lb", 3)]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.1", "10.244.1.2"])[..1]).await;
    world.apply(&service("lb", "LoadBalancer", &["10.244.1.3"])).await;
    world.apply(&service("idle", "ClusterIP", &["10.244.1.9"])).await;
    let shop = ingress("shop", "foo.com", "/", "web");
    world.apply(std::slice::from_ref(&shop)).await;
    let (web, lb) = ("c1--foo.com_-default-shop", "c1--default-lb-TCP-80");
    servers(&world, web, &["10.10.0.1:61001", "10.10.0.2:61002"]).await;
    servers(&world, lb, &["10.10.0.3:61003"]).await;
    requested(&world, "web", Some("true")).await;
    requested(&world, "lb", Some("true")).await;
    world.published("Service", "default", "lb").await;
    world.published("Ingress", "default", "shop").await;

    world.apply(&[deleted(&pod("web", 1))]).await;
    servers(&world, web, &["10.10.0.2:61002"]).await;

    // A restart on an unchanged world.
    world.settled().await;
    let before = world.writes();
    world.restart_operator().await;
    world.settled().await;
    assert_eq!(world.writes(), before);

    world.apply(&[deleted(&shop)]).await;
    requested(&world, "web", None).await;
    requested(&world, "lb", Some("true")).await;
    assert_eq!(request(&world, "idle").await, Ok(None));
}
