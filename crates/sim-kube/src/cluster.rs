//! Everything that the API server knows.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use crate::addresses::Addresses;
use crate::auth::{Account, Authorization};
use crate::clock::Clock;
use crate::controllers::Work;
use crate::fault::{Faults, is_client};
use crate::journal::Journal;
use crate::resource::{Registry, Resource};
use crate::status::{Granted, Refusal};
use crate::store::{Store, Stored};

/// Orders to disconnect that are remembered.
const MOST_CUTS: usize = 1000;

/// The state of the API server. A request is executed at one instant, under a lock.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) addresses: Addresses,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) network: Network,
    pub(crate) accounts: Vec<Account>,
    pub(crate) authorization: Authorization,
    /// Whether namespaces end and StatefulSets get Pods.
    pub(crate) controllers: bool,
    /// What the controllers are to look at.
    pub(crate) work: VecDeque<Work>,
    pub(crate) most_objects: usize,
    pub(crate) latency: std::time::Duration,
}

impl Cluster {
    pub(crate) fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Granted<Arc<Stored>> {
        let found = self.store.get(&resource.key(), namespace, name);
        found.cloned().ok_or_else(|| Refusal::not_found(resource, name))
    }

    /// A built-in resource. They are all in the table, which a test checks.
    pub(crate) fn built_in(&self, group: &str, plural: &str) -> Option<Arc<Resource>> {
        self.registry.find(group, "v1", plural).cloned()
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<&Arc<Stored>> {
        self.store.get(&("".into(), "namespaces".into()), "", name)
    }

    /// The version of the object in which a request wants it.
    pub(crate) fn in_version(resource: &Resource, stored: &Arc<Stored>) -> Arc<Stored> {
        let version = resource.api_version();
        if resource.custom.is_none() || stored.value["apiVersion"] == version.as_str() {
            return stored.clone();
        }
        let mut value = stored.value.clone();
        value["apiVersion"] = version.into();
        Arc::new(Stored::new(value, stored.revision))
    }
}

/// Uids and the ends of generated names.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: Option<u64>,
    given: u64,
}

const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Ids {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self { seed, given: 0 }
    }

    pub(crate) fn uid(&mut self) -> String {
        self.given += 1;
        match self.seed {
            None => uuid::Uuid::new_v4().to_string(),
            Some(seed) => format!("{:08x}-0000-4000-8000-{:012x}", seed & 0xffff_ffff, self.given),
        }
    }

    /// Five letters, as in `metadata.generateName`.
    pub(crate) fn suffix(&mut self) -> String {
        self.given += 1;
        let mut number = match self.seed {
            None => uuid::Uuid::new_v4().as_u128() >> 64,
            // Neighbours should not look alike.
            Some(seed) => {
                u128::from((self.given ^ seed.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16)
            }
        };
        let letters = u128::try_from(SUFFIX_LETTERS.len()).unwrap_or(1);
        let mut suffix = String::new();
        for _ in 0..5 {
            let at = usize::try_from(number % letters).unwrap_or(0);
            suffix.push(char::from(SUFFIX_LETTERS[at]));
            number /= letters;
        }
        suffix
    }
}

/// How a partition shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Connections break and none are made.
    Refuse,
    /// Nothing arrives until the partition heals: requests hang, watches are silent.
    Silence,
}

/// Which clients are cut off.
#[derive(Debug)]
pub(crate) struct Network {
    partitions: Vec<(String, Cut)>,
    disconnects: VecDeque<(u64, String)>,
    ordered: u64,
    signal: watch::Sender<u64>,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self {
            partitions: Vec::new(),
            disconnects: VecDeque::new(),
            ordered: 0,
            signal: watch::Sender::new(0),
        }
    }

    /// Tells whoever waits that something is different now.
    pub(crate) fn announce(&mut self) {
        self.ordered += 1;
        self.signal.send_replace(self.ordered);
    }

    pub(crate) fn partition(&mut self, client: &str, cut: Cut) {
        self.partitions.retain(|(cut_off, _)| cut_off != client);
        if self.partitions.len() < MOST_CUTS {
            self.partitions.push((client.to_owned(), cut));
        }
        self.announce();
    }

    pub(crate) fn heal(&mut self, client: &str) {
        self.partitions.retain(|(cut_off, _)| cut_off != client);
        self.announce();
    }

    pub(crate) fn disconnect(&mut self, client: &str) {
        self.announce();
        self.disconnects.push_back((self.ordered, client.to_owned()));
        while self.disconnects.len() > MOST_CUTS {
            self.disconnects.pop_front();
        }
    }

    pub(crate) fn state(&self, agent: &str, user: &str) -> Option<Cut> {
        let mut cuts = self.partitions.iter();
        cuts.find(|(client, _)| is_client(client, agent, user)).map(|(_, cut)| *cut)
    }

    /// Whether a connection made when `since` orders had been given was closed.
    pub(crate) fn is_disconnected(&self, since: u64, agent: &str, user: &str) -> bool {
        let mut orders = self.disconnects.iter().rev().take_while(|(order, _)| *order > since);
        orders.any(|(_, client)| is_client(client, agent, user))
    }

    pub(crate) fn ordered(&self) -> u64 {
        self.ordered
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.signal.subscribe()
    }
}

/// A text of an object; empty if it is missing.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The texts of a list.
pub(crate) fn texts(value: &Value) -> BTreeSet<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
