//! What is believed of the cluster, and whether it may take something away.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use ako_avi_types::{Kind, Object, ObjectKey};
use ako_core::config::ServiceMode;
use ako_core::{Config, ResourceKind};
use ako_elect::{Freshness, Moment};

/// The shortest time for which a proof counts: proving a source takes some
/// seconds.
const SHORTEST_BOUND: Duration = Duration::from_secs(10);
/// The longest one, however long leaderships last.
const LONGEST_BOUND: Duration = Duration::from_mins(1);

/// What a belief about the cluster comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The instance's own configuration.
    Configuration,
    /// The watch of a kind.
    Kind(ResourceKind),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration => f.write_str("ConfigMap avi-k8s-config"),
            Self::Kind(kind) => f.write_str(kind.as_str()),
        }
    }
}

/// How long a proof counts: as long as a leadership lasts, which is how long
/// others wait before they take over what was this process's.
pub fn bound(config: &Config) -> Duration {
    config.leader_election.lease_duration.clamp(SHORTEST_BOUND, LONGEST_BOUND)
}

/// What asks for an object, as far as it decides which sources it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Ingresses, or it cannot be told.
    Layer7,
    /// Services of type LoadBalancer.
    Layer4,
    /// Nodes.
    Routes,
}

impl Purpose {
    /// What an object is for, by its markers: those of an L4 object name a Service
    /// and no host, or the key of a shared address.
    /// Source: L7 objects, §3; L4 and network, A4.
    pub(crate) fn of(key: &ObjectKey, body: Option<&Object>) -> Self {
        if key.kind.is_borrowed() {
            return Self::Routes;
        }
        let markers = body.map(Object::markers).unwrap_or_default();
        let has = |key: &str| markers.iter().any(|marker| marker.key == key);
        let is_layer4 = (has("ServiceName") || has("GatewayName")) && !has("Host") && !has("IngressName");
        if is_layer4 { Self::Layer4 } else { Self::Layer7 }
    }

    /// The sources that say whether something of this purpose is wanted.
    pub(crate) fn sources(self, config: &Config) -> BTreeSet<Source> {
        use ResourceKind as Kind;
        if config.delete_config {
            return BTreeSet::from([Source::Configuration]);
        }
        let mut kinds = BTreeSet::from([Kind::Namespace, Kind::ConfigMap, Kind::StatefulSet]);
        match self {
            Self::Routes => {
                kinds.insert(Kind::Node);
                kinds.extend(config.subnet_kind());
            }
            Self::Layer4 => kinds.extend(serving(config)),
            Self::Layer7 => {
                kinds.extend([Kind::Ingress, Kind::IngressClass, Kind::Secret]);
                kinds.extend(serving(config));
            }
        }
        let watched = config.kinds();
        let kinds = kinds.intersection(&watched).copied().map(Source::Kind);
        kinds.chain([Source::Configuration]).collect()
    }
}

/// The kinds that the servers of pools come from.
fn serving(config: &Config) -> [ResourceKind; 2] {
    let servers = match config.service_mode {
        ServiceMode::ClusterIp => ResourceKind::EndpointSlice,
        ServiceMode::NodePort => ResourceKind::Node,
        ServiceMode::NodePortLocal => ResourceKind::Pod,
    };
    [ResourceKind::Service, servers]
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
        if purpose == Purpose::Layer7 && self.routes_served && !config.delete_config {
            return None;
        }
        self.freshness.until(&purpose.sources(config), now)
    }

    /// What keeps something of a purpose from being taken away.
    pub(crate) fn doubts(&self, purpose: Purpose, config: &Config, now: Moment) -> Vec<String> {
        let sources = purpose.sources(config).into_iter();
        let doubtful = sources.filter(|source| !self.freshness.is_proven(source, now));
        let mut doubts: Vec<_> = doubtful.map(|source| source.to_string()).collect();
        if purpose == Purpose::Layer7 && self.routes_served && !config.delete_config {
            doubts.push("OpenShift Routes, which this version does not read".to_owned());
        }
        doubts
    }

    /// Whether it is known whose the namespaces are.
    pub(crate) fn knows_territory(&self, now: Moment) -> bool {
        let kinds = [ResourceKind::Namespace, ResourceKind::ConfigMap, ResourceKind::StatefulSet];
        kinds.into_iter().all(|kind| self.freshness.is_proven(&Source::Kind(kind), now))
    }
}

/// Whether a kind can be deleted or lessened at all, or only changed.
pub(crate) fn is_harmless(kind: Kind) -> bool {
    kind == Kind::ServiceEngineGroup
}

#[cfg(test)]
mod tests {
    use ako_avi_types::Pool;

    use super::*;

    fn marked(keys: &[&str]) -> Object {
        let markers: Vec<_> =
            keys.iter().map(|key| serde_json::json!({"key": key, "values": ["x"]})).collect();
        let body = serde_json::json!({"name": "p", "markers": markers});
        Object::Pool(serde_json::from_value::<Pool>(body).unwrap_or_default())
    }

    #[test]
    fn what_is_not_known_to_be_of_a_service_needs_everything() {
        let key = ObjectKey::new(Kind::Pool, "admin", "p");
        let of = |keys: &[&str]| Purpose::of(&key, Some(&marked(keys)));
        assert_eq!(of(&["clustername", "Namespace", "ServiceName"]), Purpose::Layer4);
        assert_eq!(of(&["clustername", "Namespace", "GatewayName"]), Purpose::Layer4);
        assert_eq!(of(&["clustername", "Namespace", "ServiceName", "Host"]), Purpose::Layer7);
        assert_eq!(of(&["clustername"]), Purpose::Layer7);
        assert_eq!(Purpose::of(&key, None), Purpose::Layer7);
        let layer4 = Purpose::Layer4.sources(&Config::default());
        assert!(layer4.is_subset(&Purpose::Layer7.sources(&Config::default())));
        assert!(!layer4.contains(&Source::Kind(ResourceKind::Secret)));
    }

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
