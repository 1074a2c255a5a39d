//! A network namespace for each Pod, on one bridge.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use super::namespaces::{BRIDGE, BRIDGE_ADDRESS};

/// Pods have the addresses from 10.244.1.0 on; none is given twice.
const FIRST: u16 = 1 << 8;

/// The route in the local table is for the simulator's data plane, which looks for a server
/// a.b.c.d at 127.b.c.d. It names the Pod's address as the next hop: every Pod would answer
/// to a range of loopback addresses.
const ADD: &str = r#"
set -eu
name=$1 ip=$2 loopback=$3 bridge=$4 gateway=$5
ip netns add "$name"
ip link add "$name" type veth peer name eth0 netns "$name"
ip link set "$name" master "$bridge" up
ip -n "$name" link set lo up
ip -n "$name" addr add "$ip/16" dev eth0
ip -n "$name" link set eth0 up
ip -n "$name" route add default via "$gateway"
ip netns exec "$name" sh -c '
  echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
  echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start'
ip route add "$loopback/32" via "$ip" dev "$bridge" table local src "$gateway"
"#;

const REMOVE: &str = r#"ip route del "$2/32" table local; ip netns del "$1""#;

/// Gives Pods their addresses.
#[derive(Debug)]
pub(super) struct Network(AtomicU16);

/// The network namespace of one Pod; it goes when this is dropped.
#[derive(Debug)]
pub(super) struct PodNetwork {
    name: String,
    pub(super) address: Ipv4Addr,
}

impl Network {
    pub(super) fn new() -> Self {
        Self(AtomicU16::new(FIRST))
    }

    pub(super) async fn add(&self) -> anyhow::Result<PodNetwork> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        ensure!(number >= FIRST, "all addresses of Pods have been given");
        let [high, low] = number.to_be_bytes();
        // A link's name has 15 characters at most.
        let pod = PodNetwork { name: format!("pod-{number}"), address: Ipv4Addr::new(10, 244, high, low) };
        let arguments = ["-c", ADD, "add", &pod.name, &pod.address.to_string(), &pod.loopback().to_string()];
        let mut command = Command::new("sh");
        command
            .args(arguments)
            .args([BRIDGE, &BRIDGE_ADDRESS.to_string()])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = command.output().await.context("running ip")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the network of a Pod: {}", errors.trim());
        Ok(pod)
    }
}

impl PodNetwork {
    /// What `nsenter` calls it.
    pub(super) fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    fn loopback(&self) -> Ipv4Addr {
        let [_, b, c, d] = self.address.octets();
        Ipv4Addr::new(127, b, c, d)
    }
}

impl Drop for PodNetwork {
    fn drop(&mut self) {
        // It also goes with the namespace of the test. Milliseconds, so that nothing waits for it.
        let arguments = ["-c", REMOVE, "remove", &self.name, &self.loopback().to_string()];
        let mut command = std::process::Command::new("sh");
        let _ = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).status();
    }
}
