//! The instances of the operator, and their processes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ako_harness::operator::{Controller, Operator, OperatorOptions, find_binary, install};
use ako_harness::stateful_set;
use ako_sim_avi::Running;
use serde_json::Value;

use crate::kubernetes::Kubernetes;

/// How long a process may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// An instance: where it is installed, and the label of the namespaces that it
/// serves where there are several.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) namespace: &'static str,
    pub(crate) label: (&'static str, &'static str),
}

/// The first is the primary. The first two are those of AKO's documentation.
pub(crate) const PLACES: [Place; 3] = [
    Place { namespace: "avi-system", label: ("app", "migrate") },
    Place { namespace: "blue", label: ("key", "value2") },
    Place { namespace: "green", label: ("key", "value3") },
];

/// One process.
pub(crate) struct Replica {
    pub(crate) instance: &'static str,
    pub(crate) pod: String,
    pub(crate) port: u16,
    operator: Operator,
}

/// All processes that run, of all instances.
pub(crate) struct Instances {
    count: usize,
    replicas: Vec<Replica>,
}

/// How much of everything is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) instances: u16,
    /// Of each instance.
    pub(crate) replicas: u16,
    /// The processes serve on ports in a row.
    pub(crate) first_port: u16,
}

impl Instances {
    /// Installs the instances and starts their processes.
    pub(crate) async fn start(
        kubernetes: &Kubernetes,
        kubeconfig: &Path,
        controller: &Running,
        size: Size,
    ) -> anyhow::Result<Self> {
        let places = &PLACES[..usize::from(size.instances)];
        let mut started = Self { count: places.len(), replicas: Vec::new() };
        let mut ports = size.first_port..;
        for place in places {
            let config = config(place, places.len() > 1);
            let address = controller.address.to_string();
            let ca_pem = controller.ca_pem.as_deref().unwrap_or_default();
            let controller = Controller { address: &address, ca_pem, username: "admin", password: "admin" };
            let mut installed = install(&kubernetes.client, place.namespace, &config, controller).await?;
            stateful_set::scale(&kubernetes.client, place.namespace, size.replicas.into()).await?;
            for (number, port) in (0..size.replicas).zip(&mut ports) {
                let pod = format!("ako-{number}");
                stateful_set::add_pod(&kubernetes.client, place.namespace, &pod).await?;
                installed.port = port;
                let options = OperatorOptions::new(find_binary()?, kubeconfig, &installed).pod_name(&pod);
                let options =
                    options.env("AKO_API_PORT", &port.to_string()).env("AKO_API_ADDRESS", "127.0.0.1");
                let operator = Operator::start(options)?;
                started.replicas.push(Replica { instance: place.namespace, pod, port, operator });
            }
        }
        for replica in &mut started.replicas {
            replica.operator.wait_ready().await?;
        }
        Ok(started)
    }

    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// The places that are in use.
    pub(crate) fn places(&self) -> &'static [Place] {
        &PLACES[..self.count]
    }

    /// The one that leads an instance, and what it says about itself.
    pub(crate) async fn leader(&self, instance: &str) -> Option<(&Replica, Value)> {
        for replica in self.replicas.iter().filter(|replica| replica.instance == instance) {
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
        let ended = self.replicas.extract_if(.., |replica| !replica.operator.is_running());
        ended.map(|mut replica| format!("{} ended: {}", replica.name(), replica.operator.end())).collect()
    }

    /// Ends all of them, the way Kubernetes does.
    pub(crate) async fn terminate(self) -> anyhow::Result<()> {
        for mut replica in self.replicas {
            if replica.operator.is_running() {
                replica.operator.terminate(ENDS_WITHIN).await?;
            }
        }
        Ok(())
    }
}

impl Replica {
    /// Its pod, with the namespace.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.instance, self.pod)
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.operator.id()
    }
}

/// The configuration of an instance.
fn config(place: &Place, is_one_of_several: bool) -> BTreeMap<String, String> {
    let mut config = BTreeMap::from([
        ("clusterName", "demo"),
        ("vipNetworkList", r#"[{"networkName":"vip-net"}]"#),
        ("disableStaticRouteSync", "true"),
        ("logLevel", "INFO"),
        // A demo waits less for a dead leader than one would in earnest.
        ("leaseDuration", "3s"),
        ("renewDeadline", "2s"),
        ("retryPeriod", "500ms"),
    ]);
    if is_one_of_several {
        let (key, value) = place.label;
        let primary = if place.namespace == PLACES[0].namespace { "true" } else { "false" };
        config.extend([("primaryInstance", primary), ("nsSyncLabelKey", key), ("nsSyncLabelValue", value)]);
    }
    config.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
