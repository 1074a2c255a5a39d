//! RouteBackendExtensions: nothing is made of one; it is only said whether it is right.
//! Source: Custom resources, §9.6.

use std::sync::Arc;

use ako_avi_types::{Kind, Referred};
use ako_core::resource::{PkiProfile, RouteBackendExtension, Truth};
use ako_core::{Look, NamespacedName, Reason, ResourceId};

use super::CONTROLLER;
use crate::context::Context;
use crate::output::Output;
use crate::rules::verdict::Verdict;
use crate::statement::{Statement, What};
use crate::view::View;

pub(super) fn translate(context: &Context, view: &View<'_>, id: &ResourceId, out: &mut Output) {
    let Some(extension) = view.get::<RouteBackendExtension>(&id.name) else { return };
    let verdict = verdict(context, view, extension);
    if verdict == Verdict::NotKnown {
        return;
    }
    if let Verdict::Rejected(why) = &verdict
        && extension.invalid.is_none()
    {
        out.tell(id, Reason::MissingReference, why.clone());
    }
    verdict.say(id, extension.meta.generation, out);
    let what = What::Field("controller", CONTROLLER.into());
    out.statements.push(Statement { object: id.clone(), what });
}

fn verdict(context: &Context, view: &View<'_>, extension: &RouteBackendExtension) -> Verdict {
    if let Some(invalid) = &extension.invalid {
        return Verdict::Rejected(invalid.clone());
    }
    let namespace = &extension.id.namespace;
    let tenant = match context.tenant_of(view, namespace) {
        Ok(tenant) => tenant,
        Err(why) => return Verdict::Rejected(why.into()),
    };
    let (mut wrong, mut is_unknown) = (Vec::new(), false);
    for name in &extension.health_monitors {
        match view.look_up(Referred::named(Kind::HealthMonitor, tenant.clone(), name.clone())) {
            Look::Found(_) => {}
            Look::Missing => wrong.push(format!(
                "error in getting healthmonitor: {name} from tenant {tenant}. Object not found"
            )),
            Look::NotAsked | Look::Unreadable(_) => is_unknown = true,
        }
    }
    if let Some(name) = &extension.pki_profile {
        wrong.extend(wrong_with(view, name, namespace, &tenant));
    }
    if wrong.is_empty() && is_unknown { Verdict::NotKnown } else { Verdict::of(&wrong) }
}

/// What is wrong with a PKIProfile that is named.
fn wrong_with(view: &View<'_>, name: &Arc<str>, namespace: &Arc<str>, tenant: &Arc<str>) -> Option<String> {
    let id = NamespacedName::new(namespace.clone(), name.clone());
    let Some(profile) = view.get::<PkiProfile>(&id) else {
        return Some(format!("PKIProfile {name} not found in namespace {namespace}"));
    };
    let told = profile.published.told.as_ref();
    let field = |field: &str| told.and_then(|told| told.fields.get(field)).filter(|text| !text.is_empty());
    if let Some(its) = field("tenant").filter(|its| *its != tenant) {
        return Some(format!(
            "PKIProfile {name} tenant {its} does not match namespace {namespace} tenant {tenant}"
        ));
    }
    let is_programmed = told.is_some_and(|told| {
        let mut all = told.conditions.iter();
        all.any(|((_, kind), condition)| &**kind == "Programmed" && condition.status == Truth::True)
    });
    (!is_programmed || field("uuid").is_none())
        .then(|| format!("RBE is rejected because PKIProfile {name} is not ready in namespace {namespace}"))
}
