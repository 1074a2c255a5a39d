//! Several instances in one cluster, as AKO's documents install them.

use std::collections::BTreeSet;

use ako_harness::kubelet::in_namespaces;
use ako_sim_avi::RequestRecord;
use serde_json::{Value, json};

use crate::applications::{
    self, are_not_on_the_controller, are_not_published, are_served, deploy, is_served,
};
use crate::documented::succeeds;
use crate::judges::{Since, nothing_was_forbidden, one_at_a_time, owned_by, unused_rules};
use crate::release::{self, CHART, account, pods_are_gone, rolled_out};
use crate::world::World;

const PRIMARY: &str = "ako-c1";
const SECONDARY: &str = "ako-c1-blue";

/// What a cluster like this one gives no reason to ask for.
const UNUSED: [(&str, &str); 20] = [
    ("create leases in avi-system", "one replica has no Lease; the other tests have several"),
    ("update leases in avi-system", "likewise"),
    ("delete leases in avi-system", "likewise"),
    ("patch secrets in avi-system", "stores a new token; here is a password"),
    ("get ingresses", "for an Event about one that was not watched yet"),
    ("get services", "likewise"),
    ("patch ingresses", "annotations, where the API server does not take them with the status"),
    ("patch services", "likewise; and with NodePortLocal"),
    ("list pods", "with NodePortLocal"),
    ("watch pods", "likewise"),
    ("list blockaffinities", "static routes with Calico"),
    ("watch blockaffinities", "likewise"),
    ("list ciliumnodes", "static routes with Cilium"),
    ("watch ciliumnodes", "likewise"),
    ("list hostsubnets", "static routes with OpenShift"),
    ("watch hostsubnets", "likewise"),
    ("get routes", "there are none, as the cluster has no OpenShift"),
    ("watch routes", "likewise"),
    ("patch routes", "likewise"),
    ("patch routes/status", "likewise"),
];

/// AKO's rules, of which there are none here: they are read, and nothing is written to any.
const RULES: [&str; 6] = ["aviinfrasettings", "hostrules", "httprules", "l4rules", "l7rules", "ssorules"];

/// What the chart's rules allow that is not asked for here.
fn expected_to_be_unused() -> BTreeSet<String> {
    let of_rules = RULES.iter().flat_map(|plural| {
        [format!("get {plural}"), format!("patch {plural}"), format!("patch {plural}/status")]
    });
    UNUSED.iter().map(|(rule, _)| (*rule).to_owned()).chain(of_rules).collect()
}

#[test]
fn two_instances_serve_their_own_namespaces() {
    in_namespaces("instances::two_instances_serve_their_own_namespaces", async {
        let Some(mut world) = World::start().await? else { return Ok(()) };
        let first = install_the_primary(&mut world).await;
        let second = install_the_secondary(&mut world).await;
        each_writes_its_own(&mut world).await;
        let third = an_overlap_is_refused(&mut world).await;
        // helm takes the roles away before the pods have ended.
        nothing_was_forbidden(&world).await;
        assert_eq!(unused_rules(&world, "avi-system").await, expected_to_be_unused());
        remove_what_served_nothing(&mut world, &third).await;
        remove_the_secondary(&mut world, &second).await;
        remove_the_primary(&mut world, &first).await;
        Ok(())
    })
    .unwrap();
}

async fn install(world: &World, namespace: &str, label: (&str, &str), primary: bool) -> String {
    let (key, value) = label;
    world.kubectl(&format!("create namespace {namespace}")).await;
    let command = format!(
        "install . --generate-name -f values.yaml {} --set AKOSettings.namespaceSelector.labelKey={key} \
         --set AKOSettings.namespaceSelector.labelValue={value} --set AKOSettings.primaryInstance={primary} \
         --namespace={namespace}",
        account(world)
    );
    let printed = world.helm(CHART, &command).await;
    rolled_out(world, namespace, 1).await;
    release::name_of(&printed)
}

async fn install_the_primary(world: &mut World) -> String {
    release::unpack(world, &[]).await;
    for (namespace, labels) in
        [("red", json!({"app": "migrate"})), ("pink", json!({"key": "value2"})), ("plain", json!({}))]
    {
        deploy(world, namespace, &labels).await;
    }
    let release = install(world, "avi-system", ("app", "migrate"), true).await;
    are_served(world, "red").await;
    world.leader("avi-system").await;
    are_not_published(world, "pink").await;
    are_not_on_the_controller(world, "pink");
    world.done("the primary instance");
    release
}

/// It makes objects of its own, beside those that are there.
async fn install_the_secondary(world: &mut World) -> String {
    let (since, before) = (Since::now(world).await, owned_by(world, PRIMARY));
    let release = install(world, "blue", ("key", "value2"), false).await;
    are_served(world, "pink").await;
    world.leader("blue").await;
    succeeds(world, "kubectl -n blue exec ako-0 -- ako status", "blue (this one): ako-c1-blue, secondary")
        .await;
    assert_eq!(owned_by(world, PRIMARY), before);
    since.nothing_was_lost(world).await;
    are_not_on_the_controller(world, "plain");
    are_not_published(world, "plain").await;
    let shared = |owner| {
        let names = owned_by(world, owner).into_iter().filter(|(kind, _)| kind == "virtualservice");
        names.map(|(_, name)| name).filter(|name| name.contains("Shared-L7")).collect::<Vec<_>>()
    };
    let (first, second) = (shared(PRIMARY), shared(SECONDARY));
    assert!(!first.is_empty() && first.iter().all(|name| name.starts_with("c1--Shared-L7-")), "{first:?}");
    assert!(
        !second.is_empty() && second.iter().all(|name| name.starts_with("c1--blue-Shared-L7-")),
        "{second:?}"
    );
    world.done("a secondary instance");
    release
}

/// A change in one's namespace is written by one, and the other one writes nothing.
async fn each_writes_its_own(world: &mut World) {
    let sessions =
        |requests: Vec<RequestRecord>| requests.into_iter().map(|r| r.session).collect::<BTreeSet<_>>();
    let mut writers = Vec::new();
    for (namespace, owner, other) in [("red", PRIMARY, SECONDARY), ("pink", SECONDARY, PRIMARY)] {
        let (position, others) = (world.position(), owned_by(world, other));
        world.apply(&[applications::ingress(namespace, "more")]).await;
        is_served(world, namespace, "more").await;
        for instance in ["avi-system", "blue"] {
            world.leader(instance).await;
        }
        assert_eq!(owned_by(world, other), others);
        let pool = ("pool".to_owned(), format!("c1--more.{namespace}.example.com_-{namespace}-more"));
        assert!(owned_by(world, owner).contains(&pool), "{pool:?} is not {owner}'s");
        writers.push(sessions(world.writes_since(position)));
    }
    assert!(writers.iter().all(|sessions| sessions.len() == 1) && writers[0] != writers[1], "{writers:?}");
    for session in writers.iter().flatten() {
        assert_eq!(one_at_a_time(world, |write| write.session == *session).await, 1);
    }
    world.done("each writes its own");
}

/// The later one leaves the namespaces to the earlier one, and both say so.
async fn an_overlap_is_refused(world: &mut World) -> String {
    let since = Since::now(world).await;
    let release = install(world, "green", ("app", "migrate"), false).await;
    for instance in ["green", "avi-system"] {
        let tells = |state: &Value| state["conflicts"].to_string().contains("NamespaceContested");
        world.leader_that(instance, tells).await;
    }
    world
        .eventually(async || {
            let about = "involvedObject.kind=Namespace,involvedObject.name=red";
            let events = world.kubectl(&format!("get events -A --field-selector {about}")).await;
            if events.contains("NamespaceContested") { Ok(()) } else { Err(format!("no Event: {events}")) }
        })
        .await;
    world.leader("green").await;
    assert_eq!(owned_by(world, "ako-c1-green"), BTreeSet::new());
    since.nothing_was_written(world).await;
    world.done("an instance with the same selector");
    release
}

/// The others go on as if it had never been there.
async fn remove_what_served_nothing(world: &mut World, release: &str) {
    let since = Since::now(world).await;
    world.helm(CHART, &format!("uninstall {release} --namespace=green")).await;
    pods_are_gone(world, "green").await;
    for instance in ["avi-system", "blue"] {
        let is_alone = |state: &Value| state["settled"] == true && state["conflicts"] == json!([]);
        world.leader_that(instance, is_alone).await;
    }
    since.nothing_was_written(world).await;
    world.done("without that instance");
}

/// With everything that it made, and nothing else.
async fn remove_the_secondary(world: &mut World, release: &str) {
    let (position, before) = (world.position(), owned_by(world, PRIMARY));
    remove(world, "blue", release).await;
    are_not_published(world, "pink").await;
    are_not_on_the_controller(world, "pink");
    assert_eq!(owned_by(world, SECONDARY), BTreeSet::new());
    assert_eq!(owned_by(world, PRIMARY), before);
    let touched = world
        .writes_since(position)
        .into_iter()
        .find(|write| before.contains(&(write.kind.clone(), write.name.clone())));
    assert_eq!(touched, None);
    are_served(world, "red").await;
    world.done("without the secondary instance");
}

async fn remove_the_primary(world: &mut World, release: &str) {
    remove(world, "avi-system", release).await;
    are_not_published(world, "red").await;
    assert_eq!(world.sim.dump(), json!({}));
    world.done("without the primary instance");
}

/// What is documented for the case that nothing is to stay on the controller.
async fn remove(world: &World, namespace: &str, release: &str) {
    let patch = "{\"data\":{\"deleteConfig\":\"true\"}}";
    world.kubectl(&format!("-n {namespace} patch configmap avi-k8s-config --type merge -p {patch}")).await;
    release::removed_everything(world, namespace).await;
    world.helm(CHART, &format!("uninstall {release} --namespace={namespace}")).await;
    pods_are_gone(world, namespace).await;
    world.kubectl(&format!("-n {namespace} delete configmap ako-leadership --ignore-not-found")).await;
    world.kubectl(&format!("-n {namespace} delete lease ako-lease-lock --ignore-not-found")).await;
}
