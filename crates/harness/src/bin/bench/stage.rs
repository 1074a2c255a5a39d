//! The cluster that all scenarios share.

use ako_harness::cluster;
use ako_harness::control_plane::ControlPlane;
use anyhow::Context as _;
use kube::Client;
use tokio::time::Instant;

use crate::population::{self, Application};

/// A control plane with so many applications in it.
pub(crate) struct Stage {
    pub(crate) control_plane: ControlPlane,
    pub(crate) client: Client,
    /// Applications 0 to here have a Service and endpoints…
    services: usize,
    /// …and these an Ingress.
    ingresses: usize,
    /// Changes of endpoints so far.
    changes: usize,
}

impl Stage {
    pub(crate) async fn new() -> anyhow::Result<Self> {
        let control_plane = ControlPlane::start().await?.context("benchmarks need the control plane")?;
        let client = control_plane.client().await?;
        cluster::apply_all(&client, &population::frame()).await?;
        Ok(Self { control_plane, client, services: 0, ingresses: 0, changes: 0 })
    }

    /// How many hosts the Ingresses name.
    pub(crate) fn hosts(&self) -> usize {
        self.ingresses
    }

    /// Adds applications until there are so many, without any status.
    pub(crate) async fn prepare(&mut self, size: usize) -> anyhow::Result<()> {
        anyhow::ensure!(self.ingresses <= size, "the cluster is too large already");
        let started = Instant::now();
        population::clear_statuses(&self.client).await.context("clearing statuses")?;
        self.add_services(size).await?;
        self.add_ingresses(size).await?;
        eprintln!("prepared {size} applications in {:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Adds Services with endpoints until there are so many.
    pub(crate) async fn add_services(&mut self, size: usize) -> anyhow::Result<()> {
        let new = (self.services..size).map(Application);
        population::create(&self.client, new.flat_map(|a| [a.service(), a.slice()])).await?;
        self.services = self.services.max(size);
        Ok(())
    }

    /// Adds Ingresses until there are so many.
    pub(crate) async fn add_ingresses(&mut self, size: usize) -> anyhow::Result<()> {
        let new = (self.ingresses..size).map(Application);
        population::create(&self.client, new.map(Application::ingress)).await?;
        self.ingresses = self.ingresses.max(size);
        Ok(())
    }

    /// Adds AKO's kinds, and HostRules for so many applications.
    pub(crate) async fn add_rules(&self, number: usize) -> anyhow::Result<()> {
        cluster::apply_all(&self.client, &ako_kube_types::schema::definitions()).await?;
        population::create(&self.client, (0..number).map(Application).map(Application::rule)).await
    }

    /// Replaces the endpoints of an application by others.
    pub(crate) async fn change_endpoints(&mut self, application: Application) -> anyhow::Result<()> {
        self.changes += 1;
        population::change_endpoints(&self.client, application, self.changes).await
    }
}
