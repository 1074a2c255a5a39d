//! Reports of the driver, shared by everybody who looks: making one is work for
//! the task that also writes, so that no number of readers may cost more than
//! one a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use super::ask;
use crate::run::input::Input;
use crate::run::report::Report;
use crate::run::state::Startup;

/// How old a report may be that is shown.
const RECENT: Duration = Duration::from_secs(1);

/// The last report, and the way to the next one.
#[derive(Clone)]
pub(super) struct Reports {
    startup: Startup,
    inputs: mpsc::Sender<Input>,
    /// Held while the driver is asked: whoever comes meanwhile takes the answer.
    last: Arc<Mutex<Option<Last>>>,
}

struct Last {
    /// When the driver was asked.
    asked: Instant,
    /// `None` if it did not answer; that, too, is not asked again at once.
    report: Option<Arc<Report>>,
}

impl Reports {
    pub(super) fn new(startup: Startup, inputs: mpsc::Sender<Input>) -> Self {
        Self { startup, inputs, last: Arc::default() }
    }

    /// A report that is at most a second old; `None` while there is no driver,
    /// or if it hangs.
    pub(super) async fn recent(&self) -> Option<Arc<Report>> {
        self.get(Instant::now().checked_sub(RECENT)).await
    }

    /// A report for which the driver is asked from now on.
    pub(super) async fn fresh(&self) -> Option<Arc<Report>> {
        self.get(Some(Instant::now())).await
    }

    /// Forgets the last report.
    pub(super) async fn forget(&self) {
        *self.last.lock().await = None;
    }

    /// A report that was asked for after a moment.
    async fn get(&self, after: Option<Instant>) -> Option<Arc<Report>> {
        if self.startup.waiting_for().is_some() {
            return None;
        }
        let (last, inputs) = (self.last.clone(), self.inputs.clone());
        // A task of its own: it goes on when whoever asked has gone, and the
        // next one finds the answer.
        let asking = tokio::spawn(async move {
            let mut last = last.lock().await;
            if let Some(last) = last.as_ref().filter(|last| after.is_none_or(|after| last.asked > after)) {
                return last.report.clone();
            }
            let asked = Instant::now();
            let report = ask(&inputs, Input::Report).await.map(Arc::new);
            *last = Some(Last { asked, report: report.clone() });
            report
        });
        asking.await.ok().flatten()
    }
}
