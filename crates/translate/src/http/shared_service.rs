//! The objects of a front: a virtual service that many hosts share, and what is shared with it.
//! Source: L7 objects, §1.2–1.4.

use std::sync::Arc;

use ako_avi_types::datascript::DataScript;
use ako_avi_types::virtual_service::DataScriptAttachment;
use ako_avi_types::{Kind, Object, Ref, ServiceMetadata, VirtualService, VsDataScriptSet};
use ako_core::Reason;
use ako_core::checksum::hash;
use ako_core::config::{AutoFqdn, FqdnReuse};
use ako_core::name::dns_label_of_tenant;
use ako_core::resource::AviInfraSetting;

use crate::context::Context;
use crate::contribution::{Contribution, PlacedBy};
use crate::front::{FrontKey, FrontKind};
use crate::http::claim::{self, Claimed, HostClaim};
use crate::http::path_policy;
use crate::http::rule_fields::{self, Rules, Service};
use crate::limits::Room;
use crate::output::{Keep, Output};
use crate::rules::infra_setting;
use crate::view::View;
use crate::virtual_service::{self as vs, Covered, PortText};
use crate::{pool, vsvip};

pub(crate) fn translate<'a>(
    context: &Context,
    view: &View<'_>,
    key: &FrontKey,
    placed_by: Option<&PlacedBy>,
    parts: impl IntoIterator<Item = &'a Contribution>,
    out: &mut Output,
) {
    let chosen =
        placed_by.map(|placed| infra_setting::by_name(context, view, &placed.setting, placed.is_named));
    let Ok(chosen) = chosen.transpose() else {
        // Hosts that stay as they were translated may still ask for it.
        return out.left_alone.extend(parts.into_iter().flat_map(|part| part.fqdns.iter().cloned()));
    };
    if let Some(chosen) = &chosen {
        out.goes_by::<AviInfraSetting>(&chosen.setting.id);
    }
    let context = &context.placed(view, chosen.as_ref());
    let sum = sum(parts.into_iter().inspect(|part| {
        if part.placed_by.as_ref() != placed_by {
            tell_placed_otherwise(context, view, key, placed_by, part, out);
        }
    }));
    let mut objects = match key.kind {
        FrontKind::Sni => {
            let plain: Vec<_> = sum.fqdns.iter().filter(|host| !sum.redirects.contains(host)).collect();
            let not_redirected = path_policy::not_redirected(&sum.redirects, &plain);
            tell_not_redirected(context, view, key, &not_redirected, out);
            sni(context, view, key, sum, &not_redirected)
        }
        FrontKind::Evh => evh(context, view, key, sum),
        FrontKind::Passthrough => passthrough(context, view, key, sum),
    };
    if let Some(rules) = rules_of(context, view, key) {
        rules.note(out);
        if rules.rejected().is_some() {
            out.kept.extend([key.vs(), key.vsvip()].map(|key| (key, Keep::Shape)));
        }
    }
    objects.iter_mut().for_each(Object::normalise);
    out.objects.extend(objects.into_iter().map(Arc::new));
}

/// All that units contribute.
fn sum<'a>(parts: impl IntoIterator<Item = &'a Contribution>) -> Contribution {
    let mut sum = Contribution::default();
    for part in parts {
        sum.fqdns.extend_from_slice(&part.fqdns);
        sum.members.extend_from_slice(&part.members);
        sum.children.extend_from_slice(&part.children);
        sum.redirects.extend_from_slice(&part.redirects);
        sum.partial_redirects.extend_from_slice(&part.partial_redirects);
        sum.rewrites.extend_from_slice(&part.rewrites);
        sum.certificates.extend_from_slice(&part.certificates);
        sum.authorities.extend_from_slice(&part.authorities);
        sum.certificates_of_controller.extend_from_slice(&part.certificates_of_controller);
        // Of hosts that do not agree, the first one by name decides.
        sum.ssl_profile = sum.ssl_profile.or_else(|| part.ssl_profile.clone());
        sum.pool_groups.extend_from_slice(&part.pool_groups);
    }
    sum.certificates.sort();
    sum.certificates.dedup();
    sum.certificates_of_controller.sort();
    sum.certificates_of_controller.dedup();
    sum.authorities.sort();
    sum.authorities.dedup();
    sum
}

/// Tells those on a front who ask for another place: a setting of a namespace is in no name, so
/// that the front may be that of others, too.
fn tell_placed_otherwise(
    context: &Context,
    view: &View<'_>,
    key: &FrontKey,
    placed_by: Option<&PlacedBy>,
    part: &Contribution,
    out: &mut Output,
) {
    let place =
        placed_by.map_or("the configuration".to_owned(), |by| format!("AviInfraSetting {}", by.setting));
    for host in &part.fqdns {
        let message = format!(
            "host {host} is on virtual service {}, which is placed by {place}, as the oldest host on it asks for: name \
             the AviInfraSetting in the IngressClass, or give the namespace a tenant of its own",
            key.name
        );
        let claimed = claim::of_host(context, view, host, &mut Output::default());
        for claim in on_front(context, key, claimed) {
            out.tell(&claim.by.id(), Reason::SettingNotApplied, message.clone());
        }
    }
}

/// Tells those who claim wildcard hosts whose HTTP requests are not redirected to HTTPS; each
/// wildcard comes with a host that is in the way.
fn tell_not_redirected(
    context: &Context,
    view: &View<'_>,
    key: &FrontKey,
    not_redirected: &[(Arc<str>, Arc<str>)],
    out: &mut Output,
) {
    for (wildcard, other) in not_redirected {
        let message = format!(
            "HTTP requests for the wildcard host {wildcard} are not redirected to HTTPS, as host {other} is under it, \
             has no TLS, and is on the same shared virtual service {}: give that one TLS, or use enableEVH or \
             shardVSSize: DEDICATED",
            key.name
        );
        // What is wrong with the claims themselves is told by the host's unit.
        let claimed = claim::of_host(context, view, wildcard, &mut Output::default());
        for claim in on_front(context, key, claimed).filter(HostClaim::asks_for_tls) {
            out.tell(&claim.by.id(), Reason::WildcardNotServed, message.clone());
        }
    }
}

/// The claims to a host that a front serves, and no others of the host.
fn on_front<'a>(
    context: &'a Context,
    key: &'a FrontKey,
    claimed: Option<Claimed<'a>>,
) -> impl Iterator<Item = HostClaim<'a>> {
    let claims = claimed.into_iter().flat_map(|claimed| claimed.claims);
    claims.filter(|claim| {
        claim.tenant == key.tenant && claim.named_setting() == context.placement.named.as_ref()
    })
}

/// The room on a front.
pub(crate) fn room(context: &Context, key: &FrontKey) -> Room {
    Room::new(usize::from(is_named(context, key.kind) && own_fqdn(context, &key.name).is_some()))
}

/// Whether a front has a name of its own in DNS.
fn is_named(context: &Context, kind: FrontKind) -> bool {
    match kind {
        FrontKind::Sni => true,
        FrontKind::Evh => !context.config.shares_by_namespace(),
        FrontKind::Passthrough => false,
    }
}

fn sni(
    context: &Context,
    view: &View<'_>,
    key: &FrontKey,
    sum: Contribution,
    not_redirected: &[(Arc<str>, Arc<str>)],
) -> Vec<Object> {
    let name = &key.name;
    let mut tokens = vec![format!("HTTPDS{name}"), format!("VSVIP{name}")];
    tokens.extend(sum.children.iter().map(|c| format!("SNINode{c}")));
    let rules = rules_of(context, view, key);
    let mut objects = vec![front_vsvip(context, key, sum.fqdns, rules.as_ref())];
    objects.push(Object::PoolGroup(pool::group(
        context,
        name,
        sum.members,
        context.markers(Vec::new()),
        true,
    )));
    let redirected = !sum.redirects.is_empty() || !sum.partial_redirects.is_empty();
    if redirected {
        tokens.push(format!("HttpPolicy{name}"));
        let markers = context.markers(Vec::new());
        let set = path_policy::redirect(
            context,
            name,
            sum.redirects,
            &sum.partial_redirects,
            not_redirected,
            markers,
        );
        objects.push(Object::HttpPolicySet(set));
    }
    let mut policies: Vec<String> = redirected.then(|| name.to_string()).into_iter().collect();
    if !sum.rewrites.is_empty() {
        let set_name = format!("{name}--host-hdr-re-write");
        tokens.push(format!("HttpPolicy{set_name}"));
        let set = path_policy::rewrite(context, &set_name, &sum.rewrites, context.markers(Vec::new()));
        objects.push(Object::HttpPolicySet(set));
        policies.push(set_name);
    }
    objects.push(datascript(
        context,
        name,
        "VS_DATASCRIPT_EVT_HTTP_REQ",
        &insecure_script(name),
        vec![name.clone()],
        &[],
    ));
    let covered = Covered {
        tokens,
        application_profile: vs::SYSTEM_HTTP.to_owned(),
        network_profile: vs::SYSTEM_TCP_PROXY,
        ports: Covered::http_ports(true),
        more: vec![vs::rhi_text(context)],
        ..Covered::default()
    };
    let mut parent = parent(context, key, covered, true);
    parent.body.vs_datascripts = attach_datascript(name);
    parent.body.http_policies = vs::http_policies(policies.iter().map(String::as_str));
    if let Some(rules) = &rules {
        rules.shape(context, Service::Shared, &mut parent);
        rules.listen(true, &mut parent);
    }
    parent.listen_as_placed(context, true);
    objects.push(Object::VirtualService(parent.finish(context)));
    objects
}

fn evh(context: &Context, view: &View<'_>, key: &FrontKey, sum: Contribution) -> Vec<Object> {
    let name = &key.name;
    let rules = rules_of(context, view, key);
    let mut tokens = vec![format!("VSVIP{name}")];
    tokens.extend(sum.children.iter().map(|c| format!("EVHNode{c}")));
    tokens.extend(sum.certificates.iter().map(|c| format!("SSLKeyCert{c}")));
    tokens.extend(
        sum.certificates_of_controller.iter().map(|name| {
            format!("EVHNodeSSL{}", Ref::named(Kind::SslKeyAndCertificate, name.clone()).plain())
        }),
    );
    tokens.extend(sum.authorities.iter().map(|c| format!("CACert{c}")));
    // With the Strict policy upstream covers the parent's claims, which are none.
    tokens.extend((context.config.fqdn_reuse == FqdnReuse::Strict).then(|| hash("").to_string()));
    let covered = Covered {
        tokens,
        application_profile: vs::SYSTEM_HTTP.to_owned(),
        network_profile: vs::SYSTEM_TCP_PROXY,
        ports: Covered::http_ports(true),
        more: vs::rhi_text_of_setting(context),
        ..Covered::default()
    };
    let mut parent = parent(context, key, covered, false);
    parent.body.vh_type = Some("VS_TYPE_VH_ENHANCED".into());
    let certificates = sum.certificates_of_controller.iter().chain(&sum.certificates).cloned();
    parent.body.ssl_key_and_certificate_refs = vs::certificate_refs(&certificates.collect::<Vec<_>>());
    parent.body.ssl_profile_ref = sum.ssl_profile.map(|name| Ref::named(Kind::SslProfile, name));
    if let Some(profile) = &parent.body.ssl_profile_ref {
        parent.covered.references.push_str(&profile.plain());
    }
    if let Some(rules) = &rules {
        rules.shape(context, Service::Shared, &mut parent);
        rules.listen(false, &mut parent);
    }
    parent.listen_as_placed(context, false);
    let vsvip = front_vsvip(context, key, sum.fqdns, rules.as_ref());
    vec![vsvip, Object::VirtualService(parent.finish(context))]
}

fn parent(context: &Context, key: &FrontKey, covered: Covered, range: bool) -> vs::Draft {
    let mut draft =
        vs::Draft::new(context, &key.name, covered, ServiceMetadata::default(), context.markers(Vec::new()));
    draft.body.vs_type = Some("VS_TYPE_VH_PARENT".into());
    draft.body.vsvip_ref = Some(Ref::named(Kind::VsVip, key.name.clone()));
    draft.body.application_profile_ref = Some(vs::application_profile(vs::SYSTEM_HTTP));
    draft.body.network_profile_ref = Some(vs::network_profile(vs::SYSTEM_TCP_PROXY));
    draft.body.services = vec![vs::listener(80, false, range), vs::listener(443, true, range)];
    draft.body.enable_rhi = vs::enable_rhi(context);
    draft
}

fn passthrough(context: &Context, view: &View<'_>, key: &FrontKey, sum: Contribution) -> Vec<Object> {
    let name = &key.name;
    let insecure: Arc<str> = format!("{name}-insecure").into();
    let mut groups = sum.pool_groups;
    groups.sort();
    let script = passthrough_script(&context.names().prefix());
    let parser = [Ref::named(Kind::ProtocolParser, "Default-TLS")];
    let redirects = !sum.redirects.is_empty();
    // The companion of Ingresses stays when its last host went; of Routes it comes with the
    // first one that is redirected.
    let companion = (redirects || !view.has_routes()).then_some(&insecure);
    let mut objects = vec![
        front_vsvip(context, key, sum.fqdns, None),
        datascript(context, name, "VS_DATASCRIPT_EVT_L4_REQUEST", &script, groups, &parser),
        Object::VirtualService(passthrough_secure(context, name, companion)),
    ];
    objects.extend(
        companion.map(|companion| {
            Object::VirtualService(passthrough_insecure(context, name, companion, redirects))
        }),
    );
    if redirects {
        let set =
            path_policy::redirect(context, &insecure, sum.redirects, &[], &[], context.markers(Vec::new()));
        objects.push(Object::HttpPolicySet(set));
    }
    objects
}

fn passthrough_secure(context: &Context, name: &Arc<str>, companion: Option<&Arc<str>>) -> VirtualService {
    let mut tokens = vec![format!("HTTPDS{name}"), format!("VSVIP{name}")];
    tokens.extend(companion.map(|companion| format!("PassthroughChild{companion}")));
    let covered = Covered {
        tokens,
        application_profile: "System-L4-Application".to_owned(),
        network_profile: vs::SYSTEM_TCP_PROXY,
        ports: vec![PortText::http(443, false)],
        more: vec![vs::rhi_text(context)],
        ..Covered::default()
    };
    let metadata = ServiceMetadata {
        passthrough_child_ref: companion.cloned().unwrap_or_default(),
        ..ServiceMetadata::default()
    };
    let mut draft = vs::Draft::new(context, name, covered, metadata, context.markers(Vec::new()));
    draft.body.vsvip_ref = Some(Ref::named(Kind::VsVip, name.clone()));
    draft.body.application_profile_ref = Some(vs::application_profile("System-L4-Application"));
    draft.body.network_profile_ref = Some(vs::network_profile(vs::SYSTEM_TCP_PROXY));
    draft.body.services = vec![vs::listener(443, false, true)];
    draft.body.vs_datascripts = attach_datascript(name);
    draft.body.remove_listening_port_on_vs_down = Some(true);
    draft.body.enable_rhi = vs::enable_rhi(context);
    draft.finish(context)
}

/// The companion on port 80.
fn passthrough_insecure(
    context: &Context,
    name: &Arc<str>,
    insecure: &Arc<str>,
    redirects: bool,
) -> VirtualService {
    let policy = redirects.then_some(&**insecure);
    let policy_token = policy.map(|p| format!("HttpPolicy{p}"));
    let covered = Covered {
        tokens: policy_token.into_iter().chain([format!("VSVIP{name}")]).collect(),
        application_profile: vs::SYSTEM_HTTP.to_owned(),
        network_profile: vs::SYSTEM_TCP_PROXY,
        ports: vec![PortText::http(80, false)],
        more: vs::rhi_text_of_setting(context),
        ..Covered::default()
    };
    let metadata = ServiceMetadata { passthrough_parent_ref: name.clone(), ..ServiceMetadata::default() };
    let mut draft = vs::Draft::new(context, insecure, covered, metadata, context.markers(Vec::new()));
    draft.body.vsvip_ref = Some(Ref::named(Kind::VsVip, name.clone()));
    draft.body.application_profile_ref = Some(vs::application_profile(vs::SYSTEM_HTTP));
    draft.body.network_profile_ref = Some(vs::network_profile(vs::SYSTEM_TCP_PROXY));
    draft.body.services = vec![vs::listener(80, false, true)];
    draft.body.http_policies = vs::http_policies(policy);
    draft.body.enable_rhi = vs::enable_rhi(context);
    draft.finish(context)
}

/// The rules that a shared virtual service goes by: by its name in DNS, if it has one.
fn rules_of<'a>(context: &Context, view: &View<'a>, key: &FrontKey) -> Option<Rules<'a>> {
    let name = own_fqdn(context, &key.name).filter(|_| is_named(context, key.kind));
    rule_fields::of_shared(context, view, name.as_ref().unwrap_or(&key.name))
}

fn front_vsvip(
    context: &Context,
    key: &FrontKey,
    mut fqdns: Vec<Arc<str>>,
    rules: Option<&Rules<'_>>,
) -> Object {
    if is_named(context, key.kind) {
        fqdns.extend(own_fqdn(context, &key.name));
    }
    Object::VsVip(vsvip::build(context, &key.name, fqdns, rules.and_then(Rules::address)))
}

fn own_fqdn(context: &Context, name: &str) -> Option<Arc<str>> {
    let (domain, tenant) = (context.subdomain()?, dns_label_of_tenant(&context.placement.tenant));
    match context.config.auto_fqdn {
        AutoFqdn::Default => Some(format!("{name}.{tenant}.{domain}").into()),
        AutoFqdn::Flat => Some(format!("{name}-{tenant}.{domain}").into()),
        AutoFqdn::Disabled => None,
    }
}

fn attach_datascript(name: &Arc<str>) -> Vec<DataScriptAttachment> {
    vec![DataScriptAttachment {
        vs_datascript_set_ref: Ref::named(Kind::VsDataScriptSet, name.clone()),
        index: 0,
    }]
}

fn datascript(
    context: &Context,
    name: &Arc<str>,
    event: &str,
    script: &str,
    groups: Vec<Arc<str>>,
    parsers: &[Ref],
) -> Object {
    Object::VsDataScriptSet(VsDataScriptSet {
        name: name.clone(),
        created_by: Some(context.owner.clone()),
        tenant_ref: Some(context.placement.tenant_ref.clone()),
        datascript: vec![DataScript { evt: event.into(), script: script.into() }],
        pool_group_refs: groups.into_iter().map(|group| Ref::named(Kind::PoolGroup, group)).collect(),
        protocol_parser_refs: parsers.to_vec(),
        markers: context.markers(Vec::new()),
    })
}

/// Selects a pool of the front's pool group by `host/path`: the group's
/// implicit priority labels make the longest label that is a prefix win.
fn insecure_script(pool_group: &str) -> String {
    format!(
        "local host = avi.http.get_host_tokens(1)\n\
         if not host then return end\n\
         local colon = string.find(host, \":\", 1, true)\n\
         if colon then host = string.sub(host, 1, colon - 1) end\n\
         local path = avi.http.get_path_tokens(1) or \"\"\n\
         avi.poolgroup.select(\"{pool_group}\", string.lower(host .. \"/\" .. path))\n"
    )
}

/// Reads the host from the TLS ClientHello and selects the pool group that is
/// called after it; what is no TLS, or names no host, is closed.
fn passthrough_script(prefix: &str) -> String {
    format!(
        "local head, length = avi.l4.read(20)\n\
         if length < 20 then avi.l4.collect(20) return end\n\
         if not avi.tls.is_client_hello(head) then avi.vs.close_conn() return end\n\
         local wanted = avi.tls.client_hello_length(head)\n\
         local hello, got = avi.l4.read(wanted)\n\
         if got < wanted then avi.l4.collect(wanted) return end\n\
         local host = avi.tls.get_sni(hello)\n\
         if not host or host == \"\" then avi.vs.close_conn() return end\n\
         avi.poolgroup.select(\"{prefix}\" .. host)\n\
         avi.l4.ds_done()\n"
    )
}
