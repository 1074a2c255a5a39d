//! A second API server of a control plane, which may hang.

use std::path::PathBuf;

use kube::Client;
use rustix::process::Signal;

use super::ControlPlane;
use crate::free_port;
use crate::process::Process;

/// An API server of its own, on the etcd of a control plane. Dropping it kills it.
#[derive(Debug)]
pub struct ApiServer {
    process: Process,
    kubeconfig: PathBuf,
}

impl ControlPlane {
    /// Starts another API server and waits until it is ready.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn another_api_server(&self) -> anyhow::Result<ApiServer> {
        let port = free_port()?;
        let name = format!("kube-apiserver-{port}");
        let process = self.servers().new_api_server(&self.programs, &self.credentials, &name, port)?;
        let url = format!("https://127.0.0.1:{port}");
        let path = self.folder.path().join(format!("kubeconfig-{port}"));
        let kubeconfig = self.credentials.kubeconfig(path, &url, &super::User::admin().token)?;
        let mut server = ApiServer { process, kubeconfig };
        let client = super::client_from(&server.kubeconfig).await?;
        super::answers(&client, || server.process.check_running()).await?;
        Ok(server)
    }
}

impl ApiServer {
    /// A client that may do everything, by way of this server.
    ///
    /// # Errors
    /// If its kubeconfig cannot be read.
    pub async fn client(&self) -> anyhow::Result<Client> {
        super::client_from(&self.kubeconfig).await
    }

    /// Stops the process where it is: connections stay open and nothing is answered.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn hang(&self) -> anyhow::Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// It goes on where it was.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn go_on(&self) -> anyhow::Result<()> {
        self.process.signal(Signal::CONT)
    }
}
