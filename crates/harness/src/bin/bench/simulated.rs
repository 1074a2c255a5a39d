//! A simulated controller, and the operator's configuration that leads to it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ako_harness::golden;
use ako_harness::operator::{Controller, Installed, install};
use ako_sim_avi::{Options, Running, SimAvi, Tls};
use anyhow::Context as _;

use crate::stage::Stage;

/// What every call to the controller takes.
pub(crate) const LATENCY: Duration = Duration::from_millis(5);

/// Beyond this many hosts the eight shards cannot hold them: a VsVip has at
/// most 1,000 names.
const MOST_HOSTS: usize = 7_000;
/// More requests than any scenario makes.
const JOURNAL: usize = 1_000_000;

/// An empty controller that is served and configured.
pub(crate) struct Simulated {
    pub(crate) sim: SimAvi,
    pub(crate) installed: Installed,
    serving: Running,
}

impl Simulated {
    pub(crate) async fn start(stage: &Stage, config: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        // A real controller would refuse that many hosts. To measure what the
        // operator does with them, the simulator's checks are turned off then.
        let strict = stage.hosts() <= MOST_HOSTS;
        let options = Options { journal: JOURNAL, strict, ..Options::default() };
        let sim = SimAvi::with_environment(&golden::environment()?, options)?;
        sim.set_latency(LATENCY);
        let serving = sim.serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Tls::SelfSigned).await?;
        let installed = configure(stage, &serving, "avi-system", config).await?;
        Ok(Self { sim, installed, serving })
    }

    /// Configures another instance of the operator for the same controller.
    pub(crate) async fn install(
        &self,
        stage: &Stage,
        namespace: &str,
        config: &BTreeMap<String, String>,
    ) -> anyhow::Result<Installed> {
        configure(stage, &self.serving, namespace, config).await
    }
}

async fn configure(
    stage: &Stage,
    serving: &Running,
    namespace: &str,
    config: &BTreeMap<String, String>,
) -> anyhow::Result<Installed> {
    let address = serving.address.to_string();
    let ca_pem = serving.ca_pem.as_deref().context("the simulator serves TLS")?;
    let controller = Controller { address: &address, ca_pem, username: "admin", password: "admin" };
    install(&stage.client, namespace, config, controller).await
}
