//! EVH mode, shared virtual services. Source: L7 objects, §3.1, §3.6.
//!
//! Every host is a child virtual service; certificates are on the parent.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::http_policy::PathMatch;
use ako_avi_types::virtual_service::{VhMatchRule, VhPathMatch};
use ako_avi_types::{Kind, Object, Ref, ServiceMetadata, VhMatch};
use ako_core::checksum::hash;
use ako_core::config::FqdnReuse;

use crate::context::Translator;
use crate::contribution::Contribution;
use crate::front::{FrontKey, FrontKind};
use crate::host::Site;
use crate::unit::{UnitOutput, ingress_id};
use crate::view::View;
use crate::virtual_service::{self as vs, Covered};
use crate::{certificate, path_policy, sni};

pub(crate) fn translate(
    t: &Translator,
    view: &View<'_>,
    site: &Site<'_>,
    parent: &str,
    out: &mut UnitOutput,
) {
    let front = FrontKey::new(t, FrontKind::Evh, parent);
    let certificates = site.tls().map(|tls| certificate::add(t, site, tls, out)).unwrap_or_default();
    let Some(child) = child(t, view, site, parent, out) else { return };
    site.bind_all(&t.key(Kind::VirtualService, child.clone()), &front.vsvip(), out);
    let contribution = Contribution {
        fqdns: vec![site.host.clone()],
        children: vec![child],
        certificates,
        ..Contribution::default()
    };
    out.contributions.push((front, contribution));
}

fn child(
    t: &Translator,
    view: &View<'_>,
    site: &Site<'_>,
    parent: &str,
    out: &mut UnitOutput,
) -> Option<Arc<str>> {
    let name: Arc<str> = t.names().child_vs(&site.host).into();
    let policies = policies(t, view, site, &name, out)?;
    let mut tokens: Vec<_> = policies.iter().map(|p| format!("HttpPolicy{p}")).collect();
    tokens.push(format!("VHDomain{}", site.host));
    tokens.extend(strict_token(t, site));
    let covered = Covered {
        tokens,
        application_profile: vs::SYSTEM_HTTP.to_owned(),
        ports: Covered::http_ports(true),
        evh_host: site.host.to_string(),
        ..Covered::default()
    };
    let mut child = vs::base(t, &name, &covered, metadata(site), markers(t, site));
    child.vs_type = Some("VS_TYPE_VH_CHILD".into());
    child.vh_type = Some("VS_TYPE_VH_ENHANCED".into());
    child.vh_parent_vs_ref = Some(Ref::named(Kind::VirtualService, parent));
    child.vh_matches = vec![host_match(&site.host)];
    child.min_pools_up = Some(1);
    child.application_profile_ref = Some(vs::application_profile(vs::SYSTEM_HTTP));
    child.network_profile_ref = Some(vs::network_profile(vs::SYSTEM_TCP_PROXY));
    child.http_policies = vs::http_policies(policies.iter().map(String::as_str));
    child.east_west_placement = Some(false);
    child.ign_pool_net_reach = Some(false);
    child.vrf_context_ref = Some(t.child_vrf_ref.clone());
    out.add(Object::VirtualService(child), &ingress_id(&site.claims[0].ingress.id)).then_some(name)
}

/// Adds the policy sets of a host and answers their names in order; `None` if
/// no path is left.
pub(crate) fn policies(
    t: &Translator,
    view: &View<'_>,
    site: &Site<'_>,
    redirect_name: &str,
    out: &mut UnitOutput,
) -> Option<Vec<String>> {
    let mut policies = sni::path_policies(t, view, site, out);
    if policies.is_empty() {
        return None;
    }
    if site.tls().is_some() {
        let set = path_policy::redirect_alone(t, redirect_name, &site.host, markers(t, site));
        if out.add(Object::HttpPolicySet(set), &ingress_id(&site.claims[0].ingress.id)) {
            // Sets without a path come before those with one.
            let place = if t.names().is_dedicated() { policies.len() } else { 0 };
            policies.insert(place, redirect_name.to_owned());
        }
    }
    Some(policies)
}

pub(crate) fn markers(t: &Translator, site: &Site<'_>) -> Vec<ako_avi_types::Marker> {
    t.markers(vec![("Namespace", vec![site.namespace().clone()]), ("Host", vec![site.host.clone()])])
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
pub(crate) fn strict_token(t: &Translator, site: &Site<'_>) -> Option<String> {
    (t.config.fqdn_reuse == FqdnReuse::Strict)
        .then(|| hash(&format!("{}=[{}]", site.host, site.first_ingress_names().join(" "))).to_string())
}

fn host_match(host: &Arc<str>) -> VhMatch {
    let path = PathMatch {
        match_criteria: "BEGINS_WITH".into(),
        match_case: "SENSITIVE".into(),
        match_str: vec!["/".into()],
    };
    let rule = VhMatchRule { name: "VHMATCHRULENAME".into(), matches: VhPathMatch { path } };
    VhMatch { host: host.clone(), rules: vec![rule] }
}
