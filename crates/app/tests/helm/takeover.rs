//! A release of AKO 2.2.1 is upgraded to our chart, and rolled back: a stand-in for its program
//! writes to the controller all the time, so that a moment with two writers would show.

use std::path::Path;

use ako_harness::kubelet::{Image, Images, in_namespaces};
use ako_harness::operator::find_program;
use ako_sim_avi::{RequestRecord, Tls};
use serde_json::{Value, json};

use crate::applications::{self, are_served, deploy, is_served};
use crate::image_alone;
use crate::judges::{Since, one_at_a_time};
use crate::release::{self, CHART, account, lease_holder, one_leads, pods_are_gone, rolled_out};
use crate::world::World;

const NAMESPACE: &str = "avi-system";
const RELEASE: &str = "ako-1593523840";
const FORMER_CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/helm/former-chart");
const FORMER_IMAGE: &str = "registry.example.com/ako:2.2.1";

#[test]
fn a_release_of_ako_is_taken_over_in_place() {
    in_namespaces("takeover::a_release_of_ako_is_taken_over_in_place", async {
        let stand_in = Image::program("/usr/local/bin/ako", find_program("ako_stand_in")?);
        let images = Images::default().with(FORMER_IMAGE, stand_in);
        let Some(mut world) = World::start_with(Tls::Off, images).await? else { return Ok(()) };
        let before = leave_objects(&mut world).await;
        install_former(&mut world).await;
        take_over(&mut world).await;
        give_back(&mut world, 1, 1).await;
        assert_eq!(world.sim.dump(), before, "the objects are those that were there at first");
        take_over_and_scale(&mut world).await;
        give_back(&mut world, 1, 1).await;
        scale_former(&mut world).await;
        take_over_with_work(&mut world).await;
        give_back(&mut world, 7, 2).await;
        image_alone::replace(&mut world, NAMESPACE).await;
        image_alone::set_back(&mut world, NAMESPACE, FORMER_IMAGE).await;
        writes_again(&world).await;
        // The operator that made the objects, six times a stand-in, and in between the operator
        // that had work to do.
        let writers = one_at_a_time(&world, |_| true).await;
        assert!(writers >= 7, "{writers} processes wrote");
        Ok(())
    })
    .unwrap();
}

/// What AKO left on the controller is what the operator leaves there: the names, markers and
/// checksums are the same. Of the release that made it nothing stays.
async fn leave_objects(world: &mut World) -> Value {
    deploy(world, "red", &json!({})).await;
    release::unpack(world, &[]).await;
    world.kubectl(&format!("create namespace {NAMESPACE}")).await;
    world
        .helm(CHART, &format!("install first . -f values.yaml {} --namespace={NAMESPACE}", account(world)))
        .await;
    rolled_out(world, NAMESPACE, 1).await;
    are_served(world, "red").await;
    world.leader(NAMESPACE).await;
    world.helm(CHART, &format!("uninstall first --namespace={NAMESPACE}")).await;
    pods_are_gone(world, NAMESPACE).await;
    world.kubectl(&format!("-n {NAMESPACE} delete configmap ako-leadership")).await;
    world.kubectl("delete ingressclass avi-lb").await;
    world.done("objects on the controller");
    world.sim.dump()
}

/// helm with the chart of AKO, and the values that its users have.
async fn former(world: &World, command: &str, replicas: usize) {
    let former = Path::new(FORMER_CHART).display();
    let account = account(world);
    let command = format!(
        "{command} {RELEASE} {former} -f values.yaml {account} --set replicaCount={replicas} --namespace={NAMESPACE}"
    );
    world.helm(CHART, &command).await;
}

async fn install_former(world: &mut World) {
    former(world, "install", 1).await;
    rolled_out(world, NAMESPACE, 1).await;
    writes_again(world).await;
    world.done("a release of AKO with one replica");
}

/// By its documented sequence.
async fn scale_former(world: &mut World) {
    former(world, "upgrade", 0).await;
    pods_are_gone(world, NAMESPACE).await;
    former(world, "upgrade", 2).await;
    rolled_out(world, NAMESPACE, 2).await;
    writes_again(world).await;
    let holder = lease_holder(world, NAMESPACE).await;
    assert!(holder.as_deref().is_some_and(|holder| ["ako-0", "ako-1"].contains(&holder)), "{holder:?}");
    world.done("a release of AKO with two replicas");
}

/// Whoever writes now, writes again.
async fn writes_again(world: &World) {
    let since = world.position();
    world
        .eventually(async || {
            let writes = world.writes_since(since).len();
            if writes > 2 { Ok(()) } else { Err(format!("{writes} writes of the stand-in")) }
        })
        .await;
}

/// `helm upgrade` to our chart, with the same values.
async fn upgrade(world: &World, replicas: usize) {
    let account = account(world);
    let command = format!(
        "upgrade {RELEASE} . -f values.yaml {account} --set replicaCount={replicas} --namespace={NAMESPACE}"
    );
    world.helm(CHART, &command).await;
}

/// What the operator wrote after a request.
pub(crate) fn ours_since(world: &World, position: u64) -> Vec<RequestRecord> {
    let writes = world.writes_since(position).into_iter();
    writes.filter(|write| write.user_agent != "ako-stand-in").collect()
}

/// What is found out beforehand: nothing speaks against it but that the connection is not encrypted, and
/// nothing would be written.
async fn look_ahead(world: &mut World) {
    let (code, printed) = world.ako(&format!("preflight --namespace {NAMESPACE}")).await;
    for line in [
        "runs registry.example.com/ako:2.2.1 with 1 replica(s); this is ako ",
        "which the chart brings\n",
        "What the first leader would write:\nno changes\n",
        "! not in order: TLS\nLook at these first.\n",
    ] {
        assert!(printed.contains(line), "{line:?} is not in {printed}");
    }
    assert_eq!(code, Some(3), "{printed}");
    world.done("ako preflight");
}

/// One replica, which finds everything as it should be.
async fn take_over(world: &mut World) {
    look_ahead(world).await;
    let (since, position) = (Since::now(world).await, world.position());
    upgrade(world, 1).await;
    rolled_out(world, NAMESPACE, 1).await;
    world.leader(NAMESPACE).await;
    are_served(world, "red").await;
    since.nothing_was_lost(world).await;
    let ours = ours_since(world, position);
    assert!(ours.is_empty(), "the operator wrote to objects that were as they should be: {ours:#?}");
    world.done("helm upgrade to this chart, one replica");
}

/// From one replica of AKO to two of ours at once: AKO's own documents scale to zero in between.
async fn take_over_and_scale(world: &mut World) {
    let (since, position) = (Since::now(world).await, world.position());
    upgrade(world, 2).await;
    rolled_out(world, NAMESPACE, 2).await;
    one_leads(world, NAMESPACE).await;
    are_served(world, "red").await;
    since.nothing_was_lost(world).await;
    let ours = ours_since(world, position);
    assert!(ours.is_empty(), "the operator wrote to objects that were as they should be: {ours:#?}");
    world.done("helm upgrade to this chart, from one replica to two");
}

/// Two replicas, which have something to write from their start on, while pods of AKO still run.
async fn take_over_with_work(world: &mut World) {
    let (since, position) = (Since::now(world).await, world.position());
    upgrade(world, 2).await;
    world.apply(&[applications::ingress("red", "meanwhile")]).await;
    rolled_out(world, NAMESPACE, 2).await;
    one_leads(world, NAMESPACE).await;
    is_served(world, "red", "meanwhile").await;
    are_served(world, "red").await;
    since.nothing_was_lost(world).await;
    assert!(!ours_since(world, position).is_empty(), "the operator had something to write");
    world.done("helm upgrade to this chart, two replicas");
}

/// `helm rollback` to AKO's chart.
async fn give_back(world: &mut World, revision: usize, replicas: usize) {
    let since = Since::now(world).await;
    world.helm(CHART, &format!("rollback {RELEASE} {revision} --namespace={NAMESPACE}")).await;
    rolled_out(world, NAMESPACE, replicas).await;
    world
        .eventually(async || {
            for pod in world.pods(NAMESPACE).await.into_keys() {
                if world.state(NAMESPACE, &pod).await.is_ok() {
                    return Err(format!("{pod} is still one of ours"));
                }
            }
            Ok(())
        })
        .await;
    writes_again(world).await;
    since.nothing_was_lost(world).await;
    world.done("helm rollback to the chart of AKO");
}
