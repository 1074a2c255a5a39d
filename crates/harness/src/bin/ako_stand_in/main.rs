//! What the Pods of a release of AKO 2.2.1 run in tests: it does towards the cluster and the Avi
//! Controller what matters to whoever takes over from it, and nothing else.
//!
//! With one replica it elects nobody and leaves no Lease. Otherwise it takes the Lease
//! `ako-lease-lock` as AKO does: the holder is the bare name of the Pod, and a Lease that nobody
//! renews is taken. While it may write, it puts a virtual service of its own back as it was read,
//! several times a second, so that it shows when it writes. Source: configuration, §4.1 and §4.2.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};

const LEASE: &str = "ako-lease-lock";
/// Shorter than AKO's 15 s, so that tests are.
const LEASE_SECONDS: i32 = 3;
const PACE: Duration = Duration::from_millis(250);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let client = Client::try_from(kube::Config::incluster()?)?;
    let mut leadership = Leadership::of(client).await?;
    let mut controller = Controller::log_in(&variable("CTRL_IPADDRESS")?).await?;
    let owner = format!("ako-{}", variable("CLUSTER_NAME")?);
    loop {
        if leadership.may_write().await? {
            let object = controller.find(&owner).await?;
            controller.put(&object).await?;
        }
        tokio::select! {
            _ = terminated.recv() => return leadership.release().await,
            () = tokio::time::sleep(PACE) => {}
        }
    }
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}

struct Leadership {
    leases: Api<Lease>,
    pod: String,
    /// Only then there is an election.
    several: bool,
    /// What another one renewed last, and when that was seen.
    seen: (Option<MicroTime>, Instant),
}

impl Leadership {
    async fn of(client: Client) -> anyhow::Result<Self> {
        let sets: Api<StatefulSet> = Api::default_namespaced(client.clone());
        let replicas = sets.get("ako").await?.spec.and_then(|spec| spec.replicas);
        Ok(Self {
            leases: Api::default_namespaced(client),
            pod: variable("POD_NAME")?,
            several: replicas != Some(1),
            seen: (None, Instant::now()),
        })
    }

    /// Renews or takes the Lease. Whoever loses it ends, as AKO does.
    async fn may_write(&mut self) -> anyhow::Result<bool> {
        if !self.several {
            return Ok(true);
        }
        let Some(lease) = self.leases.get_opt(LEASE).await? else {
            let metadata = ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.held()) };
            return Ok(self.leases.create(&PostParams::default(), &lease).await.is_ok());
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        if self.seen.0 != spec.renew_time {
            self.seen = (spec.renew_time, Instant::now());
        }
        let ended = self.seen.1.elapsed() > Duration::from_secs(LEASE_SECONDS.unsigned_abs().into());
        if holder != self.pod && !holder.is_empty() && !ended {
            return Ok(false);
        }
        let taken = Lease { spec: Some(self.held()), ..lease };
        let replaced = self.leases.replace(LEASE, &PostParams::default(), &taken).await;
        ensure!(replaced.is_ok() || holder != self.pod, "the leadership is lost");
        Ok(replaced.is_ok())
    }

    fn held(&self) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.pod.clone()),
            lease_duration_seconds: Some(LEASE_SECONDS),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }
    }

    async fn release(self) -> anyhow::Result<()> {
        let Some(mut lease) = self.leases.get_opt(LEASE).await? else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        if self.several && spec.holder_identity.as_deref() == Some(&*self.pod) {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            self.leases.replace(LEASE, &PostParams::default(), &lease).await?;
        }
        Ok(())
    }
}

/// A session with the controller, without TLS.
struct Controller {
    host: String,
    cookies: String,
    csrf: String,
}

impl Controller {
    async fn log_in(address: &str) -> anyhow::Result<Self> {
        let host = address.trim_start_matches("http://").to_owned();
        let mut session = Self { host, cookies: String::new(), csrf: String::new() };
        let account = json!({"username": "admin", "password": "admin"});
        let (cookies, _) = session.call("POST", "/login", Some(&account)).await?;
        let csrf = cookies.iter().find_map(|cookie| cookie.strip_prefix("csrftoken="));
        csrf.context("no CSRF token")?.clone_into(&mut session.csrf);
        session.cookies = cookies.join("; ");
        Ok(session)
    }

    /// A virtual service that an owner has.
    async fn find(&mut self, owner: &str) -> anyhow::Result<Value> {
        let path = format!("/api/virtualservice?created_by={owner}");
        let (_, list) = self.call("GET", &path, None).await?;
        list.pointer("/results/0").cloned().with_context(|| format!("{owner} has no virtual service"))
    }

    async fn put(&mut self, object: &Value) -> anyhow::Result<()> {
        let uuid = object["uuid"].as_str().context("an object without a uuid")?;
        self.call("PUT", &format!("/api/virtualservice/{uuid}"), Some(object)).await?;
        Ok(())
    }

    /// The cookies of the answer, and its body.
    async fn call(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(Vec<String>, Value)> {
        let stream = TcpStream::connect(&self.host).await.context("the controller cannot be reached")?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("user-agent", "ako-stand-in")
            .header("content-type", "application/json")
            .header("cookie", &self.cookies)
            .header("x-csrftoken", &self.csrf)
            .header("x-avi-tenant", "admin")
            .header("x-avi-version", "30.2.1");
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        if !head.status.is_success() {
            bail!("{method} {path}: {}: {}", head.status, String::from_utf8_lossy(&body));
        }
        let cookies = head.headers.get_all("set-cookie").iter();
        let cookies = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned));
        Ok((cookies.collect(), serde_json::from_slice(&body).unwrap_or_default()))
    }
}
