//! `ako plan`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use ako_avi_io::ClaimedBy;
use ako_core::{Catalogue, Delta, Look, Program, ResourceId, ResourceKind};
use ako_engine::{DryRun, Event, Reading, dry_run};
use ako_kube_io::{Pace, SecretsOf, Source, SourceEvent};
use ako_translate::Translator;
use anyhow::Context as _;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::dry_run::{as_json, text};
use super::{Format, stdout};
use crate::cluster::{Cluster, Which};
use crate::run::connection::Connection;
use crate::run::{clock, connection, settings_reader};

/// Exit code where something would change.
const CHANGES: u8 = 2;
/// How often more is looked up that what was found refers to.
const MOST_ROUNDS: usize = 10;
/// How long the cluster may take to be read.
const READ_WITHIN: Duration = Duration::from_mins(2);

/// Arguments of `ako plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    which: Which,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (run, name_taken) = rehearse(&arguments.cluster, arguments.which.program()).await?;
    print(&run, name_taken.as_deref(), arguments.output)?;
    Ok(if run.writes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHANGES) })
}

/// What an operator would write that starts now and leads, and why nothing is written if another
/// cluster has this one's name.
pub(super) async fn rehearse(place: &Cluster, program: Program) -> anyhow::Result<(DryRun, Option<String>)> {
    let client = ako_kube_io::client(place.kubeconfig.as_deref()).await?;
    let settings = settings_reader::read_once(&client, program, &place.namespace).await?;
    // Nobody leads here: nothing is written.
    let (_, leads) = watch::channel(false);
    let uid = ako_kube_io::cluster_uid(&client).await.map_err(anyhow::Error::msg)?;
    let connection = connection::connect(&settings, uid, clock::boot_time(), None, leads)?;
    let controller = || format!("the Avi Controller at {}", settings.config.controller_host);
    let translator = connection.translator(&settings.config).await.with_context(controller)?;
    let cluster = read_cluster(client, &translator).await?;
    // After the cluster, as an operator does that hears there that another instance has taken
    // something over.
    let reading = connection.observe(&settings.config, translator.facts()).await.with_context(controller)?;
    let mut run = plan(&connection, &translator, &cluster, &reading).await;
    let name_taken = name_taken(&connection);
    if name_taken.is_some() {
        run.writes.clear();
    }
    Ok((run, name_taken))
}

/// Finds out what an operator would write, which may depend on other objects of the controller:
/// they are looked up until nothing is missing.
async fn plan(
    connection: &Connection,
    translator: &Translator,
    cluster: &[Event],
    reading: &Reading,
) -> DryRun {
    let mut catalogue = Catalogue::default();
    let cloud = &translator.config().cloud_name;
    for _ in 0..MOST_ROUNDS {
        let run = dry_run(translator.clone(), cluster.iter().cloned(), reading.clone(), &catalogue);
        if run.unanswered.is_empty() {
            return run;
        }
        for (name, answer) in connection.client.look_up(run.unanswered, cloud).await {
            let look = match answer {
                Ok(found) => found.map_or(Look::Missing, Look::Found),
                Err(failure) => {
                    eprintln!(
                        "warning: {name} cannot be looked up ({failure}); what refers to it is taken to be right"
                    );
                    Look::Unreadable(failure.to_string().into())
                }
            };
            catalogue.learn(&name, look);
        }
    }
    dry_run(translator.clone(), cluster.iter().cloned(), reading.clone(), &catalogue)
}

/// Why nothing is written if another Kubernetes cluster has this one's name. That this is not
/// known keeps nobody from writing, and is told by itself.
fn name_taken(connection: &Connection) -> Option<String> {
    let claim = connection.claim.as_ref()?;
    let by = claim.at_home().borrow().clone()?;
    let said = claim.says(&by)?;
    if matches!(by, ClaimedBy::Another(_)) {
        return Some(said);
    }
    eprintln!("warning: {said}");
    None
}

/// Reads everything once: what an operator hears of the cluster when it starts.
async fn read_cluster(client: kube::Client, translator: &Translator) -> anyhow::Result<Vec<Event>> {
    let (sender, mut events) = mpsc::channel(1024);
    let mut left = ResourceKind::read_with(translator.config());
    let (_, kinds) = watch::channel(left.clone());
    let secrets = SecretsOf::configured(translator.config());
    let watches = Source::run(client, kinds, secrets, sender, Pace::idle(clock::boot_time()));
    let reading = async {
        let mut cluster = Vec::new();
        while !left.is_empty() {
            let event = events.recv().await.context("the watches ended")?;
            cluster.extend(heard(event, &mut left));
        }
        Ok(cluster)
    };
    tokio::select! {
        read = tokio::time::timeout(READ_WITHIN, reading) => {
            read.context("the cluster could not be read in time; is every kind served, and may we list it?")?
        }
        () = watches => anyhow::bail!("the watches ended"),
    }
}

/// What the engine is told of an event. Takes the kinds out of `left` that are listed.
fn heard(event: SourceEvent, left: &mut BTreeSet<ResourceKind>) -> Option<Event> {
    Some(match event {
        SourceEvent::Delta(delta) => {
            if let Delta::Reset(kind, _) = &delta {
                left.remove(kind);
            }
            Event::Cluster(delta)
        }
        SourceEvent::Undecodable { kind, name, message } => {
            tracing::error!(kind = kind.as_str(), %name, message, "an object cannot be understood");
            Event::Unreadable(ResourceId { kind, name })
        }
        SourceEvent::Trouble { kind, message } => {
            tracing::error!(kind = kind.as_str(), message, "cannot be listed");
            Event::Outdated(kind, true)
        }
        SourceEvent::Recovered { kind } => Event::Outdated(kind, false),
        SourceEvent::Served { kind, served } => Event::Served(kind, served),
        SourceEvent::Diagnostics(..) | SourceEvent::Proven { .. } => return None,
    })
}

fn print(run: &DryRun, name_taken: Option<&str>, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        let mut value = as_json(run);
        value["cluster_name_taken"] = json!(name_taken);
        stdout::json(&value)?;
        return Ok(());
    }
    stdout::print(&text(run))?;
    if let Some(why) = name_taken {
        stdout::line(&format!("\nCLUSTER NAME: {why}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ako_core::NamespacedName;

    use super::*;

    #[test]
    fn the_engine_hears_what_it_hears_of_a_live_cluster() {
        let mut left = BTreeSet::from([ResourceKind::Ingress, ResourceKind::Service]);
        let kind = ResourceKind::Ingress;
        let name = NamespacedName::new("red", "a");
        let undecodable = SourceEvent::Undecodable { kind, name: name.clone(), message: String::new() };
        let unreadable = heard(undecodable, &mut left);
        assert!(matches!(unreadable, Some(Event::Unreadable(id)) if id == ResourceId { kind, name }));
        let served = heard(SourceEvent::Served { kind, served: false }, &mut left);
        assert!(matches!(served, Some(Event::Served(ResourceKind::Ingress, false))));
        let trouble = heard(SourceEvent::Trouble { kind, message: String::new() }, &mut left);
        assert!(matches!(trouble, Some(Event::Outdated(ResourceKind::Ingress, true))));
        assert_eq!(left.len(), 2);
        let list = heard(SourceEvent::Delta(Delta::Reset(kind, Vec::new())), &mut left);
        assert!(matches!(list, Some(Event::Cluster(Delta::Reset(ResourceKind::Ingress, _)))));
        assert_eq!(left, BTreeSet::from([ResourceKind::Service]));
    }
}
