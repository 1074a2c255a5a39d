//! `ako run`: start, supervision, end.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ako_avi_io::{Clock, Dial};
use ako_core::{Program, ResourceKind};
use ako_elect::Event as Election;
use ako_kube_io::{
    Candidate, ClusterWriter, ConfigEvent, ConfigSource, Demand, EventWriter, Handle, Pace, SecretsOf,
    Shared, Source, WallClock,
};
use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::ObjectReference;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::admin;
use crate::cluster::Cluster;
use crate::logging::{self, LogControl, LogFile, LogFormat};
use crate::run::connection::{self, Connection};
use crate::run::driver::{self, Driver};
use crate::run::input::Input;
use crate::run::permissions::Permissions;
use crate::run::settings::{self, Settings};
use crate::run::settings_reader::SettingsReader;
use crate::run::state::Startup;
use crate::run::{clock, cluster_name, login, observation, publishing, token};

pub use crate::run::surroundings::{Admin, Surroundings};

/// How many messages may wait for the driver.
const QUEUE: usize = 4096;
/// How long to wait before the controller is asked again for what it has to say.
const RETRY: Duration = Duration::from_secs(5);
/// How long the end may take: less than the 30 seconds that Kubernetes gives a
/// pod.
const END_WITHIN: Duration = Duration::from_secs(25);

/// Arguments of `ako run`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    cluster: Cluster,
    /// The name of this pod; Events about the operator are attached to it [default: ako-0, or
    /// ako-crd-operator-0].
    #[arg(long, env = "POD_NAME")]
    pod_name: Option<String>,
    /// Where to serve status, health and metrics [default: `apiServerPort`].
    #[arg(long, env = "AKO_API_PORT")]
    port: Option<u16>,
    /// The address to serve them on.
    #[arg(long, env = "AKO_API_ADDRESS", default_value = "0.0.0.0")]
    address: std::net::IpAddr,
    /// How log lines look.
    #[arg(long, env = "AKO_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
}

/// Runs a program until it is told to end.
///
/// # Errors
/// What keeps it from starting, or the task that ended though it never should.
pub async fn run(program: Program, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = clock::wall_time()();
    let log = logging::start(arguments.log_format, LogFile::of_environment(started.as_second()))?;
    let mut end = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = end.recv() => info!("told to end"),
            _ = interrupt.recv() => info!("interrupted"),
        }
        stop.send_replace(true);
        // The channel is to outlive everybody who looks at it.
        stop.closed().await;
    });
    let admin = Admin::Listen { address: arguments.address, port: arguments.port };
    let Cluster { kubeconfig, namespace } = &arguments.cluster;
    let pod = arguments.pod_name.unwrap_or_else(|| Shared::of(program).first_pod());
    let surroundings =
        Surroundings::of_process(program, kubeconfig.as_deref(), namespace, &pod, admin, log).await?;
    Box::pin(operate(surroundings, stopped)).await.map(|()| ExitCode::SUCCESS)
}

/// Runs until it is told to stop. Dropping the future is what killing a process
/// is.
///
/// # Errors
/// As [`run`].
pub async fn operate(surroundings: Surroundings, mut stopped: watch::Receiver<bool>) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    let begun = tokio::select! {
        begun = Box::pin(begin(surroundings, &mut tasks)) => begun?,
        // Nothing is held yet.
        _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
    };
    let candidate = begun.candidate.clone();
    tokio::select! {
        result = Box::pin(work(begun, &mut tasks)) => result,
        () = hand_over(candidate, stopped) => Ok(()),
    }
}

/// When the process is told to end: no new write, the last one answered, the
/// leadership released.
async fn hand_over(mut candidate: Handle, mut stopped: watch::Receiver<bool>) {
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        return;
    }
    let finish = async {
        drop(candidate.events.send(Election::StopRequested).await);
        drop(candidate.standing.wait_for(|standing| standing.finished).await);
    };
    match tokio::time::timeout(END_WITHIN, finish).await {
        Ok(()) => info!("ended"),
        Err(_) => {
            warn!("the leadership could not be released in time; another replica takes over when it expires");
        }
    }
}

/// A process that knows its configuration and takes part in the election.
struct Begun {
    client: kube::Client,
    clock: Clock,
    wall: WallClock,
    dialer: Option<Arc<dyn Dial>>,
    log: LogControl,
    startup: Startup,
    reader: SettingsReader,
    settings: watch::Sender<Settings>,
    events: EventWriter,
    candidate: Handle,
    inputs: mpsc::Sender<Input>,
    driver_inputs: mpsc::Receiver<Input>,
    demand: watch::Sender<Demand>,
    pace: Pace,
}

/// Watches the ConfigMap and the Secret of a namespace.
fn watch_configuration(
    client: kube::Client,
    namespace: String,
    pace: Pace,
    tasks: &mut JoinSet<&'static str>,
) -> mpsc::Receiver<ConfigEvent> {
    let (sender, events) = mpsc::channel(16);
    tasks.spawn(async move {
        ConfigSource::run(client, &namespace, sender, pace).await;
        "the watch of the configuration"
    });
    events
}

/// Checks permissions for as long as the process runs.
fn keep_checking(permissions: Permissions, tasks: &mut JoinSet<&'static str>) {
    tasks.spawn(async move {
        permissions.run().await;
        "the check of permissions"
    });
}

/// Waits for a configuration, serving health meanwhile, and joins the election.
async fn begin(surroundings: Surroundings, tasks: &mut JoinSet<&'static str>) -> anyhow::Result<Begun> {
    let Surroundings {
        program,
        pod,
        namespace,
        nonce,
        cluster: client,
        election,
        clock,
        wall,
        dialer,
        admin,
        log,
    } = surroundings;
    info!(version = env!("CARGO_PKG_VERSION"), pod, "starting");
    let demand = watch::Sender::new(Demand::default());
    let pace = Pace { demand: demand.subscribe(), clock: clock.clone() };
    let config_events = watch_configuration(client.clone(), namespace.clone(), pace.clone(), tasks);
    let startup = Startup::new(&pod, &namespace, wall.clone());
    let (inputs, driver_inputs) = mpsc::channel(QUEUE);
    let mut reader = SettingsReader::new(config_events, (program, &namespace), startup.clone());
    let port = supervised(tasks, reader.port()).await?;
    serve(admin, port, &startup, inputs.clone(), tasks).await?;
    let own_pod = find_own_pod(&client, &namespace, &pod).await;
    let pod_uid = own_pod.as_ref().and_then(|pod| pod.uid.clone()).unwrap_or_default();
    let events = EventWriter::new(client.clone(), own_pod, wall.clone());
    tell_events(tasks, events.clone());
    let refused = |why: &str| publishing::warn_of(&events, "ConfigurationRefused", why);
    let settings = supervised(tasks, reader.first(&refused)).await?;
    log.set(settings.config.log_level);
    events.set_normal_events(settings.config.events);
    check_version(&client).await;
    // It may take a while until somebody leads, so this begins before the caches are filled.
    let timing = settings::timing(&settings.config)?;
    let candidate = start_candidate(
        Candidate {
            program,
            client: election,
            namespace,
            pod,
            pod_uid,
            nonce,
            timing,
            clock: clock.clone(),
            wall: wall.clone(),
        },
        tasks,
    );
    let (settings, followed) = watch::channel(settings);
    let standing = candidate.standing.clone();
    let permissions = Permissions::new(client.clone(), startup.clone(), events.clone(), followed, standing);
    keep_checking(permissions, tasks);
    Ok(Begun {
        client,
        clock,
        wall,
        dialer,
        log,
        startup,
        reader,
        settings,
        events,
        candidate,
        inputs,
        driver_inputs,
        demand,
        pace,
    })
}

/// The own pod, for Events about the operator.
async fn find_own_pod(client: &kube::Client, namespace: &str, pod: &str) -> Option<ObjectReference> {
    match ako_kube_io::own_pod(client, namespace, pod).await {
        Ok(own_pod) => Some(own_pod.reference),
        Err(kube::Error::Api(status)) if status.code == 403 => Some(ako_kube_io::unread_pod(namespace, pod)),
        Err(error) => {
            warn!(%error, "the operator's own pod cannot be read: Events about the operator are not written");
            None
        }
    }
}

/// Does what the operator is for, until something fails.
async fn work(begun: Begun, tasks: &mut JoinSet<&'static str>) -> anyhow::Result<()> {
    let Begun { client, clock, wall, dialer, log, startup, mut reader, settings: settings_sender, .. } =
        begun;
    let Begun { candidate, inputs, driver_inputs, events, demand, pace, .. } = begun;
    let settings_receiver = settings_sender.subscribe();
    let settings = settings_sender.borrow().clone();
    let settings_inputs = inputs.clone();
    tasks.spawn(async move {
        reader.follow(settings_sender, settings_inputs).await;
        "the follow-up of the configuration"
    });
    let uid = supervised(tasks, async { Ok(cluster_name::cluster_uid(&client).await) }).await?;
    let leads = candidate.leads.clone();
    let connection = Arc::new(connection::connect(&settings, uid, clock.clone(), dialer, leads)?);
    tell_of(&connection, &settings, &startup, &events, tasks);
    let asking = facts(&connection, settings_receiver.clone(), &startup);
    let translator = supervised(tasks, Box::pin(asking)).await?;
    let writer = ClusterWriter::new(
        client.clone(),
        clock.clone(),
        wall.clone(),
        candidate.leads.clone(),
        translator.config().owner(),
    );
    let (kinds, watched_kinds) = watch::channel(ResourceKind::read_with(translator.config()));
    let secrets = SecretsOf::configured(translator.config());
    let observe = Arc::new(Notify::new());
    let facts = translator.facts().clone();
    let driver = Driver::new(
        driver::Parts {
            writer: writer.clone(),
            connection: connection.clone(),
            events: events.clone(),
            candidate: candidate.clone(),
            clock,
            wall: wall.clone(),
            observe: observe.clone(),
            startup: startup.clone(),
            log,
            kinds,
            demand,
        },
        translator,
    );
    let observer = observation::Watchman::new(
        connection.clone(),
        inputs.clone(),
        settings_receiver.clone(),
        facts,
        observe,
        startup,
    );
    tasks.spawn(async move {
        observer.run().await;
        "the reading of the controller"
    });
    watch_cluster(tasks, client.clone(), (watched_kinds, secrets), &inputs, pace);
    let upkeep = token::Upkeep::new(client, writer, connection, settings_receiver, candidate.standing, wall);
    tasks.spawn(async move {
        upkeep.run().await;
        "the upkeep of the token"
    });
    Box::pin(supervised(tasks, driver.run(driver_inputs))).await
}

/// Tells how the connection is, now and when that changes.
fn tell_of(
    connection: &Connection,
    settings: &Settings,
    startup: &Startup,
    events: &EventWriter,
    tasks: &mut JoinSet<&'static str>,
) {
    connection.show_tls(&settings.credentials, startup);
    if !startup.is_certificate_verified() {
        let how = startup.tls().0.unwrap_or_default();
        let said =
            format!("the Avi Controller may be anybody who answers at its address: its certificate is {how}");
        publishing::warn_of(events, "ControllerNotVerified", &said);
    }
    let (claim, told, told_events) = (connection.claim.clone(), startup.clone(), events.clone());
    tasks.spawn(async move {
        cluster_name::follow(claim, told, told_events).await;
        "the follow-up of the cluster's name"
    });
    let (login, told, told_events) = (connection.client.login(), startup.clone(), events.clone());
    tasks.spawn(async move {
        login::follow(login, told, told_events).await;
        "the follow-up of logins"
    });
}

/// Takes part in the election.
fn start_candidate(candidate: Candidate, tasks: &mut JoinSet<&'static str>) -> Handle {
    let (handle, run) = candidate.start();
    tasks.spawn(async move {
        run.await;
        "the election"
    });
    handle
}

/// Starts to send Events.
fn tell_events(tasks: &mut JoinSet<&'static str>, events: EventWriter) {
    tasks.spawn(async move {
        events.run().await;
        "the writer of Events"
    });
}

/// Starts the watches of the cluster.
fn watch_cluster(
    tasks: &mut JoinSet<&'static str>,
    client: kube::Client,
    (kinds, secrets): (watch::Receiver<BTreeSet<ResourceKind>>, SecretsOf),
    inputs: &mpsc::Sender<Input>,
    pace: Pace,
) {
    let (sender, mut source_events) = mpsc::channel(1024);
    tasks.spawn(async move {
        Source::run(client, kinds, secrets, sender, pace).await;
        "the watches of the cluster"
    });
    let forward = inputs.clone();
    tasks.spawn(async move {
        while let Some(event) = source_events.recv().await {
            if forward.send(Input::Source(event)).await.is_err() {
                break;
            }
        }
        "the way from the watches to the driver"
    });
}

/// Runs a future; if a supervised task ends before it, that is the end of the
/// process: whatever it did is not done any more.
async fn supervised<T>(
    tasks: &mut JoinSet<&'static str>,
    future: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        result = future => result,
        Some(ended) = tasks.join_next() => match ended {
            Ok(what) => bail!("{what} ended"),
            Err(error) => bail!("a task failed: {error}"),
        },
    }
}

/// Serves status, health and metrics: on the port of the configuration, unless
/// another one was given.
async fn serve(
    place: Admin,
    configured_port: u16,
    startup: &Startup,
    inputs: mpsc::Sender<Input>,
    tasks: &mut JoinSet<&'static str>,
) -> anyhow::Result<()> {
    let router = admin::router(startup.clone(), inputs);
    let (address, port) = match place {
        Admin::Listen { address, port } => (address, port.unwrap_or(configured_port)),
        Admin::InProcess(other_end) => {
            // Whoever asked may have gone.
            let _ = other_end.send(router);
            return Ok(());
        }
    };
    let listener = TcpListener::bind((address, port)).await.with_context(|| {
        format!("cannot serve on {address}:{port}; set apiServerPort (or --port) to a free one")
    })?;
    info!(address = %listener.local_addr()?, "serving status, health and metrics");
    tasks.spawn(async move {
        if let Err(error) = admin::serve(listener, router).await {
            error!(%error, "the server for status, health and metrics failed");
        }
        "the server for status, health and metrics"
    });
    Ok(())
}

/// Says if the version of Kubernetes is one that was never tried.
async fn check_version(client: &kube::Client) {
    match ako_kube_io::kubernetes_version(client).await {
        Ok(version) if !version.is_known() => warn!(%version, "Kubernetes in a version that was never tried"),
        Ok(version) => info!(%version, "Kubernetes"),
        Err(error) => warn!(%error, "the version of Kubernetes cannot be read"),
    }
}

/// Asks the controller until it answers what translation has to know; a
/// correction of the configuration or of the credentials counts at once.
async fn facts(
    connection: &Connection,
    mut followed: watch::Receiver<Settings>,
    startup: &Startup,
) -> anyhow::Result<ako_translate::Translator> {
    loop {
        let settings = followed.borrow_and_update().clone();
        connection.renew(&settings.credentials, startup);
        match connection.translator(&settings.config).await {
            Ok(translator) => return Ok(translator),
            Err(failure) => {
                startup.controller_failed(&failure);
                error!(%failure, "the Avi Controller is not ready for us; trying again");
                // Its end is that of the task beside, which is supervised.
                drop(tokio::time::timeout(RETRY, followed.changed()).await);
            }
        }
    }
}
