//! L4Rules. Source: Custom resources, §5.

use std::sync::Arc;

use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::meta::ObjectMeta;
use crate::kinds::port::Protocol;
use crate::kinds::published::Published;
use crate::kinds::rule::PerformanceLimits;

/// An L4Rule: what the virtual service and the pools of a Service have, beyond what the Service
/// can say. It is found by its name alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct L4Rule {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// What is wrong with it in itself, whatever else there is; such a rule must not be applied,
    /// not by half either.
    pub invalid: Option<Arc<str>>,
    /// `analyticsPolicy`
    pub analytics_policy: Option<L4AnalyticsPolicy>,
    /// `analyticsProfileRef`. Where none is given it is `System-Analytics-Profile`, so that a wish
    /// for that cannot be told from none; absent only if the text is empty.
    pub analytics_profile: Option<Arc<str>>,
    /// `applicationProfileRef`. Where none is given it is `System-L4-Application`, likewise.
    pub application_profile: Option<Arc<str>>,
    /// `networkProfileRef`. Where none is given it is `System-TCP-Proxy`, likewise.
    pub network_profile: Option<Arc<str>>,
    /// `networkSecurityPolicyRef`
    pub network_security_policy: Option<Arc<str>>,
    /// `securityPolicyRef`
    pub security_policy: Option<Arc<str>>,
    /// `sslProfileRef`
    pub ssl_profile: Option<Arc<str>>,
    /// `sslKeyAndCertificateRefs`
    pub certificates: Vec<Arc<str>>,
    /// `vsDatascriptRefs`
    pub datascripts: Vec<Arc<str>>,
    /// `loadBalancerIP`: an address of either family.
    pub load_balancer_ip: Option<Arc<str>>,
    /// `revokeVipRoute`
    pub revoke_vip_route: bool,
    /// `performanceLimits`
    pub performance_limits: Option<PerformanceLimits>,
    /// `listenerProperties`
    pub listeners: Vec<L4Listener>,
    /// `backendProperties`
    pub backends: Vec<L4Backend>,
    /// What was published on the object.
    pub published: Published,
}

/// What the virtual service records of its clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct L4AnalyticsPolicy {
    /// `fullClientLogs`
    pub full_client_logs: Option<L4FullClientLogs>,
}

/// Whether every connection is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L4FullClientLogs {
    /// `enabled`
    pub enabled: bool,
    /// `duration`, in minutes.
    pub duration: u16,
    /// `throttle`, in logs a second.
    pub throttle: u16,
}

/// A port of the virtual service; its protocol is TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L4Listener {
    /// `port`
    pub port: u16,
    /// `enableSsl`
    pub enable_ssl: bool,
}

/// What the pool of a port of the Service has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L4Backend {
    /// `port`, of the Service.
    pub port: u16,
    /// `protocol`
    pub protocol: Protocol,
    /// `enabled`
    pub enabled: bool,
    /// `minServersUp`
    pub min_servers_up: Option<u16>,
    /// `analyticsPolicy.enableRealtimeMetrics`; `None` without a policy.
    pub realtime_metrics: Option<bool>,
    /// `applicationPersistenceProfileRef`
    pub application_persistence: Option<Arc<str>>,
    /// `pkiProfileRef`
    pub pki_profile: Option<Arc<str>>,
    /// `sslKeyAndCertificateRef`
    pub certificate: Option<Arc<str>>,
    /// `sslProfileRef`
    pub ssl_profile: Option<Arc<str>>,
    /// `healthMonitorRefs`
    pub health_monitors: Vec<Arc<str>>,
    /// `healthMonitorCrdRefs`: names of HealthMonitors of the cluster.
    pub health_monitor_objects: Vec<Arc<str>>,
    /// `lbAlgorithm`, in the words of the Avi API.
    pub lb_algorithm: Arc<str>,
    /// `lbAlgorithmHash`, in the words of the Avi API.
    pub lb_algorithm_hash: Option<Arc<str>>,
    /// `lbAlgorithmConsistentHashHdr`
    pub lb_algorithm_header: Option<Arc<str>>,
}

impl Kept for L4Rule {
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

    /// What was published on it changes nothing for the Services that refer to it.
    fn looks_like(&self, other: &Self) -> bool {
        Self { published: other.published.clone(), ..self.clone() } == *other
    }
}
