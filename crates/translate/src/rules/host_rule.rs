//! HostRules: whether one is right, and which one a host goes by. Source: Custom resources, §3.

use std::sync::Arc;

use ako_avi_types::Kind;
use ako_core::kinds::host_rule::{CertificateSource, FqdnType};
use ako_core::resource::{HostRule, L7Rule, Secret};
use ako_core::{NamespacedName, Place, ResourceId, Stored as _};

use crate::claimant;
use crate::context::Context;
use crate::output::Output;
use crate::rules::reference::{References, Wants};
use crate::rules::verdict::{self, Verdict};
use crate::view::View;

/// The type of the application profiles of hosts.
const HTTP_PROFILE: &str = "APPLICATION_PROFILE_TYPE_HTTP";

pub(crate) fn translate(context: &Context, view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(rule) = view.get::<HostRule>(id).filter(|rule| view.heeds(&rule.id.namespace)) else { return };
    let about = ResourceId { kind: HostRule::KIND, name: id.clone() };
    verdict(context, view, rule).say(&about, rule.meta.generation, out);
}

/// Whether a rule is right: in itself, by what it refers to, and beside older rules.
pub(crate) fn verdict(context: &Context, view: &View<'_>, rule: &HostRule) -> Verdict {
    let alone = verdict_alone(context, view, rule);
    if alone.is_rejected() {
        return alone;
    }
    if let Some(mistake) = alias_mistake(context, view, rule) {
        return Verdict::Rejected(mistake.into());
    }
    let mut older: Vec<_> = namesakes(view, rule).filter(|other| age(other) < age(rule)).collect();
    older.sort_by(|a, b| age(a).cmp(&age(b)));
    if let Some(first) = older.iter().find(|other| !verdict_alone(context, view, other).is_rejected()) {
        return Verdict::Rejected(format!("duplicate fqdn {} found in {}", rule.fqdn, first.id).into());
    }
    alone
}

fn age(rule: &HostRule) -> (i64, &NamespacedName) {
    (rule.meta.created, &rule.id)
}

/// The other rules with the same fqdn, but for those of other instances.
fn namesakes<'a>(view: &View<'a>, rule: &HostRule) -> impl Iterator<Item = &'a Arc<HostRule>> {
    let exact = view.under::<HostRule>(Place::RuleOf, &NamespacedName::cluster(rule.fqdn.clone()));
    exact.chain(patterns(view)).filter(move |other| {
        other.fqdn == rule.fqdn && other.id != rule.id && view.heeds(&other.id.namespace)
    })
}

fn patterns<'a>(view: &View<'a>) -> impl Iterator<Item = &'a Arc<HostRule>> + use<'a> {
    view.under::<HostRule>(Place::Patterns, &NamespacedName::default())
}

/// Whether a rule is right, whatever others have its names. Of what it refers to all that is
/// wrong is told.
fn verdict_alone(context: &Context, view: &View<'_>, rule: &HostRule) -> Verdict {
    let context = verdict::in_tenant_of(context, view, &rule.id.namespace, rule.invalid.as_ref());
    let context = match &context {
        Ok(context) => context,
        Err(rejected) => return rejected.clone(),
    };
    if let Some(mistake) = secret_mistake(view, rule) {
        return Verdict::Rejected(mistake.into());
    }
    let mut references = References::default();
    for (kind, name, wants) in references_of(rule) {
        references.check(context, view, (kind, name), wants);
    }
    if let Some(name) = &rule.l7_rule {
        let id = NamespacedName::new(rule.id.namespace.clone(), name.clone());
        if view.get::<L7Rule>(&id).is_none() {
            references.mistake(format!("l7rule.ako.vmware.com \"{name}\" not found"));
        }
    }
    references.verdict()
}

/// What a rule refers to on the controller, in the order in which it is looked at.
fn references_of(rule: &HostRule) -> Vec<(Kind, &Arc<str>, Wants)> {
    let tls = rule.tls.as_ref();
    let certificates = tls.iter().flat_map(|tls| std::iter::once(&tls.certificate).chain(&tls.alternate));
    let certificates = certificates.filter(|certificate| certificate.source == CertificateSource::Ref);
    let single = [
        (Kind::WafPolicy, rule.waf_policy.as_ref(), Wants::Any),
        (Kind::ApplicationProfile, rule.application_profile.as_ref(), Wants::Type(HTTP_PROFILE)),
        (Kind::SslProfile, tls.and_then(|tls| tls.ssl_profile.as_ref()), Wants::Any),
        (Kind::AnalyticsProfile, rule.analytics_profile.as_ref(), Wants::Any),
        (Kind::ErrorPageProfile, rule.error_page_profile.as_ref(), Wants::Any),
        (Kind::IcapProfile, rule.icap_profile.as_ref(), Wants::Any),
        (Kind::NetworkSecurityPolicy, rule.network_security_policy.as_ref(), Wants::Any),
    ];
    let single = single.into_iter().filter_map(|(kind, name, wants)| Some((kind, name?, wants)));
    let certificates = certificates.map(|c| (Kind::SslKeyAndCertificate, &c.name, Wants::Any));
    let sets = rule.http_policy.iter().flat_map(|policy| &policy.policy_sets);
    let sets = sets.map(|name| (Kind::HttpPolicySet, name, Wants::Any));
    let scripts = rule.datascripts.iter().map(|name| (Kind::VsDataScriptSet, name, Wants::Any));
    single.chain(certificates).chain(sets).chain(scripts).collect()
}

/// Which alias of a rule somebody older has: a host, or a rule that is right but for that.
fn alias_mistake(context: &Context, view: &View<'_>, rule: &HostRule) -> Option<String> {
    rule.aliases.iter().find_map(|alias| {
        let named = claimant::naming(view, alias);
        if let Some(holder) = named.iter().find(|holder| holder.age() < age(rule)) {
            return Some(format!("{alias} is already in use by {}", holder.id()));
        }
        let mut others = view.under::<HostRule>(Place::Alias, &NamespacedName::cluster(alias.clone()));
        let older = others.find(|other| {
            age(other) < age(rule)
                && view.heeds(&other.id.namespace)
                && !verdict_alone(context, view, other).is_rejected()
        })?;
        Some(format!("{alias} is already in use by hostrule {}", older.fqdn))
    })
}

/// What is wrong with the Secrets of a rule.
fn secret_mistake(view: &View<'_>, rule: &HostRule) -> Option<String> {
    let tls = rule.tls.as_ref()?;
    let all = std::iter::once(&tls.certificate).chain(&tls.alternate);
    let mut secrets = all.filter(|certificate| certificate.source == CertificateSource::Secret).peekable();
    if let Some(why) = secrets.peek().and_then(|_| view.secret_withheld(&rule.id.namespace)) {
        return Some(why);
    }
    secrets.find_map(|certificate| {
        let name = &certificate.name;
        let id = NamespacedName::new(rule.id.namespace.clone(), name.clone());
        view.get::<Secret>(&id).is_none().then(|| format!("secret \"{name}\" not found"))
    })
}

/// The rule that something goes by, or would if it were right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Best<'a> {
    pub(crate) rule: &'a Arc<HostRule>,
    pub(crate) is_rejected: bool,
}

/// The rule that a host goes by: one for exactly it, else the one with the longest ending, else the
/// one with the longest part of it.
pub(crate) fn of_host<'a>(context: &Context, view: &View<'a>, host: &Arc<str>) -> Option<Best<'a>> {
    let exact = view.under::<HostRule>(Place::RuleOf, &NamespacedName::cluster(host.clone()));
    let rank = |rule: &HostRule| match rule.fqdn_type {
        _ if rule.is_about_shared() => None,
        FqdnType::Exact => (rule.fqdn == *host).then_some((0, 0)),
        FqdnType::Wildcard => host.ends_with(ending(&rule.fqdn)).then(|| (1, usize::MAX - rule.fqdn.len())),
        FqdnType::Contains => host.contains(&*rule.fqdn).then(|| (2, usize::MAX - rule.fqdn.len())),
    };
    best(context, view, exact.chain(patterns(view)), rank)
}

/// The rule that a shared virtual service goes by, which is known by this name: its own in DNS, or
/// without one that of the object.
pub(crate) fn of_shared<'a>(context: &Context, view: &View<'a>, name: &str) -> Option<Best<'a>> {
    let rank = |rule: &HostRule| match rule.fqdn_type {
        _ if !rule.is_about_shared() => None,
        FqdnType::Exact => (*rule.fqdn == *name).then_some((0, 0)),
        FqdnType::Wildcard => name.ends_with(ending(&rule.fqdn)).then(|| (1, usize::MAX - rule.fqdn.len())),
        FqdnType::Contains => name.contains(&*rule.fqdn).then(|| (2, usize::MAX - rule.fqdn.len())),
    };
    best(context, view, patterns(view), rank)
}

/// What stands after the first asterisk.
fn ending(pattern: &str) -> &str {
    pattern.split_once('*').map_or(pattern, |(_, ending)| ending)
}

/// The best of the rules of the tenant that are right; of two as good the older one. A better one
/// that is wrong in itself, or by what it refers to, comes before it: what it did stays done.
fn best<'a>(
    context: &Context,
    view: &View<'a>,
    rules: impl Iterator<Item = &'a Arc<HostRule>>,
    rank: impl Fn(&HostRule) -> Option<(u8, usize)>,
) -> Option<Best<'a>> {
    let is_of_tenant = |rule: &HostRule| {
        view.heeds(&rule.id.namespace)
            && context
                .tenant_of(view, &rule.id.namespace)
                .is_ok_and(|tenant| tenant == context.placement.tenant)
    };
    let fitting = rules.filter_map(|rule| Some((rank(rule)?, rule)));
    let mut fitting: Vec<_> = fitting.filter(|(_, rule)| is_of_tenant(rule)).collect();
    fitting.sort_by(|(a, one), (b, other)| (a, age(one)).cmp(&(b, age(other))));
    let right = fitting.iter().find(|(_, rule)| !verdict(context, view, rule).is_rejected());
    let mut better = fitting.iter().take_while(|(rank, _)| right.is_none_or(|(best, _)| rank < best));
    let wrong = better.find(|(_, rule)| verdict_alone(context, view, rule).is_rejected());
    match (wrong, right) {
        (Some((_, rule)), _) => Some(Best { rule, is_rejected: true }),
        (None, Some((_, rule))) => Some(Best { rule, is_rejected: false }),
        (None, None) => None,
    }
}

/// What is wrong with the certificates, or the profile of TLS, that a rejected rule gives.
pub(crate) fn tls_mistake(context: &Context, view: &View<'_>, rule: &HostRule) -> Option<String> {
    if let Some(mistake) = secret_mistake(view, rule) {
        return Some(mistake);
    }
    let mut references = References::default();
    let of_tls = |kind| matches!(kind, Kind::SslProfile | Kind::SslKeyAndCertificate);
    for (kind, name, wants) in references_of(rule).into_iter().filter(|(kind, ..)| of_tls(*kind)) {
        references.check(context, view, (kind, name), wants);
    }
    match references.verdict() {
        Verdict::Rejected(why) => Some(why.to_string()),
        Verdict::Accepted | Verdict::NotKnown => None,
    }
}

/// The HostRule that gives its host a name that others claim, if it did before all of them.
pub(crate) fn holder_of_alias<'a>(
    context: &Context,
    view: &View<'a>,
    name: &Arc<str>,
    claimed: (i64, &NamespacedName),
) -> Option<&'a Arc<HostRule>> {
    let rules = view.under::<HostRule>(Place::Alias, &NamespacedName::cluster(name.clone()));
    let mut older = rules.filter(|rule| age(rule) < claimed && rule.aliases.contains(name));
    older.find(|rule| {
        let is_served = || !claimant::naming(view, &rule.fqdn).is_empty();
        view.heeds(&rule.id.namespace) && !verdict(context, view, rule).is_rejected() && is_served()
    })
}
