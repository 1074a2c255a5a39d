//! Statuses that are to be written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Failure, ObjectKey};
use ako_core::resource::{Published, PublishedAddress, Truth};
use ako_core::{Diagnostic, Reason, ResourceId, Snapshot};
use ako_elect::Moment;

use crate::desired::Desired;
use crate::event::{Effect, Notice, Unpublished};
use crate::made;
use crate::overwritten::Overwritten;
use crate::policy::Policy;
use crate::status::{self, Known};
use crate::stray::Strays;
use crate::verdict::{Wait, Writable};

/// The most statuses being written at a time.
pub const MOST_UNDER_WAY: usize = 32;
/// A status that could not be written is tried again after this, doubled with
/// each failure…
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// …up to this many times.
const MOST_DOUBLINGS: u32 = 6;
/// A status that was written and that the watch does not show after this is
/// written again. The watch may have passed it over: an object that is deleted
/// and created anew between two looks is seen as one change, to an object that
/// bears the status of before the write.
const LONGEST_UNSEEN: Duration = Duration::from_mins(1);

/// The value of a request for node ports; Antrea heeds no other.
const REQUEST: &str = "true";

/// What is written over what.
#[derive(Clone, Debug)]
struct Writing {
    before: Published,
    wanted: Published,
}

/// What was written last, until the watch shows it.
#[derive(Clone, Debug)]
struct Written {
    writing: Writing,
    unseen_until: Moment,
}

/// Failures in a row, and when the next attempt is due.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    next: Option<Moment>,
}

/// Level-triggered: an object is looked at whenever something changes that its
/// status depends on, and written if it is not as it should be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Publisher {
    dirty: BTreeSet<ResourceId>,
    under_way: BTreeMap<ResourceId, Writing>,
    written: BTreeMap<ResourceId, Written>,
    failures: BTreeMap<ResourceId, Failures>,
    /// Those whose status the API server does not take, and why.
    refused: BTreeMap<ResourceId, Arc<str>>,
    timers: BTreeSet<(Moment, ResourceId)>,
    /// What somebody else changes back.
    overwritten: Overwritten,
    /// Until when what was written is taken to be on its way to the watch.
    unseen: BTreeSet<(Moment, ResourceId)>,
    /// Services that were seen with a request for node ports, ours or one that
    /// we need: it is ours to take back.
    asking: BTreeSet<ResourceId>,
    /// Addresses of ours as they were seen on objects: they are ours to take away, also where
    /// no annotation says so, as without a host name.
    shown: BTreeMap<ResourceId, Vec<PublishedAddress>>,
    /// Those in namespaces that nobody asks for.
    strays: Strays,
    /// Those whose status must not be written now, and what they wait for.
    waiting: BTreeMap<ResourceId, Wait>,
    /// What was written of which the API server dropped the conditions.
    without_conditions: BTreeMap<ResourceId, Published>,
}

impl Publisher {
    /// Objects whose status may have to change.
    pub(crate) fn extend(&mut self, resources: impl IntoIterator<Item = ResourceId>) {
        self.dirty.extend(resources);
    }

    /// Objects that changed, or are gone: what is known of those is forgotten at once, as this
    /// process may not write for a long time.
    pub(crate) fn changed(&mut self, resources: impl IntoIterator<Item = ResourceId>, snapshot: &Snapshot) {
        for object in resources {
            if snapshot.published_on(&object).is_some() || self.under_way.contains_key(&object) {
                self.dirty.insert(object);
            } else {
                self.dirty.remove(&object);
                self.is_gone(&object);
            }
        }
    }

    /// Looks again at the objects that are served by objects of the controller.
    pub(crate) fn look_again<'a>(&mut self, keys: impl Iterator<Item = &'a ObjectKey>, desired: &Desired) {
        for key in keys {
            self.dirty.extend(desired.bound_to(key).cloned());
        }
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        let first = |timers: &BTreeSet<(Moment, ResourceId)>| timers.first().map(|(at, _)| *at);
        let own = [first(&self.timers), first(&self.unseen), self.overwritten.deadline()];
        own.into_iter().flatten().min()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        let put_off = self.timers.len() + self.waiting.len() + self.overwritten.len() + self.strays.len();
        self.dirty.len() + self.under_way.len() + put_off
    }

    /// Those that wait are looked at again.
    pub(crate) fn wake_waiting(&mut self) {
        self.dirty.extend(std::mem::take(&mut self.waiting).into_keys());
    }

    /// What is told of those whose status does not stay as it is written.
    pub(crate) fn findings(&self) -> impl Iterator<Item = Diagnostic> {
        let finding = |object: &ResourceId, reason, message: String| Diagnostic {
            object: object.clone(),
            reason,
            message: message.into(),
        };
        let refused = self.refused.iter().map(move |(object, cause)| {
            let message = format!(
                "the API server refuses the status with its addresses, so nobody can see them: {cause}; correct the \
                 hosts or names that it is about"
            );
            finding(object, Reason::StatusRefused, message)
        });
        let overwritten = self.overwritten.often().map(move |object| {
            let message = "somebody else replaces the addresses in its status again and again, so they are written \
                           less and less often: find the other writer in metadata.managedFields, and let the \
                           object's class name one of the two";
            finding(object, Reason::StatusOverwritten, message.to_owned())
        });
        refused.chain(overwritten)
    }

    /// The controller has said who owns the virtual services of a status.
    pub(crate) fn owners_found(
        &mut self,
        object: ResourceId,
        owners: Result<BTreeSet<Arc<str>>, Failure>,
        policy: &Policy,
    ) {
        self.dirty.extend(self.strays.found(object, owners, policy));
    }

    /// What is on the controller was read anew.
    pub(crate) fn look_for_owners_again(&mut self) {
        self.dirty.extend(self.strays.ask_again());
    }

    /// Those that wait for proofs.
    pub(crate) fn unproven(&self) -> impl Iterator<Item = &ResourceId> {
        self.waiting.iter().filter(|(_, wait)| **wait == Wait::Unproven).map(|(object, _)| object)
    }

    /// Objects whose time has come are looked at again.
    pub(crate) fn wake(&mut self, now: Moment) {
        while let Some((_, object)) = self.timers.first().filter(|(at, _)| *at <= now).cloned() {
            self.no_timer(&object);
            self.dirty.insert(object);
        }
        while let Some((_, object)) = self.unseen.first().filter(|(at, _)| *at <= now).cloned() {
            self.no_longer_written(&object);
            self.dirty.insert(object);
        }
        self.dirty.extend(self.overwritten.wake(now));
    }

    /// Asks for the statuses that have to be written, as far as there is room.
    pub(crate) fn emit(
        &mut self,
        known: &Known<'_>,
        may_write: &dyn Fn(&ResourceId, &Published, bool) -> Writable,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let Known { desired, snapshot, .. } = *known;
        let mut busy = BTreeSet::new();
        while self.under_way.len() < MOST_UNDER_WAY {
            let Some(object) = self.dirty.pop_first() else { break };
            if self.under_way.contains_key(&object) {
                busy.insert(object);
                continue;
            }
            let Some(current) = snapshot.published_on(&object) else {
                self.is_gone(&object);
                continue;
            };
            let is_known = self.is_shown(&object, current, snapshot)
                || status::is_stray(&object, desired, snapshot, current)
                    && self.strays.may_clear(&object, current, effects);
            let wanted = known.wanted(&object, is_known);
            let is_as_wanted = wanted.as_ref().is_some_and(|wanted| status::same_addresses(current, wanted));
            if is_as_wanted && !current.addresses.is_empty() {
                self.shown.insert(object.clone(), current.addresses.clone());
            }
            // What nothing can be said about stays as it is.
            let mut wanted = wanted.unwrap_or_else(|| current.clone());
            wanted.node_ports = self.request(&object, current, desired, snapshot);
            if status::same(current, &wanted) || self.lost_its_conditions(&object, current, &wanted) {
                self.forget(&object);
                continue;
            }
            let is_not_seen_yet =
                |w: &Writing| status::same(&w.wanted, &wanted) && status::same(&w.before, current);
            let may_be_unseen =
                |w: &Writing| is_not_seen_yet(w) || holds_to_a_former_version(w, current, &wanted);
            if self.written.get(&object).is_some_and(|written| may_be_unseen(&written.writing)) {
                continue;
            }
            self.waiting.remove(&object);
            let changes = !status::same_addresses(current, &wanted);
            self.no_timer(&object);
            let may_write = || may_write(&object, current, status::loses(current, &wanted));
            let until = if changes { may_write() } else { Ok(None) };
            let until = match until {
                Ok(until) => until,
                Err(wait) => {
                    self.waiting.insert(object, wait);
                    continue;
                }
            };
            if changes && self.overwritten.waits(&object, &wanted, now) {
                continue;
            }
            self.no_longer_written(&object);
            let writing = Writing { before: current.clone(), wanted: wanted.clone() };
            self.under_way.insert(object.clone(), writing);
            effects.push(Effect::Publish { object, wanted, current: current.clone(), until });
        }
        self.dirty.extend(busy);
    }

    /// Whether the addresses on an object are those that this process saw there as its own.
    fn is_shown(&mut self, object: &ResourceId, current: &Published, snapshot: &Snapshot) -> bool {
        if snapshot.is_of_another(&object.name.namespace) {
            self.shown.remove(object);
        }
        !current.addresses.is_empty() && self.shown.get(object) == Some(&current.addresses)
    }

    /// Whether all that is wanted was written, and stands there but for the conditions: the
    /// definition of the kind has none, as AKO's own, so the API server drops them. It is not
    /// written again before something else is wanted. That it was written has to be known: what
    /// AKO left there has no conditions either, and gets them where they are kept.
    fn lost_its_conditions(&mut self, object: &ResourceId, current: &Published, wanted: &Published) -> bool {
        if !status::same_addresses(current, wanted) || !current.tells_all_but_conditions_of(wanted) {
            self.without_conditions.remove(object);
            return false;
        }
        let last = self.written.get(object).map(|written| &written.writing.wanted);
        if last.is_some_and(|last| status::same(last, wanted)) {
            self.without_conditions.insert(object.clone(), wanted.clone());
        }
        self.without_conditions.get(object).is_some_and(|known| status::same(known, wanted))
    }

    /// What annotation [`ako_core::annotation::NODE_PORT_LOCAL_ENABLED`] is to
    /// be. It is added where it is absent and needed; another value than
    /// `true` is somebody's decision and stays. It is taken back once, where
    /// this process saw it needed and nothing needs it any more.
    fn request(
        &mut self,
        object: &ResourceId,
        current: &Published,
        desired: &Desired,
        snapshot: &Snapshot,
    ) -> Option<Arc<str>> {
        let asks = current.node_ports.as_deref() == Some(REQUEST);
        if desired.needs_node_ports(object) && snapshot.serves(&object.name.namespace) {
            if asks || current.node_ports.is_none() {
                self.asking.insert(object.clone());
                return Some(REQUEST.into());
            }
        } else if asks && self.asking.contains(object) && status::may_take_back(object, desired, snapshot) {
            return None;
        }
        self.asking.remove(object);
        current.node_ports.clone()
    }

    /// A status was written, or not.
    pub(crate) fn done(
        &mut self,
        object: &ResourceId,
        result: &Result<(), Unpublished>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let Some(writing) = self.under_way.remove(object) else { return };
        if let Err(why) = result {
            let failures = self.failures.entry(object.clone()).or_insert(Failures { count: 0, next: None });
            let doublings = match why {
                Unpublished::Later => failures.count.min(MOST_DOUBLINGS),
                Unpublished::Refused(cause) => {
                    self.refused.insert(object.clone(), cause.as_str().into());
                    MOST_DOUBLINGS
                }
            };
            let next = now + FIRST_WAIT * 2u32.pow(doublings);
            *failures = Failures { count: failures.count.saturating_add(1), next: Some(next) };
            self.timers.insert((next, object.clone()));
            return;
        }
        self.failures.remove(object);
        self.refused.remove(object);
        effects.extend(programmed_notice(object, &writing.before, &writing.wanted).map(Effect::Tell));
        let request_only = status::same_addresses(&writing.before, &writing.wanted);
        if !request_only {
            self.overwritten.wrote(object, &writing.wanted, now);
            effects.extend(notices(object, &writing.wanted).map(Effect::Tell));
        }
        let unseen_until = now + LONGEST_UNSEEN;
        self.unseen.insert((unseen_until, object.clone()));
        self.written.insert(object.clone(), Written { writing, unseen_until });
        // Much may have changed meanwhile; the object may even be gone.
        self.dirty.insert(object.clone());
    }

    /// An object is gone.
    fn is_gone(&mut self, object: &ResourceId) {
        self.forget(object);
        self.overwritten.remove(object);
        self.strays.remove(object);
        self.asking.remove(object);
        self.shown.remove(object);
        self.without_conditions.remove(object);
    }

    /// An object is as it should be, or gone.
    fn forget(&mut self, object: &ResourceId) {
        self.no_timer(object);
        self.no_longer_written(object);
        self.failures.remove(object);
        self.refused.remove(object);
        self.waiting.remove(object);
        self.overwritten.is_as_wanted(object);
        self.strays.forget(object);
    }

    fn no_longer_written(&mut self, object: &ResourceId) {
        if let Some(written) = self.written.remove(object) {
            self.unseen.remove(&(written.unseen_until, object.clone()));
        }
    }

    fn no_timer(&mut self, object: &ResourceId) {
        if let Some(next) = self.failures.get_mut(object).and_then(|failures| failures.next.take()) {
            self.timers.remove(&(next, object.clone()));
        }
    }

    /// What is kept of objects that are gone: nothing, unless there is a
    /// mistake in this file.
    pub(crate) fn inconsistencies(&self, snapshot: &Snapshot) -> Vec<String> {
        let kept = self
            .written
            .keys()
            .chain(self.failures.keys())
            .chain(self.refused.keys())
            .chain(&self.asking)
            .chain(self.shown.keys())
            .chain(self.without_conditions.keys())
            .chain(self.waiting.keys());
        let gone = kept.filter(|o| snapshot.published_on(o).is_none() && !self.dirty.contains(*o));
        let mut found: Vec<_> = gone.map(|o| format!("{o} is gone and its status remembered")).collect();
        let timers = self.failures.values().filter(|failures| failures.next.is_some()).count();
        if timers != self.timers.len() {
            found.push(format!("{} status timers for {timers} failures", self.timers.len()));
        }
        if self.unseen.len() != self.written.len() {
            found.push(format!("{} ends of {} written statuses", self.unseen.len(), self.written.len()));
        }
        found
    }
}

/// Whether finalizers would be written to a version that is known to be a former one: those were
/// written to it before. The watch shows the new one soon.
fn holds_to_a_former_version(written: &Writing, current: &Published, wanted: &Published) -> bool {
    let is_as_before = written.before.hold == current.hold;
    is_as_before && !current.holds_same(wanted) && wanted.holds_same(&written.wanted)
}

/// What is said of a custom resource when its condition says something else than before.
fn programmed_notice(object: &ResourceId, before: &Published, written: &Published) -> Option<Notice> {
    if written.hold.is_none() || before.tells_same(written) {
        return None;
    }
    let condition = written.told.as_ref()?.conditions.values().next()?;
    Some(Notice {
        object: object.clone(),
        warning: condition.status != Truth::True,
        reason: made::known_reason(&condition.reason)?,
        message: condition.message.clone(),
    })
}

/// What upstream's recorder says about a written status.
fn notices(object: &ResourceId, written: &Published) -> impl Iterator<Item = Notice> {
    let notice = |reason, message: String| Notice {
        object: object.clone(),
        warning: false,
        reason,
        message: message.into(),
    };
    let removed = written
        .addresses
        .is_empty()
        .then(|| notice("Removed", format!("Removed virtualservice for {}", object.name)));
    let mut hosts: Vec<_> = written.addresses.iter().map(|a| a.hostname.clone()).collect();
    hosts.dedup();
    let added: Vec<_> = hosts
        .into_iter()
        .map(|host| if host.is_empty() { object.name.to_string() } else { host.to_string() })
        .map(|host| notice("Synced", format!("Added virtualservice for {host}")))
        .collect();
    removed.into_iter().chain(added)
}

#[cfg(test)]
mod tests {
    use ako_core::resource::{Condition, Part, Told};
    use ako_core::{NamespacedName, ResourceKind};

    use super::*;

    fn object() -> ResourceId {
        ResourceId { kind: ResourceKind::HostRule, name: NamespacedName::new("ns", "rule") }
    }

    fn telling(text: &str, conditions: bool) -> Published {
        let condition = Condition {
            status: Truth::True,
            reason: "Accepted".into(),
            message: Arc::default(),
            generation: 1,
            since: None,
        };
        let conditions = conditions.then(|| ((Part::Whole, "Accepted".into()), condition));
        let fields = [("status".into(), text.into())].into();
        Published::telling(Told { conditions: conditions.into_iter().collect(), fields, ..Told::default() })
    }

    fn having_written(before: &Published, wanted: &Published) -> Publisher {
        let mut publisher = Publisher::default();
        let writing = Writing { before: before.clone(), wanted: wanted.clone() };
        publisher.under_way.insert(object(), writing);
        publisher.done(&object(), &Ok(()), Moment::from_millis(0), &mut Vec::new());
        publisher
    }

    #[test]
    fn conditions_that_the_api_server_drops_are_written_once() {
        let (nothing, wanted, shown) =
            (Published::default(), telling("Accepted", true), telling("Accepted", false));
        let mut publisher = having_written(&nothing, &wanted);
        assert!(!publisher.lost_its_conditions(&object(), &nothing, &wanted), "it does not show yet");
        assert!(publisher.lost_its_conditions(&object(), &shown, &wanted));
        publisher.forget(&object());
        assert!(publisher.lost_its_conditions(&object(), &shown, &wanted), "nothing else is wanted");
        let other = telling("Rejected", true);
        assert!(!publisher.lost_its_conditions(&object(), &shown, &other), "it tells another text");
        publisher.is_gone(&object());
        assert!(!publisher.lost_its_conditions(&object(), &shown, &wanted), "it is another object");
    }

    #[test]
    fn what_was_there_without_conditions_gets_them() {
        let (wanted, shown) = (telling("Accepted", true), telling("Accepted", false));
        assert!(!Publisher::default().lost_its_conditions(&object(), &shown, &wanted));
        let mut publisher = having_written(&telling("Rejected", false), &telling("Rejected", true));
        assert!(!publisher.lost_its_conditions(&object(), &shown, &wanted), "something else was written");
    }
}
