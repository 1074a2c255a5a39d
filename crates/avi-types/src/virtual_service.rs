//! Virtual services: what listens, and what is served there.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::{self, Body, named, owned};
use crate::http_policy::PathMatch;
use crate::loss::Losses;
use crate::marker::Marker;
use crate::metadata::ServiceMetadata;
use crate::reference::Ref;

/// `/api/virtualservice`: a shared parent, its children, a dedicated or an L4
/// virtual service. Source: Avi REST API contract, §8.9.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VirtualService {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    /// Upstream's checksum, a decimal `u32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_config_cksum: Option<Arc<str>>,
    /// The owner, `ako-<cluster>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub cloud_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub se_group_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub vrf_context_ref: Option<Ref>,
    /// Absent on children, which use their parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vsvip_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub application_profile_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub network_profile_ref: Option<Ref>,
    /// `VS_TYPE_VH_PARENT`, `VS_TYPE_VH_CHILD` or `VS_TYPE_NORMAL`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub vs_type: Option<Arc<str>>,
    /// `VS_TYPE_VH_ENHANCED` for EVH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vh_type: Option<Arc<str>>,
    /// A child's parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vh_parent_vs_ref: Option<Ref>,
    /// An SNI child's hosts. A set: kept sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vh_domain_name: Vec<Arc<str>>,
    /// An EVH child's hosts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vh_matches: Vec<VhMatch>,
    /// What listens; absent on children.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Listener>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub ssl_key_and_certificate_refs: Vec<Ref>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub http_policies: Vec<HttpPolicyAttachment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub vs_datascripts: Vec<DataScriptAttachment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub l4_policies: Vec<L4PolicyAttachment>,
    /// How many pools have to be up for the virtual service to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_pools_up: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub enable_rhi: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub traffic_enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub remove_listening_port_on_vs_down: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub east_west_placement: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub ign_pool_net_reach: Option<bool>,
    /// The profile of TLS with clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl_profile_ref: Option<Ref>,
    /// What only rules ask for, if one does.
    #[serde(flatten)]
    pub shaped: Option<Box<Shaped>>,
    /// The link back to Kubernetes.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "ServiceMetadata::serialize_text",
        deserialize_with = "ServiceMetadata::deserialize_text"
    )]
    pub service_metadata: Option<ServiceMetadata>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
}

/// The fields of a virtual service that only rules ask for: few virtual services have any.
/// Source: Custom resources, §3, §5–§7.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Shaped {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waf_policy_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analytics_profile_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_page_profile_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub icap_request_profile_refs: Vec<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_security_policy_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_policy_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bot_policy_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_clone_profile_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sso_policy_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analytics_policy: Option<AnalyticsPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance_limits: Option<PerformanceLimits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name_xlate: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_invalid_client_cert: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_client_conn_on_config_update: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_sess_cache_avg_size: Option<u32>,
    /// The pool of a port with TLS, which no policy set leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_ref: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoke_vip_route: Option<bool>,
    /// Sign-in by OAuth; it holds secrets, which are shown nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_vs_config: Option<SignIn>,
    /// Sign-in by SAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saml_sp_config: Option<SignIn>,
}

impl Shaped {
    /// The policies that keep somebody out.
    fn protections(&self) -> [&Option<Ref>; 5] {
        [
            &self.waf_policy_ref,
            &self.network_security_policy_ref,
            &self.security_policy_ref,
            &self.bot_policy_ref,
            &self.sso_policy_ref,
        ]
    }

    /// The same, in the same order.
    fn protections_mut(&mut self) -> [&mut Option<Ref>; 5] {
        [
            &mut self.waf_policy_ref,
            &mut self.network_security_policy_ref,
            &mut self.security_policy_ref,
            &mut self.bot_policy_ref,
            &mut self.sso_policy_ref,
        ]
    }
}

/// What a virtual service records of its clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnalyticsPolicy {
    /// Whether every request is logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_client_logs: Option<FullClientLogs>,
    /// Whether all headers are; absent where only TCP is spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_headers: Option<bool>,
}

/// Whether every request is logged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FullClientLogs {
    #[allow(missing_docs)]
    pub enabled: bool,
    /// Logs that a service engine leaves out, per second.
    pub throttle: u32,
    /// Minutes; zero is without end.
    pub duration: u32,
}

/// What a virtual service takes at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct PerformanceLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_connections: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_throughput: Option<u32>,
}

/// How people sign in at a virtual service. It may hold secrets: its `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignIn(serde_json::Value);

impl SignIn {
    /// Takes the fields as the API has them.
    pub fn new(fields: serde_json::Value) -> Self {
        Self(fields)
    }

    /// The secrets in it, in plain text.
    fn secrets(&self) -> Vec<&str> {
        let Some(settings) = self.0["oauth_settings"].as_array() else { return Vec::new() };
        let of_client = settings.iter().map(|it| &it["app_settings"]["client_secret"]);
        let of_server =
            settings.iter().map(|it| &it["resource_server"]["opaque_token_params"]["server_secret"]);
        of_client.chain(of_server).filter_map(serde_json::Value::as_str).collect()
    }
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl VirtualService {
    /// What only rules ask for.
    pub fn shaped_mut(&mut self) -> &mut Shaped {
        self.shaped.get_or_insert_default()
    }

    /// Whether it is enabled, as far as it says.
    pub fn enabled(&self) -> Option<bool> {
        self.shaped.as_ref()?.enabled
    }

    fn is_parent(&self) -> bool {
        self.vs_type.as_deref() == Some("VS_TYPE_VH_PARENT")
    }
}

impl Body for VirtualService {
    const HAS_CLOUD: bool = true;

    named!();
    owned!();

    fn metadata(&self) -> Option<&ServiceMetadata> {
        self.service_metadata.as_ref()
    }

    fn checksum_mut(&mut self) -> Option<&mut Option<Arc<str>>> {
        Some(&mut self.cloud_config_cksum)
    }

    fn secrets(&self) -> Vec<&str> {
        let sign_in = self.shaped.iter().filter_map(|shaped| shaped.oauth_vs_config.as_ref());
        sign_in.flat_map(SignIn::secrets).collect()
    }

    fn references(&self) -> Vec<&Ref> {
        let mut refs: Vec<&Ref> = self.vsvip_ref.iter().chain(&self.vh_parent_vs_ref).collect();
        refs.extend(&self.ssl_key_and_certificate_refs);
        refs.extend(self.http_policies.iter().map(|policy| &policy.http_policy_set_ref));
        refs.extend(self.vs_datascripts.iter().map(|script| &script.vs_datascript_set_ref));
        refs.extend(self.l4_policies.iter().map(|policy| &policy.l4_policy_set_ref));
        refs.extend(self.shaped.iter().filter_map(|shaped| shaped.pool_ref.as_ref()));
        refs
    }

    fn normalise(&mut self) {
        self.vh_domain_name.sort();
        self.ssl_key_and_certificate_refs.sort();
        self.vh_matches.sort_by(|a, b| a.host.cmp(&b.host));
        if self.shaped.as_deref() == Some(&Shaped::default()) {
            self.shaped = None;
        }
        if let Some(metadata) = &mut self.service_metadata {
            metadata.normalise();
        }
    }

    fn take_out(&mut self, is_missing: &dyn Fn(&Ref) -> bool) -> bool {
        let is_parent = self.is_parent();
        let certificates = &mut self.ssl_key_and_certificate_refs;
        let had = certificates.len();
        certificates.retain(|certificate| !is_missing(certificate));
        // A parent goes on without a child's certificate; a virtual service whose only
        // certificate it is would serve a wrong one.
        is_parent || !certificates.is_empty() || had == 0
    }

    fn keep(&mut self, old: &Self, is_kept: &dyn Fn(&Ref) -> bool, _is_kept_host: &dyn Fn(&str) -> bool) {
        let (certificates, policies) = (&old.ssl_key_and_certificate_refs, &old.http_policies);
        body::keep(&mut self.ssl_key_and_certificate_refs, certificates, is_kept, Ref::matches);
        let same = |a: &HttpPolicyAttachment, b: &HttpPolicyAttachment| {
            a.http_policy_set_ref.matches(&b.http_policy_set_ref)
        };
        body::keep(&mut self.http_policies, policies, |policy| is_kept(&policy.http_policy_set_ref), same);
    }

    fn keep_place(&mut self, old: &Self) {
        self.se_group_ref.clone_from(&old.se_group_ref);
        self.vrf_context_ref.clone_from(&old.vrf_context_ref);
        self.enable_rhi = old.enable_rhi;
        // Those of what hosts share come from the place, too; a Service brings its own.
        if self.is_parent() {
            self.services.clone_from(&old.services);
        }
    }

    fn keep_shape(&mut self, old: &Self, is_ours: &dyn Fn(&Ref) -> bool) {
        let own = self.shaped.take().unwrap_or_default();
        let mut shaped = old.shaped.clone().unwrap_or_default();
        // How people sign in is another rule's, and the controller does not show it.
        shaped.sso_policy_ref = own.sso_policy_ref;
        shaped.oauth_vs_config = own.oauth_vs_config;
        shaped.saml_sp_config = own.saml_sp_config;
        self.shaped = Some(shaped);
        self.services.clone_from(&old.services);
        self.application_profile_ref.clone_from(&old.application_profile_ref);
        self.ssl_profile_ref.clone_from(&old.ssl_profile_ref);
        self.min_pools_up = old.min_pools_up;
        self.ign_pool_net_reach = old.ign_pool_net_reach;
        self.remove_listening_port_on_vs_down = old.remove_listening_port_on_vs_down;
        let scripts = old.vs_datascripts.iter().filter(|script| !is_ours(&script.vs_datascript_set_ref));
        self.vs_datascripts.extend(scripts.cloned());
        let (own, others): (Vec<_>, Vec<_>) =
            old.http_policies.iter().cloned().partition(|policy| is_ours(&policy.http_policy_set_ref));
        // A rule may put its policies in the place of ours.
        if own.is_empty() && !others.is_empty() {
            self.http_policies.clear();
        }
        self.http_policies.extend(others);
        if let (Some(new), Some(old)) = (&mut self.service_metadata, &old.service_metadata) {
            new.crd_status.clone_from(&old.crd_status);
        }
    }

    fn served_hosts(&self) -> BTreeSet<Arc<str>> {
        let matched = self.vh_matches.iter().map(|matched| &matched.host);
        matched.chain(&self.vh_domain_name).cloned().collect()
    }

    fn keep_serving(&mut self, old: &Self) {
        let Some(old) = &old.shaped else { return };
        let mut shaped = self.shaped.take().unwrap_or_default();
        if shaped.sso_policy_ref.is_none() {
            shaped.oauth_vs_config.clone_from(&old.oauth_vs_config);
            shaped.saml_sp_config.clone_from(&old.saml_sp_config);
        }
        for (own, old) in shaped.protections_mut().into_iter().zip(old.protections()) {
            if own.is_none() {
                own.clone_from(old);
            }
        }
        self.shaped = Some(shaped).filter(|shaped| **shaped != Shaped::default());
    }

    fn count_losses(&self, old: &Self, losses: &mut Losses) {
        let none = Shaped::default();
        let [own, old_ones] = [self, old].map(|service| service.shaped.as_deref().unwrap_or(&none));
        let both = own.protections().into_iter().zip(old_ones.protections());
        losses.protections = both.filter(|(own, old)| own.is_none() && old.is_some()).count();
        let is_lost = |port: &&Listener| !self.services.iter().any(|new| new.port == port.port);
        losses.ports = old.services.iter().filter(is_lost).count();
    }
}

/// A port that a virtual service listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The port.
    pub port: u16,
    /// Equal to `port`; EVH parents do not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range_end: Option<u16>,
    /// Whether TLS ends here.
    #[serde(default)]
    pub enable_ssl: bool,
    /// Whether HTTP/2 is spoken; where an L4Rule gives the ports, nothing is said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_http2: Option<bool>,
    /// The network profile of a listener with another protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_network_profile_ref: Option<Ref>,
}

/// A host of an EVH child, and the paths under which it takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VhMatch {
    /// The host.
    pub host: Arc<str>,
    /// The rules.
    #[serde(default)]
    pub rules: Vec<VhMatchRule>,
}

/// One rule of a [`VhMatch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VhMatchRule {
    /// `VHMATCHRULENAME`.
    pub name: Arc<str>,
    /// What it matches.
    pub matches: VhPathMatch,
}

/// The path of a [`VhMatchRule`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VhPathMatch {
    #[allow(missing_docs)]
    pub path: PathMatch,
}

/// Attaches an HTTP policy set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpPolicyAttachment {
    #[allow(missing_docs)]
    pub http_policy_set_ref: Ref,
    /// Its place, from 11 on.
    pub index: u32,
}

/// Attaches a datascript set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataScriptAttachment {
    #[allow(missing_docs)]
    pub vs_datascript_set_ref: Ref,
    /// Its place.
    pub index: u32,
}

/// Attaches an L4 policy set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L4PolicyAttachment {
    #[allow(missing_docs)]
    pub l4_policy_set_ref: Ref,
    /// Its place.
    pub index: u32,
}
