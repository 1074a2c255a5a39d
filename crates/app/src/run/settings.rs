//! The configuration and the credentials, as the cluster holds them.

use std::collections::BTreeMap;

use ako_core::config::keys;
use ako_core::{Config, ConfigIssue};
use ako_elect::{Timing, TimingError};
use ako_kube_io::Credentials;
use tracing::{error, info, warn};

/// Everything that is configured, as it is in force.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The parsed configuration.
    pub config: Config,
    /// What is wrong with the ConfigMap, without being fatal.
    pub issues: Vec<ConfigIssue>,
    /// The data that `config` was parsed from: the ConfigMap's, with the values
    /// of the start for the keys of `restart_needed`.
    pub data: BTreeMap<String, String>,
    /// The keys whose value in the ConfigMap takes effect after a restart only,
    /// sorted.
    pub restart_needed: Vec<&'static str>,
    /// How to log in.
    pub credentials: Credentials,
}

/// The timing of the election.
///
/// # Errors
/// Why the configured durations are not safe.
pub(crate) fn timing(config: &Config) -> Result<Timing, TimingError> {
    let timing = config.leader_election;
    Timing::custom(timing.lease_duration, timing.renew_deadline, timing.retry_period)
}

/// Adds what makes the timing of the election unsafe.
pub(crate) fn with_timing(config: &Config, mut issues: Vec<ConfigIssue>) -> Vec<ConfigIssue> {
    if let Err(error) = timing(config) {
        let timing = config.leader_election;
        issues.push(ConfigIssue {
            key: "leaseDuration, renewDeadline, retryPeriod".to_owned(),
            value: format!(
                "{:?}, {:?}, {:?}",
                timing.lease_duration, timing.renew_deadline, timing.retry_period
            ),
            message: error.to_string(),
            fatal: true,
        });
    }
    issues
}

pub(crate) fn report(issues: &[ConfigIssue]) {
    for issue in issues {
        if issue.fatal {
            error!(key = issue.key, value = issue.value, "{}", issue.message);
        } else {
            warn!(key = issue.key, value = issue.value, "{}", issue.message);
        }
    }
}

impl Settings {
    /// What is in force once the ConfigMap holds `data`, which is `config` when it
    /// is parsed: keys that need a restart keep their values. If the two together
    /// cannot be used, all of them do.
    ///
    /// Data is compared with what is in force, not with what the ConfigMap held
    /// before: a key that waits for a restart goes on waiting, whatever else
    /// changes.
    pub(crate) fn follow(&self, data: &BTreeMap<String, String>, config: Config) -> Self {
        let (now, mut restart_needed) = (self.changed(data, true), self.changed(data, false));
        restart_needed.sort_unstable();
        let data = self.keep(&restart_needed, data);
        let config = if restart_needed.is_empty() {
            config
        } else {
            let (config, issues) = Config::parse_for(config.program, &config.operator_namespace, &data);
            if issues.iter().any(|issue| issue.fatal) {
                report(&issues);
                error!(
                    waiting = restart_needed.join(", "),
                    "the configuration cannot be used before a restart; the former one stays in force"
                );
                return Self { restart_needed, ..self.clone() };
            }
            config
        };
        self.tell(&now, &restart_needed);
        Self { config, data, restart_needed, ..self.clone() }
    }

    /// The keys that are different from what is in force, live ones or the others.
    pub(crate) fn changed(&self, data: &BTreeMap<String, String>, live: bool) -> Vec<&'static str> {
        let keys = keys().iter().filter(|key| key.live == live);
        keys.map(|key| key.name).filter(|key| self.data.get(*key) != data.get(*key)).collect()
    }

    /// The data with the values in force of some keys.
    fn keep(&self, keys: &[&str], data: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut mixed = data.clone();
        for key in keys {
            match self.data.get(*key) {
                Some(value) => mixed.insert((*key).to_owned(), value.clone()),
                None => mixed.remove(*key),
            };
        }
        mixed
    }

    /// Says which changes take effect now, and which ones wait.
    fn tell(&self, now: &[&str], restart_needed: &[&str]) {
        if !now.is_empty() {
            info!(keys = now.join(", "), "the configuration changed; this takes effect now");
        }
        if self.restart_needed == restart_needed {
            return;
        }
        if restart_needed.is_empty() {
            info!("no change of the configuration waits for a restart any more");
        } else {
            let keys = restart_needed.join(", ");
            warn!(keys, "the configuration changed; this takes effect after a restart");
        }
    }
}
