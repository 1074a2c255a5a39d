//! What is believed of the cluster, and whether it may take something away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ako_core::ResourceKind;
use ako_elect::{Freshness, Moment};

use crate::policy::Policy;
use crate::purpose::{Purpose, TERRITORY};
use crate::source::Source;

/// What is proven of the sources.
#[derive(Clone, Debug)]
pub(crate) struct Belief {
    freshness: Freshness<Source>,
    /// Proofs of what was heard and is not translated yet.
    heard: BTreeMap<Source, Moment>,
    /// Whether it was known whose the namespaces are since this process leads.
    knew_territory: bool,
}

impl Belief {
    /// Nothing is proven yet. `bound` is how long a proof counts.
    pub(crate) fn new(bound: Duration) -> Self {
        Self { freshness: Freshness::new(bound), heard: BTreeMap::new(), knew_territory: false }
    }

    /// A proof counts so long from now on.
    pub(crate) fn set_bound(&mut self, bound: Duration) {
        self.freshness.set_bound(bound);
    }

    pub(crate) fn lead(&mut self, since: Option<Moment>) {
        self.knew_territory = false;
        self.freshness.lead(since);
    }

    /// Something else is known of a source than what was proven: it is to be proven
    /// anew.
    pub(crate) fn doubt(&mut self, source: Source) {
        self.heard.remove(&source);
        self.freshness.doubt(&source);
    }

    /// A source was proven; what was heard before that counts when it is
    /// translated.
    pub(crate) fn hear(&mut self, source: Source, at: Moment) {
        let heard = self.heard.entry(source).or_insert(at);
        *heard = at.max(*heard);
    }

    /// All that was heard is translated. Answers whether that proves something.
    pub(crate) fn translated(&mut self, now: Moment) -> bool {
        let heard = std::mem::take(&mut self.heard);
        let news = !heard.is_empty();
        for (source, at) in heard {
            self.freshness.prove(source, at);
        }
        self.knew_territory |= self.knows_territory(now);
        news
    }

    /// Until when something of a purpose may be taken away, if it may be now.
    pub(crate) fn until(&self, purpose: Purpose, policy: &Policy, now: Moment) -> Option<Moment> {
        self.freshness.until(policy.sources(purpose), now)
    }

    /// Until when it is known what stands on objects of a kind, and whose their namespaces
    /// are, if it is now.
    pub(crate) fn knows_statuses_until(
        &self,
        kind: ResourceKind,
        policy: &Policy,
        now: Moment,
    ) -> Option<Moment> {
        let kinds = TERRITORY.into_iter().chain([kind]).filter(|kind| policy.read.contains(kind));
        self.freshness.until(&kinds.map(Source::Kind).collect::<BTreeSet<_>>(), now)
    }

    /// What keeps something of a purpose from being taken away.
    pub(crate) fn doubts(&self, purpose: Purpose, policy: &Policy, now: Moment) -> Vec<String> {
        let sources = policy.sources(purpose).iter();
        let doubtful = sources.filter(|source| !self.freshness.is_proven(source, now));
        doubtful.map(ToString::to_string).collect()
    }

    /// Whether everything that objects are made from is known as it is.
    pub(crate) fn knows_all(&self, policy: &Policy, now: Moment) -> bool {
        let sources = [Purpose::Layer7, Purpose::Layer4].map(|purpose| policy.sources(purpose));
        sources.into_iter().flatten().all(|source| self.freshness.is_proven(source, now))
    }

    /// Whether it is known whose the namespaces are.
    pub(crate) fn knows_territory(&self, now: Moment) -> bool {
        TERRITORY.into_iter().all(|kind| self.freshness.is_proven(&Source::Kind(kind), now))
    }

    /// Whether it is known whose the namespaces are, or was since this process leads: what was said
    /// before that by those who led then has been seen.
    pub(crate) fn has_known_territory(&self) -> bool {
        self.knew_territory
    }
}

#[cfg(test)]
mod tests {
    use ako_core::Config;

    use super::*;

    #[test]
    fn what_is_not_translated_yet_proves_nothing() {
        let config = Config::default();
        let policy = Policy::of(&config);
        let bound = policy.bound;
        let mut belief = Belief::new(bound);
        let (granted, now) = (Moment::from_millis(1000), Moment::from_millis(2000));
        belief.lead(Some(granted));
        for source in policy.sources(Purpose::Layer7).clone() {
            belief.hear(source, granted);
        }
        assert_eq!(belief.until(Purpose::Layer7, &policy, now), None);
        assert!(belief.translated(now));
        assert_eq!(belief.until(Purpose::Layer7, &policy, now), Some(granted + bound));
    }
}
