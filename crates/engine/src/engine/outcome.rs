//! What follows when a write or a reading ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Change, ErrorClass, Failure, Object, ObjectKey, Observed, Operation};
use ako_core::{Reason, ResourceId, annotation};
use ako_elect::Moment;

use crate::agenda::{Lane, Stage};
use crate::backoff;
use crate::engine::Engine;
use crate::event::{Effect, Notice};
use crate::inventory;

/// The answer to a write or a reading: the object as it is now, or `None` if it
/// is gone.
type Answer = Result<Option<Observed>, Failure>;

/// The most objects that are told about one refusal.
const MOST_TOLD: usize = 10;

/// How long what bears another instance's name is left alone before it is looked
/// at again, while it is not known whose it is.
const UNSURE: Duration = Duration::from_secs(1);

impl Engine {
    /// A write ended.
    pub(crate) fn sent(&mut self, key: &ObjectKey, answer: Answer, now: Moment, effects: &mut Vec<Effect>) {
        let Some(work) = self.agenda.get_mut(key) else { return };
        let observed = match answer {
            Ok(observed) => observed,
            Err(failure) => return self.failed(key, &failure, Reason::ControllerRefused, now, effects),
        };
        let (since, was_refused) = (work.since, work.refused);
        (work.attempts, work.refused, work.reread) = (0, false, false);
        (work.failure, work.told) = (None, None);
        let body = if let Stage::Sending(body) = work.stage() { body.clone() } else { None };
        let verb = match (&observed, self.inventory.contains(key)) {
            (None, _) => 2,
            (Some(_), true) => 1,
            (Some(_), false) => 0,
        };
        self.counters.written[verb] += 1;
        if self.desired.is_shared(key) {
            self.paces.written(key, now);
        }
        let led_to = self.inventory.set(key, observed, now);
        if let Some(body) = body {
            self.inventory.written_as(key, body);
        }
        self.became_known(key, led_to, now);
        if was_refused {
            self.publisher.extend(self.desired.resources_of(key));
        }
        if !self.agenda.contains(key) {
            self.counters.note_latency(now.since(since));
        }
    }

    /// A reading ended.
    pub(crate) fn read(&mut self, key: &ObjectKey, answer: Answer, now: Moment, effects: &mut Vec<Effect>) {
        let Some(work) = self.agenda.get_mut(key) else { return };
        match answer {
            Ok(observed) => {
                work.reread = false;
                if let Some(observed) =
                    observed.as_ref().filter(|observed| !self.is_owned(key, &observed.body))
                {
                    return self.not_owned(key, &observed.body, now, effects);
                }
                if let Some(until) = observed.as_ref().and_then(|o| self.unsure_until(&o.body, now)) {
                    return self.read_at(key, until, now);
                }
                // It was no success yet: the failures still count.
                let led_to = self.inventory.set(key, observed, now);
                self.became_known(key, led_to, now);
            }
            Err(failure) => self.failed(key, &failure, Reason::ControllerRefused, now, effects),
        }
    }

    /// It is known how an object is; what waited for that goes on. Of what it led to until now,
    /// what nobody asks for may go.
    fn became_known(&mut self, key: &ObjectKey, led_to: BTreeSet<ObjectKey>, now: Moment) {
        self.agenda.put(Lane::Live, key, Stage::Idle, now);
        let mut affected = self.agenda.wake(key);
        affected.insert(key.clone());
        affected.extend(led_to.into_iter().filter(|key| self.desired.get(key).is_none()));
        self.publisher.look_again(std::iter::once(key), &self.desired);
        self.look(affected, now);
    }

    fn failed(
        &mut self,
        key: &ObjectKey,
        failure: &Failure,
        reason: Reason,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        self.counters.failed += 1;
        self.inventory.retain(key);
        let Some(work) = self.agenda.get_mut(key) else { return };
        if failure.class != ErrorClass::NoPermit {
            work.attempts = work.attempts.saturating_add(1);
        }
        let was_write = matches!(work.stage(), Stage::Sending(Some(_)));
        let verdict = backoff::after(key, failure, work.attempts);
        let was_in_doubt = work.reread;
        work.reread |= verdict.read;
        if work.outdated && verdict.refused && !work.reread {
            // What was refused is not what is wanted any more.
            work.attempts = 0;
            self.agenda.put(Lane::Live, key, Stage::Idle, now);
            return self.look(BTreeSet::from([key.clone()]), now);
        }
        // What comes up while an object is found again and again to be in the
        // way of another one is no news.
        let is_known = |told: &String| verdict.read || *told == failure.message;
        let is_news = verdict.refused && !work.told.as_ref().is_some_and(is_known);
        let others_go_on = verdict.refused && !work.refused;
        work.refused |= verdict.refused;
        let read_now = work.reread && !was_in_doubt && verdict.wait.is_zero();
        if failure.class != ErrorClass::NoPermit {
            work.failure = Some(failure.clone());
        }
        self.agenda.put(Lane::Live, key, Stage::Until(now + verdict.wait), now);
        let may_be_a_part = was_write && failure.class == ErrorClass::Rejected;
        if may_be_a_part
            && !is_about_tenant(key, failure)
            && self.leave_off_suspects(key, failure, now, effects)
        {
            return;
        }
        if key.kind.is_made_of_custom_resources() {
            // The custom resource tells what keeps it.
            self.publisher.look_again(std::iter::once(key), &self.desired);
        }
        if is_news {
            if let Some(work) = self.agenda.get_mut(key) {
                work.told = Some(failure.message.clone());
            }
            self.tell_refused(key, failure, reason, effects);
        }
        if read_now {
            self.read_again(key, now, effects);
        }
        if others_go_on {
            self.publisher.extend(self.desired.resources_of(key));
            let others = self.agenda.wake(key);
            self.look(others, now);
        }
    }

    /// Reads an object of which it is not known what became of it; if a
    /// reference was missing, also what it refers to and seems to be there.
    pub(crate) fn read_again(&mut self, key: &ObjectKey, now: Moment, effects: &mut Vec<Effect>) {
        let mut keys = vec![key.clone()];
        let failure = self.agenda.get(key).and_then(|work| work.failure.as_ref());
        if failure.is_some_and(|failure| failure.class == ErrorClass::Gone)
            && let Some(wanted) = self.desired.get(key)
        {
            keys.extend(inventory::targets(key, wanted).into_iter().filter(|t| self.inventory.contains(t)));
        }
        for key in keys {
            if !self.agenda.is_in_flight(&key) {
                self.agenda.put(Lane::Live, &key, Stage::Reading, now);
                effects.push(Effect::Read(key));
            }
        }
    }

    /// Whether an object is ours to change: it bears our name, or that of
    /// another instance of this cluster which does not serve any more what the
    /// object is for. What is borrowed is ours in part.
    fn is_owned(&self, key: &ObjectKey, body: &Object) -> bool {
        if key.kind.is_borrowed() {
            return true;
        }
        let cluster = &self.policy.cluster;
        let marker = |key: &str| body.markers().iter().find(|marker| marker.key == key);
        let is_marked = marker("clustername").is_none_or(|marker| marker.values == [cluster.clone()]);
        let is_named = match (body, body.created_by()) {
            // Called after its owner.
            (Object::StringGroup(group), Some(owner)) => {
                group.name.strip_prefix(&**owner).is_some_and(|rest| rest.starts_with('-'))
            }
            _ => body.name().starts_with(&*self.policy.name_prefix),
        };
        if !is_marked || !is_named {
            return false;
        }
        let Some(owner) = body.created_by() else {
            // A VsVip tells its cluster only.
            return marker("clustername").is_some();
        };
        if self.policy.is_owner(owner) {
            return true;
        }
        // What tells no namespace is for those that name its host.
        let is_served = |host: &Arc<str>| {
            self.snapshot.namespaces_naming(host).any(|namespace| self.snapshot.serves(namespace))
        };
        let is_handed_over = match (marker("Namespace"), marker("Host")) {
            (Some(marker), _) => marker.values.iter().all(|namespace| self.snapshot.serves(namespace)),
            (None, Some(marker)) => marker.values.iter().any(is_served),
            (None, None) => false,
        };
        is_handed_over
            && self.desired.get(key).is_some()
            && self.snapshot.instances().is_owner(owner, cluster)
    }

    /// Until when another instance may still be writing an object that is ours
    /// to take over.
    fn unsure_until(&self, body: &Object, now: Moment) -> Option<Moment> {
        if body.created_by().is_none_or(|owner| self.policy.is_owner(owner)) {
            return None;
        }
        // Whose it is may have changed unseen.
        self.unknown_until(now).or_else(|| self.territory.unsure_until(self.policy.margin, now))
    }

    /// When to ask again whose the namespaces are, if that is not known now.
    fn unknown_until(&self, now: Moment) -> Option<Moment> {
        (!self.belief.knows_territory(now)).then(|| now + UNSURE)
    }

    /// Until when an object is left as it is because it may be another instance's, and its
    /// version would not tell: a VsVip does not name its owner, and stays as it was when its
    /// virtual service is taken over.
    pub(crate) fn may_be_anothers_until(&self, operation: &Operation, now: Moment) -> Option<Moment> {
        let Operation { key, change: Change::Update(..) } = operation else { return None };
        if self.inventory.tells_owner(key, self.desired.translator().shared_prefix()) {
            return None;
        }
        let is_used = self.inventory.referrers(key).next().is_some();
        let unsure = || self.territory.unsure_until(self.policy.margin, now);
        self.unknown_until(now).or_else(|| if is_used { None } else { unsure() })
    }

    /// Reads an object again later; until then it stays in doubt.
    fn read_at(&mut self, key: &ObjectKey, at: Moment, now: Moment) {
        if let Some(work) = self.agenda.get_mut(key) {
            work.reread = true;
        }
        self.agenda.put(Lane::Live, key, Stage::Until(at), now);
    }

    /// An object with our name belongs to somebody else: it is left alone.
    fn not_owned(&mut self, key: &ObjectKey, body: &Object, now: Moment, effects: &mut Vec<Effect>) {
        let owner: Arc<str> = body.created_by().cloned().unwrap_or_else(|| "somebody else".into());
        let message =
            format!("an object of that name belongs to {owner}; remove or rename it on the controller");
        let failure = Failure { class: ErrorClass::Rejected, status: None, message, retry_after_ms: None };
        // If it was ours, it is not any more.
        self.inventory.lose(key, now);
        if self.desired.get(key).is_some() {
            self.failed(key, &failure, Reason::NotOwned, now, effects);
        } else {
            self.became_known(key, BTreeSet::new(), now);
        }
    }

    /// Those that an object of the controller is made for, or some of them.
    pub(crate) fn concerned(&self, key: &ObjectKey) -> BTreeSet<ResourceId> {
        let mut objects = self.desired.resources_of(key);
        objects.extend(self.desired.bound_to(key).take(MOST_TOLD).cloned());
        objects
    }

    /// Tells those that an object is made for, or some of them, that the
    /// controller does not take it.
    fn tell_refused(&self, key: &ObjectKey, failure: &Failure, reason: Reason, effects: &mut Vec<Effect>) {
        let message: Arc<str> = if is_about_tenant(key, failure) {
            format!(
                "tenant {} does not exist on the Avi Controller: create it, or correct annotation {} of the namespace",
                key.tenant,
                annotation::TENANT
            )
            .into()
        } else {
            format!("the Avi Controller refuses {key}: {failure}").into()
        };
        let mut objects = self.concerned(key);
        objects.extend(key.kind.is_borrowed().then(|| self.policy.configuration.clone()));
        for object in objects.into_iter().take(MOST_TOLD) {
            effects.push(Effect::Tell(Notice {
                object,
                warning: true,
                reason: reason.as_str(),
                message: message.clone(),
            }));
        }
    }
}

/// What is wrong with a tenant is the same for all objects in it.
fn is_about_tenant(key: &ObjectKey, failure: &Failure) -> bool {
    failure.message.contains(&format!("Tenant '{}' does not exist", key.tenant))
}
