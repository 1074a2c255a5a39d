//! What fixed scenes are made of: waiting for a leader, for the end of the work.

use std::time::Duration;

use ako_sim_avi::RequestRecord;
use anyhow::bail;
use tokio::time::sleep;

use crate::judgement::{Looks, writes};
use crate::run::on_virtual_time;
use crate::script::Script;
use crate::setup::Setup;
use crate::world::World;

/// How long is waited, in virtual time.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(100);

/// Plays a scene on virtual time, in a world without replicas.
///
/// # Errors
/// What the scene fails with.
pub fn play(setup: Setup, scene: impl AsyncFnOnce(World) -> anyhow::Result<()>) -> anyhow::Result<()> {
    play_in(&Script::empty(setup), scene)
}

/// The same in a world that a script tells of.
///
/// # Errors
/// What the scene fails with.
pub fn play_in(script: &Script, scene: impl AsyncFnOnce(World) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let run = async { scene(World::new(1, script).await?).await };
    on_virtual_time(Box::pin(run))?
}

impl World {
    /// The number of the replica of the first instance that leads and writes.
    ///
    /// # Errors
    /// If nobody does in time.
    pub async fn leader(&mut self) -> anyhow::Result<usize> {
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            for (number, replica) in self.instances[0].replicas.iter_mut().enumerate() {
                let state = replica.state().await.unwrap_or_default();
                if state["role"] == "leader" && state["leadership"]["writes"] == true {
                    return Ok(number);
                }
            }
            sleep(LOOK).await;
        }
        bail!("nobody leads")
    }

    /// Waits until everything is as the cluster asks for.
    ///
    /// # Errors
    /// What is missing.
    pub async fn finished(&self) -> anyhow::Result<()> {
        let (mut why, mut looks) = (None, Looks::default());
        for _ in 0..PATIENCE.as_secs() {
            why = looks.unfinished(self)?;
            if why.is_none() {
                return Ok(());
            }
            sleep(Duration::from_secs(1)).await;
        }
        bail!("not finished: {why:?}")
    }

    /// The last request to the controller.
    pub fn last_request(&self) -> u64 {
        self.avi.requests().last().map_or(0, |request| request.seq)
    }

    /// Writes to the controller since a request: `DELETE pool name`.
    pub fn written_since(&self, request: u64) -> Vec<String> {
        let name = |r: &RequestRecord| format!("{} {} {}", r.method, r.kind, r.name);
        writes(&self.avi.requests_since(request)).filter(|r| r.committed).map(name).collect()
    }

    /// Deletions among them.
    pub fn deleted_since(&self, request: u64) -> Vec<String> {
        self.written_since(request).into_iter().filter(|write| write.starts_with("DELETE")).collect()
    }

    /// The addresses of the VsVips by name, as the controller gave them.
    pub fn addresses(&self) -> std::collections::BTreeMap<String, String> {
        let dump = self.avi.dump();
        let vsvips = dump["vsvip"].as_object().into_iter().flatten();
        let address = |vsvip: &serde_json::Value| vsvip["vip"][0]["ip_address"]["addr"].to_string();
        vsvips.map(|(name, vsvip)| (name.clone(), address(vsvip))).collect()
    }
}
