//! Reads the controller at the start and now and then after.

use std::sync::Arc;
use std::time::Duration;

use ako_core::{Config, Facts};
use ako_engine::Event;
use tokio::sync::{Notify, mpsc, watch};
use tracing::{error, info};

use super::connection::Connection;
use super::input::Input;
use super::settings::Settings;
use super::state::Startup;

/// How long to wait after a reading that failed; doubled each time…
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// …up to this.
const LAST_RETRY: Duration = Duration::from_mins(1);
/// How often the controller is asked for a sign of life in between.
const PROBE: Duration = Duration::from_secs(15);

/// Why a rest is over.
#[derive(PartialEq, Eq)]
enum Wake {
    /// It was as long as it was to be.
    Due,
    /// Somebody asked for a reading.
    Asked,
}

/// Looks at the controller regularly.
pub(crate) struct Watchman {
    connection: Arc<Connection>,
    inputs: mpsc::Sender<Input>,
    settings: watch::Receiver<Settings>,
    /// What the controller said last about itself.
    facts: Facts,
    /// Somebody needs a reading now.
    asked: Arc<Notify>,
    startup: Startup,
}

impl Watchman {
    pub(crate) fn new(
        connection: Arc<Connection>,
        inputs: mpsc::Sender<Input>,
        settings: watch::Receiver<Settings>,
        facts: Facts,
        asked: Arc<Notify>,
        startup: Startup,
    ) -> Self {
        Self { connection, inputs, settings, facts, asked, startup }
    }

    /// Reads, waits for the next full synchronisation, reads again: drift is
    /// found and facts that changed are taken over.
    pub(crate) async fn run(mut self) {
        let mut retry = FIRST_RETRY;
        loop {
            let settings = self.settings.borrow_and_update().clone();
            let config = &settings.config;
            let reading = self.connection.observe(config, &self.facts).await;
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
                    self.startup.controller_failed(&failure);
                    let wait = retry;
                    retry = (retry * 2).min(LAST_RETRY);
                    Some(wait)
                }
            };
            if self.rest(wait, &settings).await == Wake::Asked {
                // Whoever asked waits for the objects, not for the facts.
                continue;
            }
            // Much may have been configured meanwhile.
            let config = self.settings.borrow().config.clone();
            if let Ok(translator) = self.connection.translator(&config).await {
                self.facts = translator.facts().clone();
                if self.inputs.send(Input::Facts(self.facts.clone())).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Waits, having read by these settings; a changed interval, something else
    /// to be read, other credentials, or somebody who asks, counts at once.
    async fn rest(&mut self, wait: Option<Duration>, read_by: &Settings) -> Wake {
        let config = &read_by.config;
        let cloud = self.facts.cloud;
        let of_concern = |config: &Config| {
            let (group, vrf) = (config.se_group.clone(), config.vrf_name.clone());
            (config.full_sync_s, config.needs_routes(cloud), group, vrf)
        };
        let before = of_concern(config);
        let mut settings = self.settings.clone();
        let changed = settings.wait_for(|settings| {
            of_concern(&settings.config) != before || settings.credentials != read_by.credentials
        });
        let over = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let probing = async {
            loop {
                tokio::time::sleep(PROBE).await;
                match self.connection.probe(config).await {
                    Ok(()) => self.startup.controller_answered(),
                    Err(failure) => self.startup.controller_failed(&failure),
                }
            }
        };
        tokio::select! {
            () = self.asked.notified() => Wake::Asked,
            _ = changed => Wake::Due,
            () = over => Wake::Due,
            () = probing => Wake::Due,
        }
    }

    async fn send(&self, event: Event) -> bool {
        self.inputs.send(Input::Engine(event)).await.is_ok()
    }
}
