//! HTTPRules: whether one is right, and what the pools of a path go by.
//! Source: Custom resources, §4.

use std::sync::Arc;

use ako_avi_types::Kind;
use ako_core::kinds::http_rule::HttpRulePath;
use ako_core::resource::HttpRule;
use ako_core::{NamespacedName, Place, Reason, ResourceId, Stored as _};

use crate::context::Context;
use crate::output::Output;
use crate::rules::reference::{References, Wants};
use crate::rules::verdict::{self, Verdict};
use crate::view::View;

/// The algorithm that takes a hash…
pub(crate) const CONSISTENT_HASH: &str = "LB_ALGORITHM_CONSISTENT_HASH";
/// …and the hash that takes a header.
pub(crate) const HASH_OF_HEADER: &str = "LB_ALGORITHM_CONSISTENT_HASH_CUSTOM_HEADER";

pub(crate) fn translate(context: &Context, view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(rule) = view.get::<HttpRule>(id) else { return };
    if !view.heeds(&id.namespace) {
        return;
    }
    let about = ResourceId { kind: HttpRule::KIND, name: id.clone() };
    verdict(context, view, rule).say(&about, rule.meta.generation, out);
    tell_without_effect(rule, &about, out);
    tell_taken(context, view, rule, &about, out);
}

/// Tells of targets that an older rule has.
fn tell_taken(context: &Context, view: &View<'_>, rule: &HttpRule, about: &ResourceId, out: &mut Output) {
    let age = |rule: &HttpRule| (rule.meta.created, rule.id.clone());
    for path in &rule.paths {
        let has_it = |other: &&Arc<HttpRule>| {
            age(other) < age(rule)
                && other.paths.iter().any(|taken| taken.target == path.target)
                && !verdict(context, view, other).is_rejected()
        };
        if let Some(older) = beside(view, &rule.fqdn, &rule.id.namespace).find(has_it) {
            let message = format!(
                "target {} of host {} is of HTTPRule {}, which is older: remove it from the one or the other",
                path.target, rule.fqdn, older.id
            );
            out.tell(about, Reason::RuleNotApplied, message);
        }
    }
}

/// The rules of a namespace for a host.
fn beside<'a>(
    view: &View<'a>,
    host: &Arc<str>,
    namespace: &Arc<str>,
) -> impl Iterator<Item = &'a Arc<HttpRule>> {
    let rules = view.under::<HttpRule>(Place::RuleOf, &NamespacedName::cluster(host.clone()));
    let namespace = namespace.clone();
    rules.filter(move |rule| rule.id.namespace == namespace)
}

/// Tells what a rule asks for that Avi takes beside another algorithm or hash alone.
fn tell_without_effect(rule: &HttpRule, about: &ResourceId, out: &mut Output) {
    for path in &rule.paths {
        let Some(policy) = &path.load_balancer_policy else { continue };
        let is_hashed = policy.algorithm.as_deref() == Some(CONSISTENT_HASH);
        let is_by_header = is_hashed && policy.hash.as_deref() == Some(HASH_OF_HEADER);
        let without_effect = [
            (policy.hash.is_some() && !is_hashed, "hash", "algorithm", CONSISTENT_HASH),
            (policy.host_header.is_some() && !is_by_header, "hostHeader", "hash", HASH_OF_HEADER),
        ];
        for (_, field, other, needed) in without_effect.into_iter().filter(|(is_ignored, ..)| *is_ignored) {
            let message = format!(
                "{field} of the loadBalancerPolicy for {} has no effect without {other} {needed}: set that, or leave \
                 {field} out",
                path.target
            );
            out.tell(about, Reason::UnsupportedField, message);
        }
    }
}

/// Whether a rule is right: in itself, and by what it refers to.
fn verdict(context: &Context, view: &View<'_>, rule: &HttpRule) -> Verdict {
    let context = verdict::in_tenant_of(context, view, &rule.id.namespace, rule.invalid.as_ref());
    let context = match &context {
        Ok(context) => context,
        Err(rejected) => return rejected.clone(),
    };
    let mut references = References::default();
    for path in &rule.paths {
        let tls = path.tls.as_ref();
        let single = [
            (Kind::SslProfile, tls.and_then(|tls| tls.ssl_profile.as_ref())),
            (Kind::ApplicationPersistenceProfile, path.application_persistence.as_ref()),
            (Kind::PkiProfile, tls.and_then(|tls| tls.pki_profile.as_ref())),
        ];
        for (kind, name) in single {
            if let Some(name) = name {
                references.check(context, view, (kind, name), Wants::Any);
            }
        }
        for name in &path.health_monitors {
            references.check(context, view, (Kind::HealthMonitor, name), Wants::Any);
        }
    }
    references.verdict()
}

/// What the pools of a path go by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Best<'a> {
    /// A rule that is right, and what it says of the path.
    pub(crate) target: Option<(&'a Arc<HttpRule>, &'a HttpRulePath)>,
    /// One that comes before that, and is rejected: what it did stays done.
    pub(crate) rejected: Option<&'a Arc<HttpRule>>,
}

/// What the pools of a path go by: of the rules of its namespace the longest target that the path
/// begins with, and of equal ones the oldest.
pub(crate) fn of_path<'a>(
    context: &Context,
    view: &View<'a>,
    host: &Arc<str>,
    namespace: &Arc<str>,
    path: &str,
) -> Best<'a> {
    let path = if path.is_empty() { "/" } else { path };
    let own = beside(view, host, namespace);
    let targets = own.flat_map(|rule| rule.paths.iter().map(move |target| (rule, target)));
    let mut fitting: Vec<_> = targets.filter(|(_, target)| path.starts_with(&*target.target)).collect();
    fitting
        .sort_by_key(|(rule, target)| (usize::MAX - target.target.len(), rule.meta.created, rule.id.clone()));
    let is_rejected = |rule: &HttpRule| verdict(context, view, rule).is_rejected();
    Best {
        rejected: fitting.first().map(|(rule, _)| *rule).filter(|rule| is_rejected(rule)),
        target: fitting.into_iter().find(|(rule, _)| !is_rejected(rule)),
    }
}
