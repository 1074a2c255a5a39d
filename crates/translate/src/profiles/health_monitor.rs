//! Health monitors. Source: Custom resources, §9.3.

use std::sync::Arc;

use ako_avi_types::health_monitor::{Authentication, Password};
use ako_avi_types::{HealthMonitor, Object};
use ako_core::checksum::hash;
use ako_core::resource::{BasicAuth, HealthMonitor as Kept, Secret};
use ako_core::{NamespacedName, Reason, ResourceId};

use super::made::Profile;
use crate::context::Context;
use crate::output::Output;
use crate::statement::Problem;
use crate::view::View;

pub(super) fn translate(context: &Context, view: &View<'_>, id: &ResourceId, out: &mut Output) {
    let Some(kept) = view.get::<Kept>(&id.name) else { return };
    let profile = Profile { id, meta: &kept.meta, published: &kept.published };
    let secret =
        kept.secret.as_ref().map(|name| NamespacedName::new(id.name.namespace.clone(), name.clone()));
    let found =
        secret.as_ref().map(|secret| view.get::<Secret>(secret).and_then(|it| it.basic_auth.as_ref()));
    // As upstream has it, so that what it made is known as it was.
    let sum = found.flatten().map(|auth| Arc::from(hash(&auth.version).cast_signed().to_string()));
    profile.make(context, view, sum, out, |common| {
        let authentication = match (&secret, found) {
            (Some(secret), Some(found)) => Some(sign_in(secret, found)?),
            _ => None,
        };
        Ok(Object::HealthMonitor(HealthMonitor {
            name: common.name,
            tenant_ref: Some(common.tenant_ref),
            authentication,
            markers: common.markers,
            spec: kept.spec.clone(),
        }))
    });
}

/// What a monitor signs in with.
fn sign_in(secret: &NamespacedName, found: Option<&BasicAuth>) -> Result<Authentication, (Reason, Problem)> {
    let (name, namespace) = (&secret.name, &secret.namespace);
    let Some(auth) = found else {
        let message = format!(
            "Secret {name} not found: there is none of type {} in namespace {namespace}",
            BasicAuth::TYPE
        );
        let problem = Problem { reason: "UnresolvedRef", message: message.into() };
        return Err((Reason::MissingSecret, problem));
    };
    let wrong = |message: String| {
        let problem = Problem { reason: "ConfigurationError", message: message.into() };
        (Reason::InvalidSecret, problem)
    };
    if !auth.has_data {
        return Err(wrong(format!("Secret data is nil in secret {name}")));
    }
    let username = auth.username.clone().filter(|it| !it.is_empty());
    let username = username.ok_or_else(|| wrong(format!("Username not found in secret {name}")))?;
    let password = auth.password.as_ref().filter(|it| !it.is_empty());
    let password = password.ok_or_else(|| wrong(format!("Password not found in secret {name}")))?;
    Ok(Authentication { username, password: Password::new(password.reveal().clone()) })
}
