//! What a process of the operator is given from outside: who it is, its time
//! and its ways to both sides. A simulation has many in one process.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ako_avi_io::{Clock, Dial};
use ako_core::Program;
use ako_kube_io::WallClock;
use anyhow::Context as _;
use axum::Router;
use tokio::sync::oneshot;

use super::clock;
use crate::logging::LogControl;

/// Everything that [`operate`](crate::operate::operate) is given.
pub struct Surroundings {
    /// Which program it is.
    pub program: Program,
    /// The name of the pod; Events about the operator are attached to it.
    pub pod: String,
    /// The namespace of the operator.
    pub namespace: String,
    /// Random, and made at the process's start: tells two processes of one pod
    /// apart.
    pub nonce: String,
    /// For watches, statuses and Events.
    pub cluster: kube::Client,
    /// For the election alone, so that no other traffic delays a renewal.
    pub election: kube::Client,
    /// What permits are judged by: monotonic, and counting suspend.
    pub clock: Clock,
    /// The time of day, for what people read.
    pub wall: WallClock,
    /// The way to the controller; `None` is the network.
    pub dialer: Option<Arc<dyn Dial>>,
    /// Where status, health and metrics are served.
    pub admin: Admin,
    /// The level of the log.
    pub log: LogControl,
}

/// Where status, health and metrics are served.
#[derive(Debug)]
pub enum Admin {
    /// On a port.
    Listen {
        /// The address to serve them on.
        address: IpAddr,
        /// The port; `None` is the one in the configuration.
        port: Option<u16>,
    },
    /// To whoever has the other end, in this process.
    InProcess(oneshot::Sender<Router>),
}

impl Surroundings {
    /// Those of a process of its own.
    ///
    /// # Errors
    /// If the cluster's address or credentials cannot be read.
    pub(crate) async fn of_process(
        program: Program,
        kubeconfig: Option<&Path>,
        namespace: &str,
        pod: &str,
        admin: Admin,
        log: LogControl,
    ) -> anyhow::Result<Self> {
        let client = async || ako_kube_io::client(kubeconfig).await.context("Kubernetes");
        Ok(Self {
            program,
            pod: pod.to_owned(),
            namespace: namespace.to_owned(),
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            cluster: client().await?,
            election: client().await?,
            clock: clock::boot_time(),
            wall: clock::wall_time(),
            dialer: None,
            admin,
            log,
        })
    }
}
