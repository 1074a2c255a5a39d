//! A host: everything that serves it, whatever the mode.

use std::sync::Arc;

use ako_avi_types::Kind;
use ako_core::resource::{AviInfraSetting, HostRule};
use ako_core::{NamespacedName, Reason, name};

use crate::context::Context;
use crate::contribution::{Contribution, PlacedBy};
use crate::front::{FrontKey, FrontKind};
use crate::http::asked::Security;
use crate::http::claim::{self, Claimed, HostClaim};
use crate::http::site::Site;
use crate::http::{dedicated, evh, passthrough, rule_fields, sni};
use crate::output::{Keep, Output};
use crate::placement::Chosen;
use crate::rules::infra_setting::{self, Unusable};
use crate::rules::sso_rule::{self, Choice};
use crate::statement::{Statement, What};
use crate::view::View;

/// The claims to a host that are served together: objects in different tenants, or with the names
/// of different settings in theirs, have nothing in common.
struct Group<'a> {
    tenant: Arc<str>,
    /// The setting that the oldest claim asks for: it places all.
    place: Result<Option<Chosen<'a>>, Unusable>,
    /// Oldest first.
    claims: Vec<HostClaim<'a>>,
}

/// Translates a host: each group of claims by itself.
pub(crate) fn translate(context: &Context, view: &View<'_>, host: &Arc<str>, out: &mut Output) {
    let Some(claimed) = claim::of_host(context, view, host, out) else { return };
    let owner = claimed.oldest.name().namespace.clone();
    for Group { tenant, place, claims } in groups(context, view, claimed) {
        let chosen = match place {
            Ok(chosen) => chosen,
            Err(unusable) => {
                out.goes_by::<AviInfraSetting>(&NamespacedName::cluster(unusable.name.clone()));
                for claim in &claims {
                    claim.leave_alone(host, &unusable, out);
                }
                continue;
            }
        };
        if let Some(chosen) = chosen {
            out.goes_by::<AviInfraSetting>(&chosen.setting.id);
        }
        let context = &context.in_tenant(&tenant).placed(view, chosen.as_ref());
        tell_other_settings(host, chosen, &claims, out);
        let before = out.contributions.len();
        if fits(context, host, &owner, &claims, out) {
            in_one_place(context, view, host, &owner, claims, out);
        }
        for (_, contribution) in &mut out.contributions[before..] {
            contribution.placed_by = chosen.map(PlacedBy::from);
        }
    }
}

fn groups<'a>(context: &Context, view: &View<'a>, claimed: Claimed<'a>) -> Vec<Group<'a>> {
    let Claimed { oldest, claims } = claimed;
    let mut groups: Vec<Group<'a>> = Vec::new();
    if claims.is_empty()
        && let Ok(tenant) = context.tenant_of(view, &oldest.name().namespace)
        && let Ok(chosen) = infra_setting::of_claimant(context, view, oldest)
    {
        groups.push(Group { tenant, place: Ok(chosen), claims: Vec::new() });
    }
    for claim in claims {
        let is_of = |group: &&mut Group<'_>| {
            group.tenant == claim.tenant
                && group.claims.first().is_some_and(|first| first.named_setting() == claim.named_setting())
        };
        if let Some(group) = groups.iter_mut().find(is_of) {
            group.claims.push(claim);
        } else {
            let (tenant, place) = (claim.tenant.clone(), claim.place.clone());
            groups.push(Group { tenant, place, claims: vec![claim] });
        }
    }
    groups
}

/// Tells those claims that they are placed by what the oldest one asks for: settings of
/// namespaces are in no name, so that the objects of a host are in one place.
fn tell_other_settings(
    host: &Arc<str>,
    chosen: Option<Chosen<'_>>,
    claims: &[HostClaim<'_>],
    out: &mut Output,
) {
    let name = chosen.map(|chosen| &chosen.setting.id.name);
    let Some(first) = claims.first() else { return };
    for claim in claims.iter().filter(|claim| claim.setting() != name) {
        let message = format!(
            "host {host} belongs to {}, which is older, and is placed by {}: give both namespaces the same \
             AviInfraSetting, or name it in the IngressClass",
            first.by.id(),
            name.map_or("the configuration".into(), |name| format!("AviInfraSetting {name}")),
        );
        out.tell(&claim.by.id(), Reason::SettingNotApplied, message);
    }
}

fn in_one_place(
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
    let claimants: Vec<_> = ended.iter().map(|claim| claim.by.id()).collect();
    let sign_in = if context.config.evh {
        sso_rule::of_host(context, view, host, &claimants, out)
    } else {
        Choice::None
    };
    let rules = rule_fields::of_host(context, view, host);
    if let Some(rules) = &rules {
        rules.note(out);
    }
    let site = Site { host: host.clone(), claims: ended, rules, sign_in };
    tell_unsupported(context, &site, parent.is_some(), out);
    match parent {
        None => dedicated::translate(context, view, &site, out),
        Some(parent) if context.config.evh => evh::translate(context, view, &site, &parent, out),
        Some(parent) => sni::translate(context, view, &site, &parent, out),
    }
    keep_sign_in(context, &site, out);
    keep_rules(context, &site, out);
}

/// The name of the virtual service that a host has for itself, if it has one.
fn own_vs(context: &Context, host: &str) -> String {
    let names = context.names();
    if names.is_dedicated() { names.dedicated_vs(host) } else { names.child_vs(host) }
}

/// Keeps what a HostRule gave a host that is rejected now, and tells those who claim the host.
fn keep_rules(context: &Context, site: &Site<'_>, out: &mut Output) {
    let Some(rejected) = site.rules.and_then(|rules| rules.rejected()) else { return };
    let name = own_vs(context, &site.host);
    let kinds = [Kind::VsVip, Kind::VirtualService];
    out.kept.extend(kinds.map(|kind| (context.key(kind, name.as_str()), Keep::Shape)));
    for claim in &site.claims {
        let message = format!(
            "{rejected} is rejected: host {} keeps what it has of the rule, and goes on by the names and certificates \
             that a HostRule gives it; if it is new, it is made without the rest; correct the rule, or remove it",
            site.host
        );
        out.tell(&claim.by.id(), Reason::RuleNotApplied, message);
    }
}

/// Leaves the virtual service of a host as it is where those who are to be let in cannot be told
/// from others, whatever its name: it may have asked people to sign in until now.
fn keep_sign_in(context: &Context, site: &Site<'_>, out: &mut Output) {
    if !matches!(site.sign_in, Choice::Rejected) {
        return;
    }
    out.kept.push((context.key(Kind::VirtualService, own_vs(context, &site.host)), Keep::All));
    out.left_alone.push(site.host.clone());
    for claim in &site.claims {
        let message = format!(
            "the SSORule for host {} is rejected: if the host is served already, its virtual service stays as it is, with \
             its sign-in, where it is; if the host is new, everybody gets in; correct the rule, or remove it",
            site.host
        );
        out.tell(&claim.by.id(), Reason::RuleNotApplied, message);
        out.statements.push(Statement { object: claim.by.id(), what: What::AddressStays(site.host.clone()) });
    }
}

/// Tells the rule of a host what of it has no effect there.
fn tell_unsupported(context: &Context, site: &Site<'_>, is_shared: bool, out: &mut Output) {
    let Some(rules) = site.rules.as_ref().filter(|rules| !rules.is_rejected) else { return };
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
    if is_shared {
        rules.tell_of_l7(host, out);
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
