//! AKO's rules: custom resources that say more of hosts, Services and their placement than
//! Kubernetes' own objects can. Source: Custom resources.
//!
//! Each kind has a module with its verdict: whether a rule is right in itself, and whether what it
//! refers to is there. Two ask for it, and nobody goes by what stands in a status: the unit of the
//! rule, which makes nothing but statements, and whatever the rule is for.

pub(crate) mod host_rule;
pub(crate) mod http_rule;
pub(crate) mod infra_setting;
pub(crate) mod l4_rule;
pub(crate) mod l7_rule;
pub(crate) mod reference;
pub(crate) mod sso_rule;
pub(crate) mod verdict;

use ako_core::{ResourceId, ResourceKind};

use crate::context::Context;
use crate::output::Output;
use crate::view::View;

/// Says of a rule whether it is accepted.
pub(crate) fn translate(context: &Context, view: &View<'_>, rule: &ResourceId, out: &mut Output) {
    match rule.kind {
        ResourceKind::AviInfraSetting => infra_setting::translate(context, view, &rule.name, out),
        ResourceKind::HostRule => host_rule::translate(context, view, &rule.name, out),
        ResourceKind::HTTPRule => http_rule::translate(context, view, &rule.name, out),
        ResourceKind::L4Rule => l4_rule::translate(context, view, &rule.name, out),
        ResourceKind::L7Rule => l7_rule::translate(context, view, &rule.name, out),
        ResourceKind::SSORule => sso_rule::translate(context, view, &rule.name, out),
        _ => {}
    }
}
