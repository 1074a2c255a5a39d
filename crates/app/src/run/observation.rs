//! Reads the controller at the start and now and then after.

use std::sync::Arc;
use std::time::Duration;

use ako_engine::Event;
use tokio::sync::{mpsc, watch};
use tracing::{error, info};

use super::connection::Connection;
use super::driver::Input;
use super::settings::Settings;

/// How long to wait after a reading that failed; doubled each time…
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// …up to this.
const LAST_RETRY: Duration = Duration::from_mins(1);

/// Looks at the controller regularly.
pub(super) struct Watchman {
    connection: Arc<Connection>,
    inputs: mpsc::Sender<Input>,
    settings: watch::Receiver<Settings>,
}

impl Watchman {
    pub(super) fn new(
        connection: Arc<Connection>,
        inputs: mpsc::Sender<Input>,
        settings: watch::Receiver<Settings>,
    ) -> Self {
        Self { connection, inputs, settings }
    }

    /// Reads, waits for the next full synchronisation, reads again: drift is
    /// found and facts that changed are taken over.
    pub(super) async fn run(mut self) {
        let mut retry = FIRST_RETRY;
        loop {
            let config = self.settings.borrow_and_update().config.clone();
            let reading = self.connection.observe(&config).await;
            let wait = match reading {
                Ok(observation) => {
                    info!(objects = observation.objects.len(), "the controller was read");
                    if !self.send(Event::Observed(observation)).await {
                        return;
                    }
                    retry = FIRST_RETRY;
                    match config.full_sync_s {
                        0 => None,
                        seconds => Some(Duration::from_secs(seconds)),
                    }
                }
                Err(failure) => {
                    error!(%failure, "the controller could not be read completely; trying again");
                    let wait = retry;
                    retry = (retry * 2).min(LAST_RETRY);
                    Some(wait)
                }
            };
            self.rest(wait).await;
            if let Ok(translator) = self.connection.translator(&config).await
                && !self.send(Event::Configured(Box::new(translator))).await
            {
                return;
            }
        }
    }

    /// Waits; a changed interval counts at once.
    async fn rest(&mut self, wait: Option<Duration>) {
        let interval = |settings: &Settings| settings.config.full_sync_s;
        let before = interval(&self.settings.borrow());
        let changed = self.settings.wait_for(|settings| interval(settings) != before);
        match wait {
            Some(wait) => drop(tokio::time::timeout(wait, changed).await),
            None => drop(changed.await),
        }
    }

    async fn send(&self, event: Event) -> bool {
        self.inputs.send(Input::Engine(event)).await.is_ok()
    }
}
