//! Control planes that one test after the other has for itself.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};

use super::ControlPlane;
use super::programs;
use super::sweep::Baseline;

/// Those that no test has at the moment. There are never more than tests that
/// run at the same time.
static IDLE: Mutex<Vec<Arc<Used>>> = Mutex::new(Vec::new());

/// etcd and kube-apiserver.
const PROCESSES: usize = 2;

/// A control plane, and what it held before its first test.
#[derive(Debug)]
struct Used {
    plane: ControlPlane,
    baseline: Baseline,
}

/// A control plane that nobody else has until this is dropped, and on which
/// nothing is left of the tests that had it before.
///
/// Its owner may stop and restart the API server. Whatever its owner started
/// against it has to end before this is dropped.
#[derive(Debug)]
pub struct Loan(Arc<Used>);

impl ControlPlane {
    /// One that an earlier test of this process is done with, swept clean, or a
    /// new one; none if the test is skipped.
    ///
    /// # Errors
    /// If a new one does not start.
    pub async fn lend() -> anyhow::Result<Option<Loan>> {
        // Asked each time, so that every skipped test says that it is.
        if programs::find_or_skip()?.is_none() {
            return Ok(None);
        }
        loop {
            let Some(used) = idle().pop() else { break };
            match used.restore().await {
                Ok(()) => return Ok(Some(Loan(used))),
                Err(error) => eprintln!("a control plane cannot be used again: {error:#}"),
            }
        }
        let plane = Self::start().await?.context("the control plane's programs vanished")?;
        let baseline = Baseline::of(&plane.client().await?).await?;
        Ok(Some(Loan(Arc::new(Used { plane, baseline }))))
    }
}

impl Used {
    async fn restore(&self) -> anyhow::Result<()> {
        self.plane.servers().check_running()?;
        ensure!(self.plane.process_groups().len() == PROCESSES, "its API server was left stopped");
        self.plane.wait_ready().await?;
        self.baseline.restore(&self.plane.client().await?).await
    }
}

impl Deref for Loan {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        &self.0.plane
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // What a test that failed left behind may be what it failed from.
        if !std::thread::panicking() {
            idle().push(self.0.clone());
        }
    }
}

fn idle() -> MutexGuard<'static, Vec<Arc<Used>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}
