//! What the controller refuses: it costs the object that asked for it, not its
//! neighbours.

use ako_harness::{cluster, eventually};
use serde_json::{Value, json};

use crate::findings::{certificate, secret, warned};
use crate::world::{SOON, World, config, deleted, ingress, ingress_class, service};

/// An Ingress with a certificate, `https://<name>.foo.com`.
fn secure(name: &str) -> Value {
    let host = format!("{name}.foo.com");
    let mut made = ingress(name, &host, "/", "web");
    made["spec"]["tls"] = json!([{"hosts": [host], "secretName": name}]);
    made
}

/// A Secret that cannot be changed, only deleted and created anew.
fn immutable(name: &str, pem: &(String, String)) -> Value {
    let mut made = secret(name, pem);
    made["immutable"] = json!(true);
    made
}

/// Waits until an object has no address in its status.
async fn no_address(world: &World, object: &Value) {
    eventually(SOON, async || {
        let found = cluster::get(&world.client, object).await.map_err(|e| e.to_string())?;
        let status = found.and_then(|o| o.pointer("/status/loadBalancer/ingress").cloned());
        match status {
            Some(Value::Array(entries)) if !entries.is_empty() => Err(format!("still has {entries:?}")),
            _ => Ok(()),
        }
    })
    .await
    .unwrap_or_else(|e| world.fail(&e));
}

/// The names by which any address is found.
fn names(dump: &Value) -> Vec<String> {
    let all = dump["vsvip"].as_object().into_iter().flatten();
    let names = all.flat_map(|(_, vsvip)| vsvip["dns_info"].as_array().cloned().unwrap_or_default());
    names.map(|info| info["fqdn"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_refused_costs_its_own_host() {
    let settings = config(&[("enableEVH", "true"), ("shardVSSize", "SMALL")]);
    let Some(world) = World::start(&settings, "avi-system").await else { return };
    world.apply(&[ingress_class()]).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    let good = certificate("good.foo.com");
    // The key of another certificate, which only the controller finds out.
    let bad = (certificate("bad.foo.com").0, good.1.clone());
    let held = immutable("bad", &bad);
    world.apply(&[secret("good", &good), held.clone(), secure("good"), secure("bad")]).await;
    world.published("Ingress", "default", "good").await;
    let told = warned(&world, "Ingress", "bad", "ControllerRefused").await;
    assert!(told[0].contains("the key is not the certificate's"), "{told:?}");
    no_address(&world, &secure("bad")).await;
    assert!(!world.operator.log().contains(bad.1.lines().nth(1).unwrap()), "a key is in the log");

    // A Secret that cannot be changed is deleted and made anew.
    world.apply(&[deleted(&held)]).await;
    world.apply(&[immutable("bad", &certificate("bad.foo.com"))]).await;
    world.published("Ingress", "default", "bad").await;
    world.published("Ingress", "default", "good").await;
    world.settled().await;
    let names = names(&world.sim.dump());
    assert!(names.contains(&"bad.foo.com".to_owned()) && names.contains(&"good.foo.com".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_and_one_that_is_shared() {
    let Some(world) = World::start(&config(&[]), "avi-system").await else { return };
    let wanted = |name: &str, port: u16, address: Option<&str>| {
        let mut objects = service(name, "LoadBalancer", &["10.244.1.5"]);
        objects[0]["spec"]["ports"][0]["port"] = json!(port);
        match address {
            Some(address) => objects[0]["spec"]["loadBalancerIP"] = json!(address),
            None => objects[0]["metadata"]["annotations"] = json!({"ako.vmware.com/enable-shared-vip": "k1"}),
        }
        objects
    };
    // Two that ask for one address.
    world.apply(&wanted("first", 80, Some("100.64.0.50"))).await;
    world.published("Service", "default", "first").await;
    let second = wanted("second", 81, Some("100.64.0.50"));
    world.apply(&second).await;
    let told = warned(&world, "Service", "second", "ControllerRefused").await;
    assert!(told[0].contains("100.64.0.50"), "{told:?}");
    no_address(&world, &second[0]).await;

    // Two that share one; one of them leaves and returns.
    let (mut one, two) = (wanted("one", 80, None), wanted("two", 81, None));
    world.apply(&one).await;
    world.apply(&two).await;
    let address = async |name: &str| world.published("Service", "default", name).await[0]["ip"].clone();
    let shared = address("two").await;
    assert_eq!(address("one").await, shared);
    one[0]["spec"]["type"] = json!("ClusterIP");
    world.apply(&one).await;
    let pools = |dump: &Value| {
        dump["pool"].as_object().map_or(0, |pools| {
            pools.keys().filter(|name| name.contains("-one-") || name.contains("-two-")).count()
        })
    };
    world
        .wait_for(|dump| if pools(dump) == 1 { Ok(()) } else { Err(format!("{} pools", pools(dump))) })
        .await;
    no_address(&world, &one[0]).await;
    assert_eq!(address("two").await, shared);
    one[0]["spec"]["type"] = json!("LoadBalancer");
    world.apply(&one).await;
    assert_eq!(address("one").await, shared);
    world
        .wait_for(|dump| if pools(dump) == 2 { Ok(()) } else { Err(format!("{} pools", pools(dump))) })
        .await;
}
