//! L7Rules: whether one is right. A HostRule says which hosts it is for.
//! Source: Custom resources, §6.

use ako_avi_types::Kind;
use ako_core::resource::L7Rule;
use ako_core::{NamespacedName, ResourceId, Stored as _};

use crate::context::Context;
use crate::output::Output;
use crate::rules::reference::{References, Wants};
use crate::rules::verdict::{self, Verdict};
use crate::view::View;

pub(crate) fn translate(context: &Context, view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(rule) = view.get::<L7Rule>(id) else { return };
    if !view.heeds(&id.namespace) {
        return;
    }
    let about = ResourceId { kind: L7Rule::KIND, name: id.clone() };
    verdict(context, view, rule).say(&about, rule.meta.generation, out);
}

/// Whether a rule is right: in itself, and by what it refers to.
pub(crate) fn verdict(context: &Context, view: &View<'_>, rule: &L7Rule) -> Verdict {
    let context = verdict::in_tenant_of(context, view, &rule.id.namespace, rule.invalid.as_ref());
    let context = match &context {
        Ok(context) => context,
        Err(rejected) => return rejected.clone(),
    };
    let http = Wants::Type("APPLICATION_PROFILE_TYPE_HTTP");
    let single = [
        (Kind::ApplicationProfile, &rule.application_profile, http),
        (Kind::WafPolicy, &rule.waf_policy, Wants::Any),
        (Kind::AnalyticsProfile, &rule.analytics_profile, Wants::Any),
        (Kind::ErrorPageProfile, &rule.error_page_profile, Wants::Any),
        (Kind::IcapProfile, &rule.icap_profile, Wants::Any),
        (Kind::SecurityPolicy, &rule.security_policy, Wants::Any),
        (Kind::BotDetectionPolicy, &rule.bot_policy, Wants::Any),
        (Kind::TrafficCloneProfile, &rule.traffic_clone_profile, Wants::Any),
    ];
    let mut references = References::default();
    for (kind, name, wants) in single {
        if let Some(name) = name {
            references.check(context, view, (kind, name), wants);
        }
    }
    for name in rule.http_policy.iter().flat_map(|policy| &policy.policy_sets) {
        references.check(context, view, (Kind::HttpPolicySet, name), Wants::Any);
    }
    references.verdict()
}
