//! SNI mode, shared virtual services. Source: L7 objects, §3.1, §3.6.
//!
//! Insecure paths are pools on the parent, which a datascript selects by host
//! and path. A secure host is a child virtual service with its certificate.

use std::sync::Arc;

use ako_avi_types::{Kind, Object, PoolGroupMember, Ref, ServiceMetadata, go_json};
use ako_core::resource::PortRef;
use ako_core::{Reason, name};

use crate::certificate;
use crate::claim::Security;
use crate::context::Translator;
use crate::contribution::Contribution;
use crate::front::{FrontKey, FrontKind};
use crate::host::{self, Site};
use crate::path_policy::{self, Switch, Target};
use crate::pool::{self, INGRESS_RATIO, PathOf};
use crate::unit::{UnitOutput, ingress_id};
use crate::view::View;
use crate::virtual_service::{self as vs, Covered};

/// Why a wildcard host is not served without TLS: the datascript selects by the whole host.
const NO_WILDCARD: &str = "a virtual service that hosts share in SNI mode matches whole hosts only, unless they have \
                           TLS: give it TLS, or use enableEVH=true or shardVSSize=DEDICATED";

pub(crate) fn translate(
    t: &Translator,
    view: &View<'_>,
    site: &Site<'_>,
    parent: &str,
    out: &mut UnitOutput,
) {
    let front = FrontKey::new(t, FrontKind::Sni, parent);
    let vsvip = front.vsvip();
    let mut contribution = Contribution { fqdns: vec![site.host.clone()], ..Contribution::default() };
    // A host with a certificate is redirected to HTTPS as a whole, so all its paths are there.
    if let Some(child) = child(t, view, site, parent, out) {
        site.bind_all(&t.key(Kind::VirtualService, child.clone()), &vsvip, out);
        contribution.children.push(child);
        contribution.redirects.push(site.host.clone());
    } else if site.tls().is_none() {
        for claim in &site.claims {
            host::tell_wildcard(&site.host, claim.ingress, NO_WILDCARD, out);
            for path in &claim.paths {
                let of = PathOf { ingress: claim.ingress, host: &site.host, path };
                let member = insecure_path(t, view, of, &contribution.members, out);
                contribution.members.extend(member);
            }
            host::bind(claim.ingress, &site.host, &front.vs(), &vsvip, out);
        }
    }
    out.contributions.push((front, contribution));
}

fn insecure_path(
    t: &Translator,
    view: &View<'_>,
    of: PathOf<'_>,
    members: &[PoolGroupMember],
    out: &mut UnitOutput,
) -> Option<PoolGroupMember> {
    let plain =
        t.names().insecure_pool(of.host, &of.path.path, &of.ingress.id.namespace, &of.ingress.id.name);
    let name = if out.has(t, Kind::Pool, &plain) { format!("{plain}-{}", of.digest()) } else { plain };
    let label = of.label().to_lowercase();
    let id = ingress_id(&of.ingress.id);
    if !name::fits(&label) {
        let message =
            format!("{label:?} is longer than the 255 bytes that Avi takes as a label: shorten the path");
        out.tell(&id, Reason::NameTooLong, message);
        return None;
    }
    if members.iter().any(|member| member.priority_label.as_deref() == Some(&*label)) {
        let message = format!(
            "{}{} cannot be told from another path of the host, which came first: a host without TLS has neither \
             exact paths nor upper case; change the path, or give the host TLS",
            of.host, of.path.path
        );
        out.tell(&id, Reason::DuplicateHostPath, message);
        return None;
    }
    let markers = pool::path_markers(t, of, false);
    let pool = pool::of_path(t, view, of, name.clone(), &label, markers, out);
    out.add(Object::Pool(pool), &id).then(|| PoolGroupMember {
        pool_ref: Ref::named(Kind::Pool, name),
        priority_label: Some(label.into()),
        ratio: INGRESS_RATIO,
    })
}

/// Adds the child virtual service of a host with a certificate, and answers its name.
fn child(
    t: &Translator,
    view: &View<'_>,
    site: &Site<'_>,
    parent: &str,
    out: &mut UnitOutput,
) -> Option<Arc<str>> {
    let tls = site.tls()?;
    let source = ingress_id(&site.claims[0].ingress.id);
    let name: Arc<str> = t.names().child_vs(&site.host).into();
    let certificates = certificate::add(t, site, tls, out);
    let policies = path_policies(t, view, site, out);
    if policies.is_empty() || certificates.is_empty() {
        return None;
    }
    let mut contributors: Vec<Arc<str>> =
        site.claims.iter().map(|c| c.ingress.id.to_string().into()).collect();
    contributors.sort();
    let namespace = site.namespace().clone();
    let metadata = ServiceMetadata {
        namespace_ingress_name: Some(contributors),
        namespace: namespace.clone(),
        hostnames: Some(vec![site.host.clone()]),
        ..ServiceMetadata::default()
    };
    let mut tokens: Vec<_> = policies.iter().map(|p| format!("HttpPolicy{p}")).collect();
    tokens.extend(certificates.iter().map(|c| format!("SSLKeyCert{c}")));
    tokens.push(format!("VHDomain{}", site.host));
    let covered = Covered {
        tokens,
        ports: Covered::http_ports(true),
        references: go_json::marshal(&[&site.host]),
        ..Covered::default()
    };
    let markers = t.markers(vec![("Namespace", vec![namespace]), ("Host", vec![site.host.clone()])]);
    let mut child = vs::base(t, &name, &covered, metadata, markers);
    child.vs_type = Some("VS_TYPE_VH_CHILD".into());
    child.vh_parent_vs_ref = Some(Ref::named(Kind::VirtualService, parent));
    child.vh_domain_name = vec![site.host.clone()];
    child.application_profile_ref = Some(vs::application_profile(vs::SYSTEM_SECURE_HTTP));
    child.network_profile_ref = Some(vs::network_profile(vs::SYSTEM_TCP_PROXY));
    child.ssl_key_and_certificate_refs = vs::certificate_refs(&certificates);
    child.http_policies = vs::http_policies(policies.iter().map(String::as_str));
    child.east_west_placement = Some(false);
    child.ign_pool_net_reach = Some(false);
    child.vrf_context_ref = Some(t.child_vrf_ref.clone());
    out.add(Object::VirtualService(child), &source).then_some(name)
}

/// Adds the pools, pool groups and policy sets of a host, one set a namespace. Answers
/// the sets' names in the order in which they are attached: by their first path.
pub(crate) fn path_policies(
    t: &Translator,
    view: &View<'_>,
    site: &Site<'_>,
    out: &mut UnitOutput,
) -> Vec<String> {
    let names = t.names();
    let mut sets = Vec::new();
    for namespace in site.namespaces() {
        let mut switches = Vec::new();
        let claims = site.claims.iter().filter(|c| c.ingress.id.namespace == namespace);
        for claim in claims.clone() {
            for path in &claim.paths {
                let of = PathOf { ingress: claim.ingress, host: &site.host, path };
                switches.extend(switch(t, view, of, &claim.security, out));
            }
        }
        let (Some(source), Some(first)) =
            (claims.clone().next(), switches.iter().map(|s| s.path.clone()).min())
        else {
            continue;
        };
        let name = names.host_policy(&namespace, &site.host);
        let markers = set_markers(t, site, &namespace, &switches);
        let set = path_policy::switching(t, &name, switches, markers);
        if out.add(Object::HttpPolicySet(set), &ingress_id(&source.ingress.id)) {
            sets.push((first, name));
        }
    }
    sets.sort();
    sets.into_iter().map(|(_, name)| name).collect()
}

fn set_markers(
    t: &Translator,
    site: &Site<'_>,
    namespace: &Arc<str>,
    switches: &[Switch],
) -> Vec<ako_avi_types::Marker> {
    // Upstream leaves the host out here.
    let anonymous = t.names().is_dedicated() && !t.config.evh && site.tls().is_none();
    let paths = switches.iter().map(|s| s.path.clone()).filter(|path| !path.is_empty());
    let mut paths: Vec<_> = paths.collect();
    let mut ingresses: Vec<_> = switches.iter().map(|s| s.ingress.clone()).collect();
    paths.sort();
    ingresses.sort();
    ingresses.dedup();
    t.markers(vec![
        ("Namespace", vec![namespace.clone()]),
        ("Host", if anonymous { Vec::new() } else { vec![site.host.clone()] }),
        ("Path", paths),
        ("IngressName", ingresses),
    ])
}

/// Adds the pool, and the pool group if there is one, of a path.
fn switch(
    t: &Translator,
    view: &View<'_>,
    of: PathOf<'_>,
    security: &Security<'_>,
    out: &mut UnitOutput,
) -> Option<Switch> {
    let names = t.names();
    let id = ingress_id(&of.ingress.id);
    let (plain_group, plain_pool) =
        (names.plain_pool_group(of.name()), names.plain_pool(of.name(), &of.path.backend.service));
    let (mut group_name, mut pool_name) = (names.encode(&plain_group), names.encode(&plain_pool));
    // Different paths may lead to one name: the later one gets a longer name.
    if out.has(t, Kind::PoolGroup, &group_name) || out.has(t, Kind::Pool, &pool_name) {
        let longer = |plain: &str| names.encode(&format!("{plain}-{}", of.digest()));
        (group_name, pool_name) = (longer(&plain_group), longer(&plain_pool));
    }
    let label = if t.config.evh { String::new() } else { of.label() };
    let markers = pool::path_markers(t, of, true);
    let pool = pool::of_path(t, view, of, pool_name.clone(), &label, markers, out);
    if !out.add(Object::Pool(pool), &id) {
        return None;
    }
    let target = if t.config.no_pool_group_for_sni && !t.config.evh {
        Target::Pool(pool_name)
    } else {
        let member = PoolGroupMember {
            pool_ref: Ref::named(Kind::Pool, pool_name),
            priority_label: None,
            ratio: INGRESS_RATIO,
        };
        let group = pool::group(t, &group_name, vec![member], pool::path_markers(t, of, false), false);
        if !out.add(Object::PoolGroup(group), &id) {
            return None;
        }
        Target::PoolGroup(group_name.clone())
    };
    // Upstream knows no port where a dedicated host has no certificate.
    let anonymous = names.is_dedicated() && !t.config.evh && matches!(security, Security::Insecure);
    Some(Switch {
        path: of.path.path.clone(),
        path_type: of.path.path_type,
        map_name: group_name,
        target,
        ingress: of.ingress.id.name.clone(),
        service_port: if anonymous { 0 } else { service_port(of) },
    })
}

/// The number of the backend's port: as the Ingress gives it, else 80.
fn service_port(of: PathOf<'_>) -> u16 {
    match of.path.backend.port {
        PortRef::Number(number) => number,
        PortRef::Name(_) => 80,
    }
}
