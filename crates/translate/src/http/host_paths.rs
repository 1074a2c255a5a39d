//! Where the paths of a host with a virtual service of its own lead: pools, pool groups and
//! HTTP policy sets. Source: L7 objects, §3.1–3.4.

use std::sync::Arc;

use ako_avi_types::{Kind, Marker, Object, PoolGroupMember, Ref};
use ako_core::resource::PortRef;

use crate::context::Context;
use crate::http::claim::Security;
use crate::http::path_policy::{self, Switch, Target};
use crate::http::path_pool::{self, INGRESS_RATIO, PathOf};
use crate::http::site::Site;
use crate::output::Output;
use crate::pool;
use crate::unit::ingress_id;
use crate::view::View;

/// Adds the pools, pool groups and policy sets of a host, one set a namespace. Answers
/// the sets' names in the order in which they are attached: by their first path.
pub(crate) fn path_policies(
    context: &Context,
    view: &View<'_>,
    site: &Site<'_>,
    out: &mut Output,
) -> Vec<String> {
    let names = context.names();
    let mut sets = Vec::new();
    for namespace in site.namespaces() {
        let mut switches = Vec::new();
        let claims = site.claims.iter().filter(|c| c.ingress.id.namespace == namespace);
        for claim in claims.clone() {
            for path in &claim.paths {
                let of = PathOf { ingress: claim.ingress, host: &site.host, path };
                switches.extend(switch(context, view, of, &claim.security, out));
            }
        }
        let (Some(source), Some(first)) =
            (claims.clone().next(), switches.iter().map(|s| s.path.clone()).min())
        else {
            continue;
        };
        let name = names.host_policy(&namespace, &site.host);
        let markers = set_markers(context, site, &namespace, &switches);
        let set = path_policy::switching(context, &name, switches, markers);
        if out.add(Object::HttpPolicySet(set), &ingress_id(&source.ingress.id)) {
            sets.push((first, name));
        }
    }
    sets.sort();
    sets.into_iter().map(|(_, name)| name).collect()
}

fn set_markers(context: &Context, site: &Site<'_>, namespace: &Arc<str>, switches: &[Switch]) -> Vec<Marker> {
    // Upstream leaves the host out here.
    let anonymous = context.names().is_dedicated() && !context.config.evh && site.tls().is_none();
    let paths = switches.iter().map(|s| s.path.clone()).filter(|path| !path.is_empty());
    let mut paths: Vec<_> = paths.collect();
    let mut ingresses: Vec<_> = switches.iter().map(|s| s.ingress.clone()).collect();
    paths.sort();
    ingresses.sort();
    ingresses.dedup();
    context.markers(vec![
        ("Namespace", vec![namespace.clone()]),
        ("Host", if anonymous { Vec::new() } else { vec![site.host.clone()] }),
        ("Path", paths),
        ("IngressName", ingresses),
    ])
}

/// Adds the pool, and the pool group if there is one, of a path.
fn switch(
    context: &Context,
    view: &View<'_>,
    of: PathOf<'_>,
    security: &Security<'_>,
    out: &mut Output,
) -> Option<Switch> {
    let names = context.names();
    let id = ingress_id(&of.ingress.id);
    let (plain_group, plain_pool) =
        (names.plain_pool_group(of.name()), names.plain_pool(of.name(), &of.path.backend.service));
    let (mut group_name, mut pool_name) = (names.encode(&plain_group), names.encode(&plain_pool));
    // Different paths may lead to one name: the later one gets a longer name.
    if out.has(context, Kind::PoolGroup, &group_name) || out.has(context, Kind::Pool, &pool_name) {
        let longer = |plain: &str| names.encode(&format!("{plain}-{}", of.digest()));
        (group_name, pool_name) = (longer(&plain_group), longer(&plain_pool));
    }
    let label = if context.config.evh { String::new() } else { of.label() };
    let markers = path_pool::path_markers(context, of, true);
    let pool = path_pool::of_path(context, view, of, pool_name.clone(), &label, markers, out);
    if !out.add(Object::Pool(pool), &id) {
        return None;
    }
    let target = if context.config.no_pool_group_for_sni && !context.config.evh {
        Target::Pool(pool_name)
    } else {
        let member = PoolGroupMember {
            pool_ref: Ref::named(Kind::Pool, pool_name),
            priority_label: None,
            ratio: INGRESS_RATIO,
        };
        let group = pool::group(
            context,
            &group_name,
            vec![member],
            path_pool::path_markers(context, of, false),
            false,
        );
        if !out.add(Object::PoolGroup(group), &id) {
            return None;
        }
        Target::PoolGroup(group_name.clone())
    };
    // Upstream knows no port where a dedicated host has no certificate.
    let anonymous = names.is_dedicated() && !context.config.evh && matches!(security, Security::Insecure);
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
