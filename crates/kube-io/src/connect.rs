//! The way to the API server.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may be silent: longer than the longest watch, which is
/// that of the configuration, 290 seconds by kube's default.
const READ_TIMEOUT: Duration = Duration::from_mins(5);

/// How long a request may take to be sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// How we name ourselves to the API server.
const AGENT: &str = concat!("ako-rs/", env!("CARGO_PKG_VERSION"));

/// The oldest and the newest minor version of Kubernetes 1 that upstream 2.2.1
/// names. Source: Configuration, lifecycle and HA, baseline.
const KNOWN_MINORS: std::ops::RangeInclusive<u32> = 29..=36;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig of the given path cannot be used.
    #[error("the kubeconfig {path} cannot be used")]
    Kubeconfig {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// Neither `KUBECONFIG` nor a pod's service account is there.
    #[error("there is neither a kubeconfig nor a service account")]
    Infer(#[source] Box<InferConfigError>),
    /// The configuration does not make a client.
    #[error("no client can be made of the configuration")]
    Client(#[source] Box<kube::Error>),
}

/// A client of the given kubeconfig, or else of `KUBECONFIG`, or else of the
/// pod's service account.
pub async fn client(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    let mut config = match kubeconfig {
        Some(path) => from_file(path).await.map_err(|source| ConnectError::Kubeconfig {
            path: path.display().to_string(),
            source: Box::new(source),
        })?,
        None => Config::infer().await.map_err(|source| ConnectError::Infer(Box::new(source)))?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    config.write_timeout = Some(WRITE_TIMEOUT);
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    Client::try_from(config).map_err(|source| ConnectError::Client(Box::new(source)))
}

async fn from_file(path: &Path) -> Result<Config, KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}

/// The version of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KubernetesVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl KubernetesVersion {
    /// Whether it is one that upstream names. No reason to refuse service.
    pub fn is_known(self) -> bool {
        self.major == 1 && KNOWN_MINORS.contains(&self.minor)
    }

    /// Providers append characters to the minor version, as in `29+`.
    fn parse(major: &str, minor: &str) -> Self {
        let number = |text: &str| {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text[..digits].parse().unwrap_or(0)
        };
        Self { major: number(major), minor: number(minor) }
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Asks the API server for its version.
pub async fn kubernetes_version(client: &Client) -> kube::Result<KubernetesVersion> {
    let version = client.apiserver_version().await?;
    Ok(KubernetesVersion::parse(&version.major, &version.minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let version = KubernetesVersion::parse("1", "29+");
        assert_eq!((version.to_string().as_str(), version.is_known()), ("1.29", true));
        assert!(!KubernetesVersion::parse("1", "28").is_known());
        assert!(!KubernetesVersion::parse("", "x").is_known());
    }
}
