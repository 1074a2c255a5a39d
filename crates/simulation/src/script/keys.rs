//! Edits of the ConfigMap.

use rand::Rng as _;
use rand::rngs::StdRng;

use super::Step;
use crate::setup::Setup;
use crate::workload::{OTHER_GROUP, OTHER_NETWORKS};

/// A value that a key is given for a while.
struct Edit {
    key: &'static str,
    value: &'static str,
    /// Whether objects go by it, or are replaced.
    takes_away: bool,
}

const fn harmless(key: &'static str, value: &'static str) -> Edit {
    Edit { key, value, takes_away: false }
}

const fn takes(key: &'static str, value: &'static str) -> Edit {
    Edit { key, value, takes_away: true }
}

/// Edits of every key. Those that need a restart do nothing: before a process starts,
/// they are set back (`World::start`), for it would be another installation.
const EDITS: &[Edit] = &[
    harmless("logLevel", "DEBUG"),
    harmless("deletionGuardMinimum", "3"),
    harmless("deletionGuardPercent", "5"),
    harmless("repairDisabled", "true"),
    harmless("fullSyncFrequency", "400"),
    harmless("enableEvents", "false"),
    harmless("enablePrometheus", "true"),
    harmless("autoAnnotateService", "true"),
    takes("autoFQDN", "flat"),
    takes("defaultDomain", "other.internal"),
    takes("noPGForSNI", "true"),
    takes("fqdnReusePolicy", "strict"),
    takes("layer7Only", "true"),
    takes("blockedNamespaceList", r#"["lively"]"#),
    takes("defaultIngController", "false"),
    takes("defaultLBController", "false"),
    takes("serviceEngineGroupName", OTHER_GROUP),
    takes("vipNetworkList", OTHER_NETWORKS),
    takes("nodeNetworkList", r#"[{"networkName":"other-net","cidrs":["10.9.0.0/24"]}]"#),
    takes("enableRHI", "true"),
    takes("bgpPeerLabels", r#"["peer"]"#),
    takes("ipFamily", "V6"),
    takes("serviceType", "NodePort"),
    takes("nodeKey", "pool"),
    takes("nodeValue", "edge"),
    takes("deleteConfig", "true"),
    takes("deleteConfig", "true"),
    takes("deleteConfig", "true"),
    takes("disableStaticRouteSync", "true"),
    harmless("clusterName", "c2"),
    harmless("controllerIP", "http://other"),
    harmless("controllerServerName", "other.local"),
    harmless("controllerVersion", "30.2.1"),
    harmless("cloudName", "Other-Cloud"),
    harmless("tenantName", "other"),
    harmless("dedicatedTenantMode", "true"),
    harmless("vrfName", "other"),
    harmless("nsxtT1LR", "other"),
    harmless("primaryInstance", "false"),
    harmless("enableEVH", "true"),
    harmless("enableEVH", "false"),
    harmless("shardVSSize", "LARGE"),
    harmless("passthroughShardSize", "LARGE"),
    harmless("vipPerNamespace", "true"),
    harmless("cniPlugin", "calico"),
    harmless("apiServerPort", "8081"),
    harmless("leaderElectionProfile", "standard"),
    harmless("leaseDuration", "60s"),
    harmless("renewDeadline", "5s"),
    harmless("retryPeriod", "1s"),
    harmless("servicesAPI", "true"),
    harmless("istioEnabled", "true"),
    harmless("enableMCI", "true"),
    harmless("vpcMode", "true"),
    harmless("useDefaultSecretsOnly", "true"),
    harmless("akoCRDOperatorEnabled", "true"),
];

/// Edits that say which namespaces are served, of an instance that serves all.
const SELECTORS: &[Edit] = &[
    takes("nsSyncLabelKey", "team"),
    takes("nsSyncLabelValue", "a"),
    takes("namespaceSelector", "team=nobody"),
];

/// An edit, and the end of it.
pub(super) fn draw(rng: &mut StdRng, setup: Setup) -> (Step, Option<Step>) {
    let selectors = if setup.is_one() { SELECTORS } else { &[] };
    let roll = rng.random_range(0..EDITS.len() + selectors.len());
    let edit = EDITS.get(roll).unwrap_or_else(|| &selectors[roll - EDITS.len()]);
    (Step::Configure(edit.key, Some(edit.value)), Some(Step::Configure(edit.key, None)))
}

/// Whether objects may go by an edit of a key.
pub fn takes_away(key: &str) -> bool {
    EDITS.iter().chain(SELECTORS).any(|edit| edit.key == key && edit.takes_away)
}

#[cfg(test)]
mod tests {
    use ako_core::config::keys;

    use super::*;

    #[test]
    fn every_key_is_edited() {
        let edited = |key: &str| EDITS.iter().chain(SELECTORS).any(|edit| edit.key == key);
        let left: Vec<&str> = keys().iter().map(|key| key.name).filter(|key| !edited(key)).collect();
        assert_eq!(left, Vec::<&str>::new());
    }
}
