//! One suite of scripts, run against the simulator and against a real kube-apiserver.
//!
//! A script is a list of requests; its record is what the real server answered, without
//! what differs from run to run. Both servers must answer as recorded. With
//! `AKO_RECORD=1` the real server's answers become the record.

#![cfg(test)]

mod script;

use ako_harness::control_plane::ControlPlane;
use ako_sim_kube::{Options, SimKube};

/// Fewer answers than this are not the suite.
const FEWEST: usize = 150;
const SCRIPTS: [&str; 10] = [
    "configmaps",
    "services",
    "ingresses",
    "endpoint_slices",
    "leases",
    "patches",
    "apply",
    "lists",
    "watches",
    "custom_resources",
];

#[tokio::test(start_paused = true)]
async fn the_simulator_answers_as_recorded() {
    let mut different = Vec::new();
    let mut answers = 0;
    for name in SCRIPTS {
        // Only an API server: nothing ends namespaces or starts Pods.
        let sim = SimKube::new(Options { controllers: false, ..Options::default() });
        let answered = script::run(&sim.client(), name).await;
        answers += script::answers(&answered);
        if let Err(difference) = script::compare(name, &answered) {
            different.push(difference);
        }
    }
    println!("contract: {answers} answers of the simulator compared with the record");
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(answers >= FEWEST);
}

#[tokio::test]
async fn the_real_server_answers_as_recorded() {
    let Some(plane) = ControlPlane::start().await.unwrap() else { return };
    let client = plane.client().await.unwrap();
    let mut different = Vec::new();
    let mut answers = 0;
    for name in SCRIPTS {
        let answered = script::run(&client, name).await;
        answers += script::answers(&answered);
        if std::env::var("AKO_RECORD").as_deref() == Ok("1") {
            script::record(name, &answered);
        } else if let Err(difference) = script::compare(name, &answered) {
            different.push(difference);
        }
    }
    println!("contract: {answers} answers of the real server compared with the record");
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(answers >= FEWEST);
}
