//! From the ConfigMap's flat strings to a [`Config`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::key::{Support, keys};
use super::{
    AutoFqdn, Config, FqdnReuse, GuardLimits, IpFamily, LeaderElection, LogLevel, NodeNetwork, NodeSelector,
    ServiceMode, ShardSize, VipNetwork,
};
use crate::program::Program;
use crate::scope::{Requirement, parse_selector};

/// As many node networks as AKO takes. Source: L4 and network, B1.
const MOST_NODE_NETWORKS: usize = 5;
/// BGP labels of a VsVip. Source: Avi REST API contract, §8.15.
const MOST_BGP_LABELS: usize = 128;

/// The network plugins that need no word of warning.
const KNOWN_CNIS: [&str; 9] =
    ["", "calico", "canal", "flannel", "openshift", "antrea", "ncp", "ovn-kubernetes", "cilium"];

/// One problem with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigIssue {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// Whether the operator cannot run like this; otherwise it goes on with the
    /// key's default, or without its effect.
    pub fatal: bool,
}

impl fmt::Display for ConfigIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}: {}", self.key, self.value, self.message)
    }
}

impl Config {
    /// Parses the data of ConfigMap `avi-k8s-config`, reporting every problem.
    ///
    /// Keys that are absent or empty have their default. The result is usable
    /// if no issue is fatal.
    pub fn parse(operator_namespace: &str, data: &BTreeMap<String, String>) -> (Self, Vec<ConfigIssue>) {
        let mut parser = Parser { data, issues: Vec::new() };
        let mut config = Config { operator_namespace: operator_namespace.into(), ..Config::default() };
        parser.controller(&mut config);
        parser.layout(&mut config);
        parser.layer4(&mut config);
        parser.network(&mut config);
        parser.nodes(&mut config);
        parser.namespaces(&mut config);
        parser.operation(&mut config);
        parser.unsupported();
        parser.unknown();
        (config, parser.issues)
    }

    /// The same for a program, which only some keys may concern.
    pub fn parse_for(
        program: Program,
        operator_namespace: &str,
        data: &BTreeMap<String, String>,
    ) -> (Self, Vec<ConfigIssue>) {
        let (config, mut issues) = Self::parse(operator_namespace, &program.concerned(data.clone()));
        // Nor is missed what does not concern it.
        issues.retain(|issue| program.concerns(&issue.key));
        (Self { program, ..config }, issues)
    }
}

struct Parser<'a> {
    data: &'a BTreeMap<String, String>,
    issues: Vec<ConfigIssue>,
}

impl Parser<'_> {
    fn controller(&mut self, c: &mut Config) {
        c.cluster_name = self.text("clusterName", "");
        if c.cluster_name.is_empty() {
            self.fatal("clusterName", "is required; it names this cluster on the controller");
        } else if !c.cluster_name.chars().all(|x| x.is_ascii_alphanumeric() || x == '-' || x == '_') {
            self.fatal("clusterName", "may hold letters, digits, - and _ only");
        }
        c.controller_host = self.text("controllerIP", "");
        if c.controller_host.is_empty() {
            self.fatal("controllerIP", "is required: the controller's host, or host:port");
        }
        c.controller_server_name = self.text("controllerServerName", "");
        c.cloud_name = self.text("cloudName", "Default-Cloud");
        c.tenant = self.text("tenantName", "admin");
        c.dedicated_tenant = self.flag("dedicatedTenantMode", false);
        c.se_group = self.text("serviceEngineGroupName", "Default-Group");
        c.vrf_name = self.text("vrfName", "");
        c.primary = self.flag("primaryInstance", true);
        c.tier1_router = self.text("nsxtT1LR", "");
        c.vpc_mode = self.flag("vpcMode", false);
        c.default_secrets_only = self.flag("useDefaultSecretsOnly", false);
        if c.vpc_mode && vpc_of(&c.tier1_router).is_none() {
            self.fatal(
                "nsxtT1LR",
                "is the path of a VPC with vpcMode: /orgs/<org>/projects/<project>/vpcs/<vpc>",
            );
        }
    }

    fn layout(&mut self, c: &mut Config) {
        c.evh = self.flag("enableEVH", false);
        c.shard_size = self.one_of_or(
            "shardVSSize",
            ShardSize::Shared(8),
            ShardSize::Shared(1),
            &[
                ("LARGE", ShardSize::Shared(8)),
                ("MEDIUM", ShardSize::Shared(4)),
                ("SMALL", ShardSize::Shared(1)),
                ("DEDICATED", ShardSize::Dedicated),
            ],
        );
        let sizes = [("LARGE", 8), ("MEDIUM", 4), ("SMALL", 1)];
        c.passthrough_shards = self.one_of_or("passthroughShardSize", 1, 1, &sizes);
        c.vip_per_namespace = self.flag("vipPerNamespace", false);
        if c.vip_per_namespace && !c.evh {
            self.warn("vipPerNamespace", "has no effect without enableEVH=true");
        }
        c.no_pool_group_for_sni = self.flag("noPGForSNI", false);
        c.fqdn_reuse = self.fqdn_reuse();
        if c.fqdn_reuse == FqdnReuse::Strict && !c.evh {
            self.warn("fqdnReusePolicy", "Strict has no effect without enableEVH=true");
        }
        c.service_mode = self.one_of_or(
            "serviceType",
            ServiceMode::ClusterIp,
            ServiceMode::ClusterIp,
            &[
                ("ClusterIP", ServiceMode::ClusterIp),
                ("NodePort", ServiceMode::NodePort),
                ("NodePortLocal", ServiceMode::NodePortLocal),
            ],
        );
        c.node_selector = NodeSelector { key: self.text("nodeKey", ""), value: self.text("nodeValue", "") };
    }

    /// In any case, as AKO reads it.
    fn fqdn_reuse(&mut self) -> FqdnReuse {
        match self.written("fqdnReusePolicy").map(str::to_lowercase).as_deref() {
            None | Some("internamespaceallowed") => FqdnReuse::InterNamespaceAllowed,
            Some("strict") => FqdnReuse::Strict,
            Some(_) => {
                let why =
                    "is none of InterNamespaceAllowed, Strict; taken as InterNamespaceAllowed, as AKO does";
                self.warn("fqdnReusePolicy", why);
                FqdnReuse::InterNamespaceAllowed
            }
        }
    }

    fn layer4(&mut self, c: &mut Config) {
        c.layer7_only = self.flag("layer7Only", false);
        c.default_lb_controller = self.flag("defaultLBController", true);
        c.crd_operator = self.flag("akoCRDOperatorEnabled", false);
        c.default_domain = self.text("defaultDomain", "");
        // Anything else means that no names are made, in upstream too; but a
        // typing error should not pass without a word.
        c.auto_fqdn = match self.written("autoFQDN") {
            None | Some("default") => AutoFqdn::Default,
            Some("flat") => AutoFqdn::Flat,
            Some("disabled") => AutoFqdn::Disabled,
            Some(_) => {
                self.warn("autoFQDN", "is none of default, flat, disabled; taken as disabled");
                AutoFqdn::Disabled
            }
        };
    }

    fn network(&mut self, c: &mut Config) {
        c.vip_networks = self.vip_networks(c.vpc_mode);
        c.rhi = self.flag("enableRHI", false);
        c.bgp_peer_labels = self.json::<Vec<String>>("bgpPeerLabels").into_iter().map(Arc::from).collect();
        if !c.bgp_peer_labels.is_empty() && !c.rhi {
            self.fatal("bgpPeerLabels", "need enableRHI=true");
        }
        if c.bgp_peer_labels.len() > MOST_BGP_LABELS {
            self.fatal(
                "bgpPeerLabels",
                &format!("has more than {MOST_BGP_LABELS} entries, which is what the controller takes"),
            );
        }
        c.ip_family = self.one_of(
            "ipFamily",
            None,
            &[("V4", Some(IpFamily::V4)), ("V6", Some(IpFamily::V6)), ("V4_V6", Some(IpFamily::Both))],
        );
        c.cni = self.text("cniPlugin", "").to_lowercase().into();
        if !KNOWN_CNIS.contains(&&*c.cni) {
            self.warn(
                "cniPlugin",
                "is not a plugin that is treated specially; pod CIDRs are taken from the Nodes",
            );
        }
    }

    fn nodes(&mut self, c: &mut Config) {
        if c.service_mode == ServiceMode::NodePortLocal && &*c.cni != "antrea" {
            self.fatal("serviceType", "NodePortLocal is Antrea's: it needs cniPlugin=antrea");
        }
        c.auto_annotate = self.flag("autoAnnotateService", true);
        c.no_static_routes = self.flag("disableStaticRouteSync", false);
        c.node_networks = self.node_networks();
    }

    fn node_networks(&mut self) -> Vec<NodeNetwork> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Row {
            #[serde(default)]
            network_name: String,
            #[serde(default, rename = "networkUUID")]
            network_uuid: String,
            #[serde(default)]
            cidrs: Vec<String>,
        }
        let rows = self.json::<Vec<Row>>("nodeNetworkList");
        if rows.len() > MOST_NODE_NETWORKS {
            self.fatal("nodeNetworkList", &format!("has more than {MOST_NODE_NETWORKS} entries"));
        }
        for row in &rows {
            if row.network_name.is_empty() && row.network_uuid.is_empty() {
                self.fatal("nodeNetworkList", "each entry needs networkName or networkUUID");
            }
            if row.cidrs.iter().any(|cidr| split_cidr(cidr).is_none()) {
                self.fatal("nodeNetworkList", "cidrs have the form <address>/<bits>");
            }
        }
        let network = |row: Row| NodeNetwork {
            name: row.network_name.into(),
            uuid: row.network_uuid.into(),
            cidrs: row.cidrs.into_iter().map(Arc::from).collect(),
        };
        rows.into_iter().map(network).collect()
    }

    /// A selector that cannot be read must not select everything.
    fn namespaces(&mut self, c: &mut Config) {
        match (self.get("nsSyncLabelKey"), self.get("nsSyncLabelValue")) {
            (Some(key), Some(value)) => c.scope.requirements.push(Requirement::equals(key, value)),
            (Some(_), None) => {
                self.warn(
                    "nsSyncLabelKey",
                    "has no effect without nsSyncLabelValue: all namespaces are served",
                );
            }
            (None, Some(_)) => {
                self.warn(
                    "nsSyncLabelValue",
                    "has no effect without nsSyncLabelKey: all namespaces are served",
                );
            }
            (None, None) => {}
        }
        if let Some(selector) = self.get("namespaceSelector") {
            match parse_selector(selector) {
                Ok(requirements) => c.scope.requirements.extend(requirements),
                Err(error) => {
                    c.scope.is_unreadable = true;
                    self.fatal(
                        "namespaceSelector",
                        &format!("is no label selector: {error}; write it as for `kubectl get -l`"),
                    );
                }
            }
        }
        let blocked = self.json::<Vec<String>>("blockedNamespaceList");
        c.scope.is_unreadable |= self.issues.iter().any(|issue| issue.key == "blockedNamespaceList");
        c.scope.blocked = blocked.into_iter().map(Arc::from).collect();
    }

    fn vip_networks(&mut self, vpc_mode: bool) -> Vec<VipNetwork> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Row {
            #[serde(default)]
            network_name: String,
            #[serde(default, rename = "networkUUID")]
            network_uuid: String,
            #[serde(default)]
            cidr: String,
            #[serde(default)]
            v6cidr: String,
        }
        let rows = self.json::<Vec<Row>>("vipNetworkList");
        // Addresses of a VPC are allocated from the VPC.
        if vpc_mode {
            return Vec::new();
        }
        if rows.is_empty() && !self.issues.iter().any(|i| i.key == "vipNetworkList") {
            self.fatal("vipNetworkList", "is required: a list such as [{\"networkName\":\"vip-net\"}]");
        }
        for row in &rows {
            if row.network_name.is_empty() && row.network_uuid.is_empty() {
                self.fatal("vipNetworkList", "each entry needs networkName or networkUUID");
            }
            for cidr in [&row.cidr, &row.v6cidr] {
                if !cidr.is_empty() && split_cidr(cidr).is_none() {
                    self.fatal("vipNetworkList", "cidr and v6cidr have the form <address>/<bits>");
                }
            }
        }
        let network = |row: Row| VipNetwork {
            name: row.network_name.into(),
            uuid: row.network_uuid.into(),
            cidr: row.cidr.into(),
            v6cidr: row.v6cidr.into(),
        };
        rows.into_iter().map(network).collect()
    }

    fn operation(&mut self, c: &mut Config) {
        c.full_sync_s = self.number("fullSyncFrequency", 1800);
        c.admin_port = self.number("apiServerPort", 8080);
        c.log_level = self.one_of_or(
            "logLevel",
            LogLevel::Warn,
            LogLevel::Info,
            &[
                ("DEBUG", LogLevel::Debug),
                ("INFO", LogLevel::Info),
                ("WARN", LogLevel::Warn),
                ("ERROR", LogLevel::Error),
            ],
        );
        c.events = self.exact("enableEvents", true);
        c.delete_config = self.exact("deleteConfig", false);
        c.prometheus = self.flag("enablePrometheus", false);
        c.guard = GuardLimits {
            minimum: self.number("deletionGuardMinimum", c.guard.minimum),
            share_percent: self.number("deletionGuardPercent", c.guard.share_percent),
        };
        if c.guard.share_percent > 100 {
            self.warn("deletionGuardPercent", "is above 100: no plan is ever held");
        }
        c.repair_disabled = self.flag("repairDisabled", false);
        self.leader_election(c);
    }

    fn leader_election(&mut self, c: &mut Config) {
        let profiles = [("default", LeaderElection::DEFAULT), ("fast", LeaderElection::FAST)];
        let profile = self.one_of("leaderElectionProfile", LeaderElection::DEFAULT, &profiles);
        c.leader_election = LeaderElection {
            lease_duration: self.duration("leaseDuration", profile.lease_duration),
            renew_deadline: self.duration("renewDeadline", profile.renew_deadline),
            retry_period: self.duration("retryPeriod", profile.retry_period),
        };
    }

    /// Seconds (`15`, `15s`) or milliseconds (`500ms`). Another value is fatal:
    /// replicas that guess differently are not safe together.
    fn duration(&mut self, key: &'static str, default: Duration) -> Duration {
        let Some(value) = self.get(key) else { return default };
        let parsed = match value.strip_suffix("ms") {
            Some(millis) => millis.trim().parse().map(Duration::from_millis),
            None => value.strip_suffix('s').unwrap_or(value).trim().parse().map(Duration::from_secs),
        };
        parsed.unwrap_or_else(|_| {
            self.fatal(key, "is no duration; write seconds (15s) or milliseconds (500ms)");
            default
        })
    }

    /// Keys that ask for something that does not exist yet.
    fn unsupported(&mut self) {
        for key in keys().iter().filter(|k| k.support != Support::Full) {
            let Some(value) = self.get(key.name) else { continue };
            let inert = matches!(value, "[]" | "null") || parse_bool(value) == Some(false);
            if !inert {
                let why = "is not supported by this version, which would change or delete what was made with it; \
                           remove the key, or keep the version that supports it";
                self.fatal(key.name, why);
            }
        }
    }

    /// Keys that mean nothing: most likely typing errors.
    fn unknown(&mut self) {
        let unknown = self.data.keys().filter(|key| !keys().iter().any(|spec| spec.name == **key));
        for key in unknown.cloned().collect::<Vec<_>>() {
            let like = keys().iter().find(|spec| spec.name.eq_ignore_ascii_case(&key));
            let hint = like.map(|spec| format!("; did you mean {}?", spec.name)).unwrap_or_default();
            self.warn(&key, &format!("is not a key of this operator{hint}"));
        }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.data.get(key).map(|v| v.trim()).filter(|v| !v.is_empty())
    }

    /// The value as it is written, blanks included: AKO compares it so.
    fn written(&self, key: &str) -> Option<&str> {
        self.data.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn text(&self, key: &'static str, default: &str) -> Arc<str> {
        self.get(key).unwrap_or(default).into()
    }

    fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.written(key) else { return default };
        parse_bool(value).unwrap_or_else(|| {
            self.warn(key, &format!("is not true or false; taken as {default}, as AKO does"));
            default
        })
    }

    /// A key of which AKO knows `true` alone: any other value means no. One that
    /// looks like a yes is told, for nothing may be removed on a guess.
    /// Source: Configuration, lifecycle and HA, §1.1.
    fn exact(&mut self, key: &'static str, default: bool) -> bool {
        match self.written(key) {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(_) => {
                self.warn(key, "is neither true nor false, spelt just so; taken as false");
                false
            }
        }
    }

    fn number<T: std::str::FromStr + fmt::Display + Copy>(&mut self, key: &'static str, default: T) -> T {
        let Some(value) = self.written(key) else { return default };
        value.parse().unwrap_or_else(|_| {
            self.warn(key, &format!("is not a number in range; taken as {default}"));
            default
        })
    }

    /// A value of a list. Another one keeps the operator from starting.
    fn one_of<T: Copy>(&mut self, key: &'static str, default: T, allowed: &[(&str, T)]) -> T {
        let Some(value) = self.written(key) else { return default };
        if let Some((_, found)) = allowed.iter().find(|(name, _)| *name == value) {
            return *found;
        }
        self.fatal(key, &format!("is none of {}", names(allowed)));
        default
    }

    /// A value of a list, of which AKO takes any other for one of them: so it is here, and
    /// told. Source: Configuration, lifecycle and HA, §1.2.
    fn one_of_or<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        default: T,
        other: T,
        allowed: &[(&str, T)],
    ) -> T {
        let Some(value) = self.written(key) else { return default };
        if let Some((_, found)) = allowed.iter().find(|(name, _)| *name == value) {
            return *found;
        }
        let taken = allowed.iter().find(|(_, value)| *value == other).map_or("", |(name, _)| *name);
        self.warn(key, &format!("is none of {}; taken as {taken}, as AKO does", names(allowed)));
        other
    }

    fn json<T: serde::de::DeserializeOwned + Default>(&mut self, key: &'static str) -> T {
        let Some(value) = self.get(key).filter(|v| *v != "null") else { return T::default() };
        serde_json::from_str(value).unwrap_or_else(|error| {
            self.fatal(key, &format!("is not the JSON list that is expected: {error}"));
            T::default()
        })
    }

    fn fatal(&mut self, key: &str, message: &str) {
        self.issue(key, message, true);
    }

    fn warn(&mut self, key: &str, message: &str) {
        self.issue(key, message, false);
    }

    fn issue(&mut self, key: &str, message: &str, fatal: bool) {
        let value = self.data.get(key).cloned().unwrap_or_default();
        self.issues.push(ConfigIssue { key: key.to_owned(), value, message: message.to_owned(), fatal });
    }
}

fn names<T>(allowed: &[(&str, T)]) -> String {
    let names: Vec<_> = allowed.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// The project and the VPC of a path: `/orgs/<org>/projects/<project>/vpcs/<vpc>`.
pub fn vpc_of(path: &str) -> Option<(&str, &str)> {
    let (_org, rest) = path.strip_prefix("/orgs/")?.split_once("/projects/")?;
    let (project, vpc) = rest.split_once("/vpcs/")?;
    let is_name = |part: &str| !part.is_empty() && !part.contains('/');
    (is_name(project) && is_name(vpc)).then_some((project, vpc))
}

/// `<address>/<bits>` into its parts; the address stays as it was written.
pub fn split_cidr(cidr: &str) -> Option<(&str, u8)> {
    let (address, bits) = cidr.split_once('/')?;
    let ip: std::net::IpAddr = address.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    let limit = if ip.is_ipv4() { 32 } else { 128 };
    (bits <= limit).then_some((address, bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KeySpec;

    fn parse(pairs: &[(&str, &str)]) -> (Config, Vec<String>) {
        let base =
            [("clusterName", "c1"), ("controllerIP", "c"), ("vipNetworkList", r#"[{"networkName":"n"}]"#)];
        let data = base.iter().chain(pairs).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (config, issues) = Config::parse("avi-system", &data);
        (config, issues.iter().map(|i| format!("{}{i}", if i.fatal { "! " } else { "" })).collect())
    }

    #[test]
    fn the_defaults_are_upstreams() {
        let (config, issues) = parse(&[]);
        assert_eq!(issues, Vec::<String>::new());
        let expected = Config {
            cluster_name: "c1".into(),
            controller_host: "c".into(),
            vip_networks: vec![VipNetwork { name: "n".into(), ..VipNetwork::default() }],
            ..Config::default()
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let (_, issues) = parse(&[
            ("clusterName", "a b"),
            ("shardVSSize", "HUGE"),
            ("enableEVH", "maybe"),
            ("bgpPeerLabels", "[\"peer\"]"),
            ("vipNetworkList", "[{\"cidr\":\"10.0.0.0/40\"}]"),
            ("fullSyncFrequency", "soon"),
            ("istioEnabled", "true"),
            ("servicesAPI", "false"),
            ("akoCRDOperatorEnabled", "perhaps"),
            ("enableevh", "true"),
        ]);
        assert_eq!(
            issues,
            [
                "! clusterName=\"a b\": may hold letters, digits, - and _ only",
                "enableEVH=\"maybe\": is not true or false; taken as false, as AKO does",
                "shardVSSize=\"HUGE\": is none of LARGE, MEDIUM, SMALL, DEDICATED; taken as SMALL, as AKO does",
                "akoCRDOperatorEnabled=\"perhaps\": is not true or false; taken as false, as AKO does",
                "! vipNetworkList=\"[{\\\"cidr\\\":\\\"10.0.0.0/40\\\"}]\": each entry needs networkName or networkUUID",
                "! vipNetworkList=\"[{\\\"cidr\\\":\\\"10.0.0.0/40\\\"}]\": cidr and v6cidr have the form <address>/<bits>",
                "! bgpPeerLabels=\"[\\\"peer\\\"]\": need enableRHI=true",
                "fullSyncFrequency=\"soon\": is not a number in range; taken as 1800",
                "! istioEnabled=\"true\": is not supported by this version, which would change or delete what was \
                 made with it; remove the key, or keep the version that supports it",
                "enableevh=\"true\": is not a key of this operator; did you mean enableEVH?",
            ]
        );
    }

    #[test]
    fn bgp_labels_are_as_many_as_the_controller_takes() {
        let is_refused = |count: usize| {
            let labels = serde_json::to_string(&vec!["l"; count]).unwrap();
            let (_, issues) = parse(&[("enableRHI", "true"), ("bgpPeerLabels", &labels)]);
            issues.iter().any(|issue| issue.starts_with("! bgpPeerLabels"))
        };
        assert!(!is_refused(128));
        assert!(is_refused(129));
    }

    #[test]
    fn durations_are_seconds_or_milliseconds_and_part_of_a_profile() {
        let timing = |pairs: &[(&str, &str)]| {
            let (config, issues) = parse(pairs);
            assert_eq!(issues, Vec::<String>::new());
            config.leader_election
        };
        assert_eq!(timing(&[]), LeaderElection::DEFAULT);
        let mixed =
            timing(&[("leaderElectionProfile", "fast"), ("leaseDuration", "9"), ("retryPeriod", "500ms")]);
        let (lease_duration, retry_period) = (Duration::from_secs(9), Duration::from_millis(500));
        assert_eq!(mixed, LeaderElection { lease_duration, retry_period, ..LeaderElection::FAST });
        assert_eq!(timing(&[("renewDeadline", "8s")]).renew_deadline, Duration::from_secs(8));
        let (_, issues) =
            parse(&[("leaderElectionProfile", "quick"), ("leaseDuration", "1m"), ("retryPeriod", "-1s")]);
        assert_eq!(issues.iter().filter(|issue| issue.starts_with("! ")).count(), 3, "{issues:?}");
    }

    #[test]
    fn absent_required_keys_are_fatal() {
        let (_, issues) = Config::parse("avi-system", &BTreeMap::new());
        let fatal: Vec<_> = issues.iter().filter(|i| i.fatal).map(|i| &*i.key).collect();
        assert_eq!(fatal, ["clusterName", "controllerIP", "vipNetworkList"]);
    }

    #[test]
    fn only_keys_that_concern_the_crd_operator_are_missed() {
        let unusable = BTreeMap::from([("serviceType".to_owned(), "Anything".to_owned())]);
        let (_, issues) = Config::parse_for(Program::CrdOperator, "avi-system", &unusable);
        let keys: Vec<_> = issues.iter().map(|i| &*i.key).collect();
        assert_eq!(keys, ["clusterName", "controllerIP"]);
    }

    /// Any other spelling does nothing in AKO, so at a takeover it must not
    /// remove everything.
    #[test]
    fn everything_is_removed_by_true_alone() {
        assert!(parse(&[("deleteConfig", "true")]).0.delete_config);
        for value in ["True", "TRUE", "1", "t", "T", "yes", "\"true\"", " true", "true ", " "] {
            let (config, issues) = parse(&[("deleteConfig", value)]);
            assert!(!config.delete_config, "{value}");
            assert_eq!(issues.len(), 1, "{value}: {issues:?}");
        }
        for value in ["false", ""] {
            assert_eq!(parse(&[("deleteConfig", value)]).1, Vec::<String>::new());
        }
    }

    /// What people write, key by key: only what AKO refuses, or what would be served that
    /// should not, keeps the operator from starting; nothing but what is right goes by
    /// without a word.
    #[test]
    fn every_key_takes_what_people_write() {
        let refuse = |key: &KeySpec| {
            key.support == Support::Refused
                || matches!(
                    key.name,
                    "clusterName"
                        | "controllerIP"
                        | "ipFamily"
                        | "vipNetworkList"
                        | "nodeNetworkList"
                        | "bgpPeerLabels"
                        | "namespaceSelector"
                        | "blockedNamespaceList"
                        | "leaderElectionProfile"
                        | "leaseDuration"
                        | "renewDeadline"
                        | "retryPeriod"
                )
        };
        let free = |key: &KeySpec| {
            // Any text is one.
            matches!(
                key.name,
                "controllerIP"
                    | "controllerServerName"
                    | "controllerVersion"
                    | "cloudName"
                    | "tenantName"
                    | "vrfName"
                    | "defaultDomain"
                    | "serviceEngineGroupName"
                    | "nodeKey"
                    | "nodeValue"
                    | "nsxtT1LR"
                    | "clusterName"
                    | "namespaceSelector"
                    | "defaultIngController"
            )
        };
        for key in keys() {
            for value in ["true", "True", "1", " ", " true", "large", "junk!", "-1"] {
                let (_, issues) = parse(&[(key.name, value)]);
                let about = |start: &str| {
                    issues.iter().any(|issue| issue.starts_with(&format!("{start}{}=", key.name)))
                };
                assert!(!about("! ") || refuse(key), "{} {value:?}: {issues:?}", key.name);
                if value == "junk!" && key.support == Support::Full && !free(key) {
                    assert!(about("! ") || about(""), "{} {value:?}: {issues:?}", key.name);
                }
            }
            assert_eq!(
                parse(&[(key.name, "")]).1.iter().filter(|issue| issue.contains("\"\"")).count(),
                usize::from(matches!(key.name, "clusterName" | "controllerIP" | "vipNetworkList")),
                "{}",
                key.name
            );
        }
    }

    #[test]
    fn a_vpc_takes_the_place_of_networks() {
        let vpc = ("nsxtT1LR", "/orgs/default/projects/p/vpcs/v");
        let (config, issues) = parse(&[("vpcMode", "true"), vpc, ("vipNetworkList", "[]")]);
        assert_eq!((config.vpc_mode, config.vip_networks.len(), issues.len()), (true, 0, 0), "{issues:?}");
        let (_, issues) = parse(&[("vpcMode", "true"), ("nsxtT1LR", "/infra/tier-1s/t1")]);
        assert!(issues.len() == 1 && issues[0].starts_with("! nsxtT1LR="), "{issues:?}");
    }

    /// With each of these AKO makes objects that this version does not know.
    #[test]
    fn what_would_change_what_exists_is_refused() {
        for key in ["servicesAPI", "istioEnabled", "enableMCI"] {
            let (_, issues) = parse(&[(key, "true")]);
            assert!(issues.len() == 1 && issues[0].starts_with("! "), "{issues:?}");
            assert_eq!(parse(&[(key, "false")]).1, Vec::<String>::new());
        }
    }

    #[test]
    fn the_owner_tells_instances_apart() {
        let (mut config, _) = parse(&[]);
        assert_eq!(config.owner(), "ako-c1");
        config.primary = false;
        config.operator_namespace = "blue".into();
        assert_eq!(config.owner(), "ako-c1-blue");
    }
}
