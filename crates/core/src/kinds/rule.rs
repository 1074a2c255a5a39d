//! What AKO's rules have in common. Source: Custom resources, §3, §5, §6.

use std::sync::Arc;

/// What a virtual service records of its clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnalyticsPolicy {
    /// `logAllHeaders`
    pub log_all_headers: bool,
    /// `fullClientLogs`
    pub full_client_logs: Option<FullClientLogs>,
}

/// Whether every request is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FullClientLogs {
    /// `enabled`
    pub enabled: bool,
    /// `throttle`
    pub throttle: Throttle,
    /// `duration`, in minutes; zero is without end.
    pub duration: u32,
}

/// How many logs a service engine leaves out when it has many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Throttle {
    Low,
    Medium,
    #[default]
    High,
    Disabled,
}

/// The HTTP policy sets of a virtual service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpPolicy {
    /// `overwrite`: they replace those that the operator makes.
    pub overwrite: bool,
    /// `policySets`: their names.
    pub policy_sets: Vec<Arc<str>>,
}

/// What a virtual service takes at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerformanceLimits {
    /// `maxConcurrentConnections`
    pub max_concurrent_connections: Option<u16>,
    /// `maxThroughput`, in Mbit/s.
    pub max_throughput: Option<u16>,
}
