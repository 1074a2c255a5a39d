//! A host: everything that serves it, whatever the mode.

use std::sync::Arc;

use ako_core::resource::HostRule;
use ako_core::{Reason, name};

use crate::context::Context;
use crate::contribution::Contribution;
use crate::front::{FrontKey, FrontKind};
use crate::http::asked::Security;
use crate::http::claim::{self, Claimed, HostClaim};
use crate::http::site::Site;
use crate::http::{dedicated, evh, passthrough, rule_fields, sni};
use crate::output::Output;
use crate::view::View;

/// Translates a host: for each tenant by itself, as nothing is shared between
/// tenants.
pub(crate) fn translate(context: &Context, view: &View<'_>, host: &Arc<str>, out: &mut Output) {
    let Some(Claimed { owner, claims }) = claim::of_host(context, view, host, out) else { return };
    if !fits(context, host, &owner, &claims, out) {
        return;
    }
    let mut tenants: Vec<(Arc<str>, Vec<HostClaim<'_>>)> = Vec::new();
    if claims.is_empty()
        && let Ok(tenant) = context.tenant_of(view, &owner)
    {
        tenants.push((tenant, Vec::new()));
    }
    for claim in claims {
        match tenants.iter_mut().find(|(tenant, _)| *tenant == claim.tenant) {
            Some((_, claims)) => claims.push(claim),
            None => tenants.push((claim.tenant.clone(), vec![claim])),
        }
    }
    for (tenant, claims) in tenants {
        in_one_tenant(&context.in_tenant(&tenant), view, host, &owner, claims, out);
    }
}

fn in_one_tenant(
    context: &Context,
    view: &View<'_>,
    host: &Arc<str>,
    owner: &str,
    claims: Vec<HostClaim<'_>>,
    out: &mut Output,
) {
    let (passed, ended): (Vec<_>, Vec<_>) =
        claims.into_iter().partition(|c| matches!(c.asked.security, Security::Passthrough));
    passthrough::translate(context, view, host, &passed, out);
    let parent = context.names().shared_vs(host, owner);
    if ended.is_empty() {
        // Upstream makes the shared virtual service before it looks at
        // certificates; its address is there when the certificate comes.
        if let Some(parent) = parent.filter(|_| passed.is_empty()) {
            let kind = if context.config.evh { FrontKind::Evh } else { FrontKind::Sni };
            out.contributions.push((FrontKey::new(context, kind, &parent), Contribution::default()));
        }
        return;
    }
    let site = Site { host: host.clone(), claims: ended, rules: rule_fields::of_host(context, view, host) };
    tell_unsupported(context, &site, parent.is_some(), out);
    match parent {
        None => dedicated::translate(context, view, &site, out),
        Some(parent) if context.config.evh => evh::translate(context, view, &site, &parent, out),
        Some(parent) => sni::translate(context, view, &site, &parent, out),
    }
}

/// Tells the rule of a host what of it has no effect there.
fn tell_unsupported(context: &Context, site: &Site<'_>, is_shared: bool, out: &mut Output) {
    let Some(rules) = &site.rules else { return };
    let (rule, host, evh) = (rules.host, &site.host, context.config.evh);
    let is_plain = is_shared && !evh && site.tls().is_none();
    let says_more = HostRule { gslb: None, ..(**rule).clone() }
        != HostRule {
            id: rule.id.clone(),
            meta: rule.meta.clone(),
            fqdn: rule.fqdn.clone(),
            fqdn_type: rule.fqdn_type,
            published: rule.published.clone(),
            ..HostRule::default()
        };
    if is_plain && !says_more {
        return;
    }
    if is_plain {
        let message = format!(
            "of what it says only gslb acts on host {host}, which has no TLS and no virtual service of its own in SNI \
             mode: give it TLS, or use enableEVH or shardVSSize: DEDICATED"
        );
        rules.tell(message, out);
        return;
    }
    let mut without_effect = Vec::new();
    if is_shared && (rules.address().is_some() || !rules.listeners().is_empty()) {
        without_effect.push("tcpSettings");
    }
    if is_shared && rule.network_security_policy.is_some() {
        without_effect.push("networkSecurityPolicy");
    }
    if !evh && rule.l7_rule.is_some() {
        without_effect.push("l7Rule");
    }
    if rule.use_regex {
        without_effect.push("useRegex");
    }
    if !without_effect.is_empty() {
        let fields = without_effect.join(", ");
        rules.tell(
            format!("{fields} has no effect on host {host}: this virtual service does not take it"),
            out,
        );
    }
}

/// Whether Avi takes the host, and the names of what it would be served by
/// together with others; if not, those who claim it are told.
fn fits(context: &Context, host: &Arc<str>, owner: &str, claims: &[HostClaim<'_>], out: &mut Output) -> bool {
    let shared = context.names().shared_vs(host, owner);
    let passthrough = format!("{}-insecure", context.names().passthrough_vs(host));
    let (reason, message) = if host.is_empty() {
        (Reason::InvalidRule, "the host is empty: leave it out, or name one".to_owned())
    } else if let Some(name) = shared.into_iter().chain([passthrough]).find(|name| !name::fits(name)) {
        let message =
            format!("the Avi virtualservice would be called {name:?}, which is longer than 255 bytes");
        (Reason::NameTooLong, message)
    } else {
        return true;
    };
    for claim in claims {
        claim.by.refuse(host, reason, message.clone(), out);
    }
    false
}
