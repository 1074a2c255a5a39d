//! Faults of requests and of watches.

use std::time::Duration;

use ako_elect::RECORD_NAME;
use ako_kube_io::{CONFIG_MAP, CREDENTIALS_SECRET};
use ako_sim_avi::{Action as AviAction, Fault as AviFault};
use ako_sim_kube::{Action as KubeAction, Fault as KubeFault};
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::Script;
use crate::setup::Setup;
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

/// What claims hosts.
fn claimants(script: &Script) -> &'static str {
    if script.served.routes { "routes" } else { "ingresses" }
}

/// Kinds of which the first ones are these.
fn kinds(script: &Script, first: &[&'static str]) -> Vec<&'static str> {
    let rules: &[_] = if script.served.rules { &RULES } else { &[] };
    let kinds = first.iter().map(|kind| if *kind == "ingresses" { claimants(script) } else { kind });
    kinds.chain(rules.iter().copied()).collect()
}

/// What the API server knows a replica by.
pub(super) fn client(setup: Setup, instance: usize, replica: usize) -> String {
    format!("{}/ako-{replica}", setup.members()[instance].namespace)
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
pub(super) fn of_requests(rng: &mut StdRng, script: &Script, client: &str) -> KubeFault {
    let (action, resource) = match rng.random_range(0..8) {
        0 => (KubeAction::Status { code: 503, message: "busy".to_owned(), retry_after: None }, "configmaps"),
        1 => (KubeAction::DropAfter, "configmaps"),
        2 => (KubeAction::DropBefore, "leases"),
        3 => (KubeAction::Delay { ms: rng.random_range(100..12_000) }, "configmaps"),
        // An event is lost only with its watch: a server that loses one and goes on
        // breaks its promise, and no client can notice.
        4 => (KubeAction::BreakWatch, claimants(script)),
        5 => (KubeAction::DuplicateEvent, "endpointslices"),
        6 => (KubeAction::DelayEvent { ms: rng.random_range(100..20_000) }, claimants(script)),
        _ => (KubeAction::Break, claimants(script)),
    };
    let fault =
        KubeFault::new(action.clone()).resource(resource).client(client).times(rng.random_range(1..4));
    // A watch has no answer that could be cut off.
    if action == KubeAction::Break { fault.verb(["list", "patch"][rng.random_range(0..2)]) } else { fault }
}

/// One connection, one watch or one sort of request is silent for a while.
pub(super) fn silence(rng: &mut StdRng, script: &Script, namespace: &str, client: &str) -> KubeFault {
    let watched = kinds(script, &WATCHED);
    let fault = KubeFault::new(KubeAction::Silence { breaks: rng.random() });
    let watch = |resource: &str| fault.clone().verb("watch").resource(resource);
    let own = |resource: &str, name: &str| watch(resource).namespace(namespace).name(name);
    let cluster = Connection::Cluster.of(client);
    let fault = match rng.random_range(0..16) {
        0..9 => watch(watched[rng.random_range(0..watched.len())]).namespace("").client(&cluster),
        9 => own("configmaps", CONFIG_MAP).client(&cluster),
        10 => own("secrets", CREDENTIALS_SECRET).client(&cluster),
        11 => own("configmaps", RECORD_NAME).client(&Connection::Election.of(client)),
        // All watches, and everything, of a server that hangs.
        12 => fault.clone().verb("watch").client(&cluster),
        13 => fault.clone().client(&cluster),
        14 => fault.clone().verb(["list", "get", "patch"][rng.random_range(0..3)]).client(&cluster),
        _ => fault
            .clone()
            .verb(["get", "update"][rng.random_range(0..2)])
            .client(&Connection::Election.of(client)),
    };
    fault.lasting(a_while(rng))
}

/// Lists, watches or writes of a replica are refused or slow for a while.
pub(super) fn refusal(rng: &mut StdRng, script: &Script, client: &str) -> KubeFault {
    let refuse = |code: u16| KubeAction::Status { code, message: "a fault".to_owned(), retry_after: None };
    let action = match rng.random_range(0..5) {
        0 | 1 => refuse(403),
        2 | 3 => refuse(500),
        _ => KubeAction::Delay { ms: rng.random_range(100..15_000) },
    };
    let fault = KubeFault::new(action).client(&Connection::Cluster.of(client)).lasting(a_while(rng));
    let (verb, resources): (_, &[&'static str]) = match rng.random_range(0..5) {
        0 => (None, &WATCHED),
        1 | 2 => (Some("list"), &WATCHED),
        3 => (Some("watch"), &WATCHED),
        _ => (Some("patch"), &PATCHED),
    };
    let resources = kinds(script, resources);
    let fault = if let Some(verb) = verb { fault.verb(verb) } else { fault };
    if rng.random() { fault.resource(resources[rng.random_range(0..resources.len())]) } else { fault }
}
