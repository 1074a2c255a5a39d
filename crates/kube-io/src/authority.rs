//! Whether the ServiceAccounts of installations may do the work of an operator.
//!
//! A stage between the watch of StatefulSets and whoever listens to it: an installation
//! is handed on when its ServiceAccount was asked about, and again when the answer is
//! another one. What comes after it waits, proofs that the watch is up to date included,
//! so that nothing is taken for known that is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_core::{Authority, Delta, Installation, Resource, ResourceKind};
use ako_kube_types::StatefulSet;
use futures::{StreamExt, stream};
use k8s_openapi::api::authorization::v1::ResourceAttributes;

use kube::Client;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::access_review::{Asker, is_allowed};
use crate::error::{code_of, describe};
use crate::proof::Feed;
use crate::source_event::SourceEvent;
use crate::watch::watch;

/// How many questions are asked at a time.
const CONCURRENT: usize = 8;
/// How long the answer to one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A question without an answer is asked again after this.
const RETRY: Duration = Duration::from_secs(1);
/// A ServiceAccount that may not is asked about again after this: its binding may have
/// been made after its StatefulSet. Less than another instance waits before it takes
/// anything over without a word.
const REFUSED_AGAIN: Duration = Duration::from_secs(5);
/// One that may, or that cannot be asked about.
const AGAIN: Duration = Duration::from_mins(1);
/// How many events wait while a question is asked.
const QUEUE: usize = 64;

/// The ServiceAccount of an installation: its namespace and its name.
type Account = (Arc<str>, Arc<str>);

/// Watches StatefulSets, and says of each whether it can be an operator's.
pub(crate) async fn watch_installations(feed: Feed) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let stage = Stage {
        client: feed.client.clone(),
        events: feed.events.clone(),
        answers: BTreeMap::new(),
        shown: BTreeMap::new(),
    };
    tokio::select! {
        () = watch::<StatefulSet>(Feed { events: sender, ..feed }) => {}
        _ = stage.run(receiver) => {}
    }
}

struct Answer {
    authority: Authority,
    /// When to ask again.
    next: Instant,
}

impl Answer {
    fn new(authority: Authority) -> Self {
        let rest = if authority == Authority::Refused { REFUSED_AGAIN } else { AGAIN };
        Self { authority, next: Instant::now() + rest }
    }
}

/// Nobody listens any more.
struct Closed;

struct Stage {
    client: Client,
    events: mpsc::Sender<SourceEvent>,
    answers: BTreeMap<Account, Answer>,
    /// What was handed on, by namespace.
    shown: BTreeMap<Arc<str>, Installation>,
}

impl Stage {
    async fn run(mut self, mut seen: mpsc::Receiver<SourceEvent>) -> Result<(), Closed> {
        loop {
            let next = self.answers.values().map(|answer| answer.next).min();
            let is_time = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = seen.recv() => self.take(event.ok_or(Closed)?).await?,
                () = is_time => self.ask_again().await?,
            }
        }
    }

    async fn take(&mut self, event: SourceEvent) -> Result<(), Closed> {
        let event = match event {
            SourceEvent::Delta(Delta::Apply(Resource::StatefulSet(installation))) => {
                let resource = self.vet(vec![installation]).await?.into_iter().next().ok_or(Closed)?;
                SourceEvent::Delta(Delta::Apply(resource))
            }
            SourceEvent::Delta(Delta::Reset(kind, resources)) => {
                let installations = resources.into_iter().filter_map(|resource| match resource {
                    Resource::StatefulSet(installation) => Some(installation),
                    _ => None,
                });
                self.shown.clear();
                let vetted = self.vet(installations.collect()).await?;
                SourceEvent::Delta(Delta::Reset(kind, vetted))
            }
            SourceEvent::Delta(Delta::Delete(id)) => {
                self.shown.remove(&id.name.namespace);
                SourceEvent::Delta(Delta::Delete(id))
            }
            other => other,
        };
        self.forget();
        self.send(event).await
    }

    async fn send(&self, event: SourceEvent) -> Result<(), Closed> {
        self.events.send(event).await.map_err(|_| Closed)
    }

    /// Forgets the answers that nobody needs any more.
    fn forget(&mut self) {
        let needed: BTreeSet<_> = self.shown.values().map(account_of).collect();
        self.answers.retain(|account, _| needed.contains(account));
    }

    /// Asks about installations until all have an answer.
    async fn vet(&mut self, installations: Vec<Installation>) -> Result<Vec<Resource>, Closed> {
        let mut is_in_trouble = false;
        loop {
            let unknown: BTreeSet<_> = installations
                .iter()
                .map(account_of)
                .filter(|account| !self.answers.contains_key(account))
                .collect();
            let failed = self.ask(unknown).await;
            let Some(message) = failed else { break };
            if !std::mem::replace(&mut is_in_trouble, true) {
                self.send(SourceEvent::Trouble { kind: ResourceKind::StatefulSet, message }).await?;
            }
            sleep(RETRY).await;
        }
        if is_in_trouble {
            self.send(SourceEvent::Recovered { kind: ResourceKind::StatefulSet }).await?;
        }
        let vetted = installations.into_iter().map(|installation| self.stamp(installation));
        let vetted: Vec<_> = vetted.collect();
        self.shown.extend(vetted.iter().map(|found| (found.namespace.clone(), found.clone())));
        Ok(vetted.into_iter().map(Resource::StatefulSet).collect())
    }

    fn stamp(&self, installation: Installation) -> Installation {
        let answer = self.answers.get(&account_of(&installation));
        let authority = answer.map(|answer| answer.authority).unwrap_or_default();
        Installation { authority, ..installation }
    }

    /// Asks about ServiceAccounts, and answers why one of them has no answer.
    async fn ask(&mut self, accounts: BTreeSet<Account>) -> Option<String> {
        let client = &self.client;
        let asked = stream::iter(accounts).map(|account| async move {
            let answer = review(client, &account).await;
            (account, answer)
        });
        let mut failed = None;
        for (account, answer) in asked.buffered(CONCURRENT).collect::<Vec<_>>().await {
            match answer {
                Ok(authority) => _ = self.answers.insert(account, Answer::new(authority)),
                Err(message) => failed = Some(message),
            }
        }
        failed
    }

    /// Asks about those again whose time has come, the first of them first.
    async fn ask_again(&mut self) -> Result<(), Closed> {
        let now = Instant::now();
        let due = self.answers.iter().filter(|(_, answer)| answer.next <= now);
        let mut due: Vec<_> = due.map(|(account, answer)| (answer.next, account.clone())).collect();
        due.sort();
        due.truncate(CONCURRENT);
        let due: BTreeSet<_> = due.into_iter().map(|(_, account)| account).collect();
        // What is not answered stays as it is.
        for account in &due {
            if let Some(answer) = self.answers.get_mut(account) {
                answer.next = now + REFUSED_AGAIN;
            }
        }
        let _ = self.ask(due).await;
        let changed: Vec<_> = self.shown.values().map(|old| (old, self.stamp(old.clone()))).collect();
        let changed: Vec<_> =
            changed.into_iter().filter(|(old, new)| *old != new).map(|(_, new)| new).collect();
        for installation in changed {
            self.shown.insert(installation.namespace.clone(), installation.clone());
            self.send(SourceEvent::Delta(Delta::Apply(Resource::StatefulSet(installation)))).await?;
        }
        Ok(())
    }
}

fn account_of(installation: &Installation) -> Account {
    (installation.namespace.clone(), installation.account.clone())
}

/// Asks whether a ServiceAccount may write the status of Ingresses in all namespaces.
async fn review(client: &Client, (namespace, name): &Account) -> Result<Authority, String> {
    let attributes = ResourceAttributes {
        group: Some("networking.k8s.io".to_owned()),
        resource: Some("ingresses".to_owned()),
        subresource: Some("status".to_owned()),
        verb: Some("patch".to_owned()),
        ..ResourceAttributes::default()
    };
    let asker = Asker::Account { namespace: namespace.to_string(), name: name.to_string() };
    let about = |why: String| {
        format!(
            "whether ServiceAccount {namespace}/{name} may do the work of an operator is not known: {why}"
        )
    };
    match timeout(ANSWER_WITHIN, is_allowed(client, &asker, attributes)).await {
        Ok(Ok(is_allowed)) => Ok(if is_allowed { Authority::Granted } else { Authority::Refused }),
        Ok(Err(error)) if matches!(code_of(&error), Some(403 | 404)) => Ok(Authority::Unknown),
        Ok(Err(error)) => Err(about(describe(&error))),
        Err(_) => Err(about("no answer in time".to_owned())),
    }
}
