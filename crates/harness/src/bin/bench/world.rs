//! A simulated controller and an operator on the stage.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ako_harness::eventually;
use ako_harness::operator::{Installed, Operator, OperatorOptions, find_binary};
use ako_sim_avi::RequestRecord;
use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;

use crate::journal::Calls;
use crate::memory::{Memory, processor_seconds};
use crate::operator_log;
use crate::population;
use crate::simulated::Simulated;
use crate::stage::Stage;
use crate::translation::{Mode, Translation, configuration};

/// How long anything may take before it counts as hung.
const PATIENCE: Duration = Duration::from_mins(10);

/// A controller with an operator.
pub(crate) struct World {
    simulated: Simulated,
    pub(crate) operator: Operator,
    pub(crate) mode: Mode,
    /// When the operator's process was started.
    pub(crate) started: Timestamp,
}

impl World {
    /// An empty controller, and an operator that starts to work.
    pub(crate) async fn start(stage: &Stage, mode: Mode) -> anyhow::Result<Self> {
        Self::start_with(stage, mode, &configuration(mode)).await
    }

    /// The same with another configuration.
    pub(crate) async fn start_with(
        stage: &Stage,
        mode: Mode,
        config: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let simulated = Simulated::start(stage, config).await?;
        let started = Timestamp::now();
        let operator = start_operator(stage, &simulated.installed)?;
        Ok(Self { simulated, operator, mode, started })
    }

    /// An empty controller, and a CRD operator that starts to work.
    pub(crate) async fn start_crd_operator(
        stage: &Stage,
        config: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let simulated = Simulated::start(stage, config).await?;
        let options = options(stage, &simulated.installed)?.crd_operator(simulated.installed.port);
        let started = Timestamp::now();
        let operator = Operator::start(options)?;
        Ok(Self { simulated, operator, mode: Mode::Sni, started })
    }

    /// Ends the operator's process and starts another one; the journal begins
    /// anew.
    pub(crate) fn restart(&mut self, stage: &Stage) -> anyhow::Result<()> {
        self.operator.kill();
        self.simulated.sim.clear_requests();
        self.started = Timestamp::now();
        self.operator = start_operator(stage, &self.simulated.installed)?;
        Ok(())
    }

    /// Waits until so many applications are programmed and published, and
    /// answers when the operator came to rest.
    pub(crate) async fn settled(&mut self, stage: &Stage, size: usize) -> anyhow::Result<Timestamp> {
        let wanted = Translation::new(self.mode, size)?.run().len();
        let rest = eventually(PATIENCE, async || {
            if !self.operator.is_running() {
                return Ok(Err("the operator ended"));
            }
            let account = self.state().await.map_err(|error| error.to_string())?;
            let objects = &account["objects"];
            if account["settled"] == true && objects["observed"] == wanted && objects["wanted"] == wanted {
                Ok(Ok(()))
            } else if objects["refused"].as_u64().is_some_and(|refused| refused > 0) {
                Ok(Err("the controller refuses objects"))
            } else {
                Err(format!("{wanted} objects are wanted, and there are {objects}"))
            }
        });
        rest.await?.map_err(anyhow::Error::msg).with_context(|| log_tail(&self.operator.log()))?;
        let published = population::published(&stage.client).await?;
        anyhow::ensure!(published == size, "only {published} of {size} statuses are there");
        operator_log::last_settled(&self.operator.log()).context("the operator's log tells no rest")
    }

    /// How many static routes the controller's VRF has.
    pub(crate) fn routes(&self) -> usize {
        let vrf = self.simulated.sim.named("vrfcontext", "global");
        vrf.and_then(|vrf| vrf["static_routes"].as_array().map(Vec::len)).unwrap_or(0)
    }

    /// The operator's own account of itself.
    pub(crate) async fn state(&self) -> anyhow::Result<Value> {
        self.operator.get_json("/api/v1/state").await
    }

    /// Units translated so far.
    pub(crate) async fn translated(&self) -> anyhow::Result<u64> {
        self.state().await?["work"]["translated"].as_u64().context("the state has no counters")
    }

    /// The calls since the journal began.
    pub(crate) fn calls(&self) -> anyhow::Result<Calls> {
        Calls::of(&self.simulated.sim.requests())
    }

    /// The calls after a position of the journal.
    pub(crate) fn requests_since(&self, position: u64) -> Vec<RequestRecord> {
        self.simulated.sim.requests_since(position)
    }

    /// Forgets the journal, and answers where it goes on.
    pub(crate) fn turn_page(&self) -> u64 {
        let position = self.simulated.sim.requests().last().map_or(0, |record| record.seq);
        self.simulated.sim.clear_requests();
        position
    }

    /// The operator's memory.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        Memory::of(self.operator.id())
    }

    /// The operator's time on a processor: what is left of a time when the
    /// load of other processes is taken out.
    pub(crate) fn processor_seconds(&self) -> anyhow::Result<f64> {
        processor_seconds(self.operator.id())
    }

    /// Writes the operator's log to a file of that name.
    pub(crate) fn keep_log(&self, folder: Option<&Path>, name: &str) -> anyhow::Result<()> {
        let Some(folder) = folder else { return Ok(()) };
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(format!("{name}.log")), self.operator.log())?;
        Ok(())
    }
}

fn start_operator(stage: &Stage, installed: &Installed) -> anyhow::Result<Operator> {
    Operator::start(options(stage, installed)?)
}

fn options(stage: &Stage, installed: &Installed) -> anyhow::Result<OperatorOptions> {
    let options = OperatorOptions::new(find_binary()?, stage.control_plane.kubeconfig(), installed);
    Ok(options.env("AKO_LOG_FORMAT", "json"))
}

fn log_tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    format!("the operator's log ends with\n{}", lines[lines.len().saturating_sub(20)..].join("\n"))
}
