//! The operator as a process of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use kube::Client;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, Program};
use crate::{cluster, eventually};

const READY_WITHIN: Duration = Duration::from_mins(1);

/// The ConfigMap that the operator reads.
pub const CONFIG_MAP: &str = "avi-k8s-config";

/// The Secret with the controller's credentials.
pub const SECRET: &str = "avi-secret";

/// How an operator is started.
#[derive(Clone, Debug)]
pub struct OperatorOptions {
    /// The program: `env!("CARGO_BIN_EXE_ako")` in tests of its own crate, else
    /// [`find_binary`].
    pub binary: PathBuf,
    /// Whom it is towards the API server.
    pub kubeconfig: PathBuf,
    /// `POD_NAME`; replicas differ in it.
    pub pod_name: String,
    /// `POD_NAMESPACE`.
    pub namespace: String,
    /// Where it serves `/readyz` and its pages: `apiServerPort` of its
    /// configuration, as [`install`] returns it.
    pub port: u16,
    /// Which program: `run`, or `crd-operator`.
    pub command: &'static str,
    /// Further arguments after that.
    pub args: Vec<String>,
    /// Further environment variables.
    pub env: Vec<(String, String)>,
}

impl OperatorOptions {
    /// Replica `ako-0` without further arguments.
    pub fn new(binary: impl Into<PathBuf>, kubeconfig: impl Into<PathBuf>, installed: &Installed) -> Self {
        Self {
            binary: binary.into(),
            kubeconfig: kubeconfig.into(),
            pod_name: "ako-0".to_owned(),
            namespace: installed.namespace.clone(),
            port: installed.port,
            command: "run",
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// The CRD operator, which has a port of its own.
    #[must_use]
    pub fn crd_operator(mut self, port: u16) -> Self {
        self.command = "crd-operator";
        self.port = port;
        self.pod_name("ako-crd-operator-0").env("AKO_API_PORT", &port.to_string())
    }

    /// Another replica.
    #[must_use]
    pub fn pod_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.pod_name);
        self
    }

    /// Another environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running operator. Dropping it kills it; if the test panics, the end of
/// its log is printed.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    port: u16,
    // After `process`: its log is in here.
    _folder: TempDir,
}

impl Operator {
    /// Starts the program.
    pub fn start(options: OperatorOptions) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("ako-operator-").tempdir()?;
        let mut args = vec![options.command.to_owned()];
        args.extend(options.args);
        let mut env = vec![
            ("KUBECONFIG".to_owned(), options.kubeconfig.display().to_string()),
            ("POD_NAME".to_owned(), options.pod_name.clone()),
            ("POD_NAMESPACE".to_owned(), options.namespace),
        ];
        env.extend(options.env);
        let process = Process::start(Program {
            name: &options.pod_name,
            path: &options.binary,
            args,
            env,
            logs: folder.path(),
            scratch: Some(folder.path()),
        })?;
        Ok(Self { process, port: options.port, _folder: folder })
    }

    /// Waits until `/readyz` answers 200; an error if the process ends before.
    pub async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let port = self.port;
        let process = &mut self.process;
        eventually(READY_WITHIN, async || {
            if let Err(ended) = process.check_running() {
                return Ok(Err(ended));
            }
            match call(port, "GET", "/readyz").await {
                Ok((200, _)) => Ok(Ok(())),
                Ok((status, body)) => Err(format!("/readyz answers {status}: {body}")),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await?
    }

    /// The status and the text of one of its pages.
    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        call(self.port, "GET", path).await
    }

    /// Asks one of its pages to change something: the status and the text.
    pub async fn post(&self, path: &str) -> anyhow::Result<(u16, String)> {
        call(self.port, "POST", path).await
    }

    /// One of its pages as JSON; an error unless it answers 200.
    pub async fn get_json(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.get(path).await?;
        ensure!(status == 200, "{path} answers {status}: {body}");
        serde_json::from_str(&body).with_context(|| format!("{path} is not JSON: {body}"))
    }

    /// Kills it without warning (SIGKILL) and waits for its end.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub async fn terminate(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        self.process.signal(Signal::TERM)?;
        let process = &mut self.process;
        eventually(deadline, async || match process.exit_status() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it still runs".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .await
        .context("waiting for the operator's end")
    }

    /// Stops it from running (SIGSTOP) until [`Operator::resume`].
    pub fn pause(&self) -> anyhow::Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// Lets it run again (SIGCONT).
    pub fn resume(&self) -> anyhow::Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.exit_status(), Ok(None))
    }

    /// How it ended, for people.
    pub fn end(&mut self) -> String {
        match self.process.exit_status() {
            Ok(Some(status)) => status.to_string(),
            Ok(None) => "it still runs".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// Its process id, for what `/proc` says about it.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.process.log()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the operator's log ends with\n{}", self.process.log_tail());
        }
    }
}

/// The built `ako`: `AKO_BIN` if set, else in the target folder from which this
/// test runs.
pub fn find_binary() -> anyhow::Result<PathBuf> {
    match std::env::var_os("AKO_BIN") {
        Some(path) => Ok(path.into()),
        None => find_program("ako").context("AKO_BIN is not set"),
    }
}

/// A program of this workspace in the target folder from which this test runs.
///
/// # Errors
/// If it is not built.
pub fn find_program(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe().context("where this test runs from")?;
    let found = test.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("no `{name}` beside {}; `cargo build --bins` builds it", test.display()))
}

/// What [`install`] put into the cluster.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The operator's namespace.
    pub namespace: String,
    /// `apiServerPort`: where the operator will serve.
    pub port: u16,
}

/// The controller that an operator is to use.
#[derive(Clone, Copy, Debug)]
pub struct Controller<'a> {
    /// `host:port`.
    pub address: &'a str,
    /// The certificate authority of its certificate.
    pub ca_pem: &'a str,
    /// The account.
    pub username: &'a str,
    /// Its password.
    pub password: &'a str,
}

/// Creates what the chart of the operator would: its namespace, its ConfigMap
/// (`config`, the controller's address and a free port) and its Secret.
pub async fn install(
    client: &Client,
    namespace: &str,
    config: &BTreeMap<String, String>,
    controller: Controller<'_>,
) -> anyhow::Result<Installed> {
    let port = crate::free_port()?;
    let mut data = config.clone();
    data.insert("controllerIP".to_owned(), controller.address.to_owned());
    data.insert("apiServerPort".to_owned(), port.to_string());
    cluster::ensure_namespace(client, namespace).await?;
    let config_map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "namespace": namespace},
        "data": data,
    });
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": namespace},
        "type": "Opaque",
        "stringData": {
            "username": controller.username,
            "password": controller.password,
            "certificateAuthorityData": controller.ca_pem,
        },
    });
    cluster::apply_all(client, &[config_map, secret]).await?;
    Ok(Installed { namespace: namespace.to_owned(), port })
}

async fn call(port: u16, method: &str, path: &str) -> anyhow::Result<(u16, String)> {
    let address = format!("127.0.0.1:{port}");
    let stream =
        tokio::net::TcpStream::connect(&address).await.with_context(|| format!("reaching {address}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = http::Request::builder().method(method).uri(path).header(http::header::HOST, address);
    // An order has to say that it is one, and a test wants the state of now.
    let request = request.header("x-ako-order", "1").header("x-ako-fresh", "1");
    let request = request.body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    // The connection is driven here, so that nothing of it outlives the call.
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => {
            ended?;
            exchange.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// An operator that is a shell script.
    fn start(folder: &TempDir, script: &str) -> Operator {
        let binary = folder.path().join("ako");
        std::fs::write(&binary, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
        let installed = Installed { namespace: "ns".to_owned(), port: crate::free_port().unwrap() };
        let options = OperatorOptions::new(binary, "/kubeconfig", &installed).pod_name("ako-1").env("A", "b");
        Operator::start(options).unwrap()
    }

    async fn logged(operator: &Operator, text: &str) {
        eventually(Duration::from_secs(10), async || match operator.log() {
            log if log.contains(text) => Ok(()),
            log => Err(format!("logged: {log}")),
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn is_started_with_its_identity_and_ends_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"trap 'echo ending; exit 3' TERM
            echo "$1 $KUBECONFIG $POD_NAME $POD_NAMESPACE $A"
            while :; do sleep 0.05; done"#;
        let mut operator = start(&folder, script);
        logged(&operator, "run /kubeconfig ako-1 ns b").await;
        assert!(operator.is_running());
        let status = operator.terminate(Duration::from_secs(10)).await.unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(!operator.is_running());
        logged(&operator, "ending").await;
    }

    #[tokio::test]
    async fn is_killed_without_warning() {
        let folder = tempfile::tempdir().unwrap();
        let mut operator = start(&folder, "trap 'echo ending' TERM; echo up; while :; do sleep 0.05; done");
        logged(&operator, "up").await;
        let group = operator.id();
        operator.kill();
        assert!(!operator.is_running());
        eventually(Duration::from_secs(5), async || match crate::running_in_group(group).as_slice() {
            [] => Ok(()),
            left => Err(format!("left: {left:?}")),
        })
        .await
        .unwrap();
        assert!(!operator.log().contains("ending"));
    }

    #[tokio::test]
    async fn one_that_ends_is_never_ready_and_its_log_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let mut operator = start(&folder, "echo no such ConfigMap >&2; exit 1");
        let error = operator.wait_ready().await.unwrap_err().to_string();
        assert!(error.contains("ended") && error.contains("no such ConfigMap"), "{error}");
    }

    #[tokio::test]
    async fn is_ready_when_its_page_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut operator = start(&folder, "while :; do sleep 0.05; done");
        let listener = TcpListener::bind(("127.0.0.1", operator.port)).await.unwrap();
        let serve = async {
            for answer in ["503 Unavailable", "200 OK", "200 OK"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await.unwrap();
                let head = format!("HTTP/1.1 {answer}\r\ncontent-length: 9\r\nconnection: close\r\n\r\n");
                stream.write_all(format!("{head}{{\"a\": 17}}").as_bytes()).await.unwrap();
            }
        };
        let ask = async {
            operator.wait_ready().await.unwrap();
            operator.get_json("/status").await.unwrap()
        };
        let ((), page) = tokio::join!(serve, ask);
        assert_eq!(page["a"], 17);
    }
}
