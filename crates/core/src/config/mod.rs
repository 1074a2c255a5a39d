//! The configuration: every key of ConfigMap `avi-k8s-config`, parsed into one
//! typed value. Source: configuration, §1.

mod key;
mod parse;

use std::sync::Arc;
use std::time::Duration;

use crate::cloud::CloudType;
use crate::owner;
use crate::program::Program;
use crate::scope::Scope;

pub use crate::service_mode::ServiceMode;
pub use key::{KeySpec, Support, keys, respelled};
pub use parse::{ConfigIssue, split_cidr, vpc_of};

/// How hosts are put on virtual services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardSize {
    /// That many shared virtual services; a power of two.
    Shared(u32),
    /// A virtual service for every host.
    Dedicated,
}

/// How the names of LoadBalancer Services are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoFqdn {
    /// `<service>.<namespace>.<sub-domain>`
    Default,
    /// `<service>-<namespace>.<sub-domain>`
    Flat,
    /// No names.
    Disabled,
}

/// Who may use a host that another namespace uses already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FqdnReuse {
    /// Anybody.
    InterNamespaceAllowed,
    /// Only the namespace that claimed it first.
    Strict,
}

/// Which address families are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IpFamily {
    V4,
    V6,
    Both,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// A network that VIPs are allocated from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VipNetwork {
    /// Its name, if given by name.
    pub name: Arc<str>,
    /// Its uuid, if given; preferred over the name.
    pub uuid: Arc<str>,
    /// The IPv4 subnet to use, or empty.
    pub cidr: Arc<str>,
    /// The IPv6 subnet to use, or empty.
    pub v6cidr: Arc<str>,
}

impl VipNetwork {
    /// What the network is known by: its uuid if that is given, else its name.
    pub fn key(&self) -> &Arc<str> {
        if self.uuid.is_empty() { &self.name } else { &self.uuid }
    }

    /// The subnets to use.
    pub fn cidrs(&self) -> Vec<Arc<str>> {
        [&self.cidr, &self.v6cidr].into_iter().filter(|cidr| !cidr.is_empty()).cloned().collect()
    }
}

/// A network that nodes are in: where pools are placed on clouds that have to
/// be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeNetwork {
    /// Its name, if given by name.
    pub name: Arc<str>,
    /// Its uuid, if given; preferred over the name.
    pub uuid: Arc<str>,
    /// The subnets of it that nodes are in.
    pub cidrs: Vec<Arc<str>>,
}

impl NodeNetwork {
    /// What the network is known by: its uuid if that is given, else its name.
    pub fn key(&self) -> &Arc<str> {
        if self.uuid.is_empty() { &self.name } else { &self.uuid }
    }
}

/// A label of the nodes that take NodePort traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSelector {
    /// The key; empty means all nodes.
    pub key: Arc<str>,
    /// The value.
    pub value: Arc<str>,
}

/// When mass deletions are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardLimits {
    /// Up to so many deletions are never held.
    pub minimum: usize,
    /// Beyond the minimum, up to this share of the observed objects (per cent)
    /// is not held.
    pub share_percent: usize,
}

/// How long a leadership lasts and how often it is renewed, as configured;
/// whether that is safe is not judged here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderElection {
    /// How long a record must be unchanged before another replica takes over.
    pub lease_duration: Duration,
    /// How long a leader may write after its last renewal was sent.
    pub renew_deadline: Duration,
    /// How often a leader renews and a candidate looks.
    pub retry_period: Duration,
}

impl LeaderElection {
    /// Upstream's.
    pub const DEFAULT: Self = Self::of_seconds(15, 10, 2);
    /// Fails over sooner, for API servers that answer quickly.
    pub const FAST: Self = Self::of_seconds(6, 4, 1);

    const fn of_seconds(lease: u64, renew: u64, retry: u64) -> Self {
        Self {
            lease_duration: Duration::from_secs(lease),
            renew_deadline: Duration::from_secs(renew),
            retry_period: Duration::from_secs(retry),
        }
    }
}

/// The configuration of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a key of its own
pub struct Config {
    /// Which program it is for.
    pub program: Program,
    /// The namespace that the operator runs in.
    pub operator_namespace: Arc<str>,
    /// `clusterName`: part of every name and of the owner marker.
    pub cluster_name: Arc<str>,
    /// `controllerIP`: `host[:port]`.
    pub controller_host: Arc<str>,
    /// `controllerServerName`: the name in the controller's certificate; empty if that is the
    /// host of `controllerIP`.
    pub controller_server_name: Arc<str>,
    /// `cloudName`
    pub cloud_name: Arc<str>,
    /// `tenantName`
    pub tenant: Arc<str>,
    /// `dedicatedTenantMode`: read only our own tenant.
    pub dedicated_tenant: bool,
    /// `serviceEngineGroupName`
    pub se_group: Arc<str>,
    /// `vrfName`, or empty.
    pub vrf_name: Arc<str>,
    /// `primaryInstance`
    pub primary: bool,
    /// `enableEVH`
    pub evh: bool,
    /// `shardVSSize`
    pub shard_size: ShardSize,
    /// `passthroughShardSize`, a power of two.
    pub passthrough_shards: u32,
    /// `vipPerNamespace`; takes effect with EVH only.
    pub vip_per_namespace: bool,
    /// `serviceType`
    pub service_mode: ServiceMode,
    /// `nodeKey`, `nodeValue`
    pub node_selector: NodeSelector,
    /// `layer7Only`: Services of type LoadBalancer are not ours.
    pub layer7_only: bool,
    /// `noPGForSNI`: path rules lead to pools directly.
    pub no_pool_group_for_sni: bool,
    /// `fqdnReusePolicy`; takes effect with EVH only.
    pub fqdn_reuse: FqdnReuse,
    /// `autoFQDN`
    pub auto_fqdn: AutoFqdn,
    /// `defaultDomain`, or empty.
    pub default_domain: Arc<str>,
    /// `defaultLBController`: Services without a class are ours.
    pub default_lb_controller: bool,
    /// `akoCRDOperatorEnabled`: there is somebody who makes objects of HealthMonitors.
    pub crd_operator: bool,
    /// `vipNetworkList`
    pub vip_networks: Vec<VipNetwork>,
    /// `enableRHI`
    pub rhi: bool,
    /// `bgpPeerLabels`
    pub bgp_peer_labels: Vec<Arc<str>>,
    /// `ipFamily`; the cloud's default if `None`.
    pub ip_family: Option<IpFamily>,
    /// `cniPlugin`, lower case.
    pub cni: Arc<str>,
    /// `disableStaticRouteSync`
    pub no_static_routes: bool,
    /// `nodeNetworkList`
    pub node_networks: Vec<NodeNetwork>,
    /// `nsSyncLabelKey` and `nsSyncLabelValue`, `blockedNamespaceList`, and
    /// `namespaceSelector`, which is a key of our own.
    pub scope: Scope,
    /// `autoAnnotateService`: ask Antrea for node ports where they are needed.
    pub auto_annotate: bool,
    /// `nsxtT1LR`, or empty.
    pub tier1_router: Arc<str>,
    /// `vpcMode`: `tier1_router` is the path of a VPC, which addresses come from.
    pub vpc_mode: bool,
    /// `useDefaultSecretsOnly`: where Routes are served, no Secrets are read but those of the
    /// operator's own namespace.
    pub default_secrets_only: bool,
    /// `fullSyncFrequency` in seconds; 0 means never.
    pub full_sync_s: u64,
    /// `apiServerPort`
    pub admin_port: u16,
    /// `logLevel`
    pub log_level: LogLevel,
    /// `enableEvents`: Normal Events; Warnings are sent always.
    pub events: bool,
    /// `deleteConfig`: remove everything that is ours and stop.
    pub delete_config: bool,
    /// `enablePrometheus`
    pub prometheus: bool,
    /// `deletionGuardMinimum`, `deletionGuardPercent`: keys of our own.
    pub guard: GuardLimits,
    /// `repairDisabled`, a key of our own: what somebody disabled on the controller is enabled.
    pub repair_disabled: bool,
    /// `leaderElectionProfile`, `leaseDuration`, `renewDeadline`,
    /// `retryPeriod`: keys of our own.
    pub leader_election: LeaderElection,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            program: Program::Operator,
            operator_namespace: "avi-system".into(),
            cluster_name: "".into(),
            controller_host: "".into(),
            controller_server_name: "".into(),
            cloud_name: "Default-Cloud".into(),
            tenant: "admin".into(),
            dedicated_tenant: false,
            se_group: "Default-Group".into(),
            vrf_name: "".into(),
            primary: true,
            evh: false,
            shard_size: ShardSize::Shared(8),
            passthrough_shards: 1,
            vip_per_namespace: false,
            service_mode: ServiceMode::ClusterIp,
            node_selector: NodeSelector::default(),
            layer7_only: false,
            no_pool_group_for_sni: false,
            fqdn_reuse: FqdnReuse::InterNamespaceAllowed,
            auto_fqdn: AutoFqdn::Default,
            default_domain: "".into(),
            default_lb_controller: true,
            crd_operator: false,
            vip_networks: Vec::new(),
            rhi: false,
            bgp_peer_labels: Vec::new(),
            ip_family: None,
            cni: "".into(),
            no_static_routes: false,
            node_networks: Vec::new(),
            scope: Scope::default(),
            auto_annotate: true,
            tier1_router: "".into(),
            vpc_mode: false,
            default_secrets_only: false,
            full_sync_s: 1800,
            admin_port: 8080,
            log_level: LogLevel::Warn,
            events: true,
            delete_config: false,
            prometheus: false,
            guard: GuardLimits { minimum: 20, share_percent: 30 },
            repair_disabled: false,
            leader_election: LeaderElection::DEFAULT,
        }
    }
}

impl Config {
    /// `created_by` of what this instance owns.
    pub fn owner(&self) -> String {
        match self.program {
            Program::Operator => owner::owner(&self.cluster_name, self.primary, &self.operator_namespace),
            Program::CrdOperator => owner::crd_operator(&self.cluster_name),
        }
    }

    /// The start of the names of everything of this instance.
    pub fn name_prefix(&self) -> String {
        match self.program {
            Program::Operator => format!("{}--", self.cluster_name),
            Program::CrdOperator => format!("{}--", owner::crd_operator(&self.cluster_name)),
        }
    }

    /// `created_by` of what a primary instance owned before it had that role: no other instance
    /// can have the same. What a secondary one owned when it was primary is the next one's.
    pub fn former_owner(&self) -> Option<String> {
        let had_another = self.primary && self.program == Program::Operator;
        had_another.then(|| owner::owner(&self.cluster_name, false, &self.operator_namespace))
    }

    /// Whether an owner's name is this instance's, now or from before.
    pub fn is_owner(&self, owner: &str) -> bool {
        owner == self.owner() || self.former_owner().is_some_and(|former| owner == former)
    }

    /// Whether a virtual service is shared between hosts by namespace.
    pub fn shares_by_namespace(&self) -> bool {
        self.evh && self.vip_per_namespace
    }

    /// Whether Avi has to be told how pods are reached: by static routes in the
    /// VRF, and by a label of the SE group that tells whose routes its service
    /// engines take. Source: L4 and network, B4, B7.
    pub fn needs_routes(&self, cloud: CloudType) -> bool {
        let routed_by_nsx = cloud.is_nsx_t() && &*self.cni == "ncp";
        let is_for_pods = self.program == Program::Operator && self.service_mode == ServiceMode::ClusterIp;
        is_for_pods && !self.no_static_routes && !routed_by_nsx
    }
}
