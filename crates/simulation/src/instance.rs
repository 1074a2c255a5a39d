//! An instance of the operator: its leadership record and its replicas.

use std::sync::{Arc, Mutex, PoisonError};

use ako_elect::{Holder, Record};
use ako_sim_kube::SimKube;
use serde_json::Value;
use tokio::time::Instant;

use crate::borders::MARGIN;
use crate::replica::Replica;
use crate::setup::Member;

/// An instance.
pub struct Instance {
    /// What it serves.
    pub member: &'static Member,
    /// Its pods, from number 0.
    pub replicas: Vec<Replica>,
    /// Who leads it.
    pub leadership: Leadership,
}

impl Instance {
    /// One without pods.
    pub fn new(member: &'static Member, kube: SimKube) -> Self {
        let leadership = Leadership {
            kube,
            member,
            last: Arc::default(),
            restored: Arc::default(),
            by_hand: Arc::default(),
            beside: Arc::default(),
        };
        Self { member, replicas: Vec::new(), leadership }
    }

    /// Whether one leads, knows the controller and has nothing to write.
    pub async fn is_led(&mut self) -> bool {
        for replica in &mut self.replicas {
            let state = replica.state().await.unwrap_or_default();
            if state["role"] == "leader" && state["leadership"]["writes"] == true && state["settled"] == true
            {
                return true;
            }
        }
        false
    }

    /// How many leaderships there were.
    pub async fn epochs(&mut self) -> u64 {
        let Some(replica) = self.replicas.first_mut() else { return 0 };
        replica.state().await.and_then(|state| state["leadership"]["epoch"].as_u64()).unwrap_or(0)
    }
}

/// Who leads an instance, as its record says.
#[derive(Clone)]
pub struct Leadership {
    kube: SimKube,
    member: &'static Member,
    /// Who led before somebody deleted or emptied the record: absence is no
    /// evidence that this one does not.
    last: Arc<Mutex<Option<Holder>>>,
    /// A record that came from a backup: as long as nobody changed it, it is no
    /// evidence either.
    restored: Arc<Mutex<Option<Value>>>,
    /// When somebody last deleted, emptied or restored it.
    by_hand: Arc<Mutex<Option<Instant>>>,
    /// Since when a pod of AKO 2.2.1 runs beside.
    beside: Arc<Mutex<Option<Instant>>>,
}

impl Leadership {
    /// Who may write.
    pub fn leader(&self) -> Holder {
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.recorded().or_else(last).unwrap_or_else(Holder::nobody)
    }

    /// A pod of AKO 2.2.1 runs beside from now on, or no longer.
    pub fn stands_beside_ako(&self, stands: bool) {
        let mut beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        *beside = stands.then(|| beside.unwrap_or_else(Instant::now));
    }

    /// Whether one has run for so long that everybody knows.
    pub fn is_beside_ako(&self) -> bool {
        let beside = *self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        beside.is_some_and(|since| since.elapsed() > MARGIN * 2)
    }

    /// Notes that the record is now one from a backup.
    pub fn is_restored(&self) {
        let record = self.record();
        *self.restored.lock().unwrap_or_else(PoisonError::into_inner) = record;
    }

    /// Remembers who leads before somebody deletes, empties or restores the record.
    pub fn remember(&self) {
        *self.by_hand.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.led(self.recorded());
    }

    /// The same after that, for whoever began to lead since then and before it.
    pub fn remember_since(&self, then: Instant) {
        let path = format!("{}/{}", self.member.namespace, self.member.shared().record);
        let changes = self.kube.changes_since(then).into_iter();
        let of_record = changes.filter(|change| *change.plural == *"configmaps" && *change.path == *path);
        self.led(of_record.filter_map(|change| self.named_by(&*change.before?)).last());
    }

    fn led(&self, leader: Option<Holder>) {
        if leader.is_some() {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = leader;
        }
    }

    /// Whether somebody changed the record less than a lease ago: its last holder may
    /// still show itself in the Lease, beside the next one.
    pub fn is_changed_by_hand(&self) -> bool {
        let by_hand = *self.by_hand.lock().unwrap_or_else(PoisonError::into_inner);
        by_hand.is_some_and(|at| at.elapsed() < MARGIN * 2)
    }

    /// Whom the record names; `None` if it is absent, or was emptied by hand.
    fn recorded(&self) -> Option<Holder> {
        self.named_by(&self.record()?)
    }

    fn record(&self) -> Option<Value> {
        self.kube.get("", "configmaps", self.member.namespace, self.member.shared().record)
    }

    fn named_by(&self, record: &Value) -> Option<Holder> {
        // Its data alone may come again: epochs and renewals are counted from one.
        if self.restored.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(record) {
            return None;
        }
        let data = serde_json::from_value(record["data"].clone()).unwrap_or_default();
        let record = Record::from_data(&data);
        (record.holder != Holder::nobody() || record.released.is_some()).then_some(record.holder)
    }
}
