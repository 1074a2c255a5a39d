//! `ako plan`.

use std::process::ExitCode;
use std::time::Duration;

use ako_core::{ResourceKind, Snapshot};
use ako_engine::{Action, Desired, Inventory, Planned, plan};
use ako_kube_io::{Pace, Source, SourceEvent};
use ako_translate::Translator;
use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::Format;
use crate::cluster::Cluster;
use crate::run::{clock, connection, settings_reader};

/// Exit code where something would change.
const CHANGES: u8 = 2;
/// How long the cluster may take to be read.
const READ_WITHIN: Duration = Duration::from_mins(2);

/// Arguments of `ako plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: Cluster,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = ako_kube_io::client(arguments.cluster.kubeconfig.as_deref()).await?;
    let settings = settings_reader::read_once(&client, &arguments.cluster.namespace).await?;
    // Nobody leads here: nothing is written.
    let (_, leads) = watch::channel(false);
    let uid = ako_kube_io::cluster_uid(&client).await.map_err(anyhow::Error::msg)?;
    let connection = connection::connect(&settings, uid, clock::boot_time(), None, leads)?;
    let translator = connection.translator(&settings.config).await.context("the Avi Controller")?;
    let (snapshot, reading) = tokio::try_join!(snapshot(client, &translator), async {
        connection.observe(&settings.config, translator.facts()).await.map_err(Into::into)
    })?;
    if let Some(claim) = &connection.claim
        && let Some(said) = claim.at_home().borrow().as_ref().and_then(|by| claim.says(by))
    {
        tracing::warn!("{said}");
    }
    let desired = Desired::of(translator, &snapshot);
    let mut inventory = Inventory::default();
    inventory.replace(reading);
    inventory.share(snapshot.may_share_controller());
    let steps = plan(&desired, &inventory);
    print(&steps, arguments.output)?;
    Ok(if steps.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHANGES) })
}

/// Reads everything once.
async fn snapshot(client: kube::Client, translator: &Translator) -> anyhow::Result<Snapshot> {
    let (sender, mut events) = mpsc::channel(1024);
    let (_, kinds) = watch::channel(ResourceKind::read_with(translator.config()));
    let reading = async {
        let mut snapshot = Snapshot::default();
        snapshot.act_by(translator.config(), translator.subdomain());
        snapshot.act_on(&translator.facts().cluster_uuid);
        while !snapshot.is_complete() {
            match events.recv().await {
                Some(SourceEvent::Delta(delta)) => {
                    snapshot.apply(delta);
                }
                Some(SourceEvent::Trouble { kind, message }) => {
                    tracing::error!(kind = kind.as_str(), message, "cannot be listed");
                }
                Some(_) => {}
                None => anyhow::bail!("the watches ended"),
            }
        }
        Ok(snapshot)
    };
    tokio::select! {
        read = tokio::time::timeout(READ_WITHIN, reading) => {
            read.context("the cluster could not be read in time; is every kind served, and may we list it?")?
        }
        () = Source::run(client, kinds, sender, Pace::idle(clock::boot_time())) => anyhow::bail!("the watches ended"),
    }
}

fn print(steps: &[Planned], format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        let steps: Vec<_> = steps.iter().map(as_json).collect();
        println!("{}", serde_json::to_string_pretty(&json!({ "changes": steps }))?);
        return Ok(());
    }
    if steps.is_empty() {
        println!("no changes");
        return Ok(());
    }
    for step in steps {
        println!("{step}");
    }
    let count = |wanted: fn(&Action) -> bool| steps.iter().filter(|s| wanted(&s.action)).count();
    println!(
        "\n{} to create, {} to update, {} to delete",
        count(|a| matches!(a, Action::Create)),
        count(|a| matches!(a, Action::Update(_))),
        count(|a| matches!(a, Action::Delete)),
    );
    Ok(())
}

fn as_json(step: &Planned) -> Value {
    let (action, fields) = match &step.action {
        Action::Create => ("create", Vec::new()),
        Action::Delete => ("delete", Vec::new()),
        Action::Update(changes) => {
            let field =
                |c: &ako_avi_types::FieldChange| json!({"path": c.path, "from": c.observed, "to": c.wanted});
            ("update", changes.iter().map(field).collect())
        }
    };
    json!({
        "action": action,
        "kind": step.key.kind.segment(),
        "tenant": step.key.tenant,
        "name": step.key.name,
        "fields": fields,
        "reason": step.reason,
    })
}
