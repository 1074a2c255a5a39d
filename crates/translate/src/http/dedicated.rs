//! A virtual service for every host, in SNI and EVH mode.
//! Source: L7 objects, §1.4, §3.1.

use std::sync::Arc;

use ako_avi_types::{Kind, Object, Ref, ServiceMetadata, go_json};

use crate::context::Context;
use crate::http::rule_fields::Service;
use crate::http::site::Site;
use crate::http::{certificate, host_service, sign_in};
use crate::output::Output;
use crate::rules::sso_rule::Choice;
use crate::view::View;
use crate::virtual_service::{self as vs, Covered};
use crate::vsvip;

pub(crate) fn translate(context: &Context, view: &View<'_>, site: &Site<'_>, out: &mut Output) {
    let source = site.claims[0].by.id();
    let name: Arc<str> = context.names().dedicated_vs(&site.host).into();
    let certificates = site.tls().map(|tls| certificate::add(context, site, tls, out)).unwrap_or_default();
    let Some(policies) = host_service::policies(context, view, site, &name, out) else { return };
    let vip =
        vsvip::build(context, &name, site.dns_names(), site.rules.as_ref().and_then(|rules| rules.address()));
    if !out.add(Object::VsVip(vip), &source) {
        return;
    }
    let service = virtual_service(context, view, site, &name, &policies, &certificates);
    if out.add(Object::VirtualService(service), &source) {
        site.bind_all(&context.key(Kind::VirtualService, name.clone()), &context.key(Kind::VsVip, name), out);
    }
}

fn virtual_service(
    context: &Context,
    view: &View<'_>,
    site: &Site<'_>,
    name: &Arc<str>,
    policies: &[String],
    certificates: &certificate::Added,
) -> ako_avi_types::VirtualService {
    let secure = !certificates.is_empty();
    let profile = if secure { vs::SYSTEM_SECURE_HTTP } else { vs::SYSTEM_HTTP };
    let mut tokens: Vec<_> = policies.iter().map(|p| format!("HttpPolicy{p}")).collect();
    tokens.extend(certificates.tokens());
    if secure || context.config.evh {
        tokens.extend(site.names().iter().map(|name| format!("VHDomain{name}")));
    }
    tokens.push(format!("VSVIP{name}"));
    let mut covered = Covered {
        tokens,
        application_profile: profile.to_owned(),
        network_profile: vs::SYSTEM_TCP_PROXY,
        ports: Covered::http_ports(secure),
        ..Covered::default()
    };
    let (metadata, markers) = if context.config.evh {
        covered.tokens.extend(host_service::strict_token(context, site));
        covered.more = vs::rhi_text_of_setting(context);
        (host_service::metadata(site), host_service::markers(context, site))
    } else {
        covered.references = go_json::marshal(&[&site.host]);
        covered.more.push(vs::rhi_text(context));
        // Upstream leaves the host out where there is no certificate.
        let host = if secure { site.names() } else { Vec::new() };
        let markers = context.markers(vec![("Namespace", vec![site.namespace().clone()]), ("Host", host)]);
        (ServiceMetadata { host_namespace_ingress_name: None, ..host_service::metadata(site) }, markers)
    };
    let mut draft = vs::Draft::new(context, name, covered, metadata, markers);
    draft.body.vs_type = Some("VS_TYPE_NORMAL".into());
    draft.body.vsvip_ref = Some(Ref::named(Kind::VsVip, name.clone()));
    draft.body.application_profile_ref = Some(vs::application_profile(profile));
    draft.body.network_profile_ref = Some(vs::network_profile(vs::SYSTEM_TCP_PROXY));
    draft.body.services = vec![vs::listener(80, false, !context.config.evh)];
    draft.body.services.extend(secure.then(|| vs::listener(443, true, !context.config.evh)));
    draft.body.ssl_key_and_certificate_refs = certificates.references();
    draft.body.http_policies = vs::http_policies(policies.iter().map(String::as_str));
    draft.body.enable_rhi = vs::enable_rhi(context);
    draft.body.east_west_placement = Some(false);
    draft.body.min_pools_up = context.config.evh.then_some(1);
    if let Some(rules) = &site.rules {
        rules.shape(context, Service::Dedicated, &mut draft);
        rules.listen(!context.config.evh, &mut draft);
    }
    if let Choice::Rule(rule) = site.sign_in {
        sign_in::shape(view, rule, &mut draft);
    }
    draft.listen_as_placed(context, !context.config.evh);
    draft.finish(context)
}
