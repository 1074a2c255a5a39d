//! The processes of the operator.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ako_harness::operator::{Controller, Operator, OperatorOptions, find_binary, install};
use ako_harness::stateful_set;
use ako_sim_avi::Running;
use serde_json::Value;

use crate::kubernetes::Kubernetes;

/// The operator's namespace.
const NAMESPACE: &str = "avi-system";

/// How long a process may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// One process.
pub(crate) struct Replica {
    pub(crate) pod: String,
    pub(crate) port: u16,
    operator: Operator,
}

/// All of them that run.
pub(crate) struct Replicas(Vec<Replica>);

impl Replicas {
    /// Installs the operator and starts so many processes, which serve on
    /// ports in a row.
    pub(crate) async fn start(
        kubernetes: &Kubernetes,
        kubeconfig: &Path,
        controller: &Running,
        (count, first_port): (u16, u16),
    ) -> anyhow::Result<Self> {
        // A demo waits less for a dead leader than one would in earnest.
        let config = [
            ("clusterName", "demo"),
            ("vipNetworkList", r#"[{"networkName":"vip-net"}]"#),
            ("logLevel", "INFO"),
            ("leaseDuration", "3s"),
            ("renewDeadline", "2s"),
            ("retryPeriod", "500ms"),
        ];
        let config: BTreeMap<_, _> = config.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let address = controller.address.to_string();
        let ca_pem = controller.ca_pem.as_deref().unwrap_or_default();
        let controller = Controller { address: &address, ca_pem, username: "admin", password: "admin" };
        let mut installed = install(&kubernetes.client, NAMESPACE, &config, controller).await?;
        stateful_set::scale(&kubernetes.client, NAMESPACE, count.into()).await?;
        let mut replicas = Vec::new();
        for number in 0..count {
            let (pod, port) = (format!("ako-{number}"), first_port + number);
            stateful_set::add_pod(&kubernetes.client, NAMESPACE, &pod).await?;
            installed.port = port;
            let options = OperatorOptions::new(find_binary()?, kubeconfig, &installed).pod_name(&pod);
            let options = options.env("AKO_API_PORT", &port.to_string()).env("AKO_API_ADDRESS", "127.0.0.1");
            replicas.push(Replica { pod, port, operator: Operator::start(options)? });
        }
        for replica in &mut replicas {
            replica.operator.wait_ready().await?;
        }
        Ok(Self(replicas))
    }

    pub(crate) fn all(&self) -> &[Replica] {
        &self.0
    }

    /// The one that leads, and what it says about itself.
    pub(crate) async fn leader(&self) -> Option<(&Replica, Value)> {
        for replica in &self.0 {
            if let Ok(state) = replica.operator.get_json("/api/v1/state").await
                && state["role"] == "leader"
            {
                return Some((replica, state));
            }
        }
        None
    }

    /// Takes those out that ended, and tells of each how.
    pub(crate) fn ended(&mut self) -> Vec<String> {
        let ended = self.0.extract_if(.., |replica| !replica.operator.is_running());
        ended.map(|mut replica| format!("{} ended: {}", replica.pod, replica.operator.end())).collect()
    }

    /// Ends all of them, the way Kubernetes does.
    pub(crate) async fn terminate(self) -> anyhow::Result<()> {
        for mut replica in self.0 {
            if replica.operator.is_running() {
                replica.operator.terminate(ENDS_WITHIN).await?;
            }
        }
        Ok(())
    }
}

impl Replica {
    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.operator.id()
    }
}
