//! AviInfraSettings: where what refers to them is placed. Source: Custom resources, §2.

use std::net::IpAddr;

use ako_avi_types::{Kind, Referred};
use ako_core::config::{VipNetwork, split_cidr};
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
    let mut mistakes: Vec<_> = setting.invalid.iter().map(ToString::to_string).collect();
    mistakes.extend(setting.network.as_ref().into_iter().flat_map(mistakes_of_network));
    if !mistakes.is_empty() {
        return Verdict::of(&mistakes);
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

/// What is wrong whatever else there is.
fn mistakes_of_network(network: &InfraNetwork) -> Vec<String> {
    let mut mistakes = Vec::new();
    if !network.bgp_peer_labels.is_empty() && network.enable_rhi != Some(true) {
        mistakes.push("BGPPeerLabels cannot be set if EnableRhi is false.".to_owned());
    }
    mistakes.extend(network.vip_networks.iter().flat_map(mistakes_of_subnets));
    for node_network in &network.node_networks {
        let wrong = node_network.cidrs.iter().filter(|cidr| split_cidr(cidr).is_none());
        mistakes.extend(wrong.map(|cidr| {
            let name = node_network.key();
            format!("invalid CIDR configuration {cidr} detected for networkName {name} in nodeNetworkList")
        }));
    }
    let listeners = &network.listeners;
    if !listeners.is_empty() && !listeners.iter().any(|listener| listener.enable_ssl == Some(true)) {
        mistakes.push("One of the port in aviInfraSetting must have SSL enabled".to_owned());
    }
    mistakes
}

fn mistakes_of_subnets(network: &VipNetwork) -> Vec<String> {
    let is_of_family = |cidr: &str, is_ipv6: bool| {
        let address = split_cidr(cidr).and_then(|(address, _)| address.parse::<IpAddr>().ok());
        address.is_some_and(|address| address.is_ipv6() == is_ipv6)
    };
    let subnets = [("CIDR", &network.cidr, false), ("IPv6 CIDR", &network.v6cidr, true)];
    let wrong =
        subnets.into_iter().filter(|(_, cidr, is_ipv6)| !cidr.is_empty() && !is_of_family(cidr, *is_ipv6));
    wrong
        .map(|(what, cidr, _)| {
            let name = network.key();
            format!("invalid {what} configuration {cidr} detected for networkName {name} in vipNetworkList")
        })
        .collect()
}
