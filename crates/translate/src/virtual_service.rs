//! What all virtual services have in common, and upstream's checksum of them.
//! Source: L7 objects, §1.4, §3.6, §4.2; L4 and network, A3.

use std::sync::Arc;

use ako_avi_types::virtual_service::{AnalyticsPolicy, FullClientLogs, HttpPolicyAttachment, Listener};
use ako_avi_types::{Kind, Marker, Ref, ServiceMetadata, VirtualService, go_json};
use ako_core::resource::{PortRef, Protocol, ServicePort};
use serde::Serialize;

use crate::context::Context;

/// Profiles of the controller that are referred to.
pub(crate) const SYSTEM_HTTP: &str = "System-HTTP";
pub(crate) const SYSTEM_SECURE_HTTP: &str = "System-Secure-HTTP";
pub(crate) const SYSTEM_TCP_PROXY: &str = "System-TCP-Proxy";

/// The first index of HTTP policy sets on a virtual service.
const FIRST_POLICY_INDEX: u32 = 11;

/// A port as upstream's checksum spells it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(clippy::struct_excessive_bools, reason = "upstream's struct, field by field")]
pub(crate) struct PortText {
    port_map: Option<()>,
    port: u16,
    target_port: TargetText,
    protocol: &'static str,
    hosts: Option<()>,
    secret: &'static str,
    passthrough: bool,
    redirect: bool,
    #[serde(rename = "EnableSSL")]
    enable_ssl: bool,
    #[serde(rename = "EnableHTTP2")]
    enable_http2: bool,
    name: Arc<str>,
}

/// The port that a Service's port leads to: its number, or its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum TargetText {
    Number(u16),
    Name(Arc<str>),
}

impl TargetText {
    pub(crate) fn of(port: &ServicePort) -> Self {
        match &port.target_port {
            Some(PortRef::Number(number)) => Self::Number(*number),
            Some(PortRef::Name(name)) => Self::Name(name.clone()),
            None => Self::Number(port.port),
        }
    }
}

impl PortText {
    /// A port of an HTTP front.
    pub(crate) fn http(port: u16, enable_ssl: bool) -> Self {
        Self::new(port, TargetText::Number(0), "HTTP", enable_ssl, "".into())
    }

    /// A port of a Service.
    pub(crate) fn l4(port: u16, target: TargetText, protocol: Protocol, name: Arc<str>) -> Self {
        Self::new(port, target, protocol.as_str(), false, name)
    }

    fn new(
        port: u16,
        target_port: TargetText,
        protocol: &'static str,
        enable_ssl: bool,
        name: Arc<str>,
    ) -> Self {
        Self {
            port_map: None,
            port,
            target_port,
            protocol,
            hosts: None,
            secret: "",
            passthrough: false,
            redirect: false,
            enable_ssl,
            enable_http2: false,
            name,
        }
    }
}

/// What upstream's checksum of a virtual service covers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Covered {
    /// The names of what is attached, each after its kind's token.
    pub(crate) tokens: Vec<String>,
    /// Empty for children.
    pub(crate) application_profile: String,
    /// Empty for children.
    pub(crate) network_profile: &'static str,
    pub(crate) ports: Vec<PortText>,
    /// Goes into the first hash.
    pub(crate) evh_host: String,
    /// Hashed by itself, if not empty.
    pub(crate) references: String,
    /// What upstream generates code for, hashed together.
    pub(crate) generated: Vec<String>,
    /// Further hashes, each added.
    pub(crate) more: Vec<String>,
    /// The checksum of what is recorded of clients.
    pub(crate) analytics: u32,
}

impl Covered {
    /// The ports of an HTTP front.
    pub(crate) fn http_ports(secure: bool) -> Vec<PortText> {
        let secure = secure.then(|| PortText::http(443, true));
        std::iter::once(PortText::http(80, false)).chain(secure).collect()
    }

    fn checksum(&self, se_group: &str, context: &Context, markers: &[Marker]) -> Arc<str> {
        let mut tokens = self.tokens.clone();
        tokens.sort();
        let first = format!(
            "{}{}{}{}{}{}",
            tokens.join(":"),
            self.application_profile,
            se_group,
            self.network_profile,
            go_json::marshal(&self.ports),
            self.evh_host,
        );
        let mut checksum = context
            .checksum()
            .text(&first)
            .markers(markers)
            .text(&self.generated.join(":"))
            .number(self.analytics);
        if !self.references.is_empty() {
            checksum = checksum.text(&self.references);
        }
        self.more.iter().fold(checksum, |checksum, text| checksum.text(text)).finish()
    }
}

/// What is recorded of clients as upstream's checksum spells it: fields by name.
#[derive(Serialize)]
struct AnalyticsText<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    all_headers: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_client_logs: Option<ClientLogsText<'a>>,
}

#[derive(Serialize)]
struct ClientLogsText<'a> {
    duration: &'a u32,
    enabled: &'a bool,
    throttle: &'a u32,
}

impl<'a> From<&'a AnalyticsPolicy> for AnalyticsText<'a> {
    fn from(policy: &'a AnalyticsPolicy) -> Self {
        let logs = policy.full_client_logs.as_ref();
        Self {
            all_headers: policy.all_headers,
            full_client_logs: logs.map(|FullClientLogs { enabled, throttle, duration }| ClientLogsText {
                duration,
                enabled,
                throttle,
            }),
        }
    }
}

/// A virtual service that is being made, and what upstream's checksum covers of it. Whatever
/// changes one of both changes the other where the checksum covers it.
pub(crate) struct Draft {
    pub(crate) body: VirtualService,
    pub(crate) covered: Covered,
    se_group: Arc<str>,
}

impl Draft {
    /// One with the fields that all virtual services have.
    pub(crate) fn new(
        context: &Context,
        name: &str,
        covered: Covered,
        metadata: ServiceMetadata,
        markers: Vec<Marker>,
    ) -> Self {
        let body = VirtualService {
            name: name.into(),
            created_by: Some(context.owner.clone()),
            tenant_ref: Some(context.placement.tenant_ref.clone()),
            cloud_ref: Some(context.cloud_ref.clone()),
            se_group_ref: Some(context.placement.se_group_ref.clone()),
            vrf_context_ref: context.placement.vrf_ref.clone(),
            service_metadata: Some(metadata),
            markers,
            ..VirtualService::default()
        };
        Self { body, covered, se_group: context.placement.se_group.clone() }
    }

    /// One with the fields that all have that are on a shared virtual service.
    pub(crate) fn child(
        context: &Context,
        name: &str,
        parent: &str,
        covered: Covered,
        metadata: ServiceMetadata,
        markers: Vec<Marker>,
    ) -> Self {
        let mut draft = Self::new(context, name, covered, metadata, markers);
        draft.se_group = context.placement.child_se_group.clone();
        draft.body.se_group_ref = Some(Ref::named(Kind::ServiceEngineGroup, draft.se_group.clone()));
        draft.body.vrf_context_ref = Some(context.placement.child_vrf_ref.clone());
        draft.body.vs_type = Some("VS_TYPE_VH_CHILD".into());
        draft.body.vh_parent_vs_ref = Some(Ref::named(Kind::VirtualService, parent));
        draft.body.network_profile_ref = Some(network_profile(SYSTEM_TCP_PROXY));
        draft.body.east_west_placement = Some(false);
        draft.body.ign_pool_net_reach = Some(false);
        draft
    }

    /// Covers what is recorded of clients, as upstream spells it.
    pub(crate) fn cover_analytics(&mut self, context: &Context, policy: &AnalyticsPolicy) {
        let text = go_json::marshal(&AnalyticsText::from(policy));
        self.covered.analytics = context.checksum().text(&text).value();
    }

    /// Adds the ports that a setting asks for, each in the place of the same port.
    pub(crate) fn listen_as_placed(&mut self, context: &Context, range: bool) {
        for port in &context.placement.listeners {
            let (ssl, http2) = (port.enable_ssl == Some(true), port.enable_http2 == Some(true));
            let listener = Listener { enable_http2: Some(http2), ..listener(port.port, ssl, range) };
            match self.body.services.iter_mut().find(|known| known.port == port.port) {
                Some(known) => *known = listener,
                None => self.body.services.push(listener),
            }
            let text = PortText { enable_http2: http2, ..PortText::http(port.port, ssl) };
            match self.covered.ports.iter_mut().find(|known| known.port == port.port) {
                Some(known) => *known = text,
                None => self.covered.ports.push(text),
            }
        }
    }

    /// The virtual service with its checksum: nothing may change after that.
    pub(crate) fn finish(self, context: &Context) -> VirtualService {
        let Self { body, covered, se_group } = self;
        VirtualService {
            cloud_config_cksum: Some(covered.checksum(&se_group, context, &body.markers)),
            ..body
        }
    }
}

/// The same where upstream's checksum covers it only if a setting places the virtual service.
pub(crate) fn rhi_text_of_setting(context: &Context) -> Vec<String> {
    context.placement.has_setting.then(|| rhi_text(context)).into_iter().collect()
}

/// The text that says whether routes to the VIP are announced.
pub(crate) fn rhi_text(context: &Context) -> String {
    context.placement.rhi.to_string()
}

/// `enable_rhi`, sent only where it is on.
pub(crate) fn enable_rhi(context: &Context) -> Option<bool> {
    context.placement.rhi.then_some(true)
}

pub(crate) fn application_profile(name: &str) -> Ref {
    Ref::named(Kind::ApplicationProfile, name)
}

pub(crate) fn network_profile(name: &str) -> Ref {
    Ref::named(Kind::NetworkProfile, name)
}

/// A listener; EVH virtual services send no end of the port range.
pub(crate) fn listener(port: u16, enable_ssl: bool, range: bool) -> Listener {
    Listener {
        port,
        port_range_end: range.then_some(port),
        enable_ssl,
        enable_http2: Some(false),
        override_network_profile_ref: None,
    }
}

/// Attaches HTTP policy sets in this order.
pub(crate) fn http_policies<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<HttpPolicyAttachment> {
    let attach = |(name, index)| HttpPolicyAttachment {
        http_policy_set_ref: Ref::named(Kind::HttpPolicySet, name),
        index,
    };
    names.into_iter().map(Arc::<str>::from).zip(FIRST_POLICY_INDEX..).map(attach).collect()
}

/// References to certificates.
pub(crate) fn certificate_refs(names: &[Arc<str>]) -> Vec<Ref> {
    names.iter().map(|name| Ref::named(Kind::SslKeyAndCertificate, name.clone())).collect()
}
