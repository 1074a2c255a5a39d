//! HostRules: whether one is right, and which one a host goes by. Source: Custom resources, §3.

use std::sync::Arc;

use ako_avi_types::Kind;
use ako_core::kinds::host_rule::{CertificateSource, FqdnType};
use ako_core::resource::{HostRule, L7Rule, Secret};
use ako_core::{Key, NamespacedName, Place, ResourceId, Stored as _};

use crate::claimant;
use crate::context::Context;
use crate::output::Output;
use crate::rules::reference::{References, Wants};
use crate::rules::verdict::Verdict;
use crate::view::View;

/// The type of the application profiles of hosts.
const HTTP_PROFILE: &str = "APPLICATION_PROFILE_TYPE_HTTP";

pub(crate) fn translate(context: &Context, view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(rule) = view.get::<HostRule>(id).filter(|rule| is_heard(view, rule)) else { return };
    let about = ResourceId { kind: HostRule::KIND, name: id.clone() };
    verdict(context, view, rule).say(&about, rule.meta.generation, out);
}

/// Whether a rule is this instance's to look at: not one of a namespace of another instance.
fn is_heard(view: &View<'_>, rule: &HostRule) -> bool {
    view.serves(&rule.id.namespace) || view.rival(&rule.id.namespace).is_none()
}

/// Whether a rule is right: in itself, by what it refers to, and beside older rules.
pub(crate) fn verdict(context: &Context, view: &View<'_>, rule: &HostRule) -> Verdict {
    let own = own_verdict(context, view, rule);
    if let Verdict::Rejected(_) = own {
        return own;
    }
    let mut older: Vec<_> = namesakes(view, rule).filter(|other| age(other) < age(rule)).collect();
    older.sort_by(|a, b| age(a).cmp(&age(b)));
    let is_right =
        |other: &&&Arc<HostRule>| !matches!(own_verdict(context, view, other), Verdict::Rejected(_));
    if let Some(first) = older.iter().find(is_right) {
        return Verdict::Rejected(format!("duplicate fqdn {} found in {}", rule.fqdn, first.id).into());
    }
    own
}

fn age(rule: &HostRule) -> (i64, &NamespacedName) {
    (rule.meta.created, &rule.id)
}

/// The other rules with the same fqdn.
fn namesakes<'a>(view: &View<'a>, rule: &HostRule) -> impl Iterator<Item = &'a Arc<HostRule>> + use<'a> {
    let (fqdn, id) = (rule.fqdn.clone(), rule.id.clone());
    let exact: Vec<_> = view.under(Place::RuleOf, &NamespacedName::cluster(fqdn.clone())).collect();
    let patterns: Vec<_> = patterns(view).collect();
    exact
        .into_iter()
        .chain(patterns)
        .filter(move |other: &&Arc<HostRule>| other.fqdn == fqdn && other.id != id)
}

fn patterns<'a>(view: &View<'a>) -> impl Iterator<Item = &'a Arc<HostRule>> + use<'a> {
    let Key::Under(place, name) = Key::patterns() else { return Vec::new().into_iter() };
    view.under::<HostRule>(place, &name).collect::<Vec<_>>().into_iter()
}

/// Whether a rule is right, whatever other rules for the same fqdn there are. The first mistake
/// in itself counts; of what it refers to all that is wrong is told.
fn own_verdict(context: &Context, view: &View<'_>, rule: &HostRule) -> Verdict {
    if let Some(invalid) = &rule.invalid {
        return Verdict::Rejected(invalid.clone());
    }
    if let Some(mistake) = mistake(view, rule) {
        return Verdict::Rejected(mistake.into());
    }
    let tenant = match context.tenant_of(view, &rule.id.namespace) {
        Ok(tenant) => tenant,
        Err(why) => return Verdict::Rejected(why.into()),
    };
    let context = &context.in_tenant(&tenant);
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

/// What is wrong with a rule beside who has its aliases already, and what Secrets there are.
fn mistake(view: &View<'_>, rule: &HostRule) -> Option<String> {
    alias_mistake(view, rule).or_else(|| secret_mistake(view, rule))
}

fn alias_mistake(view: &View<'_>, rule: &HostRule) -> Option<String> {
    rule.aliases.iter().find_map(|alias| {
        let named = claimant::naming(view, alias);
        if let Some(holder) = named.iter().find(|holder| holder.age() < age(rule)) {
            return Some(format!("{alias} is already in use by {}", holder.id()));
        }
        let mut others = view.under::<HostRule>(Place::Alias, &NamespacedName::cluster(alias.clone()));
        let older = others.find(|other| other.id != rule.id && age(other) < age(rule))?;
        Some(format!("{alias} is already in use by hostrule {}", older.fqdn))
    })
}

/// What is wrong with the Secrets of a rule.
fn secret_mistake(view: &View<'_>, rule: &HostRule) -> Option<String> {
    let tls = rule.tls.as_ref()?;
    let all = std::iter::once(&tls.certificate).chain(&tls.alternate);
    let mut secrets = all.filter(|certificate| certificate.source == CertificateSource::Secret);
    secrets.find_map(|certificate| {
        let name = &certificate.name;
        let id = NamespacedName::new(rule.id.namespace.clone(), name.clone());
        view.get::<Secret>(&id).is_none().then(|| format!("secret \"{name}\" not found"))
    })
}

/// The rule that a host goes by, of those that are right: one for exactly it, else the one with
/// the longest ending, else the one with the longest part of it.
pub(crate) fn of_host<'a>(context: &Context, view: &View<'a>, host: &Arc<str>) -> Option<&'a Arc<HostRule>> {
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
pub(crate) fn of_shared<'a>(context: &Context, view: &View<'a>, name: &str) -> Option<&'a Arc<HostRule>> {
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

/// The best of the rules that are right and of the tenant; of two as good the older one.
fn best<'a>(
    context: &Context,
    view: &View<'a>,
    rules: impl Iterator<Item = &'a Arc<HostRule>>,
    rank: impl Fn(&HostRule) -> Option<(u8, usize)>,
) -> Option<&'a Arc<HostRule>> {
    let mut fitting: Vec<_> = rules.filter_map(|rule| Some((rank(rule)?, rule))).collect();
    fitting.sort_by(|(a, one), (b, other)| (a, age(one)).cmp(&(b, age(other))));
    let is_usable = |rule: &HostRule| {
        is_heard(view, rule)
            && context
                .tenant_of(view, &rule.id.namespace)
                .is_ok_and(|tenant| tenant == context.placement.tenant)
            && !matches!(verdict(context, view, rule), Verdict::Rejected(_))
    };
    fitting.into_iter().map(|(_, rule)| rule).find(|rule| is_usable(rule))
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
        is_heard(view, rule) && !matches!(verdict(context, view, rule), Verdict::Rejected(_)) && is_served()
    })
}
