//! The watch of one kind.

use std::fmt::Debug;
use std::pin::pin;

use ako_core::{Claim, Installation, ResourceKind};
use ako_kube_types::Convert;
use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{Config, DefaultBackoff, Error, watcher};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch as signal};

use crate::error::{code_of, describe_watch};
use crate::source::SourceEvent;
use crate::tracker::Tracker;

/// How many objects a page of a list holds.
pub const PAGE_SIZE: u32 = 500;

/// How many Secrets a page of a list holds: each may have 1 MiB.
pub const SECRET_PAGE_SIZE: u32 = 100;

/// After how many seconds the server ends a watch, which is then resumed. A
/// connection that died silently goes unnoticed for 5 seconds longer.
pub const WATCH_TIMEOUT: u32 = 120;

/// Helm's release records are most of the Secrets of many clusters.
/// Source: Configuration, lifecycle and HA, "Informers".
const SECRET_SELECTOR: &str = "type!=helm.sh/release.v1";

/// Watches a kind until the receiver is gone.
pub(crate) async fn watch<K>(client: Client, events: mpsc::Sender<SourceEvent>)
where
    K: Convert + DeserializeOwned + Clone + Debug + Send + Sync + 'static,
{
    let (client, mut answered) = observed(client);
    let api = Api::<DeserializeGuard<K>>::all(client);
    let mut connection = Connection { kind: K::KIND, trouble: None, backoff: DefaultBackoff::default() };
    let mut tracker = Tracker::new(K::KIND);
    let mut stream = pin!(watcher(api.clone(), config(K::KIND)));
    loop {
        let resumed = connection.trouble.is_some() && !tracker.is_listing();
        let item = tokio::select! {
            biased;
            item = stream.next() => item,
            Ok(()) = answered.changed(), if resumed => {
                if send(&events, connection.recovered()).await.is_err() { return }
                continue;
            }
        };
        let (said, delay) = match item {
            Some(Ok(event)) => {
                let mut said = tracker.step(event);
                if !tracker.is_listing() {
                    said.extend(connection.recovered());
                }
                (said, None)
            }
            Some(Err(error)) => {
                if needs_new_list(&error) {
                    stream.set(watcher(api.clone(), config(K::KIND)));
                }
                let said: Vec<_> = connection.failed(&error).into_iter().collect();
                (said, connection.backoff.next())
            }
            // The stream has no end; should it have one, it is begun again.
            None => {
                stream.set(watcher(api.clone(), config(K::KIND)));
                (Vec::new(), connection.backoff.next())
            }
        };
        answered.mark_unchanged();
        if send(&events, said).await.is_err() {
            return;
        }
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
    }
}

/// Whether the connection works, as far as it was told.
struct Connection {
    kind: ResourceKind,
    trouble: Option<String>,
    backoff: DefaultBackoff,
}

impl Connection {
    /// An error occurred: said once, and again when it is another one. That a
    /// version expired is no trouble: a new list follows.
    fn failed(&mut self, error: &Error) -> Option<SourceEvent> {
        if is_expired(error) {
            return None;
        }
        let message = describe_watch(error);
        if self.trouble.as_ref() == Some(&message) {
            return None;
        }
        self.trouble = Some(message.clone());
        Some(SourceEvent::Trouble { kind: self.kind, message })
    }

    /// It works.
    fn recovered(&mut self) -> Option<SourceEvent> {
        self.backoff.reset();
        self.trouble.take().map(|_| SourceEvent::Recovered { kind: self.kind })
    }
}

fn config(kind: ResourceKind) -> Config {
    let config = Config::default().timeout(WATCH_TIMEOUT);
    match kind {
        ResourceKind::Secret => config.page_size(SECRET_PAGE_SIZE).fields(SECRET_SELECTOR),
        // One for each instance of the operator.
        ResourceKind::ConfigMap => {
            config.page_size(PAGE_SIZE).fields(&format!("metadata.name={}", Claim::CONFIG_MAP))
        }
        ResourceKind::StatefulSet => {
            config.page_size(PAGE_SIZE).fields(&format!("metadata.name={}", Installation::STATEFUL_SET))
        }
        _ => config.page_size(PAGE_SIZE),
    }
}

/// Whether the version that the watch was to go on from is too old.
fn is_expired(error: &Error) -> bool {
    match error {
        Error::WatchError(status) => status.code == 410,
        Error::WatchStartFailed(error) => code_of(error) == Some(410),
        _ => false,
    }
}

/// Whether only a new list tells what happened: a line of the watch could not
/// be read, or the server refused to go on in a way that kube does not follow
/// with a list by itself.
fn needs_new_list(error: &Error) -> bool {
    matches!(error, Error::WatchFailed(kube::Error::SerdeError(_))) || is_expired(error)
}

async fn send(
    events: &mpsc::Sender<SourceEvent>,
    said: impl IntoIterator<Item = SourceEvent>,
) -> Result<(), mpsc::error::SendError<SourceEvent>> {
    for event in said {
        events.send(event).await?;
    }
    Ok(())
}

/// A client whose successful answers are signalled: a watch that was resumed
/// says nothing until something changes.
fn observed(client: Client) -> (Client, signal::Receiver<()>) {
    let (sender, receiver) = signal::channel(());
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request| {
        let (client, sender) = (client.clone(), sender.clone());
        async move {
            let answer = client.send(request).await;
            if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
                sender.send_replace(());
            }
            answer
        }
    });
    (Client::new(service, namespace), receiver)
}
