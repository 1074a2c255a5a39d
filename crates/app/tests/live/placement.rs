//! Pools on clouds where Avi has to be told in which networks servers are.

use serde_json::{Value, json};

use crate::world::{World, config, object, service};

const POOL: &str = "c1--default-lb-TCP-80";

async fn placed(world: &World, expected: &[(&str, u64)]) {
    let text = |placed: &Value| {
        let subnet = &placed["subnet"];
        (
            subnet["ip_addr"]["addr"].as_str().unwrap_or_default().to_owned(),
            subnet["mask"].as_u64().unwrap_or_default(),
        )
    };
    world
        .wait_for(|dump| {
            let pool = object(dump, "pool", POOL).ok_or("no pool")?;
            let found: Vec<_> = pool["placement_networks"].as_array().into_iter().flatten().collect();
            let named = found.iter().all(|p| p["network_ref"] == "/api/network?name=vip-net");
            let found: Vec<_> = found.into_iter().map(text).collect();
            let same = found.iter().map(|(address, mask)| (&**address, *mask)).eq(expected.iter().copied());
            if named && same { Ok(()) } else { Err(format!("{pool:#}")) }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_are_placed_in_the_networks_of_nodes() {
    let networks = r#"[{"networkName":"vip-net","cidrs":["10.1.2.3/16","10.0.9.0/24"]}]"#;
    let configured = config(&[("nodeNetworkList", networks)]);
    let Some(mut world) = World::start(&configured, "avi-system").await else { return };
    world.apply(&service("lb", "LoadBalancer", &["10.244.1.3"])).await;
    // Nobody has to be told on a No-access cloud.
    placed(&world, &[]).await;
    world.operator.kill();
    assert!(world.sim.edit("cloud", "admin", "Default-Cloud", &json!({"vtype": "CLOUD_VCENTER"})));
    world.start_operator().await;
    placed(&world, &[("10.0.9.0", 24), ("10.1.0.0", 16)]).await;
    world.settled().await;
    let before = world.writes();
    world.restart_operator().await;
    world.settled().await;
    assert_eq!(world.writes(), before);
    // Without the networks, nothing of them is left.
    world.install(&config(&[])).await;
    world.restart_operator().await;
    placed(&world, &[]).await;
}
