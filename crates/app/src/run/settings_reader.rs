//! Reads the configuration and the credentials, and follows them.

use std::collections::BTreeMap;
use std::time::Duration;

use ako_core::config::respelled;
use ako_core::{Config, Program};
use ako_elect::Moment;
use ako_engine::{Event, Source};
use ako_kube_io::{ConfigEvent, ConfigSource, Credentials, Pace, credentials_fallback, environment_fallback};
use anyhow::{Context as _, bail};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use super::clock;
use super::input::Input;
use super::settings::{Settings, report, with_timing};
use super::state::Startup;

/// How long a command waits for the configuration.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// Puts settings together from what the watches say.
pub(crate) struct SettingsReader {
    events: mpsc::Receiver<ConfigEvent>,
    program: Program,
    namespace: String,
    startup: Startup,
    data: Option<BTreeMap<String, String>>,
    credentials: Option<Credentials>,
    /// Whether there is known to be no ConfigMap.
    absent: bool,
    /// Whether the ConfigMap was deleted while its content is in force.
    gone: bool,
}

impl SettingsReader {
    /// Reads from the events of a [`ConfigSource`].
    pub(crate) fn new(
        events: mpsc::Receiver<ConfigEvent>,
        (program, namespace): (Program, &str),
        startup: Startup,
    ) -> Self {
        Self {
            events,
            program,
            namespace: namespace.to_owned(),
            startup,
            data: None,
            credentials: None,
            absent: false,
            gone: false,
        }
    }

    /// Waits until it is known where to serve health and status: they have to
    /// be there also while the rest of the configuration cannot be used.
    ///
    /// # Errors
    /// If the events end.
    pub(crate) async fn port(&mut self) -> anyhow::Result<u16> {
        while self.data.is_none() && !self.absent {
            self.next().await?;
        }
        let data = self.data.clone().unwrap_or_default();
        Ok(Config::parse_for(self.program, &self.namespace, &data).0.admin_port)
    }

    /// Waits for the first usable settings. `refused` is told why those before
    /// cannot be used.
    ///
    /// # Errors
    /// If the events end.
    pub(crate) async fn first(&mut self, refused: &(dyn Fn(&str) + Sync)) -> anyhow::Result<Settings> {
        let mut looked_at = false;
        loop {
            if looked_at {
                self.next().await?;
            }
            looked_at = true;
            let (Some(data), Some(credentials)) = (&self.data, &self.credentials) else { continue };
            let (config, issues) = Config::parse_for(self.program, &self.namespace, data);
            let issues = with_timing(&config, issues);
            report(&issues);
            self.startup.configured(&issues);
            let fatal: Vec<_> = issues.iter().filter(|issue| issue.fatal).map(ToString::to_string).collect();
            if !fatal.is_empty() {
                error!("the configuration cannot be used; waiting for a correction");
                refused(&format!("ConfigMap avi-k8s-config cannot be used: {}", fatal.join("; ")));
                continue;
            }
            return Ok(Settings {
                config,
                issues,
                data: data.clone(),
                restart_needed: Vec::new(),
                credentials: credentials.clone(),
            });
        }
    }

    /// Hands changes on, until the events end.
    pub(crate) async fn follow(&mut self, settings: watch::Sender<Settings>, inputs: mpsc::Sender<Input>) {
        let mut written = self.data.clone();
        while let Ok(confirmed) = self.next().await {
            let (Some(data), Some(credentials)) = (&self.data, &self.credentials) else { continue };
            let (config, issues) = Config::parse_for(self.program, &self.namespace, data);
            let issues = with_timing(&config, issues);
            if written.as_ref() != Some(data) {
                report(&issues);
                self.startup.configured(&issues);
                written = Some(data.clone());
            }
            if let Some(at) = confirmed {
                // What is in force is not what stands there, if that is gone or cannot be
                // used, now or before a restart: nothing is removed because of it.
                let is_in_force = !self.gone
                    && !issues.iter().any(|issue| issue.fatal)
                    && settings.borrow().changed(data, true).is_empty();
                let proof = Event::Proven(Source::Configuration, at);
                if is_in_force && inputs.send(Input::Engine(proof)).await.is_err() {
                    return;
                }
                continue;
            }
            if issues.iter().any(|issue| issue.fatal) {
                error!("the configuration cannot be used; the former one stays in force");
                continue;
            }
            let in_force = settings.borrow().clone();
            let next = in_force.follow(data, config);
            let new = Settings { issues, credentials: credentials.clone(), ..next };
            self.startup.restart_needed(&new.restart_needed);
            settings.send_replace(new.clone());
            if inputs.send(Input::Settings(Box::new(new))).await.is_err() {
                return;
            }
        }
    }

    /// Takes the next event in. Answers since when what is known is confirmed, if that
    /// is what it says.
    async fn next(&mut self) -> anyhow::Result<Option<Moment>> {
        match self.events.recv().await.context("the watch of the configuration ended")? {
            ConfigEvent::Data(data) => {
                let data = with_server_name(respelled(data), environment);
                self.data = Some(self.program.concerned(data));
                self.gone = false;
            }
            ConfigEvent::Confirmed(at) => return Ok(Some(at)),
            ConfigEvent::ConfigMapDeleted => self.without_config_map(),
            ConfigEvent::Credentials(credentials) => self.credentials = Some(credentials),
            ConfigEvent::CredentialsMissing(reason) => self.without_secret(&reason),
        }
        Ok(None)
    }

    /// Without a Secret the environment counts, if it names anybody; a running operator keeps
    /// what it has.
    fn without_secret(&mut self, reason: &str) {
        if self.credentials.is_some() {
            error!(reason, "no credentials in Secret avi-secret; those of before stay in force");
            self.startup.waiting(&format!("credentials: {reason}"));
            return;
        }
        let problem = match credentials_fallback(environment, |path| std::fs::read_to_string(path)) {
            Ok(Some(credentials)) => {
                warn!(
                    reason,
                    "the credentials of the environment (CTRL_USERNAME, CTRL_PASSWORD) are used: create Secret \
                     avi-secret, as they cannot be changed while the operator runs"
                );
                self.credentials = Some(credentials);
                return;
            }
            Ok(None) => reason.to_owned(),
            Err(problem) => format!("{reason}; {problem}"),
        };
        error!(reason = problem, "no credentials for the Avi Controller: create Secret avi-secret");
        self.startup.waiting(&format!("credentials: {problem}"));
    }

    /// Without a ConfigMap the environment counts, if it says anything; a
    /// running operator keeps what it has.
    fn without_config_map(&mut self) {
        if self.data.is_some() {
            warn!("ConfigMap avi-k8s-config is gone; its last content stays in force");
            self.gone = true;
            return;
        }
        let data = with_server_name(environment_fallback(environment), environment);
        if data.contains_key("clusterName") {
            info!("no ConfigMap avi-k8s-config; the environment is used");
            self.data = Some(self.program.concerned(data));
        } else {
            error!(namespace = self.namespace, "no ConfigMap avi-k8s-config: create it");
            self.absent = true;
            self.startup.waiting("ConfigMap avi-k8s-config");
        }
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The data with the name of the controller's certificate that the environment of a managed
/// AKO gives. Source: configuration, §1.2.
fn with_server_name(
    mut data: BTreeMap<String, String>,
    environment: impl Fn(&str) -> Option<String>,
) -> BTreeMap<String, String> {
    let is_managed = environment("MANAGED").is_some_and(|managed| managed == "true");
    let name = environment("CTRL_ADDRESS").filter(|name| is_managed && !name.is_empty());
    let named = data.get("controllerServerName").is_some_and(|name| !name.is_empty());
    if let Some(name) = name.filter(|_| !named) {
        data.insert("controllerServerName".to_owned(), name);
    }
    data
}

/// Reads the settings once, for a command.
///
/// # Errors
/// If they are not there, or cannot be used.
pub(crate) async fn read_once(
    client: &kube::Client,
    program: Program,
    namespace: &str,
) -> anyhow::Result<Settings> {
    let (sender, events) = mpsc::channel(16);
    let startup = Startup::new("", namespace, clock::wall_time());
    let mut reader = SettingsReader::new(events, (program, namespace), startup);
    let pace = Pace::idle(clock::boot_time());
    let first = async {
        while reader.data.is_none() || reader.credentials.is_none() {
            reader.next().await?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        read = tokio::time::timeout(READ_WITHIN, first) => read.with_context(|| {
            format!("no ConfigMap avi-k8s-config and Secret avi-secret in namespace {namespace}; is --namespace right?")
        })??,
        () = ConfigSource::run(client.clone(), namespace, sender, pace) => bail!("the watch of the configuration ended"),
    }
    let data = reader.data.take().unwrap_or_default();
    let credentials = reader.credentials.take().context("no credentials")?;
    let (config, issues) = Config::parse_for(program, namespace, &data);
    let fatal: Vec<_> = issues.iter().filter(|issue| issue.fatal).map(ToString::to_string).collect();
    if !fatal.is_empty() {
        bail!("the configuration cannot be used:\n  {}", fatal.join("\n  "));
    }
    Ok(Settings { config, issues, data, restart_needed: Vec::new(), credentials })
}

#[cfg(test)]
mod tests;
