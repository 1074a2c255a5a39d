//! The cluster of the demo: an API server in memory, or a real one.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use ako_harness::control_plane::ControlPlane;
use ako_sim_kube::{Options, Running, SimKube, Tls};
use anyhow::{Context as _, bail};

/// A running API server; it ends when this is dropped.
pub(crate) struct Kubernetes {
    pub(crate) client: kube::Client,
    _server: Server,
}

#[expect(dead_code, reason = "held so that it runs")]
enum Server {
    Memory(Running),
    Real(Box<ControlPlane>),
}

impl Kubernetes {
    /// Starts one and writes its kubeconfig.
    pub(crate) async fn start(real: bool, port: u16, kubeconfig: &Path) -> anyhow::Result<Self> {
        if real {
            let Some(control_plane) = ControlPlane::start().await? else {
                bail!("there is no kube-apiserver to start: `cargo xtask assets` builds it");
            };
            std::fs::copy(control_plane.kubeconfig(), kubeconfig).context("the kubeconfig")?;
            let client = control_plane.client().await?;
            return Ok(Self { client, _server: Server::Real(Box::new(control_plane)) });
        }
        // Nobody but the demo makes pods: each stands for a process of it.
        let sim = SimKube::new(Options { controllers: false, ..Options::default() });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let serving = sim.serve(address, Tls::SelfSigned).await;
        let serving =
            serving.with_context(|| format!("cannot serve on {address}; choose another --port-base"))?;
        serving.write_kubeconfig(kubeconfig).context("the kubeconfig")?;
        Ok(Self { client: sim.client(), _server: Server::Memory(serving) })
    }
}
