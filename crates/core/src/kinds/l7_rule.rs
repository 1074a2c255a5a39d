//! L7Rules. Source: Custom resources, §6.

use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::meta::ObjectMeta;
use crate::kinds::published::Published;
use crate::kinds::rule::{AnalyticsPolicy, HttpPolicy, PerformanceLimits};

/// An L7Rule: what the virtual services of those have that refer to it. It is found by its name
/// alone.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "they are switches of the API")]
pub struct L7Rule {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// What is wrong with it in itself, whatever else there is; such a rule must not be applied,
    /// not by half either.
    pub invalid: Option<Arc<str>>,
    /// `allowInvalidClientCert`
    pub allow_invalid_client_cert: bool,
    /// `closeClientConnOnConfigUpdate`
    pub close_client_conn_on_config_update: bool,
    /// `ignPoolNetReach`
    pub ign_pool_net_reach: bool,
    /// `removeListeningPortOnVsDown`
    pub remove_listening_port_on_vs_down: bool,
    /// `botPolicyRef`
    pub bot_policy: Option<Arc<str>>,
    /// `hostNameXlate`
    pub host_name_xlate: Option<Arc<str>>,
    /// `securityPolicyRef`
    pub security_policy: Option<Arc<str>>,
    /// `trafficCloneProfileRef`
    pub traffic_clone_profile: Option<Arc<str>>,
    /// `minPoolsUp`
    pub min_pools_up: Option<u16>,
    /// `sslSessCacheAvgSize`
    pub ssl_sess_cache_avg_size: u16,
    /// `performanceLimits`
    pub performance_limits: Option<PerformanceLimits>,
    /// `analyticsProfile.name`
    pub analytics_profile: Option<Arc<str>>,
    /// `applicationProfile.name`
    pub application_profile: Option<Arc<str>>,
    /// `wafPolicy.name`
    pub waf_policy: Option<Arc<str>>,
    /// `icapProfile.name`
    pub icap_profile: Option<Arc<str>>,
    /// `errorPageProfile.name`
    pub error_page_profile: Option<Arc<str>>,
    /// `analyticsPolicy`
    pub analytics_policy: Option<AnalyticsPolicy>,
    /// `httpPolicy`
    pub http_policy: Option<HttpPolicy>,
    /// What was published on the object.
    pub published: Published,
}

impl Kept for L7Rule {
    const HAS_STATUS: bool = true;

    fn id(&self) -> NamespacedName {
        self.id.clone()
    }

    fn meta(&self) -> Option<&ObjectMeta> {
        Some(&self.meta)
    }

    fn published(&self) -> Option<&Published> {
        Some(&self.published)
    }

    /// What was published on it changes nothing for what refers to it.
    fn looks_like(&self, other: &Self) -> bool {
        Self { published: other.published.clone(), ..self.clone() } == *other
    }
}
