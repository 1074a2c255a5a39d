//! What AMKO reads of the cluster, whatever happens to the operator: addresses with their hosts, the three
//! annotations that go with them, and whether a HostRule is accepted. On virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::time::Duration;

use ako_core::annotation;
use ako_harness::cluster;
use ako_sim_kube::{Action, Fault};
use ako_simulation::run::on_virtual_time;
use ako_simulation::script::{Script, Served, Step};
use ako_simulation::setup::{LIVELY, Setup};
use ako_simulation::workload::{self, host};
use ako_simulation::world::World;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// How often it is looked: as often as a write can arrive.
const LOOK: Duration = Duration::from_millis(5);
/// How long after something happened. A leader that is killed is followed by another one until then.
const WATCHED: Duration = Duration::from_secs(40);

/// What AMKO reads of an object that claims a host.
#[derive(Debug, PartialEq)]
struct Shown {
    host: String,
    address: String,
    annotations: [String; 3],
}

/// What stands on the claim to host 0 and on a Service with an address of its own. An address never
/// stands there without its annotations. What is not there shows nothing.
fn shown(world: &World) -> [Option<Shown>; 2] {
    let (group, plural) = if world.served.routes {
        ("route.openshift.io", "routes")
    } else {
        ("networking.k8s.io", "ingresses")
    };
    let read = |group, plural, name: &str| {
        let object = world.kube.get(group, plural, LIVELY, name)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (host, address) = if plural == "routes" {
            let entry = &object["status"]["ingress"][0];
            let router = text(&entry["routerName"]);
            assert!(entry.is_null() || router.starts_with("ako-"), "{router}");
            let condition = &entry["conditions"][0];
            assert!(entry.is_null() || condition["type"] == "Admitted" && condition["status"] == "True");
            assert!(entry.is_null() || entry["host"] == object["spec"]["host"]);
            (text(&entry["host"]), text(&condition["message"]))
        } else {
            let entry = &object["status"]["loadBalancer"]["ingress"][0];
            (text(&entry["hostname"]), text(&entry["ip"]))
        };
        if address.is_empty() {
            return None;
        }
        let names = [annotation::CLUSTER_UUID, annotation::VS_UUID_MAP, annotation::TENANT];
        let annotations = names.map(|name| text(&object["metadata"]["annotations"][name]));
        assert!(annotations.iter().all(|value| !value.is_empty()), "{plural} {name}: {object}");
        let uuids: Value = serde_json::from_str(&annotations[1]).unwrap();
        assert!(uuids[&host].is_string(), "{plural} {name}: {host} is not in {uuids}");
        Some(Shown { host, address, annotations })
    };
    [read(group, plural, "shop-0"), read("", "services", &format!("web-{}", workload::MOST + 1))]
}

/// Whether the HostRule is accepted.
fn is_accepted(world: &World) -> bool {
    let rule = world.kube.get("ako.vmware.com", "hostrules", LIVELY, "global").unwrap();
    rule["status"]["status"] == "Accepted"
}

/// Two instances at rest, with a host that has a HostRule with a global name.
async fn at_rest(served: Served) -> World {
    let script = Script { evh: true, served, ..Script::empty(Setup::Two) };
    let mut world = World::new(1, &script).await.unwrap();
    let rule = json!({
        "apiVersion": "ako.vmware.com/v1beta1", "kind": "HostRule",
        "metadata": {"name": "global", "namespace": LIVELY},
        "spec": {"virtualhost": {
            "fqdn": host(LIVELY, 0), "gslb": {"fqdn": "global.example.com"}, "aliases": ["alias.avi.internal"],
        }},
    });
    cluster::apply(&world.kube.client(), &rule).await.unwrap();
    let furniture = workload::furniture(served, LIVELY).unwrap();
    cluster::apply_all(&world.kube.client(), &furniture).await.unwrap();
    // Two writes to an object are some time apart.
    let slow = Fault::new(Action::Delay { ms: 50 }).verb("patch").lasting(Duration::from_hours(1));
    world.take(0, &Step::Kube(slow)).await.unwrap();
    for instance in [0, 1] {
        world.scale(instance, 2).await.unwrap();
    }
    // Whether the API server stores annotations with a status is found out with the first Route.
    world.finished().await.unwrap();
    world.take(0, &Step::Apply(0, "/shop")).await.unwrap();
    while shown(&world).iter().any(Option::is_none) {
        sleep(LOOK).await;
    }
    world.finished().await.unwrap();
    world
}

#[test]
fn what_amko_reads_stays_whole_through_changes_of_leaders_and_instances() {
    for routes in [false, true] {
        on_virtual_time(Box::pin(async {
            let mut world = at_rest(Served { rules: true, routes }).await;
            let mut before = shown(&world);
            assert!(before.iter().all(Option::is_some) && is_accepted(&world), "{before:?}");
            let leader = world.leader().await.unwrap();
            let steps = [
                Step::Yield(leader),
                Step::Kill(1 - leader),
                Step::Start(1 - leader),
                Step::Label(LIVELY, Some("b")),
                Step::Label(LIVELY, Some("a")),
            ];
            for step in steps {
                world.take(0, &step).await.unwrap();
                let begun = Instant::now();
                while begun.elapsed() < WATCHED {
                    let now = shown(&world);
                    assert!(now.iter().all(Option::is_some) && is_accepted(&world), "{step:?}: {now:?}");
                    assert!(matches!(step, Step::Label(..)) || now == before, "{step:?}: {now:?}");
                    sleep(LOOK).await;
                }
                world.finished().await.unwrap();
                before = shown(&world);
            }
            // Nobody is to serve it any more.
            world.take(0, &Step::Label(LIVELY, None)).await.unwrap();
            while shown(&world).iter().any(Option::is_some) {
                sleep(LOOK).await;
            }
            world.finished().await.unwrap();
            assert_eq!(world.wrong(), Vec::<String>::new());
        }))
        .unwrap();
    }
}
