//! Hosts whose TLS goes through to the pods. Source: L7 objects, §1.4.
//!
//! A datascript reads the host from the ClientHello and selects the pool group
//! of that name; paths cannot be told apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::{Kind, Object, PoolGroupMember, Ref};

use crate::context::Context;
use crate::contribution::Contribution;
use crate::front::{FrontKey, FrontKind};
use crate::http::claim::{ClaimedPath, HostClaim};
use crate::http::path_pool::{self, INGRESS_RATIO, PathOf};
use crate::http::site;
use crate::output::Output;
use crate::pool;
use crate::unit::ingress_id;
use crate::view::View;

/// Why a wildcard host is not served: the pool group is found by the whole host.
const NO_WILDCARD: &str =
    "TLS that goes through to the pods is led by the whole host: name the hosts, or let TLS end at Avi";

pub(crate) fn translate(
    context: &Context,
    view: &View<'_>,
    name: &Arc<str>,
    claims: &[HostClaim<'_>],
    out: &mut Output,
) {
    let Some(first) = claims.first() else { return };
    let front = FrontKey::new(context, FrontKind::Passthrough, &context.names().passthrough_vs(name));
    let markers = |service: Option<&Arc<str>>| {
        context.markers(vec![
            ("Host", vec![name.clone()]),
            ("ServiceName", service.into_iter().cloned().collect()),
        ])
    };
    // One pool a service, whatever paths lead to it.
    let mut services: BTreeMap<&Arc<str>, (&HostClaim<'_>, &ClaimedPath)> = BTreeMap::new();
    for claim in claims {
        for path in &claim.paths {
            services.entry(&path.backend.service).or_insert((claim, path));
        }
    }
    let mut members = Vec::new();
    for (service, (claim, path)) in services {
        let pool_name = context.names().passthrough_pool(name, service);
        let of = PathOf { ingress: claim.ingress, host: name, path };
        let pool = path_pool::of_path(context, view, of, pool_name.clone(), "", markers(Some(service)), out);
        if out.add(Object::Pool(pool), &ingress_id(&claim.ingress.id)) {
            let pool_ref = Ref::named(Kind::Pool, pool_name);
            members.push(PoolGroupMember { pool_ref, priority_label: None, ratio: INGRESS_RATIO });
        }
    }
    let group_name: Arc<str> = context.names().passthrough_pool_group(name).into();
    let group = pool::group(context, &group_name, members, markers(None), false);
    if !out.add(Object::PoolGroup(group), &ingress_id(&first.ingress.id)) {
        return;
    }
    for claim in claims {
        site::tell_wildcard(name, claim.ingress, NO_WILDCARD, out);
        site::bind(claim.ingress, name, &front.vs(), &front.vsvip(), out);
    }
    let contribution = Contribution {
        fqdns: vec![name.clone()],
        redirects: vec![name.clone()],
        pool_groups: vec![group_name],
        ..Contribution::default()
    };
    out.contributions.push((front, contribution));
}
