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
use crate::http::asked::{ClaimedBackend, OverHttp};
use crate::http::claim::HostClaim;
use crate::http::path_pool::{self, PathOf};
use crate::http::site;
use crate::output::Output;
use crate::pool;
use crate::pool::Made;
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
    let mut services: BTreeMap<&Arc<str>, (PathOf<'_>, &ClaimedBackend)> = BTreeMap::new();
    for claim in claims {
        for path in &claim.asked.paths {
            let of = PathOf { claim, host: name, path };
            for backend in path.backends.iter().filter(|backend| backend.weight > 0) {
                services.entry(&backend.service).or_insert((of, backend));
            }
        }
    }
    let mut members = Vec::new();
    for (service, (of, backend)) in services {
        let pool_name = context.names().passthrough_pool(name, service);
        let made = Made {
            name: pool_name.clone(),
            plain: pool_name.clone(),
            label: "",
            markers: markers(Some(service)),
        };
        let pool = path_pool::of_backend(context, view, of, backend, made, out);
        if out.add(Object::Pool(pool), &of.claim.by.id()) {
            let pool_ref = Ref::named(Kind::Pool, pool_name);
            members.push(PoolGroupMember { pool_ref, priority_label: None, ratio: backend.weight });
        }
    }
    let group_name: Arc<str> = context.names().passthrough_pool_group(name).into();
    let group = pool::group(context, &group_name, members, markers(None), false);
    if !out.add(Object::PoolGroup(group), &first.by.id()) {
        return;
    }
    for claim in claims {
        site::tell_wildcard(name, claim.by, NO_WILDCARD, out);
        site::bind(claim.by, name, &front.vs(), &front.vsvip(), out);
    }
    let is_redirected = claims.iter().any(|claim| claim.asked.over_http == OverHttp::Redirected);
    let contribution = Contribution {
        fqdns: vec![name.clone()],
        redirects: is_redirected.then(|| name.clone()).into_iter().collect(),
        pool_groups: vec![group_name],
        ..Contribution::default()
    };
    out.contributions.push((front, contribution));
}
