//! Edits of the ConfigMap.

use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Script, Step};
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

/// Edits that take effect at once, and some that must not without a restart.
const EDITS: [Edit; 27] = [
    harmless("logLevel", "DEBUG"),
    harmless("deletionGuardMinimum", "3"),
    harmless("deletionGuardPercent", "5"),
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
    takes("enableRHI", "true"),
    takes("deleteConfig", "true"),
    takes("deleteConfig", "true"),
    takes("deleteConfig", "true"),
    harmless("clusterName", "c2"),
    harmless("shardVSSize", "LARGE"),
    harmless("primaryInstance", "false"),
    harmless("vipPerNamespace", "true"),
    harmless("tenantName", "other"),
    takes("disableStaticRouteSync", "true"),
];

/// An edit, and the end of it.
pub(super) fn draw(rng: &mut StdRng, script: &Script) -> (Step, Option<Step>) {
    let edit = &EDITS[rng.random_range(0..EDITS.len())];
    // Of two instances only one is the primary, and one is refused already.
    let (key, value) = match edit.key {
        "primaryInstance" if script.setup != Setup::One => ("logLevel", "WARN"),
        key => (key, edit.value),
    };
    (Step::Configure(key, Some(value)), Some(Step::Configure(key, None)))
}

/// Whether objects may go by an edit of a key.
pub fn takes_away(key: &str) -> bool {
    EDITS.iter().any(|edit| edit.key == key && edit.takes_away)
}
