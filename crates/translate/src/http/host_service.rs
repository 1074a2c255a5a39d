//! What the virtual service of a host has in EVH mode, and in part where each host has one of
//! its own. Source: L7 objects, §3.1, §4.1.

use std::collections::BTreeMap;

use ako_avi_types::{HttpPolicySet, Marker, Object, ServiceMetadata};
use ako_core::checksum::hash;
use ako_core::config::FqdnReuse;

use crate::context::Context;
use crate::http::asked::OverHttp;
use crate::http::site::Site;
use crate::http::{host_paths, over_http, path_policy};
use crate::output::Output;
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
    let sets = host_paths::path_policies(context, view, site, out);
    if sets.is_empty() {
        return None;
    }
    let without_path = sets.iter().take_while(|set| set.has_all()).count();
    let mut policies: Vec<_> = sets.into_iter().map(|set| set.name).collect();
    if let Some(set) = over_http(context, site, redirect_name, out)
        && out.add(Object::HttpPolicySet(set), &site.claims[0].by.id())
    {
        // Sets without a path come before those with one, it the last of them.
        let place = if context.names().is_dedicated() { policies.len() } else { without_path };
        policies.insert(place, redirect_name.to_owned());
    }
    Some(policies)
}

/// What becomes of requests without TLS, where that is not to be served.
fn over_http(context: &Context, site: &Site<'_>, name: &str, out: &mut Output) -> Option<HttpPolicySet> {
    let served = site.paths(&[OverHttp::Served, OverHttp::NotSaid]);
    let redirected = site.paths(&[OverHttp::Redirected]);
    let refused = site.paths(&[OverHttp::Refused]);
    let (to_redirect, not_redirected) = over_http::covering(&redirected, &served);
    let others: Vec<_> = served.into_iter().chain(redirected).collect();
    let (to_refuse, not_refused) = over_http::covering(&refused, &others);
    over_http::tell(site, &not_redirected, "redirected to HTTPS", out);
    over_http::tell(site, &not_refused, "refused", out);
    (!to_redirect.is_empty() || !to_refuse.is_empty()).then(|| {
        path_policy::alone(context, name, &site.names(), &to_redirect, &to_refuse, markers(context, site))
    })
}

pub(crate) fn markers(context: &Context, site: &Site<'_>) -> Vec<Marker> {
    context.markers(vec![("Namespace", vec![site.namespace().clone()]), ("Host", site.names())])
}

/// The metadata of the virtual service of an EVH host.
pub(crate) fn metadata(site: &Site<'_>) -> ServiceMetadata {
    let names = site.recorded_names();
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
        .then(|| hash(&format!("{}=[{}]", site.host, site.recorded_names().join(" "))).to_string())
}
