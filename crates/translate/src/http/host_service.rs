//! What the virtual service of a host has in EVH mode, and in part where each host has one of
//! its own. Source: L7 objects, §3.1, §4.1.

use std::collections::BTreeMap;

use ako_avi_types::{Marker, Object, ServiceMetadata};
use ako_core::checksum::hash;
use ako_core::config::FqdnReuse;

use crate::context::Context;
use crate::http::site::Site;
use crate::http::{host_paths, path_policy};
use crate::output::Output;
use crate::unit::ingress_id;
use crate::view::View;

/// Adds the policy sets of a host and answers their names in order; `None` if
/// no path is left.
pub(crate) fn policies(
    context: &Context,
    view: &View<'_>,
    site: &Site<'_>,
    redirect_name: &str,
    out: &mut Output,
) -> Option<Vec<String>> {
    let mut policies = host_paths::path_policies(context, view, site, out);
    if policies.is_empty() {
        return None;
    }
    if site.tls().is_some() {
        let set = path_policy::redirect_alone(context, redirect_name, &site.host, markers(context, site));
        if out.add(Object::HttpPolicySet(set), &ingress_id(&site.claims[0].ingress.id)) {
            // Sets without a path come before those with one.
            let place = if context.names().is_dedicated() { policies.len() } else { 0 };
            policies.insert(place, redirect_name.to_owned());
        }
    }
    Some(policies)
}

pub(crate) fn markers(context: &Context, site: &Site<'_>) -> Vec<Marker> {
    context.markers(vec![("Namespace", vec![site.namespace().clone()]), ("Host", vec![site.host.clone()])])
}

/// The metadata of the virtual service of an EVH host.
pub(crate) fn metadata(site: &Site<'_>) -> ServiceMetadata {
    let names = site.first_ingress_names();
    ServiceMetadata {
        namespace_ingress_name: Some(names.clone()),
        namespace: site.namespace().clone(),
        hostnames: Some(vec![site.host.clone()]),
        host_namespace_ingress_name: Some(BTreeMap::from([(site.host.clone(), names)])),
        ..ServiceMetadata::default()
    }
}

/// With the Strict policy upstream's checksum covers who claimed the host.
pub(crate) fn strict_token(context: &Context, site: &Site<'_>) -> Option<String> {
    (context.config.fqdn_reuse == FqdnReuse::Strict)
        .then(|| hash(&format!("{}=[{}]", site.host, site.first_ingress_names().join(" "))).to_string())
}
