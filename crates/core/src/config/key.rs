//! The keys of the ConfigMap, and what becomes of a change to each.

use std::collections::BTreeMap;

/// Whether a key has its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It has.
    Full,
    /// What it asks for does not exist yet, and an installation that uses it holds
    /// objects on the controller that this version would take for stale or change: the
    /// operator does not run with it.
    Refused,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// Its name in the ConfigMap.
    pub name: &'static str,
    /// The environment variable of upstream's StatefulSet that means the same,
    /// if there is one.
    pub env: &'static str,
    /// Whether a change takes effect without a restart.
    pub live: bool,
    /// Whether it has its effect.
    pub support: Support,
}

const fn live(name: &'static str, env: &'static str) -> KeySpec {
    KeySpec { name, env, live: true, support: Support::Full }
}

const fn restart(name: &'static str, env: &'static str) -> KeySpec {
    KeySpec { name, env, live: false, support: Support::Full }
}

const fn refused(name: &'static str, env: &'static str) -> KeySpec {
    KeySpec { name, env, live: false, support: Support::Refused }
}

/// How AKO's own operator (AKOConfig, on OpenShift) spells a key in the ConfigMap that it keeps.
/// Source: configuration, §6.1.
const MISSPELLED: (&str, &str) = ("passhthroughShardSize", "passthroughShardSize");

/// The data of the ConfigMap with each key as it is known here: to be called on what was read,
/// before it is parsed or compared with what was read before.
pub fn respelled(mut data: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let (wrong, right) = MISSPELLED;
    if let Some(value) = data.remove(wrong)
        && data.get(right).is_none_or(String::is_empty)
    {
        data.insert(right.to_owned(), value);
    }
    data
}

/// All keys, in the order of the documentation.
///
/// A key needs a restart if it decides which controller, cloud or tenant we
/// talk to, or what objects are called: changing those under a running
/// installation would replace all of it.
pub fn keys() -> &'static [KeySpec] {
    const KEYS: &[KeySpec] = &[
        restart("clusterName", "CLUSTER_NAME"),
        restart("controllerIP", "CTRL_IPADDRESS"),
        restart("controllerServerName", ""),
        restart("controllerVersion", "CTRL_VERSION"),
        restart("cloudName", "CLOUD_NAME"),
        restart("tenantName", "TENANT_NAME"),
        restart("dedicatedTenantMode", "DEDICATED_TENANT_MODE"),
        restart("vrfName", "VRF_NAME"),
        restart("nsxtT1LR", "NSXT_T1_LR"),
        restart("vpcMode", "VPC_MODE"),
        restart("useDefaultSecretsOnly", "USE_DEFAULT_SECRETS_ONLY"),
        live("serviceEngineGroupName", "SEG_NAME"),
        restart("primaryInstance", "PRIMARY_AKO_FLAG"),
        restart("enableEVH", "ENABLE_EVH"),
        restart("shardVSSize", "SHARD_VS_SIZE"),
        restart("passthroughShardSize", "PASSTHROUGH_SHARD_SIZE"),
        restart("vipPerNamespace", "VIP_PER_NAMESPACE"),
        live("serviceType", "SERVICE_TYPE"),
        live("nodeKey", "NODE_KEY"),
        live("nodeValue", "NODE_VALUE"),
        live("layer7Only", ""),
        live("noPGForSNI", ""),
        live("fqdnReusePolicy", "FQDN_REUSE_POLICY"),
        live("autoFQDN", "AUTO_L4_FQDN"),
        live("defaultDomain", "DEFAULT_DOMAIN"),
        live("defaultLBController", "DEFAULT_LB_CONTROLLER"),
        live("defaultIngController", "DEFAULT_ING_CONTROLLER"),
        live("akoCRDOperatorEnabled", "AKO_CRD_OPERATOR_ENABLED"),
        live("vipNetworkList", "VIP_NETWORK_LIST"),
        live("enableRHI", "ENABLE_RHI"),
        live("bgpPeerLabels", "BGP_PEER_LABELS"),
        live("ipFamily", "IP_FAMILY"),
        restart("cniPlugin", "CNI_PLUGIN"),
        live("disableStaticRouteSync", "DISABLE_STATIC_ROUTE_SYNC"),
        live("nodeNetworkList", "NODE_NETWORK_LIST"),
        live("nsSyncLabelKey", "NAMESPACE_SYNC_LABEL_KEY"),
        live("nsSyncLabelValue", "NAMESPACE_SYNC_LABEL_VALUE"),
        live("namespaceSelector", ""),
        live("blockedNamespaceList", "BLOCKED_NS_LIST"),
        live("autoAnnotateService", "AUTO_ANNOTATE_SERVICE"),
        live("fullSyncFrequency", "FULL_SYNC_INTERVAL"),
        restart("apiServerPort", "AKO_API_PORT"),
        live("logLevel", ""),
        live("enableEvents", ""),
        live("deleteConfig", ""),
        live("enablePrometheus", "PROMETHEUS_ENABLED"),
        live("deletionGuardMinimum", ""),
        live("deletionGuardPercent", ""),
        live("repairDisabled", ""),
        restart("leaderElectionProfile", ""),
        restart("leaseDuration", ""),
        restart("renewDeadline", ""),
        restart("retryPeriod", ""),
        refused("servicesAPI", "SERVICES_API"),
        refused("istioEnabled", "ISTIO_ENABLED"),
        refused("enableMCI", "MCI_ENABLED"),
    ];
    KEYS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_spelling_comes_first() {
        let data = |pairs: &[(&str, &str)]| -> BTreeMap<_, _> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let right = data(&[("passthroughShardSize", "LARGE")]);
        assert_eq!(respelled(data(&[("passhthroughShardSize", "LARGE")])), right);
        let both = [("passhthroughShardSize", "SMALL"), ("passthroughShardSize", "LARGE")];
        assert_eq!(respelled(data(&both)), right);
        let empty = [("passhthroughShardSize", "LARGE"), ("passthroughShardSize", "")];
        assert_eq!(respelled(data(&empty)), right);
        assert_eq!(respelled(right.clone()), right);
    }
}
