//! The Lease `ako-lease-lock`: what people and tools look at.
//!
//! None of our replicas decides by it; those of the reference implementation
//! decide by nothing else.

use crate::record::{Holder, Record, Version};

/// The name of the Lease.
pub const LEASE_NAME: &str = "ako-lease-lock";

/// Microseconds since 1970 as the process's wall clock has it: written for
/// people, never compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WallTime(pub i64);

/// What the Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LeaseSpec {
    /// `holderIdentity`: ours begin with the pod's name and have an
    /// underscore; the reference implementation's are the pod's name.
    pub holder: String,
    /// `leaseDurationSeconds`.
    pub duration_seconds: i32,
    /// `acquireTime`.
    pub acquired: Option<WallTime>,
    /// `renewTime`.
    pub renewed: Option<WallTime>,
    /// `leaseTransitions`.
    pub transitions: i32,
}

/// The Lease as a quorum read, or the answer to a write, showed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObservedLease {
    /// The state of the object.
    pub version: Version,
    /// What it says.
    pub spec: LeaseSpec,
}

/// A change of the Lease. Both parts of the version go into the request: a
/// `PUT` of a Lease that was deleted creates it unless the uid is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LeaseChange {
    /// Create it.
    Create(LeaseSpec),
    /// Replace it if it is still in this version.
    Replace {
        /// Its new contents.
        spec: LeaseSpec,
        /// What it must be now.
        at: Version,
    },
    /// Delete it if it is still in this version.
    Delete {
        /// What it must be now.
        at: Version,
    },
}

impl LeaseSpec {
    /// The Lease while the record is held.
    pub fn held(record: &Record, acquired: WallTime, renewed: WallTime) -> Self {
        Self {
            holder: record.holder.to_string(),
            duration_seconds: i32::try_from(record.duration.as_secs()).unwrap_or(i32::MAX).max(1),
            acquired: Some(acquired),
            renewed: Some(renewed),
            transitions: i32::try_from(record.epoch.number()).unwrap_or(i32::MAX),
        }
    }

    /// The Lease after its holder has given up.
    #[must_use]
    pub fn cleared(&self, at: WallTime) -> Self {
        let (acquired, renewed) = (Some(at), Some(at));
        Self { holder: String::new(), duration_seconds: 1, acquired, renewed, ..self.clone() }
    }

    /// Whether somebody holds it who does not decide by the record. Names of
    /// pods have no underscore; our identities do.
    pub fn is_foreign(&self) -> bool {
        !self.holder.is_empty() && !self.holder.contains('_')
    }

    /// Whether this process holds it.
    pub fn is_held_by(&self, holder: &Holder) -> bool {
        self.holder == holder.as_str()
    }
}

/// Whether there is to be a Lease: with more than one replica. With none at all it
/// stays as the last one left it.
pub(crate) fn is_wanted(replicas: u32) -> bool {
    replicas != 1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::permit::Epoch;

    #[test]
    fn it_shows_what_the_record_says() {
        let record = Record {
            holder: Holder::of("ako-1", "u", "n"),
            epoch: Epoch(4),
            duration: Duration::from_secs(15),
            renewal: 9,
            released: None,
        };
        let held = LeaseSpec::held(&record, WallTime(5), WallTime(6));
        assert_eq!(held.holder, "ako-1_u_n");
        assert_eq!((held.duration_seconds, held.transitions), (15, 4));
        assert_eq!((held.acquired, held.renewed), (Some(WallTime(5)), Some(WallTime(6))));
        assert!(!held.is_foreign() && held.is_held_by(&record.holder));
        let cleared = held.cleared(WallTime(7));
        assert_eq!((cleared.holder.as_str(), cleared.duration_seconds, cleared.transitions), ("", 1, 4));
        assert!(!cleared.is_foreign());
    }

    #[test]
    fn a_bare_pod_name_is_the_reference_implementations() {
        assert!(LeaseSpec { holder: "ako-0".to_owned(), ..LeaseSpec::default() }.is_foreign());
    }

    #[test]
    fn one_replica_has_none() {
        assert!(!is_wanted(1));
        assert!(is_wanted(2) && is_wanted(0));
    }
}
