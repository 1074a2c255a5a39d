//! What the controller holds, as far as it was read or written.

mod left_alone;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{FieldChange, Kind, Object, ObjectKey, Observed, Ref};
use ako_core::Index;
use ako_elect::Moment;

use self::left_alone::LeftAlone;
use crate::purpose;

pub use self::left_alone::Why as WhyLeftAlone;

/// A complete reading of everything that is ours.
#[derive(Clone, Debug)]
pub struct Reading {
    /// When the reading began: what was written since is newer.
    pub started: Moment,
    /// The objects.
    pub objects: Vec<(ObjectKey, Observed)>,
}

/// No reading takes longer, so what was deleted before is in none…
const LONGEST_READING: Duration = Duration::from_mins(10);
/// …and is forgotten when there is more of it than this. Otherwise it is when a
/// reading arrives, but there may never be one.
const MOST_DELETED: usize = 4096;

/// One object on the controller.
#[derive(Clone, Debug)]
struct Entry {
    observed: Observed,
    /// When it was last written or read by itself.
    touched: Option<Moment>,
    /// The wanted object that it was found to be equal to, or that it is the
    /// controller's answer to: sending that again would change nothing.
    agreed: Option<Arc<Object>>,
    /// Of an object with something secret, what this process wrote it as.
    written: Option<Arc<Object>>,
}

/// What is known of a VsVip that is not used any more.
#[derive(Clone, Debug)]
struct Released {
    /// The virtual service that used it.
    service: ObjectKey,
    /// Those that the service was made for.
    namespaces: BTreeSet<Arc<str>>,
}

/// The observed objects, with the references between them.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    entries: BTreeMap<ObjectKey, Entry>,
    referrers: Index<ObjectKey, ObjectKey>,
    /// When objects were deleted, while an older reading may still show them.
    deleted: BTreeMap<ObjectKey, Moment>,
    /// When the newest complete reading began.
    read: Option<Moment>,
    /// Whether other instances may have objects of the same cluster here.
    is_shared: bool,
    /// The VsVips of virtual services that we deleted, or are deleting.
    released: BTreeMap<ObjectKey, Released>,
    /// What stays as it is.
    left_alone: LeftAlone,
    /// How many objects there are of each kind; of VsVips, how many names.
    counts: BTreeMap<Kind, usize>,
}

impl Inventory {
    /// Whether everything was read at least once. Before that, an object that
    /// is not here may well be there.
    pub fn is_complete(&self) -> bool {
        self.read.is_some()
    }

    /// Whether a reading that began at that moment, or later, is taken over.
    pub(crate) fn was_read_since(&self, since: Moment) -> bool {
        self.read.is_some_and(|read| read >= since)
    }

    /// Says whether other instances may have objects of the same cluster here.
    pub fn share(&mut self, is_shared: bool) {
        self.is_shared = is_shared;
    }

    /// Whether an object that nobody asks for is ours to delete.
    ///
    /// All but VsVips name their owner. A VsVip tells its cluster only; its
    /// owner is the virtual service that refers to it, and one that none refers
    /// to may be what another instance has just made. Where there are others,
    /// ours are those that we use until we delete what uses them, and those whose
    /// name has our instance in it. One whose virtual service was taken over went
    /// with it.
    pub(crate) fn may_delete(&self, key: &ObjectKey, shared_prefix: &str) -> bool {
        self.tells_owner(key, shared_prefix)
            || self.referrers(key).next().is_some()
            || self.released.contains_key(key)
    }

    /// Whether an object itself tells whose it is: all but VsVips where there are other
    /// instances, and those VsVips whose name has our instance in it.
    pub(crate) fn tells_owner(&self, key: &ObjectKey, shared_prefix: &str) -> bool {
        key.kind != Kind::VsVip || !self.is_shared || key.name.starts_with(shared_prefix)
    }

    /// Objects, and all that references lead to from them in either direction.
    pub(crate) fn connected(&self, keys: &BTreeSet<ObjectKey>) -> BTreeSet<ObjectKey> {
        let next = |key: &ObjectKey| {
            let below = self.get(key).map(|observed| targets(key, &observed.body)).unwrap_or_default();
            self.referrers(key).cloned().chain(below).collect()
        };
        reach(keys, next)
    }

    /// An object and what leads to it, step by step, no further than what is wanted. Children are
    /// no part of what leads to their parent.
    pub(crate) fn leading_to(
        &self,
        key: &ObjectKey,
        is_unwanted: &dyn Fn(&ObjectKey) -> bool,
    ) -> BTreeSet<ObjectKey> {
        let next = |key: &ObjectKey| {
            if is_unwanted(key) { self.leading(key).cloned().collect() } else { Vec::new() }
        };
        reach([key], next)
    }

    /// Takes a complete reading over and answers what changed.
    pub fn replace(&mut self, observation: Reading) -> BTreeSet<ObjectKey> {
        self.replace_where(observation, &|_| false)
    }

    /// The same of somebody who knows which namespaces are ours: what is gone that was made for
    /// those was removed by hand, and not taken over.
    pub(crate) fn replace_where(
        &mut self,
        observation: Reading,
        is_ours: &dyn Fn(&str) -> bool,
    ) -> BTreeSet<ObjectKey> {
        let mut changed = BTreeSet::new();
        let stood = self.standing();
        let newer = |at: Option<&Moment>| at.is_some_and(|at| *at >= observation.started);
        let mut seen = BTreeSet::new();
        for (key, observed) in observation.objects {
            seen.insert(key.clone());
            let known = self.entries.get(&key);
            if newer(known.and_then(|e| e.touched.as_ref())) || newer(self.deleted.get(&key)) {
                continue;
            }
            if known.is_some_and(|e| is_same(&key, &e.observed, &observed)) {
                continue;
            }
            changed.insert(key.clone());
            self.insert(key, observed, None);
        }
        let gone = self.entries.iter().filter(|(key, e)| !seen.contains(*key) && !newer(e.touched.as_ref()));
        let gone: Vec<_> = gone.map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.release_if(&key, is_ours);
            self.take(&key);
            changed.insert(key);
        }
        changed.extend(self.released_of(&stood));
        self.deleted.retain(|_, at| *at >= observation.started);
        self.read = self.read.max(Some(observation.started));
        changed
    }

    /// Takes over one object that was written or read; `None` if it is gone. Answers what it
    /// referred to until now.
    pub fn set(&mut self, key: &ObjectKey, observed: Option<Observed>, now: Moment) -> BTreeSet<ObjectKey> {
        let led_to = self.get(key).map(|known| targets(key, &known.body)).unwrap_or_default();
        if let Some(observed) = observed {
            self.deleted.remove(key);
            self.insert(key.clone(), observed, Some(now));
        } else {
            self.release(key);
            self.remove(key, now);
        }
        led_to.into_iter().collect()
    }

    /// An object is gone, or about to be deleted: what it uses loses its use.
    pub(crate) fn release(&mut self, key: &ObjectKey) {
        let Some(entry) = self.entries.get(key) else { return };
        let namespaces = purpose::values(entry.observed.body.markers(), "Namespace");
        let namespaces = namespaces.iter().cloned().collect();
        let released = Released { service: key.clone(), namespaces };
        let vsvips = self.vsvips_of(key).into_iter();
        self.released.extend(vsvips.map(|vsvip| (vsvip, released.clone())));
    }

    /// Somebody else removed an object: what it used is not in use any more, if it was made for
    /// namespaces of ours only.
    fn release_if(&mut self, key: &ObjectKey, is_ours: &dyn Fn(&str) -> bool) {
        let Some(entry) = self.entries.get(key) else { return };
        let namespaces = purpose::values(entry.observed.body.markers(), "Namespace");
        if !namespaces.is_empty() && namespaces.iter().all(|namespace| is_ours(namespace)) {
            self.release(key);
        }
    }

    /// Namespaces are another instance's now: what our virtual services there used may
    /// be in use by its own.
    pub(crate) fn leave(&mut self, namespaces: &BTreeSet<Arc<str>>) {
        let is_theirs = |released: &Released| !released.namespaces.is_disjoint(namespaces);
        self.released.retain(|_, released| !is_theirs(released));
    }

    /// An object was not deleted: what it uses stays in use.
    pub(crate) fn retain(&mut self, key: &ObjectKey) {
        self.released.retain(|_, released| released.service != *key);
    }

    /// An object turned out to be another's, with what it uses.
    pub(crate) fn lose(&mut self, key: &ObjectKey, now: Moment) {
        self.retain(key);
        self.remove(key, now);
    }

    fn remove(&mut self, key: &ObjectKey, now: Moment) {
        self.take(key);
        if self.deleted.len() > MOST_DELETED {
            self.deleted.retain(|_, at| now.since(*at) < LONGEST_READING);
        }
        self.deleted.insert(key.clone(), now);
        self.released.remove(key);
    }

    fn vsvips_of(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let Some(entry) = self.entries.get(key) else { return Vec::new() };
        let targets = targets(key, &entry.observed.body).into_iter();
        targets.filter(|target| target.kind == Kind::VsVip).collect()
    }

    /// The VsVips that carry a DNS name.
    pub(crate) fn vsvips_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ObjectKey> {
        let first = ObjectKey::new(Kind::VsVip, "", "");
        let all = self.entries.range(first..).take_while(|(key, _)| key.kind == Kind::VsVip);
        all.filter(move |(_, entry)| entry.observed.body.has_dns_name(name)).map(|(key, _)| key)
    }

    /// An object of ours that is connected to a tier-1 router.
    pub(crate) fn connected_to(&self, router: &str) -> Option<&ObjectKey> {
        let mut entries = self.entries.iter();
        entries.find(|(_, entry)| entry.observed.body.tier1_router() == Some(router)).map(|(key, _)| key)
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Observed> {
        self.entries.get(key).map(|entry| &entry.observed)
    }

    /// Whether an object is there.
    pub fn contains(&self, key: &ObjectKey) -> bool {
        self.entries.contains_key(key)
    }

    /// All keys, in order of creation.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &ObjectKey> {
        self.entries.keys()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How much there is of each kind that can be lost: objects, and of VsVips
    /// names.
    pub(crate) fn counts(&self) -> &BTreeMap<Kind, usize> {
        &self.counts
    }

    /// What refers to an object.
    pub fn referrers(&self, key: &ObjectKey) -> impl Iterator<Item = &ObjectKey> {
        self.referrers.get(key).iter()
    }

    /// Whether an object is as it is wanted; remembers that it is.
    pub fn agrees(&mut self, key: &ObjectKey, wanted: &Arc<Object>) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        if entry.agreed.as_ref().is_some_and(|agreed| Arc::ptr_eq(agreed, wanted) || agreed == wanted) {
            return true;
        }
        let agrees = wanted.differences(&entry.observed.body).is_empty();
        if agrees {
            entry.agreed = Some(wanted.clone());
            // One copy in memory is enough; of a VsVip the controller's is
            // needed, as it holds the addresses, of what is borrowed, as it holds what
            // others put there, and of what somebody disabled, as it tells that.
            let tells_more = key.kind == Kind::VsVip || key.kind.is_borrowed();
            if !tells_more && wanted.disabled_unasked(&entry.observed.body).is_none() {
                entry.observed.body = wanted.clone();
            }
        }
        agrees
    }

    /// Remembers what an object was written as. Where the controller keeps
    /// something else, writing it again and again would not help.
    pub(crate) fn written_as(&mut self, key: &ObjectKey, sent: Arc<Object>) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.written = (!sent.secrets().is_empty()).then(|| sent.clone());
            entry.agreed = Some(sent);
        }
    }

    /// Whether this process wrote an object exactly so, with what is secret in it.
    pub(crate) fn was_written_as(&self, key: &ObjectKey, wanted: &Object) -> bool {
        self.entries.get(key).and_then(|entry| entry.written.as_deref()) == Some(wanted)
    }

    /// How an object differs from what is wanted.
    pub fn differences(&self, key: &ObjectKey, wanted: &Object) -> Vec<FieldChange> {
        self.entries.get(key).map(|entry| wanted.differences(&entry.observed.body)).unwrap_or_default()
    }

    fn insert(&mut self, key: ObjectKey, observed: Observed, touched: Option<Moment>) {
        self.take(&key);
        for target in targets(&key, &observed.body) {
            self.referrers.insert(target, key.clone());
        }
        self.note_left_alone(&key, &observed.body);
        *self.counts.entry(key.kind).or_default() += weight(&observed.body);
        self.entries.insert(key, Entry { observed, touched, agreed: None, written: None });
    }

    fn take(&mut self, key: &ObjectKey) {
        let Some(entry) = self.entries.remove(key) else { return };
        self.left_alone.remove(key, &entry.observed.body);
        if let Some(count) = self.counts.get_mut(&key.kind) {
            *count = count.saturating_sub(weight(&entry.observed.body));
        }
        for target in targets(key, &entry.observed.body) {
            self.referrers.remove(&target, key);
        }
    }
}

/// Objects, and what is reached from it step by step.
fn reach<'a>(
    from: impl IntoIterator<Item = &'a ObjectKey>,
    next: impl Fn(&ObjectKey) -> Vec<ObjectKey>,
) -> BTreeSet<ObjectKey> {
    let mut left: Vec<_> = from.into_iter().cloned().collect();
    let mut seen = BTreeSet::new();
    while let Some(key) = left.pop() {
        // References do not go in circles, unless somebody made some by hand.
        if !seen.contains(&key) {
            left.extend(next(&key));
            seen.insert(key);
        }
    }
    seen
}

/// How much is lost with an object at most.
pub(crate) fn weight(body: &Object) -> usize {
    if let Object::VsVip(vip) = body { vip.dns_info.len().max(1) } else { 1 }
}

/// Whether two readings are of the same state. The version tells, except of a
/// VsVip, whose addresses come and go by themselves, and of references: they
/// are shown by name, and another object can have the name now.
fn is_same(key: &ObjectKey, known: &Observed, read: &Observed) -> bool {
    let same_version = known.meta == read.meta && known.meta.last_modified.is_some();
    let led = |body| targets(key, body).into_iter().collect::<BTreeSet<_>>();
    let version_tells = same_version && !matches!(&*read.body, Object::VsVip(_));
    (version_tells && led(&known.body) == led(&read.body)) || known == read
}

/// The objects that an object refers to. They lie in its own tenant.
pub(crate) fn targets(key: &ObjectKey, body: &Object) -> Vec<ObjectKey> {
    body.references().into_iter().filter_map(|reference| target(key, reference)).collect()
}

/// The object that a reference of an object leads to.
pub(crate) fn target(from: &ObjectKey, reference: &Ref) -> Option<ObjectKey> {
    let (kind, name) = (reference.kind?, reference.name.clone()?);
    Some(ObjectKey { kind, tenant: from.tenant.clone(), name })
}

#[cfg(test)]
mod tests {
    use ako_avi_types::Meta;

    use super::*;

    fn observed(kind: Kind, body: &str) -> Observed {
        let body = Object::read(kind, serde_json::from_str(body).unwrap()).unwrap();
        let meta = Meta { uuid: "uuid-1".into(), last_modified: Some("1".into()) };
        Observed { meta, body: Arc::new(body) }
    }

    fn key(kind: Kind, name: &str) -> ObjectKey {
        ObjectKey::new(kind, "admin", name)
    }

    /// What comes later is left alone with what it leads to, and what ceases to lead there is not.
    #[test]
    fn what_is_needed_by_what_is_left_alone_is_always_up_to_date() {
        let mut inventory = Inventory::default();
        let now = Moment::default();
        let pool = r#"{"name":"p","markers":[{"key":"Host","values":["a.com"]}]}"#;
        inventory.set(&key(Kind::Pool, "p"), Some(observed(Kind::Pool, pool)), now);
        let host: Arc<str> = "a.com".into();
        inventory.leave_alone([&host].into_iter());
        let group_key = key(Kind::PoolGroup, "pg");
        assert!(!inventory.cannot_be_told(&group_key));
        inventory.set(&group_key, Some(group("https://c/api/pool/pool-1#p")), now);
        assert!(inventory.cannot_be_told(&group_key));
        inventory.set(&group_key, Some(group("https://c/api/pool/pool-2#other")), now);
        assert!(!inventory.cannot_be_told(&group_key));
        inventory.set(&key(Kind::Pool, "p"), None, now);
        assert!(!inventory.cannot_be_told(&key(Kind::Pool, "p")));
    }

    fn group(pool_ref: &str) -> Observed {
        let body = format!(r#"{{"name":"pg","members":[{{"pool_ref":"{pool_ref}","ratio":1}}]}}"#);
        observed(Kind::PoolGroup, &body)
    }

    #[test]
    fn a_reference_that_leads_elsewhere_is_a_change_of_the_same_version() {
        let key = key(Kind::PoolGroup, "pg");
        let mut inventory = Inventory::default();
        let mut read = |pool_ref| {
            let objects = vec![(key.clone(), group(pool_ref))];
            !inventory.replace(Reading { started: Moment::default(), objects }).is_empty()
        };
        assert!(read("https://c/api/pool/pool-1#one"));
        assert!(!read("https://c/api/pool/pool-1#one"));
        // Somebody deleted the pool.
        assert!(read("https://c/api/pool/pool-1"));
    }
}
