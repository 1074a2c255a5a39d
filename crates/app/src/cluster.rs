//! Which cluster a command is about.

use std::path::PathBuf;

use ako_core::Program;

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

/// Which of the two programs of the chart a command is about.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Which {
    /// About the CRD operator, and not about the operator itself. In a pod of the CRD operator this is
    /// so without saying.
    #[arg(long, global = true, env = "AKO_CRD_OPERATOR")]
    crd_operator: bool,
}

impl Which {
    pub(crate) fn program(self) -> Program {
        if self.crd_operator { Program::CrdOperator } else { Program::Operator }
    }
}
