//! The object types of the Controller that an operator reads or writes.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Who sees an object that lives in tenant `admin` (Avi REST API contract, §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Only its own tenant.
    Own,
    /// Every tenant, if the object is one of the Controller's own (`System-*`).
    System,
    /// Every tenant: infrastructure such as clouds and networks.
    Always,
}

/// One object type.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The path segment after `/api/`, also the prefix of uuids.
    pub(crate) path: &'static str,
    /// The model name in error texts.
    pub(crate) model: &'static str,
    /// Names are unique per cloud, and a missing `cloud_ref` means `Default-Cloud`.
    pub(crate) in_cloud: bool,
    /// Visibility from other tenants.
    pub(crate) sharing: Sharing,
    /// Whether the type has a field `created_by` (§8.0); elsewhere it is an unknown field.
    pub(crate) has_creator: bool,
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for Kind {}

impl Kind {
    const fn new(path: &'static str, model: &'static str, sharing: Sharing) -> Self {
        Self { path, model, in_cloud: false, sharing, has_creator: true }
    }

    const fn own(path: &'static str, model: &'static str) -> Self {
        Self::new(path, model, Sharing::Own)
    }

    const fn profile(path: &'static str, model: &'static str) -> Self {
        Self::new(path, model, Sharing::System)
    }

    const fn infrastructure(path: &'static str, model: &'static str) -> Self {
        Self::new(path, model, Sharing::Always).without_creator()
    }

    const fn in_cloud(mut self) -> Self {
        self.in_cloud = true;
        self
    }

    const fn without_creator(mut self) -> Self {
        self.has_creator = false;
        self
    }

    /// The model name as a sentence starts with it: `VrfContext` → `Vrf context`.
    pub(crate) fn sentence_name(&self) -> String {
        let mut text = String::with_capacity(self.model.len() + 4);
        let mut previous_lower = false;
        for letter in self.model.chars() {
            if letter.is_uppercase() && previous_lower {
                text.push(' ');
                text.extend(letter.to_lowercase());
            } else {
                text.push(letter);
            }
            previous_lower = letter.is_lowercase();
        }
        text
    }
}

static KINDS: &[Kind] = &[
    Kind::own("virtualservice", "VirtualService").in_cloud(),
    Kind::own("vsvip", "VsVip").in_cloud().without_creator(),
    Kind::own("pool", "Pool").in_cloud(),
    Kind::own("poolgroup", "PoolGroup").in_cloud(),
    Kind::own("httppolicyset", "HTTPPolicySet"),
    Kind::own("l4policyset", "L4PolicySet"),
    Kind::own("vsdatascriptset", "VSDataScriptSet"),
    Kind::own("pkiprofile", "PKIProfile"),
    Kind::own("networksecuritypolicy", "NetworkSecurityPolicy"),
    Kind::own("poolgroupdeploymentpolicy", "PoolGroupDeploymentPolicy"),
    Kind::own("prioritylabels", "PriorityLabels").in_cloud(),
    Kind::own("autoscalelaunchconfig", "AutoScaleLaunchConfig"),
    Kind::own("serverautoscalepolicy", "ServerAutoScalePolicy"),
    Kind::profile("sslkeyandcertificate", "SSLKeyAndCertificate"),
    Kind::profile("sslprofile", "SSLProfile"),
    Kind::profile("stringgroup", "StringGroup").without_creator(),
    Kind::profile("ipaddrgroup", "IpAddrGroup"),
    Kind::profile("healthmonitor", "HealthMonitor"),
    Kind::profile("applicationpersistenceprofile", "ApplicationPersistenceProfile").without_creator(),
    Kind::profile("applicationprofile", "ApplicationProfile"),
    Kind::profile("networkprofile", "NetworkProfile"),
    Kind::profile("analyticsprofile", "AnalyticsProfile"),
    Kind::profile("errorpageprofile", "ErrorPageProfile"),
    Kind::profile("errorpagebody", "ErrorPageBody"),
    Kind::profile("wafpolicy", "WafPolicy"),
    Kind::profile("wafprofile", "WafProfile"),
    Kind::profile("wafcrs", "WafCRS"),
    Kind::profile("protocolparser", "ProtocolParser"),
    Kind::profile("ssopolicy", "SSOPolicy"),
    Kind::profile("authprofile", "AuthProfile"),
    Kind::profile("icapprofile", "IcapProfile"),
    Kind::profile("securitypolicy", "SecurityPolicy"),
    Kind::profile("botdetectionpolicy", "BotDetectionPolicy"),
    Kind::profile("trafficcloneprofile", "TrafficCloneProfile"),
    Kind::profile("hardwaresecuritymodulegroup", "HardwareSecurityModuleGroup"),
    Kind::profile("alertscriptconfig", "AlertScriptConfig"),
    Kind::infrastructure("tenant", "Tenant"),
    Kind::infrastructure("cloud", "Cloud"),
    Kind::infrastructure("vrfcontext", "VrfContext").in_cloud(),
    Kind::infrastructure("network", "Network").in_cloud(),
    Kind::infrastructure("serviceenginegroup", "ServiceEngineGroup").in_cloud(),
    Kind::infrastructure("ipamdnsproviderprofile", "IpamDnsProviderProfile"),
    Kind::infrastructure("vimgrnwruntime", "VIMgrNWRuntime"),
    Kind::infrastructure("vimgrhostruntime", "VIMgrHostRuntime"),
    Kind::infrastructure("vcenterserver", "VCenterServer"),
    Kind::infrastructure("nsxtsegmentruntime", "NsxtSegmentRuntime"),
    Kind::infrastructure("cloudconnectoruser", "CloudConnectorUser"),
    Kind::infrastructure("role", "Role"),
    Kind::infrastructure("user", "User"),
];

/// The type of a path segment; case does not matter (§3.4).
pub(crate) fn find(path: &str) -> Option<&'static Kind> {
    static INDEX: LazyLock<HashMap<&'static str, &'static Kind>> =
        LazyLock::new(|| KINDS.iter().map(|kind| (kind.path, kind)).collect());
    INDEX.get(path).or_else(|| INDEX.get(path.to_ascii_lowercase().as_str())).copied()
}

/// All types, in the order an empty Controller can be filled: tenants and clouds
/// first, whatever refers to them later.
pub(crate) fn in_seeding_order() -> impl Iterator<Item = &'static Kind> {
    let rank = |kind: &Kind| match kind.path {
        "tenant" => 0,
        "cloud" => 1,
        "vrfcontext" => 2,
        "network" => 3,
        "ipamdnsproviderprofile" => 4,
        "pool" => 6,
        "poolgroup" => 7,
        "httppolicyset" | "l4policyset" | "vsdatascriptset" => 8,
        "virtualservice" => 9,
        _ => 5,
    };
    let mut kinds: Vec<_> = KINDS.iter().collect();
    kinds.sort_by_key(|kind| rank(kind));
    kinds.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_name_separates_words() {
        assert_eq!(find("vrfcontext").map(Kind::sentence_name).as_deref(), Some("Vrf context"));
        assert_eq!(find("Pool").map(Kind::sentence_name).as_deref(), Some("Pool"));
    }
}
