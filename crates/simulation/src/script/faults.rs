//! Faults of requests and of watches.

use std::time::Duration;

use ako_core::Program;
use ako_kube_io::{CONFIG_MAP, CREDENTIALS_SECRET};
use ako_sim_avi::{Action as AviAction, Fault as AviFault};
use ako_sim_kube::{Action as KubeAction, Fault as KubeFault};
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::Script;
use crate::setup::Member;
use crate::step::Connection;

/// The longest silence or refusal, in seconds.
const LONGEST: u64 = 300;

/// The kinds that are watched.
const WATCHED: [&str; 9] = [
    "ingresses",
    "services",
    "endpointslices",
    "secrets",
    "namespaces",
    "ingressclasses",
    "configmaps",
    "statefulsets",
    "nodes",
];

/// Those of them that are patched.
const PATCHED: [&str; 3] = ["ingresses", "services", "statefulsets"];

/// AKO's rules, which are watched and patched.
const RULES: [&str; 6] = ["aviinfrasettings", "hostrules", "httprules", "l4rules", "l7rules", "ssorules"];

/// What the CRD operator watches, and what of it it patches.
const WATCHED_BESIDE: [&str; 6] =
    ["healthmonitors", "applicationprofiles", "pkiprofiles", "secrets", "namespaces", "configmaps"];
const PATCHED_BESIDE: [&str; 3] = ["healthmonitors", "applicationprofiles", "pkiprofiles"];

/// The replica that a fault is about: the number of its instance, and its own.
type Place = (usize, usize);

fn member(script: &Script, place: Place) -> &'static Member {
    &script.setup.members()[place.0]
}

fn is_crd_operator(script: &Script, place: Place) -> bool {
    member(script, place).program == Program::CrdOperator
}

/// What claims hosts, or what the CRD operator does most with.
fn claimants(script: &Script, place: Place) -> &'static str {
    if is_crd_operator(script, place) {
        return "healthmonitors";
    }
    if script.served.routes { "routes" } else { "ingresses" }
}

/// Kinds of which the first ones are these, or those for the CRD operator.
fn kinds(
    script: &Script,
    place: Place,
    first: &[&'static str],
    beside: &[&'static str],
) -> Vec<&'static str> {
    if is_crd_operator(script, place) {
        return beside.to_vec();
    }
    let rules: &[_] = if script.served.rules { &RULES } else { &[] };
    let kinds = first.iter().map(|kind| if *kind == "ingresses" { claimants(script, place) } else { kind });
    kinds.chain(rules.iter().copied()).collect()
}

/// What the API server knows a replica by.
fn client(script: &Script, place: Place) -> String {
    let member = member(script, place);
    format!("{}/{}", member.namespace, member.pod(place.1))
}

fn a_while(rng: &mut StdRng) -> Duration {
    Duration::from_secs(rng.random_range(5..=LONGEST))
}

/// A fault of the controller.
pub(super) fn of_controller(rng: &mut StdRng) -> AviFault {
    let status = |status| AviAction::Status { status, body: Value::Null, retry_after: None };
    let action = match rng.random_range(0..8) {
        0 => status(503),
        1 => status(412),
        2 => AviAction::DropBefore,
        // After the commit: whether it happened, nobody was told.
        3 | 4 => AviAction::DropAfter,
        5 => AviAction::Delay { ms: rng.random_range(100..30_000) },
        6 => AviAction::Break,
        _ => AviAction::ExpireSession,
    };
    let mut fault = AviFault::new(action).skip(rng.random_range(0..4)).times(rng.random_range(1..4));
    if rng.random() {
        fault = fault.method(["GET", "POST", "PUT", "DELETE"][rng.random_range(0..4)]);
    }
    fault
}

/// Some requests or events of a replica.
pub(super) fn of_requests(rng: &mut StdRng, script: &Script, place: Place) -> KubeFault {
    let claimants = claimants(script, place);
    let (action, resource) = match rng.random_range(0..8) {
        0 => (KubeAction::Status { code: 503, message: "busy".to_owned(), retry_after: None }, "configmaps"),
        1 => (KubeAction::DropAfter, "configmaps"),
        2 => (KubeAction::DropBefore, "leases"),
        3 => (KubeAction::Delay { ms: rng.random_range(100..12_000) }, "configmaps"),
        // An event is lost only with its watch: a server that loses one and goes on
        // breaks its promise, and no client can notice.
        4 => (KubeAction::BreakWatch, claimants),
        5 if is_crd_operator(script, place) => (KubeAction::DuplicateEvent, "pkiprofiles"),
        5 => (KubeAction::DuplicateEvent, "endpointslices"),
        6 => (KubeAction::DelayEvent { ms: rng.random_range(100..20_000) }, claimants),
        _ => (KubeAction::Break, claimants),
    };
    let fault = KubeFault::new(action.clone()).resource(resource).client(&client(script, place));
    let fault = fault.times(rng.random_range(1..4));
    // A watch has no answer that could be cut off.
    if action == KubeAction::Break { fault.verb(["list", "patch"][rng.random_range(0..2)]) } else { fault }
}

/// One connection, one watch or one sort of request is silent for a while.
pub(super) fn silence(rng: &mut StdRng, script: &Script, place: Place) -> KubeFault {
    let (member, client) = (member(script, place), client(script, place));
    let watched = kinds(script, place, &WATCHED, &WATCHED_BESIDE);
    let fault = KubeFault::new(KubeAction::Silence { breaks: rng.random() });
    let watch = |resource: &str| fault.clone().verb("watch").resource(resource);
    let own = |resource: &str, name: &str| watch(resource).namespace(member.namespace).name(name);
    let cluster = Connection::Cluster.of(&client);
    let fault = match rng.random_range(0..16) {
        0..9 => watch(watched[rng.random_range(0..watched.len())]).namespace("").client(&cluster),
        9 => own("configmaps", CONFIG_MAP).client(&cluster),
        10 => own("secrets", CREDENTIALS_SECRET).client(&cluster),
        11 => own("configmaps", member.shared().record).client(&Connection::Election.of(&client)),
        // All watches, and everything, of a server that hangs.
        12 => fault.clone().verb("watch").client(&cluster),
        13 => fault.clone().client(&cluster),
        14 => fault.clone().verb(["list", "get", "patch"][rng.random_range(0..3)]).client(&cluster),
        _ => fault
            .clone()
            .verb(["get", "update"][rng.random_range(0..2)])
            .client(&Connection::Election.of(&client)),
    };
    fault.lasting(a_while(rng))
}

/// Lists, watches or writes of a replica are refused or slow for a while.
pub(super) fn refusal(rng: &mut StdRng, script: &Script, place: Place) -> KubeFault {
    let client = client(script, place);
    let refuse = |code: u16| KubeAction::Status { code, message: "a fault".to_owned(), retry_after: None };
    let action = match rng.random_range(0..5) {
        0 | 1 => refuse(403),
        2 | 3 => refuse(500),
        _ => KubeAction::Delay { ms: rng.random_range(100..15_000) },
    };
    let fault = KubeFault::new(action).client(&Connection::Cluster.of(&client)).lasting(a_while(rng));
    let watched = || kinds(script, place, &WATCHED, &WATCHED_BESIDE);
    let (verb, resources) = match rng.random_range(0..5) {
        0 => (None, watched()),
        1 | 2 => (Some("list"), watched()),
        3 => (Some("watch"), watched()),
        _ => (Some("patch"), kinds(script, place, &PATCHED, &PATCHED_BESIDE)),
    };
    let fault = if let Some(verb) = verb { fault.verb(verb) } else { fault };
    if rng.random() { fault.resource(resources[rng.random_range(0..resources.len())]) } else { fault }
}
