//! AviInfraSettings: where what refers to them is placed. Source: Custom resources, §2.

use ako_avi_types::{Kind, Referred};
use ako_core::resource::{AviInfraSetting, InfraNetwork};
use ako_core::{NamespacedName, ResourceId, Stored as _};

use crate::context::Context;
use crate::output::Output;
use crate::rules::reference::{self, References, Wants};
use crate::rules::verdict::Verdict;
use crate::view::View;

pub(crate) fn translate(context: &Context, view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(setting) = view.get::<AviInfraSetting>(id) else { return };
    let rule = ResourceId { kind: AviInfraSetting::KIND, name: id.clone() };
    verdict(context, view, setting).say(&rule, setting.meta.generation, out);
}

/// Whether a setting is right: first in itself, then by what it refers to.
pub(crate) fn verdict(context: &Context, view: &View<'_>, setting: &AviInfraSetting) -> Verdict {
    if let Some(invalid) = &setting.invalid {
        return Verdict::Rejected(invalid.clone());
    }
    let mut references = References::default();
    // On clouds where VIPs name subnets by the cloud's own ids, Avi need not know of them before.
    if !context.facts.cloud.vip_per_network() {
        for (name, uuid) in setting.network.iter().flat_map(networks) {
            references.add(reference::check(context, view, network(context, name, uuid), Wants::Any));
        }
    }
    if let Some(group) = &setting.se_group {
        references.check(context, view, (Kind::ServiceEngineGroup, group), Wants::OurLabel);
    }
    references.verdict()
}

/// The networks of addresses, then those of nodes, each by its name and its uuid.
fn networks(network: &InfraNetwork) -> impl Iterator<Item = (&str, &str)> {
    let vips = network.vip_networks.iter().map(|network| (&*network.name, &*network.uuid));
    vips.chain(network.node_networks.iter().map(|network| (&*network.name, &*network.uuid)))
}

/// A network as it is looked up: by its uuid, if it is given by that.
fn network(context: &Context, name: &str, uuid: &str) -> Referred {
    let tenant = context.placement.tenant.clone();
    if uuid.is_empty() {
        Referred::named(Kind::Network, tenant, name)
    } else {
        Referred::with_uuid(Kind::Network, tenant, uuid)
    }
}
