//! A real etcd and kube-apiserver on loopback.
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! use ako_harness::control_plane::ControlPlane;
//! let Some(plane) = ControlPlane::start().await? else { return Ok(()) };
//! let client = plane.client().await?;
//! # Ok(()) }
//! ```
//!
//! Where the programs were not built, or with `AKO_SKIP_CONTROL_PLANE=1`, `start` prints `SKIPPED: <why>` and
//! returns none, and the test returns; with `AKO_REQUIRE_CONTROL_PLANE=1` it
//! fails instead.
//!
//! A control plane takes seconds to start, so the tests of one test binary use
//! the same ones: one after the other ([`ControlPlane::lend`]), or at the same
//! time ([`ControlPlane::shared`]), and then in namespaces of their own and with
//! an API server that is left running. Neither is ever dropped, as no static is;
//! every process has a watchdog that kills it and removes its files when the
//! test process ends (see `process`), so nothing stays behind.

mod api_server;
mod audit;
mod credentials;
mod loan;
mod programs;
mod servers;
mod sweep;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::eventually;
pub use api_server::ApiServer;
pub use audit::Request;
use credentials::{Credentials, User};
pub use loan::Loan;
use programs::Programs;
use servers::{Ports, Servers};

/// The API server takes about five seconds on two idle cores.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// Starts when a port was taken by somebody between choosing and using it.
const ATTEMPTS: usize = 3;

/// A running control plane. Dropping it kills its processes.
#[derive(Debug)]
pub struct ControlPlane {
    // Before `folder`: processes go first, then their files.
    servers: Mutex<Servers>,
    programs: Programs,
    credentials: Credentials,
    kubeconfig: PathBuf,
    url: String,
    folder: TempDir,
}

/// What a control plane is to consist of.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    controller_manager: bool,
    reachable_at: Option<Ipv4Addr>,
    audited: bool,
    users: Vec<User>,
}

impl Builder {
    /// Also runs kube-controller-manager: Deployments get Pods, namespaces end,
    /// garbage is collected, service accounts exist and are required of Pods.
    pub fn controller_manager(mut self) -> Self {
        self.controller_manager = true;
        self
    }

    /// The API server also listens on this address, for Pods of [`crate::kubelet`]. Only in a
    /// network namespace of the test's own: it listens on all addresses then.
    pub fn reachable_at(mut self, address: Ipv4Addr) -> Self {
        self.reachable_at = Some(address);
        self
    }

    /// The API server writes down who asked for what, see [`ControlPlane::requests`].
    pub fn audited(mut self) -> Self {
        self.audited = true;
        self
    }

    /// Adds a user, known by `token`, who may do what RBAC allows.
    pub fn user(mut self, token: &str, name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(ToString::to_string).collect();
        self.users.push(User { token: token.to_owned(), name: name.to_owned(), groups });
        self
    }

    /// Starts it and waits until the API server is ready; none if skipped.
    pub async fn start(self) -> anyhow::Result<Option<ControlPlane>> {
        let Some(programs) = programs::find_or_skip()? else { return Ok(None) };
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            match self.start_once(programs.clone()).await {
                Ok(plane) => {
                    // `cargo xtask test` counts these lines.
                    println!("control plane started in {:.1} s", started.elapsed().as_secs_f64());
                    return Ok(Some(plane));
                }
                Err(error)
                    if attempt < ATTEMPTS && format!("{error:#}").contains("address already in use") =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn start_once(&self, programs: Programs) -> anyhow::Result<ControlPlane> {
        let folder = tempfile::Builder::new().prefix("ako-control-plane-").tempdir()?;
        let credentials = Credentials::write(folder.path(), &self.users, self.reachable_at)?;
        let ports = Ports::choose()?;
        let url = ports.url();
        let kubeconfig =
            credentials.kubeconfig(folder.path().join("kubeconfig"), &url, &User::admin().token)?;
        let mut servers = Servers::new(folder.path(), ports, self.controller_manager, self.reachable_at);
        if self.audited {
            audit::write_policy(folder.path())?;
        }
        servers.start_etcd(&programs)?;
        servers.start_api_server(&programs, &credentials)?;
        let plane =
            ControlPlane { servers: Mutex::new(servers), programs, credentials, kubeconfig, url, folder };
        plane.wait_ready().await?;
        if self.controller_manager {
            plane.servers().start_controller_manager(
                &plane.programs,
                &plane.credentials,
                &plane.kubeconfig,
            )?;
            plane.wait_for_default_account().await?;
        }
        Ok(plane)
    }
}

impl ControlPlane {
    /// Only etcd and kube-apiserver; none if the test is skipped.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        Self::builder().start().await
    }

    /// To choose more than [`ControlPlane::start`] starts.
    pub fn builder() -> Builder {
        Builder { controller_manager: false, reachable_at: None, audited: false, users: vec![User::admin()] }
    }

    /// The one that the tests of this process share; the first to ask starts it.
    pub async fn shared() -> anyhow::Result<Option<&'static Self>> {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        // Asked each time, so that every skipped test says that it is.
        if programs::find_or_skip()?.is_none() {
            return Ok(None);
        }
        let start = async || Self::start().await?.context("the control plane's programs vanished");
        SHARED.get_or_try_init(start).await.map(Some)
    }

    /// `https://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A kubeconfig of a user who may do everything.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Writes a kubeconfig for the holder of `token`, a user of the builder or
    /// a service account.
    pub fn kubeconfig_as(&self, name: &str, token: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.path().join(format!("kubeconfig-{name}"));
        self.credentials.kubeconfig(path, &self.url, token)
    }

    /// The certificate authority of the API server, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.credentials.ca_pem
    }

    /// A client of a user who may do everything. Each runtime needs its own.
    pub async fn client(&self) -> anyhow::Result<Client> {
        client_from(&self.kubeconfig).await
    }

    /// A client of the holder of `token`.
    pub async fn client_as(&self, name: &str, token: &str) -> anyhow::Result<Client> {
        client_from(&self.kubeconfig_as(name, token)?).await
    }

    /// Runs kubectl and returns its output, whether it succeeded or not.
    pub async fn kubectl(&self, args: &[&str]) -> anyhow::Result<Output> {
        tokio::process::Command::new(self.programs.path("kubectl"))
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.folder.path())
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("running kubectl {args:?}"))
    }

    /// Kills the API server; connections break and none are accepted.
    pub fn stop_api_server(&self) {
        self.servers().stop_api_server();
    }

    /// Starts the API server on its port again, with what etcd held.
    pub async fn start_api_server(&self) -> anyhow::Result<()> {
        self.servers().start_api_server(&self.programs, &self.credentials)?;
        self.wait_ready().await
    }

    /// Kills the API server and starts it again on the same port.
    pub async fn restart_api_server(&self) -> anyhow::Result<()> {
        self.stop_api_server();
        self.start_api_server().await
    }

    /// What the API server was asked and has answered; nothing unless it is [`Builder::audited`].
    ///
    /// # Errors
    /// If its audit log cannot be read.
    pub fn requests(&self) -> anyhow::Result<Vec<Request>> {
        audit::read(self.folder.path())
    }

    /// The process groups of its processes, to check that none is left.
    pub fn process_groups(&self) -> Vec<u32> {
        self.servers().process_groups()
    }

    async fn wait_ready(&self) -> anyhow::Result<()> {
        let client = self.client().await?;
        answers(&client, || self.servers().check_running()).await.with_context(|| self.servers().log_tails())
    }

    async fn wait_for_default_account(&self) -> anyhow::Result<()> {
        use k8s_openapi::api::core::v1::ServiceAccount;
        let accounts: kube::Api<ServiceAccount> = kube::Api::namespaced(self.client().await?, "default");
        eventually(READY_WITHIN, async || accounts.get("default").await.map(|_| ()))
            .await
            .with_context(|| format!("no default service account\n{}", self.servers().log_tails()))
    }

    fn servers(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.servers().log_tails());
        }
    }
}

/// Waits until an API server is ready, or its process is found to have ended.
async fn answers(
    client: &Client,
    mut check_running: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ready = eventually(READY_WITHIN, async || {
        if let Err(error) = check_running() {
            return Ok(Err(error));
        }
        let request = http::Request::get("/readyz").body(Vec::new()).map_err(|error| error.to_string())?;
        match client.request_text(request).await {
            Ok(text) if text == "ok" => Ok(Ok(())),
            Ok(text) => Err(text),
            Err(error) => Err(error.to_string()),
        }
    });
    ready.await.and_then(|running| running).context("the API server is not ready")
}

async fn client_from(kubeconfig: &Path) -> anyhow::Result<Client> {
    let read = Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
