//! Two replicas of the operator, a simulated controller, and a stage.

use std::time::Duration;

use ako_harness::operator::{Installed, Operator, OperatorOptions, find_binary};
use ako_harness::{eventually, free_port, stateful_set};
use ako_sim_avi::RequestRecord;
use jiff::Timestamp;
use serde_json::Value;

use crate::journal::is_write;
use crate::simulated::{LATENCY, Simulated};
use crate::stage::Stage;
use crate::translation::{Mode, configuration};

/// How long anything may take before it counts as hung.
const PATIENCE: Duration = Duration::from_mins(5);
const NAMESPACE: &str = "avi-system";
const PODS: [&str; 2] = ["ako-0", "ako-1"];

/// A controller with two replicas.
pub(crate) struct Replicas {
    simulated: Simulated,
    running: Vec<Operator>,
}

impl Replicas {
    /// An empty controller, and replicas that start to work with some timing of
    /// the election.
    pub(crate) async fn start(stage: &Stage, timing: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut config = configuration(Mode::Sni);
        config.extend(timing.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let simulated = Simulated::start(stage, &config).await?;
        stateful_set::scale(&stage.client, NAMESPACE, PODS.len()).await?;
        let mut running = Vec::new();
        for pod in PODS {
            stateful_set::add_pod(&stage.client, NAMESPACE, pod).await?;
            running.push(begin(stage, &simulated.installed, pod)?);
        }
        Ok(Self { simulated, running })
    }

    /// Starts a process in the pod of that number.
    pub(crate) fn begin(&mut self, stage: &Stage, number: usize) -> anyhow::Result<()> {
        self.running[number] = begin(stage, &self.simulated.installed, PODS[number])?;
        Ok(())
    }

    pub(crate) fn kill(&mut self, number: usize) {
        self.running[number].kill();
    }

    /// Asks for a handover.
    pub(crate) async fn hand_over(&self, number: usize) -> anyhow::Result<()> {
        let (status, body) = self.running[number].post("/api/v1/yield").await?;
        anyhow::ensure!(status == 200, "a handover was refused with {status}: {body}");
        Ok(())
    }

    /// Waits until one leads and has nothing to write, and the other one, if it
    /// is to be there, could take over. Answers the number of the leader.
    pub(crate) async fn at_rest(&self, both: bool) -> anyhow::Result<usize> {
        eventually(PATIENCE, async || {
            let (mut leader, mut standby) = (None, false);
            for (number, operator) in self.running.iter().enumerate() {
                let state = operator.get_json("/api/v1/state").await.unwrap_or_default();
                let rests = state["settled"] == true && state["leadership"]["writes"] == true;
                if state["role"] == "leader" && rests && state["objects"]["unpublished"] == 0 {
                    leader = Some(number);
                }
                standby |= state["role"] == "standby" && state["phase"] == "running";
            }
            leader.filter(|_| standby || !both).ok_or_else(|| format!("leader {leader:?}, standby {standby}"))
        })
        .await
    }

    /// What a replica tells of itself.
    pub(crate) async fn state(&self, number: usize) -> anyhow::Result<Value> {
        self.running[number].get_json("/api/v1/state").await
    }

    /// The requests after a position of the journal.
    pub(crate) fn requests_since(&self, position: u64) -> Vec<RequestRecord> {
        self.simulated.sim.requests_since(position)
    }

    /// The last request to the controller.
    pub(crate) fn position(&self) -> u64 {
        self.simulated.sim.requests().last().map_or(0, |record| record.seq)
    }

    /// The arrival of the first write after a position of the journal.
    pub(crate) async fn first_write(&self, position: u64) -> anyhow::Result<Timestamp> {
        let write = eventually(PATIENCE, async || {
            let write = self.requests_since(position).into_iter().find(is_write);
            write.ok_or("nothing was written")
        })
        .await?;
        // The journal says when the write was answered.
        Ok(write.time.parse::<Timestamp>()? - LATENCY)
    }

    /// The requests of each session since a position, the largest first.
    pub(crate) fn by_session(&self, position: u64) -> Vec<usize> {
        let mut counts = std::collections::BTreeMap::new();
        for RequestRecord { session, .. } in self.requests_since(position) {
            *counts.entry(session).or_insert(0) += 1;
        }
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts
    }
}

fn begin(stage: &Stage, installed: &Installed, pod: &str) -> anyhow::Result<Operator> {
    let port = free_port()?;
    let installed = Installed { port, ..installed.clone() };
    let options = OperatorOptions::new(find_binary()?, stage.control_plane.kubeconfig(), &installed);
    Operator::start(options.pod_name(pod).env("AKO_API_PORT", &port.to_string()))
}
