//! AKO's rules: custom resources that say more of hosts, Services and their placement than
//! Kubernetes' own objects can. Source: Custom resources.
//!
//! Each kind has a module with its verdict: whether a rule is right in itself, and whether what it
//! refers to is there. Two ask for it, and nobody goes by what stands in a status: the unit of the
//! rule, which makes nothing but statements, and whatever the rule is for.

pub(crate) mod host_rule;
pub(crate) mod http_rule;
pub(crate) mod infra_setting;
pub(crate) mod l7_rule;
pub(crate) mod reference;
pub(crate) mod verdict;

use ako_core::resource::{L4Rule, SsoRule};
use ako_core::{Reason, ResourceId, ResourceKind};

use crate::context::Context;
use crate::output::Output;
use crate::view::View;

/// Says of a rule whether it is accepted.
pub(crate) fn translate(context: &Context, view: &View<'_>, rule: &ResourceId, out: &mut Output) {
    match rule.kind {
        ResourceKind::AviInfraSetting => infra_setting::translate(context, view, &rule.name, out),
        ResourceKind::HostRule => host_rule::translate(context, view, &rule.name, out),
        ResourceKind::HTTPRule => http_rule::translate(context, view, &rule.name, out),
        ResourceKind::L7Rule => l7_rule::translate(context, view, &rule.name, out),
        _ => {}
    }
    tell_unapplied(view, rule, out);
}

/// Tells that rules of a kind have no effect in this version, where they are this instance's.
fn tell_unapplied(view: &View<'_>, rule: &ResourceId, out: &mut Output) {
    let is_there = match rule.kind {
        ResourceKind::L4Rule => view.get::<L4Rule>(&rule.name).is_some() && view.serves(&rule.name.namespace),
        ResourceKind::SSORule => {
            view.get::<SsoRule>(&rule.name).is_some() && view.serves(&rule.name.namespace)
        }
        _ => false,
    };
    if is_there {
        let message = format!(
            "{}s have no effect in this version: what refers to it is served as if it were not there",
            rule.kind.as_str()
        );
        out.tell(rule, Reason::UnsupportedField, message);
    }
}
