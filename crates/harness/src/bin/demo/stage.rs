//! Starts one thing after the other, and says what to try.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ako_harness::{cluster, eventually, pods, visitor};
use ako_sim_avi::{DataPlane, DataPlaneOptions, Listener, Loopback, Options, SimAvi, Tls};
use anyhow::{Context as _, bail};

use crate::Arguments;
use crate::instances::{Instances, PLACES, Size};
use crate::kubernetes::Kubernetes;
use crate::overlap;
use crate::ports::Ports;
use crate::sample::{self, Certificate, MARKET, MARKET_HOST, PLAIN_HOST, SECURE_HOST};

/// How long the sample may take to be served.
const SERVED_WITHIN: Duration = Duration::from_mins(1);
/// How often to look whether a process ended.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Runs the demo until Ctrl-C, which ends it at any point.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    tokio::select! {
        result = Box::pin(perform(arguments)) => result,
        // Dropping what runs ends it and removes its files.
        pressed = tokio::signal::ctrl_c() => {
            pressed?;
            let but = if arguments.keep.is_some() { " but what --keep asked for" } else { "" };
            println!("\nEnded. Nothing stays behind{but}.");
            Ok(())
        }
    }
}

async fn perform(arguments: &Arguments) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir().context("a folder for the demo")?;
    let folder = match &arguments.keep {
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            folder.clone()
        }
        None => temporary.path().to_owned(),
    };
    // Before anything is started.
    let ports = Ports::take(arguments.port_base).await?;
    let _pods = pods::serve(&sample::PODS, None).await?;

    step("an Avi Controller with a data plane");
    let sim = SimAvi::new(Options::default());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.controller()));
    let serving =
        sim.serve(address, Tls::SelfSigned).await.with_context(|| format!("cannot serve on {address}"))?;
    let loopback = Loopback::of_this_process()?;
    let data_plane = sim.data_plane(DataPlaneOptions { loopback, ..DataPlaneOptions::default() })?;

    step("a Kubernetes API server");
    let kubeconfig = folder.join("kubeconfig");
    let kubernetes = Kubernetes::start(arguments.real_kube, ports.kubernetes(), &kubeconfig).await?;
    let certificate = sample::certificate()?;
    let places = &PLACES[..usize::from(arguments.instances)];
    cluster::apply_all(&kubernetes.client, &sample::objects(&certificate, places)).await?;

    step("the operator");
    let size =
        Size { instances: arguments.instances, replicas: arguments.replicas, first_port: ports.pages() };
    let mut instances = Instances::start(&kubernetes, &kubeconfig, &serving, size).await?;
    let listeners = served(&data_plane, &instances).await?;
    println!();

    let ca = folder.join("secure.pem");
    std::fs::write(&ca, &certificate.pem).context("the certificate")?;
    let several = places.len() > 1;
    let guide = Guide { kubeconfig, ca, listeners, page: size.first_port, controller: address, several };
    guide.print();
    print_replicas(&instances).await;
    println!("\nCtrl-C ends everything.");
    let mut tried = try_it(&guide, &certificate).await;
    if arguments.once {
        if several && tried.is_ok() {
            tried = overlap::show(&kubernetes, &instances).await;
        }
        instances.terminate().await?;
        return tried;
    }
    if let Err(error) = tried {
        eprintln!("\nThe sample does not answer as it should: {error:#}");
    }
    watch(&mut instances).await;
    bail!("no replica of the operator is left")
}

/// Says which processes end, until none is left.
async fn watch(instances: &mut Instances) {
    while !instances.replicas().is_empty() {
        tokio::time::sleep(LOOK_EVERY).await;
        for end in instances.ended() {
            println!("\n{end}; {} left.", instances.replicas().len());
            print_replicas(instances).await;
        }
    }
}

/// Which processes there are, and which of them leads its instance.
async fn print_replicas(instances: &Instances) {
    let mut leaders = Vec::new();
    for place in instances.places() {
        if !instances.replicas().iter().any(|replica| replica.instance == place.namespace) {
            continue;
        }
        let leader = eventually(SERVED_WITHIN, async || match instances.leader(place.namespace).await {
            Some((replica, _)) => Ok(replica.name()),
            None => Err("nobody leads".to_owned()),
        });
        leaders.push(leader.await.unwrap_or_default());
    }
    println!();
    let width = if instances.places().len() > 1 { "avi-system/ako-0".len() } else { "ako-0".len() };
    for replica in instances.replicas() {
        let role = if leaders.contains(&replica.name()) { "leads" } else { "stands by" };
        let name = if instances.places().len() > 1 { replica.name() } else { replica.pod.clone() };
        let (process, port) = (replica.process(), replica.port);
        println!("  {name:<width$} {role:<9}  status page http://127.0.0.1:{port}/  process {process}");
    }
}

fn step(what: &str) {
    println!("  starting {what} …");
}

/// Waits until the sample's virtual services listen.
async fn served(data_plane: &DataPlane, instances: &Instances) -> anyhow::Result<Vec<Listener>> {
    eventually(SERVED_WITHIN, async || {
        let mut settled = true;
        for place in instances.places() {
            let leader = instances.leader(place.namespace).await;
            settled &= leader.is_some_and(|(_, state)| state["settled"] == true);
        }
        let listeners = data_plane.listeners();
        let has = |part: &str| listeners.iter().any(|l| l.virtual_service.contains(part));
        let second = instances.places().get(1).map(|place| format!("{}-Shared-L7", place.namespace));
        if settled && has("--Shared-L7") && has("shop-direct") && second.is_none_or(|name| has(&name)) {
            Ok(listeners)
        } else {
            Err(format!("not served yet; problems of the data plane: {:?}", data_plane.problems()))
        }
    })
    .await
}

/// What there is to try.
struct Guide {
    kubeconfig: PathBuf,
    ca: PathBuf,
    listeners: Vec<Listener>,
    page: u16,
    controller: SocketAddr,
    /// Whether there are several instances.
    several: bool,
}

impl Guide {
    /// Where a host's port is served: the shard is found by asking each.
    fn address(&self, name: &str, port: u16) -> Option<SocketAddr> {
        let matches = |l: &&Listener| l.virtual_service.contains(name) && l.port == port;
        self.listeners.iter().find(matches).map(|l| l.address)
    }

    fn print(&self) {
        println!("Ready. The sample application is served; try:\n");
        for line in self.lines() {
            println!("  {line}");
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let (Some(plain), Some(secure)) = (self.plain(), self.secure()) {
            lines.push(format!(
                "curl --resolve {PLAIN_HOST}:{}:{} http://{PLAIN_HOST}{}/",
                plain.port(),
                plain.ip(),
                suffix(plain, 80)
            ));
            lines.push(format!(
                "curl --resolve {PLAIN_HOST}:{}:{} http://{PLAIN_HOST}{}/api/items",
                plain.port(),
                plain.ip(),
                suffix(plain, 80)
            ));
            lines.push(format!(
                "curl --cacert {} --resolve {SECURE_HOST}:{}:{} https://{SECURE_HOST}{}/",
                self.ca.display(),
                secure.port(),
                secure.ip(),
                suffix(secure, 443)
            ));
        }
        if let Some(direct) = self.address("shop-direct", 80) {
            lines.push(format!("curl http://{direct}/            # the LoadBalancer Service"));
        }
        if let Some(market) = self.market() {
            lines.push(format!(
                "curl --resolve {MARKET_HOST}:{}:{} http://{MARKET_HOST}{}/   # by the instance in blue",
                market.port(),
                market.ip(),
                suffix(market, 80)
            ));
        }
        lines.push(String::new());
        let kubeconfig = self.kubeconfig.display();
        lines.push(format!("export KUBECONFIG={kubeconfig}"));
        lines.push("kubectl -n shop get ingress,service".to_owned());
        lines.push("kubectl -n shop edit ingress shop          # and watch the change arrive".to_owned());
        lines
            .push("kubectl get lease -A                       # who leads, with several replicas".to_owned());
        if self.several {
            let (key, value) = PLACES[0].label;
            lines.push(format!(
                "kubectl label namespace {MARKET} {key}={value}   # two instances select it: see who refuses"
            ));
            lines.push(format!(
                "kubectl label namespace {MARKET} {}-             # and now it is handed over",
                PLACES[1].label.0
            ));
        }
        lines.push("ako plan                                   # in target/debug".to_owned());
        lines.push(format!("ako status --local --port {}             # in target/debug", self.page));
        lines.push(format!("curl -k https://{}/sim/dump       # what the controller holds", self.controller));
        lines
    }

    fn plain(&self) -> Option<SocketAddr> {
        self.address(&format!("--{}", shard(PLAIN_HOST)), 80)
    }

    fn market(&self) -> Option<SocketAddr> {
        self.address(&format!("{}-{}", PLACES[1].namespace, shard(MARKET_HOST)), 80)
    }

    fn secure(&self) -> Option<SocketAddr> {
        self.address(&format!("--{}", shard(SECURE_HOST)), 443)
    }
}

fn shard(host: &str) -> String {
    format!("Shared-L7-{}", ako_core::checksum::hash(host) & 7)
}

/// The port as a URL needs it.
fn suffix(address: SocketAddr, default: u16) -> String {
    if address.port() == default { String::new() } else { format!(":{}", address.port()) }
}

/// Asks for the sample's pages the way the printed lines do.
async fn try_it(guide: &Guide, certificate: &Certificate) -> anyhow::Result<()> {
    let plain = guide.plain().context("the plain host is not served")?;
    for (path, pod) in [("/", "web-"), ("/api/items", "api-")] {
        let text = visitor::get(plain, PLAIN_HOST, path).await?;
        if !text.contains(&format!("Hello from pod {pod}")) {
            bail!("http://{PLAIN_HOST}{path} is answered with {text:?}");
        }
    }
    if let Some(market) = guide.market() {
        let text = visitor::get(market, MARKET_HOST, "/").await?;
        if !text.contains("Hello from pod market-") {
            bail!("http://{MARKET_HOST}/ is answered with {text:?}");
        }
    }
    let secure = guide.secure().context("the secure host is not served")?;
    let text = visitor::get_secure(secure, SECURE_HOST, "/", &certificate.pem).await?;
    if !text.contains("Hello from pod web-") {
        bail!("https://{SECURE_HOST}/ is answered with {text:?}");
    }
    Ok(())
}
