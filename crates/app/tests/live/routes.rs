//! Static routes, and the label of the SE group.

use serde_json::{Value, json};

use crate::world::{World, config, deleted, object};

fn node(n: u8) -> Value {
    let cidr = format!("10.244.{n}.0/24");
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("n{n}")},
        "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
        "status": {"addresses": [{"type": "InternalIP", "address": format!("10.10.0.{n}")}]},
    })
}

/// `<prefix> via <next hop> of <cluster>` of each route in the VRF, in order.
fn routes(dump: &Value) -> Vec<String> {
    let vrf = object(dump, "vrfcontext", "global");
    let routes = vrf.and_then(|vrf| vrf["static_routes"].as_array()).into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or("nobody").to_owned();
    let of = |route: &Value| {
        let (prefix, hop) = (text(&route["prefix"]["ip_addr"]["addr"]), text(&route["next_hop"]["addr"]));
        format!("{prefix} via {hop} of {}", text(&route["labels"][0]["value"]))
    };
    routes.map(of).collect()
}

fn foreign(prefix: &str, labels: &Value) -> Value {
    let prefix = json!({"ip_addr": {"addr": prefix, "type": "V4"}, "mask": 24});
    let next_hop = json!({"addr": "10.10.0.99", "type": "V4"});
    json!({"route_id": format!("c1-{}", prefix["ip_addr"]["addr"]), "prefix": prefix, "next_hop": next_hop,
        "labels": labels, "disable_gateway_monitor": true})
}

async fn expect(world: &World, expected: &[&str]) {
    world
        .wait_for(|dump| {
            let found = routes(dump);
            if found == expected { Ok(()) } else { Err(format!("{found:#?}")) }
        })
        .await;
    world.settled().await;
}

fn label(world: &World) -> Value {
    let dump = world.sim.dump();
    object(&dump, "serviceenginegroup", "Default-Group").map_or(Value::Null, |group| group["labels"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_instance_writes_the_routes_of_its_cluster_and_no_others() {
    let config = config(&[("disableStaticRouteSync", "false")]);
    let Some(mut world) = World::start(&config, "avi-system").await else { return };
    // Of other clusters, and of nobody: they were there first.
    let others = [
        foreign("10.9.0.0", &json!([{"key": "clustername", "value": "c10"}])),
        foreign("10.9.1.0", &json!([])),
        foreign("10.9.2.0", &json!([{"key": "team", "value": "c1"}])),
    ];
    assert!(world.sim.edit("vrfcontext", "admin", "global", &json!({ "static_routes": others })));
    let kept = [
        "10.9.0.0 via 10.10.0.99 of c10",
        "10.9.1.0 via 10.10.0.99 of nobody",
        "10.9.2.0 via 10.10.0.99 of c1",
    ];
    let (first, second) = ("10.244.1.0 via 10.10.0.1 of c1", "10.244.2.0 via 10.10.0.2 of c1");
    world.apply(&[node(1), node(2)]).await;
    expect(&world, &[kept[0], kept[1], kept[2], first, second]).await;
    let dump = world.sim.dump();
    let vrf = object(&dump, "vrfcontext", "global").unwrap();
    assert_eq!(vrf["static_routes"].as_array().unwrap()[..3], others);
    assert_eq!(vrf["system_default"], json!(true));
    assert_eq!(label(&world), json!([{"key": "clustername", "value": "c1"}]));

    let before = world.writes();
    world.restart_operator().await;
    world.settled().await;
    assert_eq!(world.writes(), before);
    assert_eq!(world.sim.dump(), dump);

    world.apply(&[deleted(&node(1))]).await;
    expect(&world, &[kept[0], kept[1], kept[2], second]).await;
    assert_eq!(world.writes(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_instance_writes_no_routes_and_labels_the_group() {
    let config = config(&[("disableStaticRouteSync", "false"), ("primaryInstance", "false")]);
    let Some(mut world) = World::start(&config, "blue-ako").await else { return };
    world.apply(&[node(1)]).await;
    world
        .wait_for(|dump| match object(dump, "serviceenginegroup", "Default-Group") {
            Some(_) => Ok(()),
            None => Err("no label yet".to_owned()),
        })
        .await;
    world.settled().await;
    assert_eq!(label(&world), json!([{"key": "clustername", "value": "c1"}]));
    assert!(world.sim.requests().iter().all(|request| !request.path.starts_with("/api/vrfcontext")));

    // Another cluster's label stays, which is told, and the rest is served.
    let theirs = json!([{"key": "clustername", "value": "c10"}]);
    assert!(world.sim.edit("serviceenginegroup", "admin", "Default-Group", &json!({ "labels": theirs })));
    let before = world.writes();
    world.restart_operator().await;
    world.settled().await;
    assert_eq!((label(&world), world.writes()), (theirs, before));
    let state = world.operator.get_json("/api/v1/state").await.unwrap();
    assert!(state["diagnostics"].to_string().contains("LabelledByAnother"), "{state:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_that_are_switched_on_are_written_at_once() {
    let Some(world) = World::start(&config(&[]), "avi-system").await else { return };
    world.apply(&[node(1)]).await;
    world.settled().await;
    assert_eq!(world.writes(), 0);
    assert!(world.sim.requests().iter().all(|request| !request.path.starts_with("/api/vrfcontext")));
    let patch = json!({"data": {"disableStaticRouteSync": "false"}}).to_string();
    let target =
        ["-n", &world.installed.namespace, "patch", "configmap", "avi-k8s-config", "--type=merge", "-p"];
    world.control_plane.kubectl(&[&target[..], &[&patch]].concat()).await.unwrap();
    expect(&world, &["10.244.1.0 via 10.10.0.1 of c1"]).await;
    assert_eq!(label(&world), json!([{"key": "clustername", "value": "c1"}]));
    let told = world.operator.get_json("/api/v1/state").await.unwrap()["diagnostics"].clone();
    assert_eq!(told, json!([]));
}

fn affinity(n: u8) -> Value {
    json!({
        "apiVersion": "crd.projectcalico.org/v1", "kind": "BlockAffinity",
        "metadata": {"name": format!("n{n}-block")},
        "spec": {"node": format!("n{n}"), "cidr": format!("10.9.{n}.0/26"), "state": "confirmed"},
    })
}

fn definition_of_affinities() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "blockaffinities.crd.projectcalico.org"},
        "spec": {
            "group": "crd.projectcalico.org", "scope": "Cluster",
            "names": {"kind": "BlockAffinity", "listKind": "BlockAffinityList", "plural": "blockaffinities",
                "singular": "blockaffinity"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

/// The kinds that the operator misses, and how many deletions it holds.
async fn missed(world: &World) -> (Value, Value) {
    let state = world.operator.get_json("/api/v1/state").await.unwrap();
    let mut kinds = state["kubernetes"]["not_served"].clone();
    // There are neither OpenShift's kinds here nor AKO's.
    kinds.as_array_mut().unwrap().retain(|kind| kind.as_str().unwrap().ends_with("projectcalico.org"));
    (kinds, state["held"]["count"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_resource_may_come_and_go() {
    let config = config(&[("disableStaticRouteSync", "false"), ("cniPlugin", "calico")]);
    let Some(world) = World::start(&config, "avi-system").await else { return };
    // Nobody waits for a kind that is not there.
    world.apply(&[node(1), node(2)]).await;
    world.settled().await;
    assert_eq!(missed(&world).await, (json!(["blockaffinities.crd.projectcalico.org"]), Value::Null));

    let both = ["10.9.1.0 via 10.10.0.1 of c1", "10.9.2.0 via 10.10.0.2 of c1"];
    world.apply(&[definition_of_affinities(), affinity(1), affinity(2)]).await;
    expect(&world, &both).await;
    assert_eq!(missed(&world).await, (json!([]), Value::Null));
    world.apply(&[deleted(&affinity(2))]).await;
    expect(&world, &both[..1]).await;
    world.apply(&[affinity(2)]).await;
    expect(&world, &both).await;

    // With the definition, the API server deletes every object of it.
    let before = world.writes();
    world.apply(&[deleted(&definition_of_affinities())]).await;
    loop {
        let (kinds, held) = missed(&world).await;
        if held == json!(2) {
            assert_eq!(kinds, json!(["blockaffinities.crd.projectcalico.org"]));
            break;
        }
        assert_eq!(routes(&world.sim.dump()), both, "{kinds} {held}");
        tokio::task::yield_now().await;
    }
    assert_eq!(world.writes(), before);
    let state = world.operator.get_json("/api/v1/state").await.unwrap();
    assert!(state["diagnostics"].to_string().contains("KindNotServed"), "{state:#}");

    world.apply(&[definition_of_affinities(), affinity(1), affinity(2)]).await;
    expect(&world, &both).await;
    assert_eq!(missed(&world).await, (json!([]), Value::Null));
    assert_eq!(world.writes(), before);
}
