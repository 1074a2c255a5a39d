//! Pools and pool groups of Ingress paths. Source: L7 objects, §3.2, §3.3, §4.2.

use std::sync::Arc;

use ako_avi_types::pool::{PoolAnalytics, ShapedPool};
use ako_avi_types::{Marker, Pool, PoolGroup, PoolGroupMember, Ref, Server, ServiceMetadata, go_json};
use ako_core::config::ServiceMode;
use ako_core::resource::Protocol;
use serde::Serialize;

use crate::context::Context;
use crate::endpoints::Members;

/// What upstream's checksum of a pool covers.
#[derive(Debug)]
pub(crate) struct Covered<'a> {
    /// The protocol's name; empty for pools of Ingresses.
    pub(crate) protocol: &'a str,
    pub(crate) members: &'a Members,
    pub(crate) port_name: &'a str,
    pub(crate) label: &'a str,
    pub(crate) metadata: &'a ServiceMetadata,
    /// How servers are spoken to in TLS, if they are.
    pub(crate) tls: Option<&'a TlsToServers>,
    /// What a rule asks for, if one does.
    pub(crate) ruled: Option<&'a Ruled>,
}

/// How the servers of a pool are spoken to in TLS.
#[derive(Clone, Debug)]
pub(crate) struct TlsToServers {
    pub(crate) ssl_profile_ref: Ref,
    /// What their certificates are verified with.
    pub(crate) pki_profile: Option<PkiProfileOf>,
}

/// A PKI profile of a pool.
#[derive(Clone, Debug)]
pub(crate) enum PkiProfileOf {
    /// One that is made for the pool, and upstream's checksum of it.
    Pool(Ref, u32),
    /// One of the controller's.
    Controller(Ref),
}

impl PkiProfileOf {
    fn reference(&self) -> &Ref {
        match self {
            Self::Pool(reference, _) | Self::Controller(reference) => reference,
        }
    }
}

/// How a server of a pool is chosen, and what else only rules ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ruled {
    pub(crate) health_monitors: Vec<Ref>,
    pub(crate) lb_algorithm: Option<Arc<str>>,
    pub(crate) lb_algorithm_hash: Option<Arc<str>>,
    pub(crate) lb_algorithm_header: Option<Arc<str>>,
    pub(crate) persistence: Option<Ref>,
    pub(crate) enable_http2: Option<bool>,
    pub(crate) ssl_profile: Option<Ref>,
    pub(crate) pki_profile: Option<Ref>,
    pub(crate) certificate: Option<Ref>,
    pub(crate) enabled: Option<bool>,
    pub(crate) min_servers_up: Option<u32>,
    pub(crate) realtime_metrics: Option<bool>,
}

impl Ruled {
    fn analytics(&self) -> Option<PoolAnalytics> {
        self.realtime_metrics.map(|enable_realtime_metrics| PoolAnalytics { enable_realtime_metrics })
    }

    /// What upstream's checksum covers by itself.
    fn generated_text(&self) -> String {
        let analytics = self.analytics().as_ref().map(go_json::marshal);
        let enabled = self.enabled.as_ref().map(ToString::to_string);
        let servers = self.min_servers_up.as_ref().map(ToString::to_string);
        [analytics, enabled, servers].into_iter().flatten().collect::<Vec<_>>().join(":")
    }

    fn shaped(&self) -> Option<Box<ShapedPool>> {
        let shaped = ShapedPool {
            enabled: self.enabled,
            min_servers_up: self.min_servers_up,
            analytics_policy: self.analytics(),
            ssl_key_and_certificate_ref: self.certificate.clone(),
        };
        (shaped != ShapedPool::default()).then(|| Box::new(shaped))
    }
}

/// What of a pool depends on where it is used.
#[derive(Debug)]
pub(crate) struct Made<'a> {
    pub(crate) name: String,
    /// The name before it is encoded.
    pub(crate) plain: String,
    /// It goes into the checksum where upstream has one.
    pub(crate) label: &'a str,
    pub(crate) markers: Vec<Marker>,
}

/// A pool with the fields that all pools have.
pub(crate) fn build(
    context: &Context,
    name: String,
    covered: &Covered<'_>,
    markers: Vec<Marker>,
    protocol: Protocol,
) -> Pool {
    let tier1_lr = context.placement.tier1.clone();
    let none = Ruled::default();
    let ruled = covered.ruled.unwrap_or(&none);
    let checksum = context.checksum().text(&covered_text(context, covered));
    let mut checksum = checksum.markers(&markers).text(&ruled.generated_text());
    if let Some(router) = &tier1_lr {
        checksum = checksum.text(router);
    }
    let pki_profile = covered.tls.and_then(|tls| tls.pki_profile.as_ref());
    if let Some(PkiProfileOf::Pool(_, sum)) = pki_profile {
        checksum = checksum.number(*sum);
    }
    if !ruled.health_monitors.is_empty() {
        let texts: Vec<_> = ruled.health_monitors.iter().map(Ref::plain).collect();
        checksum = checksum.text(&go_json::marshal(&texts));
    }
    if let Some(persistence) = &ruled.persistence {
        checksum = checksum.text(&persistence.plain());
    }
    let monitors = if ruled.health_monitors.is_empty() {
        vec![context.monitor(protocol)]
    } else {
        ruled.health_monitors.clone()
    };
    Pool {
        name: name.into(),
        cloud_config_cksum: Some(checksum.finish()),
        created_by: Some(context.owner.clone()),
        tenant_ref: Some(context.placement.tenant_ref.clone()),
        cloud_ref: Some(context.cloud_ref.clone()),
        vrf_ref: context.placement.vrf_ref.clone(),
        tier1_lr,
        service_metadata: Some(covered.metadata.clone()),
        sni_enabled: covered.tls.is_some(),
        ssl_profile_ref: covered.tls.map(|tls| &tls.ssl_profile_ref).or(ruled.ssl_profile.as_ref()).cloned(),
        pki_profile_ref: pki_profile.map(PkiProfileOf::reference).or(ruled.pki_profile.as_ref()).cloned(),
        graceful_disable_timeout: 1,
        health_monitor_refs: monitors,
        lb_algorithm: ruled.lb_algorithm.clone(),
        lb_algorithm_hash: ruled.lb_algorithm_hash.clone(),
        lb_algorithm_consistent_hash_hdr: ruled.lb_algorithm_header.clone(),
        application_persistence_profile_ref: ruled.persistence.clone(),
        enable_http2: ruled.enable_http2,
        shaped: ruled.shaped(),
        servers: covered.members.servers.clone(),
        placement_networks: context.placement.pool_networks.clone(),
        markers,
    }
}

fn covered_text(context: &Context, covered: &Covered<'_>) -> String {
    // Upstream has the ports with the servers where each has its own.
    let own_ports = context.config.service_mode == ServiceMode::NodePortLocal;
    let server = |server| ServerText::of(server, own_ports);
    let servers: Vec<_> = covered.members.servers.iter().map(server).collect();
    let servers = if servers.is_empty() { "null".to_owned() } else { go_json::marshal(&servers) };
    let mut parts = vec![
        covered.protocol.to_owned(),
        covered.members.port.to_string(),
        covered.port_name.to_owned(),
        servers,
    ];
    let balancing = covered.ruled.filter(|ruled| ruled.lb_algorithm.is_some());
    parts.extend(balancing.into_iter().flat_map(|ruled| {
        let texts = [&ruled.lb_algorithm, &ruled.lb_algorithm_hash, &ruled.lb_algorithm_header];
        texts.into_iter().flatten().map(ToString::to_string)
    }));
    parts.push(covered.tls.is_some().to_string());
    let of_rule =
        |reference: fn(&Ruled) -> &Option<Ref>| covered.ruled.and_then(|ruled| reference(ruled).as_ref());
    parts.extend(covered.tls.map(|tls| tls.ssl_profile_ref.plain()));
    parts.extend(of_rule(|ruled| &ruled.ssl_profile).map(Ref::plain));
    parts.extend([covered.label.to_owned(), context.placement.pool_networks_text.clone()]);
    if let Some(PkiProfileOf::Controller(profile)) = covered.tls.and_then(|tls| tls.pki_profile.as_ref()) {
        parts.push(profile.plain());
    }
    parts.extend(of_rule(|ruled| &ruled.pki_profile).map(Ref::plain));
    parts.extend(of_rule(|ruled| &ruled.certificate).map(Ref::plain));
    parts.extend(covered.metadata.namespace_svc_name.as_ref().map(go_json::marshal));
    parts.extend(covered.metadata.hostnames.as_ref().map(go_json::marshal));
    parts.extend(covered.ruled.and_then(|ruled| ruled.enable_http2).map(|on| on.to_string()));
    parts.join(":")
}

/// A server as upstream's checksum spells it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServerText<'a> {
    ip: &'a ako_avi_types::IpAddress,
    server_node: &'a str,
    port: u16,
    enabled: Option<bool>,
}

impl<'a> ServerText<'a> {
    fn of(server: &'a Server, own_ports: bool) -> Self {
        Self {
            ip: &server.ip,
            server_node: server.server_node.as_deref().unwrap_or(""),
            port: if own_ports { server.port } else { 0 },
            enabled: server.enabled,
        }
    }
}

/// A pool group.
pub(crate) fn group(
    context: &Context,
    name: &str,
    members: Vec<PoolGroupMember>,
    markers: Vec<Marker>,
    implicit: bool,
) -> PoolGroup {
    let mut members = members;
    members.sort();
    members.dedup();
    let texts: Vec<_> = members.iter().map(MemberText::from).collect();
    let text = if texts.is_empty() { "null".to_owned() } else { go_json::marshal(&texts) };
    PoolGroup {
        name: name.into(),
        cloud_config_cksum: Some(context.checksum().text(&text).markers(&markers).finish()),
        created_by: Some(context.owner.clone()),
        tenant_ref: Some(context.placement.tenant_ref.clone()),
        cloud_ref: Some(context.cloud_ref.clone()),
        implicit_priority_labels: implicit,
        members,
        markers,
    }
}

/// A member as upstream's checksum spells it.
#[derive(Serialize)]
struct MemberText<'a> {
    pool_ref: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority_label: &'a Option<Arc<str>>,
    ratio: u32,
}

impl<'a> From<&'a PoolGroupMember> for MemberText<'a> {
    fn from(member: &'a PoolGroupMember) -> Self {
        Self {
            pool_ref: member.pool_ref.plain(),
            priority_label: &member.priority_label,
            ratio: member.ratio,
        }
    }
}
