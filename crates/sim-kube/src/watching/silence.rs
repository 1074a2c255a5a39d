//! What a watch, or a request, does while nothing is answered.

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Step, Watching};
use crate::cluster::Cut;
use crate::fault::{Silence, Subject};

/// Waits until a silence, or a partition, may be over; `false` if there is no server
/// any more.
pub(crate) async fn silence_ends(silence: Option<Silence>, signal: &mut watch::Receiver<u64>) -> bool {
    let until = silence.and_then(|silence| silence.until);
    tokio::select! {
        changed = signal.changed() => changed.is_ok(),
        () = tokio::time::sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => true,
    }
}

impl Watching {
    /// Waits while nothing arrives: neither what is on its way nor the end of the
    /// watch. A silence may end with the connection.
    pub(super) async fn wait_while_silent(&mut self) {
        loop {
            self.network.borrow_and_update();
            let sim = self.sim.clone();
            let (silence, cut) = sim.with(|cluster| {
                let silence = cluster.faults.silence(self.subject(&self.about), self.silent.is_some());
                (silence, cluster.network.state(self.call.agent(), &self.user))
            });
            if silence.is_none() && self.silent.take().is_some_and(|silence| silence.breaks) {
                self.pending.clear();
                self.pending.push_back(Step::Break);
            }
            if silence.is_none() && cut != Some(Cut::Silence) {
                return;
            }
            self.silent = silence;
            if !silence_ends(silence, &mut self.network).await {
                return;
            }
        }
    }

    /// What a fault may be about, of an object or of the watch as a whole.
    pub(super) fn subject<'a>(&'a self, name: &'a str) -> Subject<'a> {
        Subject {
            verb: "watch",
            resource: &self.resource.plural,
            namespace: &self.namespace,
            name,
            agent: self.call.agent(),
            user: &self.user,
        }
    }
}
