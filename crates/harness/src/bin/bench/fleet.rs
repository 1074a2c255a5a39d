//! Several instances of the operator on one simulated controller, each a process.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ako_harness::operator::{Installed, Operator, OperatorOptions, find_binary};
use ako_harness::{eventually, stateful_set};
use ako_sim_avi::RequestRecord;
use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;

use crate::memory::Memory;
use crate::operator_log;
use crate::simulated::Simulated;
use crate::stage::Stage;
use crate::translation::{Mode, configuration};

/// How long anything may take before it counts as hung.
const PATIENCE: Duration = Duration::from_mins(10);
/// Instance 3 serves the namespaces that are labelled `instance: "3"`.
pub(crate) const LABEL: &str = "instance";

/// A controller with instances: number 0 is the primary one.
pub(crate) struct Fleet {
    simulated: Simulated,
    installed: Vec<Installed>,
    running: Vec<Operator>,
    /// When the first of the processes was started.
    pub(crate) started: Timestamp,
}

impl Fleet {
    /// An empty controller, and so many instances that start to work.
    pub(crate) async fn start(stage: &Stage, count: usize) -> anyhow::Result<Self> {
        let simulated = Simulated::start(stage, &config_of(0)).await?;
        let mut installed = vec![simulated.installed.clone()];
        for number in 1..count {
            let namespace = format!("avi-system-{number}");
            installed.push(simulated.install(stage, &namespace, &config_of(number)).await?);
        }
        for Installed { namespace, .. } in &installed {
            stateful_set::scale(&stage.client, namespace, 1).await?;
            stateful_set::add_pod(&stage.client, namespace, "ako-0").await?;
        }
        let started = Timestamp::now();
        let running = begin(stage, &installed)?;
        Ok(Self { simulated, installed, running, started })
    }

    /// Ends all processes and starts others; the journal begins anew.
    pub(crate) fn restart(&mut self, stage: &Stage) -> anyhow::Result<()> {
        self.running.iter_mut().for_each(Operator::kill);
        self.simulated.sim.clear_requests();
        self.started = Timestamp::now();
        self.running = begin(stage, &self.installed)?;
        Ok(())
    }

    /// Waits until all are at rest with so many pools between them, and answers
    /// when the last one came to rest.
    pub(crate) async fn settled(&mut self, pools: usize) -> anyhow::Result<Timestamp> {
        eventually(PATIENCE, async || {
            for (number, operator) in self.running.iter_mut().enumerate() {
                if !operator.is_running() {
                    return Ok(Err(anyhow::anyhow!("instance {number} ended: {}", operator.log())));
                }
                let state = operator.get_json("/api/v1/state").await.map_err(|error| error.to_string())?;
                if !rests(&state) {
                    return Err(format!("instance {number} is not at rest: {}", state["objects"]));
                }
            }
            // Only now: it takes the simulator some time to tell.
            let there = pools_of(&self.simulated);
            if there == pools { Ok(Ok(())) } else { Err(format!("there are {there} pools, not {pools}")) }
        })
        .await??;
        let rests = self.running.iter().map(|operator| operator_log::last_settled(&operator.log()));
        rests.max().flatten().context("no log tells of a rest")
    }

    /// Whether all pools are an instance's, or why not.
    pub(crate) async fn has_moved(&self, to: usize) -> Result<(), String> {
        let dump = self.simulated.sim.dump();
        let owner =
            self.running[to].get_json("/api/v1/state").await.map_err(|error| error.to_string())?["owner"]
                .clone();
        let pools = dump["pool"].as_object().into_iter().flatten();
        let others = pools.filter(|(_, pool)| pool["created_by"] != owner).count();
        if others == 0 { Ok(()) } else { Err(format!("{others} pools are not {owner}'s")) }
    }

    /// How many pools the controller has.
    pub(crate) fn pools(&self) -> usize {
        pools_of(&self.simulated)
    }

    /// The calls after a position of the journal.
    pub(crate) fn requests_since(&self, position: u64) -> Vec<RequestRecord> {
        self.simulated.sim.requests_since(position)
    }

    /// The last call to the controller.
    pub(crate) fn position(&self) -> u64 {
        self.simulated.sim.requests().last().map_or(0, |record| record.seq)
    }

    /// The memory of all processes together.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let mut all = Memory { resident: 0.0, peak: 0.0 };
        for operator in &self.running {
            let one = Memory::of(operator.id())?;
            all = Memory { resident: all.resident + one.resident, peak: all.peak + one.peak };
        }
        Ok(all)
    }

    /// Writes the logs to files that begin with that name.
    pub(crate) fn keep_logs(&self, folder: Option<&Path>, name: &str) -> anyhow::Result<()> {
        let Some(folder) = folder else { return Ok(()) };
        std::fs::create_dir_all(folder)?;
        for (number, operator) in self.running.iter().enumerate() {
            std::fs::write(folder.join(format!("{name}-{number}.log")), operator.log())?;
        }
        Ok(())
    }
}

/// Whether an instance leads and has nothing to do. It may observe more objects
/// than it wants: a `VsVip` bears no owner, so those of the others are among them.
fn rests(state: &Value) -> bool {
    state["settled"] == true && state["leadership"]["writes"] == true && state["objects"]["unpublished"] == 0
}

fn pools_of(simulated: &Simulated) -> usize {
    simulated.sim.dump()["pool"].as_object().map_or(0, serde_json::Map::len)
}

fn config_of(number: usize) -> BTreeMap<String, String> {
    let mut config = configuration(Mode::Sni);
    let own = [
        ("primaryInstance", (number == 0).to_string()),
        ("nsSyncLabelKey", LABEL.to_owned()),
        ("nsSyncLabelValue", number.to_string()),
    ];
    config.extend(own.map(|(key, value)| (key.to_owned(), value)));
    config
}

fn begin(stage: &Stage, installed: &[Installed]) -> anyhow::Result<Vec<Operator>> {
    let binary = find_binary()?;
    let start = |installed: &Installed| {
        let options = OperatorOptions::new(&binary, stage.control_plane.kubeconfig(), installed);
        Operator::start(options.env("AKO_LOG_FORMAT", "json"))
    };
    installed.iter().map(start).collect()
}
