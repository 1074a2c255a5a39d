//! Recorded cases, every step, against a live operator.

use ako_harness::golden::{self, Addresses, Case};
use ako_harness::{cluster, eventually};
use ako_sim_avi::SimAvi;
use serde_json::{Value, json};

use crate::world::{SOON, World};

/// Some that show history, what a later step leaves of an earlier one, and some
/// that take more than a translation.
const CASES: [&str; 20] = [
    "l7-sni-insecure-one-path",
    "l7-sni-everything-deleted",
    "l7-sni-endpoint-changes",
    "l7-sni-secret-late",
    "l7-sni-secret-rotated",
    "l7-sni-secure-to-insecure",
    "l7-sni-passthrough",
    "l7-evh-path-added-removed",
    "l7-evh-secret-deleted",
    "l7-evh-class-changed",
    "l7-evh-secure-and-insecure-hosts",
    "l4-deleted",
    "l4-shared-vip-member-removed",
    "l4-single-port",
    "vrf-primary",
    "vrf-secondary",
    "l7-sni-namespace-selector",
    "l4-blocked-namespace",
    "l4-nodeportlocal",
    "tenant-per-namespace",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_recorded_cases_comes_to_the_recorded_end() {
    let cases = golden::cases().unwrap();
    let find =
        |name: &&str| cases.iter().find(|case| case.name == **name).expect("a recorded case is missing");
    let mut world: Option<World> = None;
    for case in CASES.iter().map(find) {
        world = match world {
            None => World::start(&case.config, &case.namespace).await,
            Some(mut world) => {
                world.operator.kill();
                world.install(&case.config).await;
                world.start_operator().await;
                Some(world)
            }
        };
        let Some(world) = &mut world else { return };
        replay(world, case).await;
        world.operator.kill();
        cluster::remove_all(&world.client, &case.all_objects()).await.unwrap();
        empty(&world.sim);
    }
}

/// Some of each other cloud: with networks of one name, addresses from elsewhere, tier-1
/// routers, and addresses by subnet.
const OTHER_CLOUDS: [&str; 10] = [
    "cloud-vcenter-evh-twin-vip-by-hosts",
    "cloud-vcenter-l4-twin-node-by-seg-hosts",
    "cloud-vcenter-infoblox-sni-more-hosts",
    "cloud-none-sni-twin-vip-by-cidr",
    "cloud-nsxt-sni-mix",
    "cloud-nsxt-routes",
    "cloud-nsxt-vlan-l4-ports",
    "cloud-aws-sni-mix",
    "cloud-openstack-evh-project",
    "cloud-gcp-sni-mix",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_cases_on_other_clouds_comes_to_the_recorded_end() {
    let cases = golden::cases().unwrap();
    for name in OTHER_CLOUDS {
        let case = cases.iter().find(|case| case.name == name).expect("a recorded case is missing");
        let Some(mut world) = World::start_case(case).await else { return };
        replay(&world, case).await;
        world.operator.kill();
        cluster::remove_all(&world.client, &case.all_objects()).await.unwrap();
    }
}

/// Some of AKO's rules: a setting that comes late and one that changes, ports, patterns of paths, a rule
/// that is broken and repaired, sign-in, and layer 4.
const RULES: [&str; 8] = [
    "crd-sni-infra-late",
    "crd-evh-infra-shard-changed",
    "crd-sni-infra-listeners",
    "crd-l4-infra-on-service",
    "crd-sni-hostrule-regex",
    "crd-sni-hostrule-broken-repaired",
    "crd-evh-ssorule-no-secret",
    "cloud-nsxt-l4-revoke-vip-route",
];

/// The definitions of the chart.
const DEFINITIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/ako/crds");

/// The definitions of AKO's rules.
pub(crate) fn definitions() -> Vec<Value> {
    let files = std::fs::read_dir(DEFINITIONS).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    texts.map(|text| serde_saphyr::from_str(&text).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_cases_with_rules_comes_to_the_recorded_end() {
    let definitions = definitions();
    let cases = golden::cases().unwrap();
    for name in RULES {
        let case = cases.iter().find(|case| case.name == name).expect("a recorded case is missing");
        let Some(mut world) = World::start_case(case).await else { return };
        cluster::apply_all(&world.client, &definitions).await.unwrap();
        world.restart_operator().await;
        replay(&world, case).await;
        // What it finds there is what it wants.
        world.settled().await;
        let before = world.writes();
        world.restart_operator().await;
        world.settled().await;
        let is_history = case.steps.len() > 1;
        assert!(is_history || world.writes() == before, "{name}: a restart writes");
        world.operator.kill();
        cluster::remove_all(&world.client, &case.all_objects()).await.unwrap();
        cluster::remove_all(&world.client, &definitions).await.unwrap();
    }
}

/// AKO's rules have no conditions in the recordings.
fn without_conditions(mut statuses: Value) -> Value {
    for status in statuses.as_object_mut().into_iter().flatten().map(|(_, status)| status) {
        let status = status.get_mut("status").and_then(Value::as_object_mut);
        if let Some(status) = status.filter(|status| status.contains_key("error")) {
            status.remove("conditions");
        }
    }
    statuses
}

async fn replay(world: &World, case: &Case) {
    let comparison = case.comparison(Addresses::Allocated);
    for (step, number) in case.steps.iter().zip(1..) {
        cluster::apply_all(&world.client, &step.objects).await.unwrap();
        let reached = eventually(SOON, async || {
            let mut differences = comparison.avi(&step.avi, &world.sim.dump());
            let statuses = golden::observed_status(&world.client).await.map_err(|e| e.to_string())?;
            let statuses = without_conditions(statuses);
            let listed = case.name == "l7-sni-passthrough";
            if !listed {
                differences.extend(comparison.status(&step.status, &statuses));
            }
            match differences.as_slice() {
                [] => Ok(()),
                some => Err(some.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join("\n")),
            }
        });
        if let Err(error) = reached.await {
            world.fail::<()>(&error.context(format!("{} step {number}", case.name)));
        }
        println!("{} step {number}", case.name);
    }
}

/// Takes everything away that an operator made.
fn empty(sim: &SimAvi) {
    // Referrers first; the simulator takes these out of band.
    let kinds = [
        "virtualservice",
        "vsdatascriptset",
        "l4policyset",
        "httppolicyset",
        "poolgroup",
        "pool",
        "vsvip",
        "sslkeyandcertificate",
    ];
    for kind in kinds {
        let dump = sim.dump();
        for name in dump[kind].as_object().into_iter().flatten().map(|(name, _)| name) {
            let (tenant, name) = name.split_once('/').unwrap();
            assert!(sim.remove(kind, tenant, name), "{kind} {name}");
        }
    }
    assert!(sim.edit("vrfcontext", "admin", "global", &json!({"static_routes": []})));
    assert!(sim.edit("serviceenginegroup", "admin", "Default-Group", &json!({"labels": []})));
}
