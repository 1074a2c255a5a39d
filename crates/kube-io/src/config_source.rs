//! The operator's own configuration: a ConfigMap and a Secret.
//! Source: Configuration, lifecycle and HA, "Configuration surface" and
//! "ConfigMap and Secret watch".

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use ako_core::config::keys;
use ako_core::secret::Redacted;
use ako_elect::Moment;
use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Error, watch_object};
use kube::{Api, Client};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::error::{describe, describe_watch, watch_code_of};
use crate::proof::Demand;
use crate::source::Pace;

/// How long a reading of the ConfigMap may take…
const READ_WITHIN: Duration = Duration::from_secs(5);
/// …and how long after one that failed comes the next one.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The ConfigMap that holds the configuration.
pub const CONFIG_MAP: &str = "avi-k8s-config";

/// The Secret that holds the credentials of the controller.
pub const CREDENTIALS_SECRET: &str = "avi-secret";

/// What became of the configuration. Sent on real changes only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigEvent {
    /// The ConfigMap's data.
    Data(BTreeMap<String, String>),
    /// There is no ConfigMap.
    ConfigMapDeleted,
    /// The credentials.
    Credentials(Credentials),
    /// There are no credentials, and why.
    CredentialsMissing(String),
    /// What was said of the ConfigMap until now is what it was at that moment, or
    /// later.
    Confirmed(Moment),
}

/// How to log in to the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Key `username`.
    pub username: String,
    /// Key `password`; empty if there is only a token.
    pub password: Redacted,
    /// Key `authtoken`; empty if there is only a password.
    pub token: Redacted,
    /// Key `certificateAuthorityData`, PEM.
    pub ca: Option<String>,
}

/// Watches the ConfigMap and the Secret.
#[derive(Debug)]
pub struct ConfigSource(());

impl ConfigSource {
    /// Watches, and sends what changes, until the receiver is gone. `namespace`
    /// is our own. The first events are what is there at the start. The ConfigMap is
    /// also read from etcd: first of all, since keys that need a restart are in force
    /// for as long as the process runs, and a watch may begin with what was there
    /// before; when the process begins to lead; and once in a period while it leads,
    /// since nothing is removed because of what it said before.
    pub async fn run(client: Client, namespace: &str, events: mpsc::Sender<ConfigEvent>, pace: Pace) {
        let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
        let secrets = Api::<Secret>::namespaced(client, namespace);
        let mut watched_maps = pin!(watch_object(maps.clone(), CONFIG_MAP).default_backoff());
        let mut secrets = pin!(watch_object(secrets, CREDENTIALS_SECRET).default_backoff());
        let mut reader = Reader { maps, pace, was_read: false, read_at: None, grants: 0 };
        let (mut last_config, mut last_credentials) = (None, None);
        loop {
            let (last, event, confirmed) = tokio::select! {
                Some(item) = watched_maps.next() => {
                    if reader.hint() {
                        continue;
                    }
                    (&mut last_config, read(CONFIG_MAP, item, config_event), None)
                }
                Some(item) = secrets.next() => (&mut last_credentials, read_credentials(item), None),
                (asked, found) = reader.read() => (&mut last_config, Some(config_event(found)), Some(asked)),
                () = events.closed() => return,
                else => return,
            };
            let news = event.filter(|event| last.as_ref() != Some(event));
            if news.is_some() {
                last.clone_from(&news);
            }
            for event in news.into_iter().chain(confirmed.map(ConfigEvent::Confirmed)) {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Reads the ConfigMap at the start, and when a leader needs it.
struct Reader {
    maps: Api<ConfigMap>,
    pace: Pace,
    was_read: bool,
    /// When it is to be read next.
    read_at: Option<Instant>,
    grants: u64,
}

impl Reader {
    /// The watch saw something. Answers whether the ConfigMap is read because of it:
    /// that of a leader is, since a watch that was silent tells what was there before,
    /// after a newer one was read; and so is the first one.
    fn hint(&mut self) -> bool {
        let leads = self.pace.demand.borrow().leads;
        if leads {
            self.read_at = None;
        }
        leads || !self.was_read
    }

    /// Waits until it is time, and reads. Can be dropped and called again.
    async fn read(&mut self) -> (Moment, Option<ConfigMap>) {
        loop {
            self.wait().await;
            let asked = (self.pace.clock)();
            let answer = tokio::time::timeout(READ_WITHIN, self.maps.get_opt(CONFIG_MAP)).await;
            match answer {
                Ok(Ok(found)) => {
                    self.was_read = true;
                    self.read_at = Some(Instant::now() + self.pace.demand.borrow().period);
                    return (asked, found);
                }
                Ok(Err(error)) => {
                    tracing::debug!("ConfigMap {CONFIG_MAP} could not be read: {}", describe(&error));
                }
                Err(_) => tracing::debug!("ConfigMap {CONFIG_MAP} could not be read: no answer"),
            }
            self.read_at = Some(Instant::now() + READ_AGAIN);
        }
    }

    async fn wait(&mut self) {
        loop {
            let demand = *self.pace.demand.borrow_and_update();
            if demand.grants != self.grants {
                self.grants = demand.grants;
                self.read_at = None;
            }
            let due = self.read_at;
            let sleep = async {
                if let Some(at) = due {
                    sleep_until(at).await;
                }
            };
            tokio::select! {
                () = sleep, if demand.leads || !self.was_read => return,
                () = changed(&mut self.pace.demand) => {}
            }
        }
    }
}

/// Waits until something else is demanded, which may be never.
async fn changed(demand: &mut watch::Receiver<Demand>) {
    if demand.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What an item of a watch says. What is known stands while it fails.
fn read<K>(
    name: &str,
    item: Result<Option<K>, Error>,
    event: impl FnOnce(Option<K>) -> ConfigEvent,
) -> Option<ConfigEvent> {
    let failed = |error| tracing::warn!(name, "the watch failed and is resumed: {}", describe_watch(&error));
    item.map(event).map_err(failed).ok()
}

/// The same for the Secret; that it may not be read is said, as there are other ways to log in.
fn read_credentials(item: Result<Option<Secret>, Error>) -> Option<ConfigEvent> {
    let is_forbidden = |error: &Error| watch_code_of(error) == Some(403);
    let denied = item
        .as_ref()
        .err()
        .filter(|error| is_forbidden(error))
        .map(|error| format!("Secret {CREDENTIALS_SECRET} may not be read: {}", describe_watch(error)));
    read(CREDENTIALS_SECRET, item, credentials_event).or(denied.map(ConfigEvent::CredentialsMissing))
}

fn config_event(config_map: Option<ConfigMap>) -> ConfigEvent {
    match config_map {
        Some(config_map) => ConfigEvent::Data(config_map.data.unwrap_or_default()),
        None => ConfigEvent::ConfigMapDeleted,
    }
}

fn credentials_event(secret: Option<Secret>) -> ConfigEvent {
    let Some(secret) = secret else {
        return ConfigEvent::CredentialsMissing(format!("there is no Secret {CREDENTIALS_SECRET}"));
    };
    match credentials(secret.data.unwrap_or_default()) {
        Ok(credentials) => ConfigEvent::Credentials(credentials),
        Err(reason) => ConfigEvent::CredentialsMissing(format!("Secret {CREDENTIALS_SECRET}: {reason}")),
    }
}

/// Needs a username, and a password or a token.
fn credentials(mut data: BTreeMap<String, ByteString>) -> Result<Credentials, String> {
    let mut text = |key: &str| match data.remove(key) {
        None => Ok(String::new()),
        Some(ByteString(bytes)) => String::from_utf8(bytes).map_err(|_| format!("key {key} is not text")),
    };
    let (username, password) = (text("username")?, text("password")?);
    let (token, ca) = (text("authtoken")?, text("certificateAuthorityData")?);
    if username.is_empty() {
        return Err("key username is missing".to_owned());
    }
    if password.is_empty() && token.is_empty() {
        return Err("keys password and authtoken are missing".to_owned());
    }
    Ok(Credentials {
        username,
        password: Redacted::new(password),
        token: Redacted::new(token),
        ca: Some(ca).filter(|ca| !ca.is_empty()),
    })
}

/// The configuration according to the environment variables of upstream's
/// StatefulSet, under the keys of the ConfigMap. For where there is no
/// ConfigMap; variables that are not set or empty give no key.
pub fn environment_fallback(get: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let named = keys().iter().filter(|key| !key.env.is_empty());
    let set = named.filter_map(|key| Some((key.name, get(key.env)?)));
    set.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The credentials according to the environment variables of upstream's container, for where
/// there is no Secret or none that may be read; `None` if they do not name anybody. `read`
/// reads the file of the certificate authority.
///
/// # Errors
/// If that file is named and cannot be read: a connection that should be verified is not made
/// without.
pub fn credentials_fallback(
    get: impl Fn(&str) -> Option<String>,
    read: impl FnOnce(&str) -> std::io::Result<String>,
) -> Result<Option<Credentials>, String> {
    let set = |name: &str| get(name).filter(|value| !value.is_empty());
    let (Some(username), Some(password)) = (set("CTRL_USERNAME"), set("CTRL_PASSWORD")) else {
        return Ok(None);
    };
    let ca = match set("ROOT_CA_CERT_PATH") {
        None => None,
        Some(path) => {
            Some(read(&path).map_err(|error| format!("ROOT_CA_CERT_PATH {path} cannot be read: {error}"))?)
        }
    };
    let (password, token) = (Redacted::new(password), Redacted::new(String::new()));
    Ok(Some(Credentials { username, password, token, ca }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), ByteString((*v).as_bytes().to_vec()))).collect()
    }

    #[test]
    fn a_password_or_a_token() {
        let with_token = credentials(data(&[("username", "u"), ("authtoken", "t")])).unwrap();
        assert_eq!(&**with_token.token.reveal(), "t");
        assert_eq!((with_token.password.is_empty(), with_token.ca), (true, None));
        assert!(credentials(data(&[("username", "u")])).is_err());
        assert!(credentials(data(&[("password", "p")])).is_err());
    }

    #[test]
    fn what_is_not_text_is_refused_unseen() {
        let bytes = BTreeMap::from([("password".to_owned(), ByteString(vec![0xff]))]);
        assert_eq!(credentials(bytes).unwrap_err(), "key password is not text");
    }

    #[test]
    fn credentials_of_the_environment() {
        let fallback = |set: &[(&str, &str)], file: std::io::Result<&str>| {
            let get =
                |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            credentials_fallback(get, |_| file.map(str::to_owned))
        };
        let named = [("CTRL_USERNAME", "u"), ("CTRL_PASSWORD", "p")];
        let found = fallback(&named, Ok("")).unwrap().unwrap();
        assert_eq!((&*found.username, &**found.password.reveal(), found.ca), ("u", "p", None));
        assert_eq!(fallback(&named[..1], Ok("")), Ok(None));
        let with_ca = [named[0], named[1], ("ROOT_CA_CERT_PATH", "/ca.pem")];
        assert_eq!(fallback(&with_ca, Ok("pem")).unwrap().unwrap().ca.as_deref(), Some("pem"));
        let missing = || Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        assert!(fallback(&with_ca, missing()).unwrap_err().contains("/ca.pem"));
    }

    #[test]
    fn the_environment_of_upstream() {
        let config = environment_fallback(|name| match name {
            "CLUSTER_NAME" => Some("c".to_owned()),
            "CLOUD_NAME" => Some(String::new()),
            _ => None,
        });
        assert_eq!(config, BTreeMap::from([("clusterName".to_owned(), "c".to_owned())]));
    }
}
