//! Objects of the controller that the CRD operator makes of custom resources, one of each, and
//! what it says of them. Source: Custom resources, §9.

mod extension;
mod health_monitor;
mod made;

use ako_avi_types::pki_profile::CaCert;
use ako_avi_types::{ApplicationProfile, Object, PkiProfile};
use ako_core::resource::{ApplicationProfile as KeptApplicationProfile, PkiProfile as KeptPkiProfile};
use ako_core::{Program, ResourceId, ResourceKind};

use self::made::Profile;
use crate::context::Context;
use crate::output::Output;
use crate::view::View;

/// Who says what stands in the statuses. Source: Custom resources, §9.2.
const CONTROLLER: &str = "AKOCRDController";

/// Makes what is to be made of an object, and says what comes of that. Only the CRD operator does.
pub(crate) fn translate(context: &Context, view: &View<'_>, id: &ResourceId, out: &mut Output) {
    if context.config.program != Program::CrdOperator {
        return;
    }
    match id.kind {
        ResourceKind::HealthMonitor => health_monitor::translate(context, view, id, out),
        ResourceKind::ApplicationProfile => application_profile(context, view, id, out),
        ResourceKind::PKIProfile => pki_profile(context, view, id, out),
        ResourceKind::RouteBackendExtension => extension::translate(context, view, id, out),
        _ => {}
    }
}

fn application_profile(context: &Context, view: &View<'_>, id: &ResourceId, out: &mut Output) {
    let Some(kept) = view.get::<KeptApplicationProfile>(&id.name) else { return };
    let profile = Profile { id, meta: &kept.meta, published: &kept.published };
    profile.make(context, view, None, out, |common| {
        Ok(Object::ApplicationProfile(ApplicationProfile {
            name: common.name,
            tenant_ref: Some(common.tenant_ref),
            markers: common.markers,
            spec: kept.spec.clone(),
        }))
    });
}

fn pki_profile(context: &Context, view: &View<'_>, id: &ResourceId, out: &mut Output) {
    let Some(kept) = view.get::<KeptPkiProfile>(&id.name) else { return };
    let profile = Profile { id, meta: &kept.meta, published: &kept.published };
    profile.make(context, view, None, out, |common| {
        Ok(Object::PkiProfile(PkiProfile {
            name: common.name,
            created_by: Some(context.owner.clone()),
            tenant_ref: Some(common.tenant_ref),
            crl_check: false,
            ca_certs: kept.ca_certs.iter().map(|pem| CaCert { certificate: pem.clone() }).collect(),
            markers: common.markers,
        }))
    });
}
