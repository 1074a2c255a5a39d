//! The demo, as `cargo xtask demo --once` runs it.

#![cfg(test)]

use std::process::Stdio;
use std::time::Duration;

use ako_harness::free_ports;
use ako_harness::operator::find_binary;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

/// How long a demo may take from its start to its end.
const ENDS_WITHIN: Duration = Duration::from_mins(2);
/// Three, and those of the operator's pages.
const PORTS: u16 = 10;

fn demo(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn the_sample_answers_and_a_second_demo_is_told_why_it_cannot_start() {
    // Beside the demo there has to be an operator.
    find_binary().unwrap();
    let port_base = free_ports(PORTS).unwrap().to_string();
    let mut first = demo(&["--port-base", &port_base, "--once", "--replicas", "2"]);
    let mut output = first.stdout.take().unwrap();
    let mut shown = Vec::new();
    let play = async {
        while !String::from_utf8_lossy(&shown).contains("Kubernetes API server") {
            if output.read_buf(&mut shown).await.unwrap() == 0 {
                let ended = first.wait_with_output().await.unwrap();
                panic!("{}{}", String::from_utf8_lossy(&shown), String::from_utf8_lossy(&ended.stderr));
            }
        }
        // Its ports are taken now.
        let second = demo(&["--port-base", &port_base, "--once"]).wait_with_output().await.unwrap();
        let why = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(!second.status.success());
        assert!(why.contains("end the demo that has it, or choose another --port-base"), "{why}");
        output.read_to_end(&mut shown).await.unwrap();
        first.wait_with_output().await.unwrap()
    };
    let ended = tokio::time::timeout(ENDS_WITHIN, play).await.unwrap();
    let shown = String::from_utf8_lossy(&shown);
    assert!(ended.status.success(), "{shown}\n{}", String::from_utf8_lossy(&ended.stderr));
    for part in [
        "Ready.",
        "curl --resolve shop.avi.internal:",
        "https://secure.avi.internal",
        " leads ",
        " stands by ",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
}

#[tokio::test]
async fn two_instances_serve_their_namespaces_and_one_gives_way() {
    find_binary().unwrap();
    let demo = demo(&["--once", "--instances", "2", "--replicas", "2"]);
    let ended = tokio::time::timeout(ENDS_WITHIN, demo.wait_with_output()).await.unwrap().unwrap();
    let shown = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{shown}\n{}", String::from_utf8_lossy(&ended.stderr));
    for part in ["http://market.avi.internal", "blue/ako-1", "avi-system/ako-0", "blue says: "] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
}
