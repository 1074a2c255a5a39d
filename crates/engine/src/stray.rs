//! Whose the addresses are that stand in a namespace that nobody asks for.
//!
//! A status names virtual services by uuid, and nobody who published it. What another
//! instance published is its own to take away: it may act by another configuration than the
//! one that can be seen, and go on to serve. If it is gone, its virtual services are too,
//! sooner or later. So the controller is asked for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ako_avi_types::Failure;
use ako_core::resource::Published;
use ako_core::{ResourceId, annotation};

use crate::event::Effect;
use crate::policy::Policy;

/// For how many statuses the controller is asked at a time.
const MOST_ASKED: usize = 16;
/// Of how many virtual services a status may consist to be asked for: ours have one a host.
const MOST_NAMED: usize = 64;

/// What the controller says of the virtual services of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// It was asked.
    Unknown,
    /// They are ours, or there are none of them: the status is ours to take away.
    Ours,
    /// Another one's, or it did not say.
    NotOurs,
}

/// What is known of the statuses in namespaces that nobody asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strays {
    /// With the annotation that it was found out for.
    known: BTreeMap<ResourceId, (Arc<str>, Whose)>,
    /// Those for which there was no room to ask.
    queued: BTreeSet<ResourceId>,
}

impl Strays {
    /// Whether a status may be taken away; asks the controller if that is not known.
    pub(crate) fn may_clear(
        &mut self,
        object: &ResourceId,
        current: &Published,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let named = |key| current.annotations.get(key);
        let (Some(map), Some(tenant)) = (named(annotation::VS_UUID_MAP), named(annotation::TENANT)) else {
            return false;
        };
        if let Some((_, whose)) = self.known.get(object).filter(|(known, _)| known == map) {
            return *whose == Whose::Ours;
        }
        let Some(virtual_services) = uuids(map) else { return false };
        if self.asked() >= MOST_ASKED {
            self.queued.insert(object.clone());
            return false;
        }
        self.known.insert(object.clone(), (map.clone(), Whose::Unknown));
        effects.push(Effect::FindOwners { object: object.clone(), tenant: tenant.clone(), virtual_services });
        false
    }

    /// The controller has said whose the virtual services are that are still there. Answers
    /// which objects have to be looked at.
    pub(crate) fn found(
        &mut self,
        object: ResourceId,
        owners: Result<BTreeSet<Arc<str>>, Failure>,
        policy: &Policy,
    ) -> BTreeSet<ResourceId> {
        if let Some((_, whose)) = self.known.get_mut(&object) {
            let are_ours = owners.is_ok_and(|owners| owners.iter().all(|owner| policy.is_owner(owner)));
            *whose = if are_ours { Whose::Ours } else { Whose::NotOurs };
        }
        let queued = std::mem::take(&mut self.queued);
        queued.into_iter().chain([object]).collect()
    }

    /// What is on the controller was read anew. Answers for which objects it is asked again.
    pub(crate) fn ask_again(&mut self) -> Vec<ResourceId> {
        let settled = self.known.extract_if(.., |_, (_, whose)| *whose != Whose::Unknown);
        settled.map(|(object, _)| object).collect()
    }

    /// An object is gone.
    pub(crate) fn remove(&mut self, object: &ResourceId) {
        self.queued.remove(object);
        self.known.remove(object);
    }

    /// An object is as it should be.
    pub(crate) fn forget(&mut self, object: &ResourceId) {
        self.queued.remove(object);
        if self.known.get(object).is_some_and(|(_, whose)| *whose == Whose::Ours) {
            self.known.remove(object);
        }
    }

    /// How many answers are waited for.
    pub(crate) fn len(&self) -> usize {
        self.asked() + self.queued.len()
    }

    fn asked(&self) -> usize {
        self.known.values().filter(|(_, whose)| *whose == Whose::Unknown).count()
    }
}

/// The uuids of the virtual services by host; `None` if it is not what an instance writes.
fn uuids(map: &str) -> Option<BTreeSet<Arc<str>>> {
    let map: BTreeMap<String, Arc<str>> = serde_json::from_str(map).ok()?;
    let is_uuid = |text: &Arc<str>| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (map.len() <= MOST_NAMED && map.values().all(is_uuid)).then(|| map.into_values().collect())
}
