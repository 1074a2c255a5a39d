//! What is believed of the cluster, and whether it may take something away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ako_core::{Config, ResourceKind};
use ako_elect::{Freshness, Moment};

use crate::purpose::{Purpose, TERRITORY};
use crate::source::Source;

/// The shortest time for which a proof counts: proving a source takes some
/// seconds.
const SHORTEST_BOUND: Duration = Duration::from_secs(10);
/// The longest one, however long leaderships last.
const LONGEST_BOUND: Duration = Duration::from_mins(1);

/// How long a proof counts: as long as a leadership lasts, which is how long
/// others wait before they take over what was this process's.
pub fn bound(config: &Config) -> Duration {
    config.leader_election.lease_duration.clamp(SHORTEST_BOUND, LONGEST_BOUND)
}

/// How long another instance may be writing that sees nothing of what changed: until
/// its leadership ends, or what it believes is too old.
pub(crate) fn margin(config: &Config) -> Duration {
    bound(config).max(config.leader_election.lease_duration)
}

/// What is proven of the sources.
#[derive(Clone, Debug)]
pub(crate) struct Belief {
    freshness: Freshness<Source>,
    /// Proofs of what was heard and is not translated yet.
    heard: BTreeMap<Source, Moment>,
    /// Whether the cluster has OpenShift Routes, which this version does not
    /// read: what they ask for looks like what nobody asks for. Taken for true
    /// until it is known.
    routes_served: bool,
}

impl Belief {
    pub(crate) fn new(config: &Config) -> Self {
        Self { freshness: Freshness::new(bound(config)), heard: BTreeMap::new(), routes_served: true }
    }

    pub(crate) fn configure(&mut self, config: &Config) {
        self.freshness.set_bound(bound(config));
    }

    pub(crate) fn lead(&mut self, since: Option<Moment>) {
        self.freshness.lead(since);
    }

    pub(crate) fn set_routes_served(&mut self, served: bool) {
        self.routes_served = served;
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
    pub(crate) fn translated(&mut self) -> bool {
        let heard = std::mem::take(&mut self.heard);
        let news = !heard.is_empty();
        for (source, at) in heard {
            self.freshness.prove(source, at);
        }
        news
    }

    /// Until when something of a purpose may be taken away, if it may be now.
    pub(crate) fn until(&self, purpose: Purpose, config: &Config, now: Moment) -> Option<Moment> {
        if self.misses_routes(purpose, config) {
            return None;
        }
        self.freshness.until(&purpose.sources(config), now)
    }

    /// Until when it is known what stands on objects of a kind, and whose their namespaces
    /// are, if it is now.
    pub(crate) fn knows_statuses_until(
        &self,
        kind: ResourceKind,
        config: &Config,
        now: Moment,
    ) -> Option<Moment> {
        let watched = ResourceKind::read_with(config);
        let kinds = TERRITORY.into_iter().chain([kind]).filter(|kind| watched.contains(kind));
        self.freshness.until(&kinds.map(Source::Kind).collect::<BTreeSet<_>>(), now)
    }

    /// What keeps something of a purpose from being taken away.
    pub(crate) fn doubts(&self, purpose: Purpose, config: &Config, now: Moment) -> Vec<String> {
        let sources = purpose.sources(config).into_iter();
        let doubtful = sources.filter(|source| !self.freshness.is_proven(source, now));
        let mut doubts: Vec<_> = doubtful.map(|source| source.to_string()).collect();
        if self.misses_routes(purpose, config) {
            doubts.push("OpenShift Routes, which this version does not read".to_owned());
        }
        doubts
    }

    /// Whether Routes may ask for what seems to be asked for by nobody.
    fn misses_routes(&self, purpose: Purpose, config: &Config) -> bool {
        purpose == Purpose::Layer7 && self.routes_served && !config.delete_config
    }

    /// Whether everything that objects are made from is known as it is, whatever may be
    /// made from it that this version does not read.
    pub(crate) fn knows_all(&self, config: &Config, now: Moment) -> bool {
        let sources = [Purpose::Layer7, Purpose::Layer4].map(|purpose| purpose.sources(config));
        sources.iter().flatten().all(|source| self.freshness.is_proven(source, now))
    }

    /// Whether it is known whose the namespaces are.
    pub(crate) fn knows_territory(&self, now: Moment) -> bool {
        TERRITORY.into_iter().all(|kind| self.freshness.is_proven(&Source::Kind(kind), now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_translated_yet_proves_nothing() {
        let config = Config::default();
        let mut belief = Belief::new(&config);
        belief.set_routes_served(false);
        let (granted, now) = (Moment::from_millis(1000), Moment::from_millis(2000));
        belief.lead(Some(granted));
        for source in Purpose::Layer7.sources(&config) {
            belief.hear(source, granted);
        }
        assert_eq!(belief.until(Purpose::Layer7, &config, now), None);
        assert!(belief.translated());
        assert_eq!(belief.until(Purpose::Layer7, &config, now), Some(granted + bound(&config)));
        belief.set_routes_served(true);
        assert_eq!(belief.until(Purpose::Layer7, &config, now), None);
        assert_eq!(belief.until(Purpose::Layer4, &config, now), Some(granted + bound(&config)));
    }
}
