//! Keeps the Lease in step with the record, and judges by it and by the pods whether
//! the reference implementation may be writing.

use std::time::Duration;

use crate::event::{Unreadable, WriteError};
use crate::lease::{LeaseChange, LeaseSpec, ObservedLease, WallTime, is_wanted};
use crate::moment::Moment;
use crate::record::{Holder, LONGEST_LEASE, Record};
use crate::timing::Timing;

/// What this process has to do with the record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// It leads with this record.
    Leader(Record),
    /// It finishes what it began.
    Draining,
    /// It does not lead.
    Follower,
}

/// A request for the Lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LeaseRequest {
    Read,
    Change(LeaseChange),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seen {
    lease: ObservedLease,
    since: Moment,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each told by an event of its own")]
pub(crate) struct Mirror {
    me: Holder,
    timing: Timing,
    replicas: u32,
    reference_pods: bool,
    role: Role,
    seen: Option<Seen>,
    stale: bool,
    /// Nothing is known of the Lease yet.
    blind: bool,
    in_flight: bool,
    next: Moment,
    acquired: Option<WallTime>,
    clear: bool,
}

impl Mirror {
    pub(crate) fn new(me: Holder, timing: Timing, now: Moment) -> Self {
        Self {
            me,
            timing,
            replicas: 1,
            reference_pods: true,
            role: Role::Follower,
            seen: None,
            stale: true,
            blind: true,
            in_flight: false,
            next: now,
            acquired: None,
            clear: false,
        }
    }

    pub(crate) fn set_replicas(&mut self, replicas: u32) {
        self.replicas = replicas;
    }

    pub(crate) fn set_reference_pods(&mut self, present: bool) {
        self.reference_pods = present;
    }

    pub(crate) fn set_role(&mut self, role: Role, now: Moment) {
        let led = !matches!(self.role, Role::Follower);
        let leads = matches!(role, Role::Leader(_));
        if led && role == Role::Follower {
            self.clear = true;
            self.next = now;
            self.acquired = None;
        } else if leads && !led {
            self.clear = false;
            self.next = now;
        }
        self.role = role;
    }

    /// Whether somebody who does not decide by the record may be writing: a pod of
    /// theirs runs (one that began alone writes without a Lease), the pods or the Lease
    /// were not read yet, or a foreign holder did not let it go stale. That is judged
    /// like the record: since this process first saw that very version.
    pub(crate) fn foreign_writer(&self, now: Moment) -> bool {
        self.reference_pods
            || self.blind
            || self.seen.as_ref().is_some_and(|seen| self.is_foreign_and_fresh(seen, now))
    }

    fn is_foreign_and_fresh(&self, seen: &Seen, now: Moment) -> bool {
        let recorded = Duration::from_secs(u64::try_from(seen.lease.spec.duration_seconds).unwrap_or(0));
        let patience = self.timing.lease().max(Timing::default().lease()).max(recorded.min(LONGEST_LEASE));
        seen.lease.spec.is_foreign() && now < seen.since + patience
    }

    /// Whether nothing of this process's is left in the Lease, as far as it
    /// can tell.
    pub(crate) fn is_done(&self) -> bool {
        !self.clear && !self.in_flight
    }

    pub(crate) fn read(&mut self, answer: &Result<Option<ObservedLease>, Unreadable>, now: Moment) {
        self.in_flight = false;
        if let Ok(found) = answer {
            self.stale = false;
            self.blind = false;
            self.saw(found.as_ref(), now);
        }
    }

    pub(crate) fn written(&mut self, answer: &Result<Option<ObservedLease>, WriteError>, now: Moment) {
        if !std::mem::take(&mut self.in_flight) {
            return;
        }
        self.stale = answer.is_err();
        match answer {
            Ok(found) => self.saw(found.as_ref(), now),
            Err(WriteError::Conflict) => self.next = now,
            Err(_) => {}
        }
    }

    fn saw(&mut self, lease: Option<&ObservedLease>, now: Moment) {
        let before = self.seen.as_ref().map(|seen| &seen.lease.version);
        if before != lease.map(|lease| &lease.version) {
            self.seen = lease.map(|lease| Seen { lease: lease.clone(), since: now });
        }
    }

    /// The only request after a stop: what is left of this process in the Lease
    /// is cleared.
    pub(crate) fn last_request(&mut self, now: Moment, wall: WallTime) -> Option<LeaseRequest> {
        if self.clear { self.request(now, wall) } else { None }
    }

    /// The next request, if it is time and none is under way.
    pub(crate) fn request(&mut self, now: Moment, wall: WallTime) -> Option<LeaseRequest> {
        if self.in_flight || now < self.next {
            return None;
        }
        let foreign = self.foreign_writer(now);
        let leads = matches!(self.role, Role::Leader(_));
        let request = if self.clear {
            // One attempt: a Lease that is not cleared only looks held.
            self.clear = false;
            self.clearing(wall)?
        } else if self.stale || foreign || !leads {
            LeaseRequest::Read
        } else {
            self.mirroring(wall).unwrap_or(LeaseRequest::Read)
        };
        let often = leads && is_wanted(self.replicas) || foreign || self.stale;
        self.next = now + if often { self.timing.retry() } else { self.timing.lease() };
        self.in_flight = true;
        Some(request)
    }

    fn clearing(&self, wall: WallTime) -> Option<LeaseRequest> {
        let lease = &self.seen.as_ref()?.lease;
        let (spec, at) = (lease.spec.cleared(wall), lease.version.clone());
        lease.spec.is_held_by(&self.me).then_some(LeaseRequest::Change(LeaseChange::Replace { spec, at }))
    }

    fn mirroring(&mut self, wall: WallTime) -> Option<LeaseRequest> {
        let Role::Leader(record) = &self.role else { return None };
        let at = self.seen.as_ref().map(|seen| seen.lease.version.clone());
        let change = if is_wanted(self.replicas) {
            let spec = LeaseSpec::held(record, *self.acquired.get_or_insert(wall), wall);
            match at {
                None => LeaseChange::Create(spec),
                Some(at) => LeaseChange::Replace { spec, at },
            }
        } else {
            LeaseChange::Delete { at: at? }
        };
        Some(LeaseRequest::Change(change))
    }

    /// When to look again, unless an answer comes first.
    pub(crate) fn wake_up(&self) -> Option<Moment> {
        (!self.in_flight).then_some(self.next)
    }
}
