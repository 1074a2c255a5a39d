//! What all objects have in common that are made of one custom resource each.

use std::sync::Arc;

use ako_avi_types::{Kind, Marker, Object, ObjectKey, Ref};
use ako_core::resource::{ObjectMeta, Published};
use ako_core::{Reason, ResourceId, ResourceKind};
use serde_json::json;

use crate::context::Context;
use crate::output::{Keep, Output};
use crate::statement::{Made, Problem, Statement, What};
use crate::view::View;

/// A custom resource of which one object of the controller is made.
pub(super) struct Profile<'a> {
    pub(super) id: &'a ResourceId,
    pub(super) meta: &'a ObjectMeta,
    pub(super) published: &'a Published,
}

/// What every body has.
pub(super) struct Common {
    pub(super) name: Arc<str>,
    pub(super) tenant_ref: Ref,
    pub(super) markers: Vec<Marker>,
}

impl Profile<'_> {
    /// Makes the object, in the tenant of the namespace, and says so. What cannot be made stays
    /// as it is, and is not made if it is not there. `sum` changes with what else than the custom
    /// resource it is made of and the controller does not show.
    pub(super) fn make(
        &self,
        context: &Context,
        view: &View<'_>,
        sum: Option<Arc<str>>,
        out: &mut Output,
        body: impl FnOnce(Common) -> Result<Object, (Reason, Problem)>,
    ) {
        let namespace = &self.id.name.namespace;
        let tenant = context.tenant_of(view, namespace);
        let told = self.tenant_told();
        let settled = tenant.as_ref().ok().or(told).unwrap_or(&context.config.tenant).clone();
        let key = self.key_in(context, &settled);
        let common = Common {
            name: key.name.clone(),
            tenant_ref: context.in_tenant(&settled).placement.tenant_ref.clone(),
            markers: context.markers(vec![("namespace", vec![namespace.clone()])]),
        };
        let mut made = Made {
            former: told.filter(|told| **told != settled).map(|told| self.key_in(context, told)),
            key: key.clone(),
            generation: self.meta.generation,
            is_deleting: self.meta.is_deleting,
            is_outdated: sum.is_some() && self.told("dependencySum") != sum.as_ref(),
            sum,
            problem: None,
        };
        if !self.meta.is_deleting {
            let stub = stub(key.kind, &common);
            let found = match tenant {
                Ok(_) => body(common),
                Err(why) => {
                    let message = format!("Error getting tenant in namespace {namespace}: {why}");
                    let problem = Problem { reason: "CreationFailed", message: message.into() };
                    Err((Reason::TenantNotRead, problem))
                }
            };
            match found {
                Ok(object) => _ = out.add(object, self.id),
                Err((reason, problem)) => {
                    out.tell(self.id, reason, problem.message.clone());
                    made.problem = Some(problem);
                    // It stays as it is, and what it is made of remains to be written.
                    (made.is_outdated, made.sum) = (false, None);
                    if stub.is_some_and(|stub| out.add(stub, self.id)) {
                        out.kept.push((key, Keep::AsIs));
                    }
                }
            }
        }
        out.statements.push(Statement { object: self.id.clone(), what: What::Made(made) });
    }

    fn key_in(&self, context: &Context, tenant: &Arc<str>) -> ObjectKey {
        let name = context.names().of_custom_resource(&self.id.name.namespace, &self.id.name.name);
        ObjectKey::new(kind_of(self.id.kind), tenant.clone(), name)
    }

    /// The tenant that the status says the object is in.
    fn tenant_told(&self) -> Option<&Arc<str>> {
        self.told("tenant").filter(|tenant| !tenant.is_empty())
    }

    fn told(&self, field: &str) -> Option<&Arc<str>> {
        self.published.told.as_ref()?.fields.get(field)
    }
}

/// The kind of what is made of a kind.
fn kind_of(kind: ResourceKind) -> Kind {
    match kind {
        ResourceKind::ApplicationProfile => Kind::ApplicationProfile,
        ResourceKind::PKIProfile => Kind::PkiProfile,
        _ => Kind::HealthMonitor,
    }
}

/// What stands for an object that cannot be told: it stays as it is.
fn stub(kind: Kind, common: &Common) -> Option<Object> {
    let Common { name, tenant_ref, markers } = common;
    let body = json!({"name": name, "tenant_ref": tenant_ref, "markers": markers});
    Object::read(kind, body).ok()
}
