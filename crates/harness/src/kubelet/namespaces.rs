//! The namespaces in which a test has a machine of its own.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Where the kubelet and the API server are for Pods: the address of the bridge.
pub const BRIDGE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
pub(super) const BRIDGE: &str = "ako0";

/// Set in the inner process: a file by which it says that it ran the test.
const INSIDE: &str = "AKO_KUBELET_INSIDE";
const REQUIRE: &str = "AKO_REQUIRE_KUBELET";

/// New namespaces, in which we may do what root may.
const UNSHARE: [&str; 4] = ["--user", "--map-root-user", "--net", "--mount"];

/// Prepares the namespaces and becomes the program. `/run` is where `ip netns` and the
/// kubelet keep their files, and it goes with the namespace.
const PREPARE: &str = r#"
set -eu
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add "$1" type bridge
ip addr add "$2/16" dev "$1"
ip link set "$1" up
echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
ip netns add try
nsenter --net=/run/netns/try unshare --mount --uts mount --rbind /proc /proc
ip netns del try
shift 2
exec "$@"
"#;

/// Runs the body of a test in namespaces of its own; `test` is the test's name with its
/// modules, as `cargo test` shows it.
///
/// The test binary starts itself again, for this one test, in a new user, network and mount
/// namespace. What the test then starts (control plane, simulator, operator, Pods) has
/// loopback, ports and the network of Pods for itself.
///
/// Where the machine does not permit it, the test is skipped, as with [`crate::control_plane`];
/// with `AKO_REQUIRE_KUBELET=1` it fails.
///
/// # Errors
/// If the test fails in there, or cannot be started.
pub fn in_namespaces(test: &str, body: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    if let Some(trace) = std::env::var_os(INSIDE) {
        std::fs::write(&trace, test).context("telling the outer process that the test runs")?;
        // The outer process holds the other end, and writes nothing: it has ended.
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(1);
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(body);
    }
    if let Err(why) = permitted() {
        ensure!(std::env::var(REQUIRE).as_deref() != Ok("1"), "{why:#}");
        crate::built::report_skip(&format!("{why:#}"));
        return Ok(());
    }
    run_again(test)
}

/// Starts this test binary again for one test, and waits for its end.
fn run_again(test: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("inside");
    let binary = std::env::current_exe().context("the test's own program")?;
    let mut child = prepared(&binary)
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(INSIDE, &trace)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the test in namespaces")?;
    let alive = child.stdin.take();
    // Its own result is no second test for those who count them.
    let output = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
    for line in output.map_while(Result::ok).filter(|line| !line.starts_with("test result:")) {
        println!("{line}");
    }
    let status = child.wait()?;
    drop(alive);
    ensure!(status.success(), "{test} failed in its namespaces ({status})");
    ensure!(trace.exists(), "{test} is not the name of the test: give the one that cargo test shows");
    Ok(())
}

/// Whether the machine lets us have the namespaces; the error says what is in the way.
fn permitted() -> anyhow::Result<()> {
    let tried = prepared(Path::new("true")).stdin(Stdio::null()).output();
    let tried = tried.context("no unshare (of util-linux) to run Pods with")?;
    let errors = String::from_utf8_lossy(&tried.stderr);
    ensure!(
        tried.status.success(),
        "this machine does not let us have the namespaces that Pods run in ({}): {}",
        tried.status,
        errors.trim().replace('\n', "; ")
    );
    Ok(())
}

fn prepared(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(UNSHARE)
        .args(["sh", "-c", PREPARE, "prepare", BRIDGE, &BRIDGE_ADDRESS.to_string()])
        .arg(program);
    command
}
