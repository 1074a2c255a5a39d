//! The label of the SE group: its service engines take the routes of the cluster
//! that it names. Every instance of the cluster asks for it.
//! Source: L4 and network, B7.

use std::sync::Arc;

use ako_avi_types::{Kind, Label, Object, Ref, ServiceEngineGroup};

use crate::context::Context;
use crate::output::Output;
use crate::view::View;

pub(crate) fn translate(context: &Context, view: &View<'_>, out: &mut Output) {
    if !context.config.needs_routes(context.facts.cloud) || view.is_barred(&context.config.operator_namespace)
    {
        return;
    }
    // The primary takes the label away with everything else.
    let removed = context.config.delete_config;
    if removed && !context.config.primary {
        return;
    }
    let label = Label::of_cluster(context.config.cluster_name.clone());
    let group = ServiceEngineGroup {
        name: context.config.se_group.clone(),
        tenant_ref: Some(Ref::named(Kind::Tenant, context.facts.se_group_tenant.clone())),
        cloud_ref: Some(context.cloud_ref.clone()),
        labels: if removed { Vec::new() } else { vec![label.clone()] },
        released: removed.then_some(label),
    };
    out.objects.push(Arc::new(Object::ServiceEngineGroup(group)));
}
