//! Which cluster a command is about.

use std::path::PathBuf;

/// Where the cluster is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Cluster {
    /// The kubeconfig; without it, the pod's own credentials or `~/.kube/config`.
    #[arg(long, env = "KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the operator.
    #[arg(long, short, env = "POD_NAMESPACE", default_value = "avi-system")]
    pub namespace: String,
}
