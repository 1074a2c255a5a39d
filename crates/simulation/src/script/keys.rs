//! Edits of the ConfigMap.

use rand::Rng as _;
use rand::rngs::StdRng;

use super::Step;
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

/// Edits that take effect at once. A key that needs a restart would be in force in a
/// process that starts before the edit is taken back, and not in the others: that is
/// two installations, and no fault (`tests/identity.rs`).
const EDITS: [Edit; 22] = [
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
    takes("disableStaticRouteSync", "true"),
];

/// An edit, and the end of it.
pub(super) fn draw(rng: &mut StdRng) -> (Step, Option<Step>) {
    let edit = &EDITS[rng.random_range(0..EDITS.len())];
    (Step::Configure(edit.key, Some(edit.value)), Some(Step::Configure(edit.key, None)))
}

/// Whether objects may go by an edit of a key.
pub fn takes_away(key: &str) -> bool {
    EDITS.iter().any(|edit| edit.key == key && edit.takes_away)
}
