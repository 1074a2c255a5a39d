//! The cluster as a stream of changes.

use std::collections::BTreeSet;
use std::time::Duration;

use ako_core::id::NamespacedName;
use ako_core::{Delta, Diagnostic, ResourceId, ResourceKind};
use ako_kube_types::{
    BlockAffinity, CiliumNode, ConfigMap, EndpointSlice, HostSubnet, Ingress, IngressClass, Namespace, Node,
    Pod, Secret, Service, StatefulSet,
};
use kube::Client;
use tokio::sync::{mpsc, watch as signal};
use tokio::task::JoinSet;

use crate::watch::watch;

/// How long a watch that ended unexpectedly is left alone.
const RESTART_DELAY: Duration = Duration::from_secs(5);

/// What a watch has to say.
#[derive(Clone, Debug)]
pub enum SourceEvent {
    /// The cluster changed. A [`Delta::Reset`] is sent for complete lists only.
    Delta(Delta),
    /// All findings of the conversion about an object; none if it is fine
    /// again or gone.
    Diagnostics(ResourceId, Vec<Diagnostic>),
    /// An object does not have the form of its kind. Its old version, if any,
    /// stands; that of objects in a list is announced before the list, so that
    /// an object which is missing from the list for this reason alone need not
    /// be taken for deleted. Over with the next delta about the object, or the next
    /// list that holds it; a deletion is told even if the object was never understood.
    Undecodable {
        /// Its kind.
        kind: ResourceKind,
        /// Its name.
        name: NamespacedName,
        /// Why.
        message: String,
    },
    /// What is known of a kind may be out of date.
    Trouble {
        /// The kind.
        kind: ResourceKind,
        /// Why.
        message: String,
    },
    /// What is known of a kind is kept up to date again.
    Recovered {
        /// The kind.
        kind: ResourceKind,
    },
}

/// One watch for each kind that the configuration asks for.
///
/// They survive everything that an API server does: errors, disconnects,
/// restarts and expired versions are followed by reconnects and, where changes
/// were missed, by a new complete list.
#[derive(Debug)]
pub struct Source(());

impl Source {
    /// Watches, and sends what it sees, until the receiver is gone. The
    /// channel's bound is the only buffer: a slow receiver slows the watches
    /// down. Kinds that are added later are watched from then on; a watch once
    /// begun goes on. Dropping the future ends all watches.
    pub async fn run(
        client: Client,
        mut kinds: signal::Receiver<BTreeSet<ResourceKind>>,
        events: mpsc::Sender<SourceEvent>,
    ) {
        let (mut tasks, mut begun) = (JoinSet::new(), BTreeSet::new());
        loop {
            for kind in kinds.borrow_and_update().difference(&begun.clone()).copied() {
                tasks.spawn(supervise(kind, client.clone(), events.clone()));
                begun.insert(kind);
            }
            tokio::select! {
                changed = kinds.changed() => {
                    if changed.is_err() {
                        // Nobody adds any more.
                        events.closed().await;
                        return;
                    }
                }
                () = events.closed() => return,
            }
        }
    }
}

/// Keeps a kind's watch going, whatever happens inside of it.
async fn supervise(kind: ResourceKind, client: Client, events: mpsc::Sender<SourceEvent>) {
    loop {
        let mut task = JoinSet::new();
        start(&mut task, kind, client.clone(), events.clone());
        let Some(Err(error)) = task.join_next().await else { return };
        tracing::error!(kind = kind.as_str(), "a watch ended unexpectedly: {error}");
        let message = "the watch ended unexpectedly and is started again".to_owned();
        if events.send(SourceEvent::Trouble { kind, message }).await.is_err() {
            return;
        }
        tokio::time::sleep(RESTART_DELAY).await;
    }
}

fn start(task: &mut JoinSet<()>, kind: ResourceKind, client: Client, events: mpsc::Sender<SourceEvent>) {
    match kind {
        ResourceKind::Namespace => task.spawn(watch::<Namespace>(client, events)),
        ResourceKind::Node => task.spawn(watch::<Node>(client, events)),
        ResourceKind::IngressClass => task.spawn(watch::<IngressClass>(client, events)),
        ResourceKind::Secret => task.spawn(watch::<Secret>(client, events)),
        ResourceKind::Service => task.spawn(watch::<Service>(client, events)),
        ResourceKind::EndpointSlice => task.spawn(watch::<EndpointSlice>(client, events)),
        ResourceKind::Ingress => task.spawn(watch::<Ingress>(client, events)),
        ResourceKind::Pod => task.spawn(watch::<Pod>(client, events)),
        ResourceKind::BlockAffinity => task.spawn(watch::<BlockAffinity>(client, events)),
        ResourceKind::HostSubnet => task.spawn(watch::<HostSubnet>(client, events)),
        ResourceKind::CiliumNode => task.spawn(watch::<CiliumNode>(client, events)),
        ResourceKind::ConfigMap => task.spawn(watch::<ConfigMap>(client, events)),
        ResourceKind::StatefulSet => task.spawn(watch::<StatefulSet>(client, events)),
    };
}
