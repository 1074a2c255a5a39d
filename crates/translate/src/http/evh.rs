//! EVH mode, shared virtual services. Source: L7 objects, §3.1, §3.6.
//!
//! Every host is a child virtual service; certificates are on the parent.

use std::sync::Arc;

use ako_avi_types::http_policy::PathMatch;
use ako_avi_types::virtual_service::{VhMatchRule, VhPathMatch};
use ako_avi_types::{Kind, Object, Ref, VhMatch, go_json};

use crate::context::Context;
use crate::contribution::Contribution;
use crate::front::{FrontKey, FrontKind};
use crate::http::rule_fields::Service;
use crate::http::site::Site;
use crate::http::{certificate, host_service, sign_in};
use crate::output::Output;
use crate::rules::sso_rule::Choice;
use crate::view::View;
use crate::virtual_service::{self as vs, Covered};

pub(crate) fn translate(context: &Context, view: &View<'_>, site: &Site<'_>, parent: &str, out: &mut Output) {
    let front = FrontKey::new(context, FrontKind::Evh, parent);
    let certificates = site.tls().map(|tls| certificate::add(context, site, tls, out)).unwrap_or_default();
    let Some(child) = child(context, view, site, parent, &certificates, out) else { return };
    site.bind_all(&context.key(Kind::VirtualService, child.clone()), &front.vsvip(), out);
    let contribution = Contribution {
        fqdns: site.dns_names(),
        children: vec![child],
        certificates: certificates.names,
        certificates_of_controller: certificates.of_controller,
        ssl_profile: site.rules.and_then(|rules| rules.ssl_profile().cloned()),
        authorities: certificates.authority.into_iter().collect(),
        ..Contribution::default()
    };
    out.contributions.push((front, contribution));
}

fn child(
    context: &Context,
    view: &View<'_>,
    site: &Site<'_>,
    parent: &str,
    certificates: &certificate::Added,
    out: &mut Output,
) -> Option<Arc<str>> {
    let name: Arc<str> = context.names().child_vs(&site.host).into();
    let policies = host_service::policies(context, view, site, &name, out)?;
    let mut tokens: Vec<_> = policies.iter().map(|p| format!("HttpPolicy{p}")).collect();
    tokens.extend(site.names().iter().map(|name| format!("VHDomain{name}")));
    tokens.extend(host_service::strict_token(context, site));
    let covered = Covered {
        tokens,
        application_profile: vs::SYSTEM_HTTP.to_owned(),
        ports: Covered::http_ports(true),
        evh_host: site.host.to_string(),
        ..Covered::default()
    };
    let (metadata, markers) = (host_service::metadata(site), host_service::markers(context, site));
    let mut draft = vs::Draft::child(context, &name, parent, covered, metadata, markers);
    draft.body.vh_type = Some("VS_TYPE_VH_ENHANCED".into());
    draft.body.vh_matches = site.names().iter().map(host_match).collect();
    draft.body.min_pools_up = Some(1);
    draft.body.application_profile_ref = Some(vs::application_profile(vs::SYSTEM_HTTP));
    draft.body.http_policies = vs::http_policies(policies.iter().map(String::as_str));
    if let Some(rules) = &site.rules {
        rules.shape(context, Service::EvhChild, &mut draft);
        // They are on the parent, and upstream's checksum of the child covers them all the same.
        if !certificates.of_controller.is_empty() {
            let references = certificates.of_controller.iter();
            let references =
                references.map(|name| Ref::named(Kind::SslKeyAndCertificate, name.clone()).plain());
            draft.covered.references.push_str(&go_json::marshal(&references.collect::<Vec<_>>()));
        }
    }
    if let Choice::Rule(rule) = site.sign_in {
        sign_in::shape(view, rule, &mut draft);
    }
    out.add(Object::VirtualService(draft.finish(context)), &site.claims[0].by.id()).then_some(name)
}

fn host_match(host: &Arc<str>) -> VhMatch {
    let path = PathMatch {
        match_criteria: "BEGINS_WITH".into(),
        match_case: "SENSITIVE".into(),
        match_str: vec!["/".into()],
        string_group_refs: Vec::new(),
    };
    let rule = VhMatchRule { name: "VHMATCHRULENAME".into(), matches: VhPathMatch { path } };
    VhMatch { host: host.clone(), rules: vec![rule] }
}
