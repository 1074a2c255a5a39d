//! What probes and hooks do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    Container, ExecAction, HTTPGetAction, LifecycleHandler, Probe, SleepAction, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::sandbox::inside;

/// The longest answer that is read.
const LONGEST: u64 = 64 << 10;

/// The container that is probed.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: Ipv4Addr,
    pub(super) ports: BTreeMap<String, i32>,
    pub(super) process: u32,
    pub(super) has_user: bool,
    pub(super) env: BTreeMap<String, String>,
}

/// One of the ways to ask or tell a container something.
#[derive(Clone, Debug, Default)]
pub(super) struct Handler {
    exec: Option<ExecAction>,
    http: Option<HTTPGetAction>,
    tcp: Option<TCPSocketAction>,
    sleep: Option<SleepAction>,
}

impl From<&Probe> for Handler {
    fn from(probe: &Probe) -> Self {
        let (exec, http, tcp) = (probe.exec.clone(), probe.http_get.clone(), probe.tcp_socket.clone());
        Self { exec, http, tcp, sleep: None }
    }
}

impl From<&LifecycleHandler> for Handler {
    fn from(hook: &LifecycleHandler) -> Self {
        let (exec, http, tcp) = (hook.exec.clone(), hook.http_get.clone(), hook.tcp_socket.clone());
        Self { exec, http, tcp, sleep: hook.sleep.clone() }
    }
}

impl Handler {
    /// Does it; an error says what went wrong.
    pub(super) async fn run(&self, target: &Target, timeout: Duration) -> Result<(), String> {
        let attempt = tokio::time::timeout(timeout, self.attempt(target));
        attempt.await.unwrap_or_else(|_| Err(format!("no answer within {timeout:?}")))
    }

    async fn attempt(&self, target: &Target) -> Result<(), String> {
        if let Some(exec) = &self.exec {
            return execute(target, exec.command.as_deref().unwrap_or_default()).await;
        }
        if let Some(get) = &self.http {
            return ask(target, get).await;
        }
        if let Some(tcp) = &self.tcp {
            let port = target.port(&tcp.port)?;
            return connect(tcp.host.as_deref(), target, port).await.map(drop);
        }
        if let Some(sleep) = &self.sleep {
            tokio::time::sleep(Duration::from_secs(sleep.seconds.try_into().unwrap_or(0))).await;
            return Ok(());
        }
        Err("this kubelet knows exec, httpGet and tcpSocket, and sleep in hooks".to_owned())
    }
}

impl Target {
    pub(super) fn ports(container: &Container) -> BTreeMap<String, i32> {
        let ports = container.ports.iter().flatten();
        ports.filter_map(|port| Some((port.name.clone()?, port.container_port))).collect()
    }

    fn port(&self, port: &IntOrString) -> Result<u16, String> {
        let number = match port {
            IntOrString::Int(number) => Some(*number),
            IntOrString::String(name) => self.ports.get(name).copied().or_else(|| name.parse().ok()),
        };
        let number = number.and_then(|number| u16::try_from(number).ok());
        number.ok_or_else(|| format!("the container has no port {port:?}"))
    }
}

async fn execute(target: &Target, command: &[String]) -> Result<(), String> {
    let inside = inside(target.process, target.has_user, &target.env, command);
    let output = inside.map_err(|error| format!("{error:#}"))?.output().await;
    let output = output.map_err(|error| format!("running {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&said).trim()))
}

async fn connect(host: Option<&str>, target: &Target, port: u16) -> Result<TcpStream, String> {
    let host = host.map_or_else(|| target.address.to_string(), str::to_owned);
    TcpStream::connect((host.as_str(), port))
        .await
        .map_err(|error| format!("reaching {host}:{port}: {error}"))
}

async fn ask(target: &Target, get: &HTTPGetAction) -> Result<(), String> {
    if get.scheme.as_deref().is_some_and(|scheme| scheme != "HTTP") {
        return Err("this kubelet does not probe over TLS".to_owned());
    }
    let path = get.path.as_deref().unwrap_or("/");
    let mut stream = connect(get.host.as_deref(), target, target.port(&get.port)?).await?;
    let mut request = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n");
    let has_host = get.http_headers.iter().flatten().any(|header| header.name.eq_ignore_ascii_case("host"));
    if !has_host {
        let _ = write!(request, "host: {}\r\n", target.address);
    }
    for header in get.http_headers.iter().flatten() {
        let _ = write!(request, "{}: {}\r\n", header.name, header.value);
    }
    request.push_str("\r\n");
    let lost = |error: std::io::Error| format!("GET {path}: {error}");
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await.map_err(lost)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0_u16);
    if (200..400).contains(&status) { Ok(()) } else { Err(format!("GET {path} answers {status}")) }
}
