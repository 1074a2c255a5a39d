//! A process whose picture of the cluster is old harms nothing. On virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::time::Duration;

use ako_harness::cluster;
use ako_kube_io::CONFIG_MAP;
use ako_sim_kube::{Action, Fault};
use ako_simulation::scene::play;
use ako_simulation::script::Step;
use ako_simulation::setup::Setup;
use ako_simulation::workload;
use ako_simulation::world::World;
use tokio::time::sleep;

/// A Service with an address of its own that comes while the standby sees nothing.
const NEW: usize = 77;

/// Two replicas at rest; answers which one leads and which one waits.
async fn two_replicas(world: &mut World) -> anyhow::Result<(usize, usize)> {
    world.scale(0, 2).await?;
    let first = world.leader().await?;
    world.finished().await?;
    Ok((first, 1 - first))
}

/// A Service and an Ingress come and are programmed.
async fn something_new(world: &mut World) -> anyhow::Result<()> {
    cluster::apply_all(&world.kube.client(), &workload::service("still", NEW, "LoadBalancer", 1)).await?;
    world.take(0, &Step::Apply(0, "/new")).await?;
    sleep(Duration::from_secs(20)).await;
    world.finished().await
}

/// The leader is asked to hand over; nothing may be deleted for a while.
async fn nothing_goes_by_a_handover(world: &mut World, first: usize, second: usize) -> anyhow::Result<()> {
    let (before, addresses) = (world.last_request(), world.addresses());
    world.instances[0].replicas[first].hand_over().await;
    sleep(Duration::from_secs(40)).await;
    assert_eq!(world.deleted_since(before), Vec::<String>::new(), "by {second} after {first}");
    assert_eq!(world.addresses(), addresses);
    assert_eq!(world.wrong(), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_new_leader_with_silent_watches_deletes_nothing() {
    play(Setup::One, async |mut world| {
        let (first, second) = two_replicas(&mut world).await?;
        let client = world.instances[0].replicas[second].client();
        for resource in ["services", "ingresses"] {
            let silence = Fault::new(Action::Silence { breaks: false }).verb("watch").resource(resource);
            world.kube.inject(silence.client(&client).lasting(Duration::from_secs(100)));
        }
        something_new(&mut world).await?;
        nothing_goes_by_a_handover(&mut world, first, second).await
    })
    .unwrap();
}

#[test]
fn a_new_leader_whose_watches_are_refused_deletes_nothing() {
    play(Setup::One, async |mut world| {
        let (first, second) = two_replicas(&mut world).await?;
        let client = world.instances[0].replicas[second].client();
        for resource in ["services", "ingresses"] {
            for verb in ["watch", "list"] {
                let refuse = Action::Status { code: 500, message: "etcd".to_owned(), retry_after: None };
                let fault = Fault::new(refuse).verb(verb).resource(resource).client(&client);
                world.kube.inject(fault.lasting(Duration::from_secs(100)));
            }
        }
        world.kube.disconnect(&client);
        sleep(Duration::from_secs(5)).await;
        something_new(&mut world).await?;
        nothing_goes_by_a_handover(&mut world, first, second).await
    })
    .unwrap();
}

#[test]
fn a_new_leader_that_did_not_see_the_end_of_delete_config_deletes_nothing() {
    play(Setup::One, async |mut world| {
        let (first, second) = two_replicas(&mut world).await?;
        let client = world.instances[0].replicas[second].client();
        world.take(0, &Step::Configure("deleteConfig", Some("true"))).await?;
        sleep(Duration::from_secs(30)).await;
        assert!(world.addresses().is_empty(), "deleteConfig leaves {:?}", world.addresses());
        let silence = Fault::new(Action::Silence { breaks: false }).resource("configmaps").name(CONFIG_MAP);
        world.kube.inject(silence.verb("watch").client(&client).lasting(Duration::from_secs(250)));
        world.take(0, &Step::Configure("deleteConfig", None)).await?;
        world.finished().await?;
        nothing_goes_by_a_handover(&mut world, first, second).await
    })
    .unwrap();
}

#[test]
fn a_service_keeps_its_address_when_a_replica_leads_that_never_saw_it() {
    play(Setup::One, async |mut world| {
        let (first, second) = two_replicas(&mut world).await?;
        let client = world.instances[0].replicas[second].client();
        let silence = Fault::new(Action::Silence { breaks: true }).verb("watch").resource("services");
        world.kube.inject(silence.client(&client).lasting(Duration::from_secs(100)));
        something_new(&mut world).await?;
        nothing_goes_by_a_handover(&mut world, first, second).await?;
        // Nor when the silence is over.
        sleep(Duration::from_mins(3)).await;
        let addresses = world.addresses();
        assert!(addresses.keys().any(|name| name.contains(&format!("web-{NEW}"))), "{addresses:?}");
        world.finished().await
    })
    .unwrap();
}
