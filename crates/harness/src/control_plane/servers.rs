//! The processes of a control plane and the flags that they are started with.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::audit;
use super::credentials::Credentials;
use super::programs::Programs;
use crate::free_port;
use crate::process::{Process, Program};

/// Chosen once: a server that is started again keeps its port.
#[derive(Debug)]
pub(super) struct Ports {
    etcd_client: u16,
    etcd_peer: u16,
    api_server: u16,
    controller_manager: u16,
}

impl Ports {
    pub(super) fn choose() -> anyhow::Result<Self> {
        Ok(Self {
            etcd_client: free_port()?,
            etcd_peer: free_port()?,
            api_server: free_port()?,
            controller_manager: free_port()?,
        })
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_server)
    }
}

/// Dropped in the order of the fields: etcd goes last.
#[derive(Debug)]
pub(super) struct Servers {
    controller_manager: Option<Process>,
    api_server: Option<Process>,
    etcd: Option<Process>,
    folder: PathBuf,
    ports: Ports,
    service_accounts: bool,
    /// Where Pods find the API server.
    reachable_at: Option<Ipv4Addr>,
}

impl Servers {
    pub(super) fn new(
        folder: &Path,
        ports: Ports,
        service_accounts: bool,
        reachable_at: Option<Ipv4Addr>,
    ) -> Self {
        Self {
            controller_manager: None,
            api_server: None,
            etcd: None,
            folder: folder.to_owned(),
            ports,
            service_accounts,
            reachable_at,
        }
    }

    pub(super) fn start_etcd(&mut self, programs: &Programs) -> anyhow::Result<()> {
        let client = format!("http://127.0.0.1:{}", self.ports.etcd_client);
        let args = vec![
            format!("--data-dir={}", self.folder.join("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls=http://127.0.0.1:{}", self.ports.etcd_peer),
            "--log-level=warn".to_owned(),
            // Data need not survive the machine.
            "--unsafe-no-fsync".to_owned(),
        ];
        self.etcd = Some(self.start("etcd", &programs.path("etcd"), args)?);
        Ok(())
    }

    pub(super) fn start_api_server(
        &mut self,
        programs: &Programs,
        credentials: &Credentials,
    ) -> anyhow::Result<()> {
        let server = self.new_api_server(programs, credentials, "kube-apiserver", self.ports.api_server)?;
        self.api_server = Some(server);
        Ok(())
    }

    /// An API server of the same etcd; its log has that name.
    pub(super) fn new_api_server(
        &self,
        programs: &Programs,
        credentials: &Credentials,
        name: &str,
        port: u16,
    ) -> anyhow::Result<Process> {
        let mut args = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd_client),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", self.folder.join(name).display()),
            format!("--tls-cert-file={}", credentials.certificate.display()),
            format!("--tls-private-key-file={}", credentials.key.display()),
            format!("--token-auth-file={}", credentials.tokens.display()),
            "--authorization-mode=RBAC".to_owned(),
            format!("--service-account-key-file={}", credentials.signing_public_key.display()),
            format!("--service-account-signing-key-file={}", credentials.signing_key.display()),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
        ];
        match self.reachable_at {
            None => args.push("--bind-address=127.0.0.1".to_owned()),
            // Without a default route it finds no address to advertise by itself.
            Some(address) => args.extend([
                "--bind-address=0.0.0.0".to_owned(),
                format!("--advertise-address={address}"),
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
            ]),
        }
        if !self.service_accounts {
            // Nobody creates the accounts that this plugin asks for.
            args.push("--disable-admission-plugins=ServiceAccount".to_owned());
        }
        args.extend(audit::flags(&self.folder));
        self.start(name, &programs.path("kube-apiserver"), args)
    }

    pub(super) fn stop_api_server(&mut self) {
        self.api_server = None;
    }

    pub(super) fn start_controller_manager(
        &mut self,
        programs: &Programs,
        credentials: &Credentials,
        kubeconfig: &Path,
    ) -> anyhow::Result<()> {
        let args = vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            "--leader-elect=false".to_owned(),
            format!("--service-account-private-key-file={}", credentials.signing_key.display()),
            format!("--root-ca-file={}", credentials.ca.display()),
            format!("--secure-port={}", self.ports.controller_manager),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--cert-dir={}", self.folder.join("controller-manager").display()),
            // Nobody renews the Leases of Nodes, which would be found dead.
            "--controllers=*,-nodeipam,-node-lifecycle-controller".to_owned(),
        ];
        let path = programs.path("kube-controller-manager");
        self.controller_manager = Some(self.start("kube-controller-manager", &path, args)?);
        Ok(())
    }

    /// An error, with the end of its log, if a server has ended by itself.
    pub(super) fn check_running(&mut self) -> anyhow::Result<()> {
        [&mut self.etcd, &mut self.api_server, &mut self.controller_manager]
            .into_iter()
            .flatten()
            .try_for_each(Process::check_running)
    }

    pub(super) fn process_groups(&self) -> Vec<u32> {
        self.running().map(Process::id).collect()
    }

    pub(super) fn log_tails(&self) -> String {
        let tail = |process: &Process| format!("--- {}\n{}", process.log().display(), process.log_tail());
        self.running().map(tail).collect::<Vec<_>>().join("\n")
    }

    fn running(&self) -> impl Iterator<Item = &Process> {
        [&self.etcd, &self.api_server, &self.controller_manager].into_iter().flatten()
    }

    fn start(&self, name: &str, path: &Path, args: Vec<String>) -> anyhow::Result<Process> {
        Process::start(Program {
            name,
            path,
            args,
            env: Vec::new(),
            logs: &self.folder,
            scratch: Some(&self.folder),
        })
    }
}
