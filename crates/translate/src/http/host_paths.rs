//! Where the paths of a host with a virtual service of its own lead: pools, pool groups and
//! HTTP policy sets. Source: L7 objects, §3.1–3.4.

use std::sync::Arc;

use ako_avi_types::string_group::KeyText;
use ako_avi_types::{Kind, Marker, Object, PoolGroupMember, Ref, StringGroup};
use ako_core::Reason;

use crate::context::Context;
use crate::http::asked::{ClaimedPath, Security};
use crate::http::path_policy::{self, Pattern, RootPath, Switch, Target};
use crate::http::path_pool::{self, PathOf};
use crate::http::site::Site;
use crate::output::Output;
use crate::pool;
use crate::pool::Made;
use crate::view::View;

impl RootPath {
    /// The one that the rule of a host asks for. Where a host without TLS has a virtual service of
    /// its own in SNI mode, it has no effect, as upstream has it.
    fn of(context: &Context, site: &Site<'_>, out: &mut Output) -> Option<Self> {
        let rules = site.rules.as_ref()?;
        let path = rules.root_path()?.clone();
        let is_dedicated = context.names().is_dedicated();
        if is_dedicated && !context.config.evh && site.tls().is_none() {
            rules.tell(
                format!("applicationRootPath has no effect on host {}, which has no TLS", site.host),
                out,
            );
            return None;
        }
        let own = rules.listeners().iter().filter(|_| is_dedicated);
        let own: Vec<_> = own.map(|listener| (listener.port.unwrap_or(80), listener.enable_ssl)).collect();
        Some(Self { path, ports: if own.is_empty() { vec![(80, false), (443, true)] } else { own } })
    }
}

/// A policy set with paths of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PathSet {
    /// The first one of its paths, possibly empty.
    first: Arc<str>,
    pub(crate) name: String,
}

impl PathSet {
    /// Whether it has a rule for every path.
    pub(crate) fn has_all(&self) -> bool {
        self.first.is_empty()
    }
}

/// Adds the pools, pool groups and policy sets of a host, one set a namespace. Answers
/// the sets in the order in which they are attached: by their first path.
pub(crate) fn path_policies(
    context: &Context,
    view: &View<'_>,
    site: &Site<'_>,
    out: &mut Output,
) -> Vec<PathSet> {
    let names = context.names();
    let root = RootPath::of(context, site, out);
    let mut sets = Vec::new();
    for namespace in site.namespaces() {
        let mut switches = Vec::new();
        let claims = site.claims.iter().filter(|c| *c.namespace() == namespace);
        for claim in claims.clone() {
            for path in &claim.asked.paths {
                let of = PathOf { claim, host: &site.host, path };
                let pattern = pattern(context, site, of, out);
                switches.extend(switch(context, view, of, (root.as_ref(), pattern), out));
            }
        }
        let (Some(source), Some(first)) =
            (claims.clone().next(), switches.iter().map(|s| s.path.clone()).min())
        else {
            continue;
        };
        let name = names.host_policy(&namespace, &site.host);
        let markers = set_markers(context, site, &namespace, &switches);
        let root = root.as_ref().filter(|root| switches.iter().any(|switch| switch.path == root.path));
        let set = path_policy::switching(context, &name, switches, root, markers);
        if out.add(Object::HttpPolicySet(set), &source.by.id()) {
            sets.push(PathSet { first, name });
        }
    }
    sets.sort();
    sets
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
        ("Host", if anonymous { Vec::new() } else { site.names() }),
        ("Path", paths),
        ("IngressName", ingresses),
    ])
}

/// Adds the string group of a path that is a pattern, and answers its name.
fn pattern(context: &Context, site: &Site<'_>, of: PathOf<'_>, out: &mut Output) -> Option<String> {
    let rules = site.rules.as_ref().filter(|rules| rules.host.use_regex)?;
    let path = Some(&of.path.path).filter(|path| !path.is_empty())?;
    if context.names().is_dedicated() && !context.config.evh && site.tls().is_none() {
        rules.tell(format!("useRegex has no effect on host {}, which has no TLS", site.host), out);
        return None;
    }
    let name = context.names().string_group(of.host, path);
    let mut markers = context.markers(Vec::new());
    markers.push(StringGroup::owner_marker(context.owner.clone()));
    let group = StringGroup {
        name: name.as_str().into(),
        tenant_ref: Some(context.placement.tenant_ref.clone()),
        group_type: "SG_TYPE_STRING".into(),
        kv: vec![KeyText { key: path.clone() }],
        longest_match: true,
        markers,
    };
    tell_other_pattern(site, of, out);
    let is_there = out.has(context, Kind::StringGroup, &name);
    (is_there || out.add(Object::StringGroup(group), &of.claim.by.id())).then_some(name)
}

/// Tells who asks for a path as a prefix and as an exact one, with other backends: as patterns they
/// are the same, and requests go by one of them.
fn tell_other_pattern(site: &Site<'_>, of: PathOf<'_>, out: &mut Output) {
    let is_other = |path: &ClaimedPath| {
        path.path == of.path.path && path.path_type != of.path.path_type && path.backends != of.path.backends
    };
    if site.claims.iter().flat_map(|claim| &claim.asked.paths).any(is_other) {
        let message = format!(
            "{}{} is asked for as Exact and as Prefix, which useRegex takes for one pattern, so one of their backends \
             gets no requests: leave one of them out",
            of.host, of.path.path
        );
        out.tell(&of.claim.by.id(), Reason::DuplicateHostPath, message);
    }
}

/// Adds the pools, and the pool group if there is one, of a path.
fn switch(
    context: &Context,
    view: &View<'_>,
    of: PathOf<'_>,
    (root, pattern): (Option<&RootPath>, Option<String>),
    out: &mut Output,
) -> Option<Switch> {
    let names = context.names();
    // What a pattern leads to has a hash for its name in any mode.
    let encode = |plain: &str| if pattern.is_some() { names.hashed(plain) } else { names.encode(plain) };
    let source = of.claim.by.id();
    let plain_group = names.plain_pool_group(of.name());
    let plain_pool = |service: &str| names.plain_pool(of.name(), service, of.claim.by.is_route());
    // Different paths may lead to one name: the later one gets a longer name.
    let is_taken = out.has(context, Kind::PoolGroup, &encode(&plain_group))
        || of
            .path
            .backends
            .iter()
            .any(|backend| out.has(context, Kind::Pool, &encode(&plain_pool(&backend.service))));
    let end = if is_taken { format!("-{}", of.digest()) } else { String::new() };
    let longer = |plain: &str| format!("{plain}{end}");
    let label = if context.config.evh { String::new() } else { of.label() };
    let mut members = Vec::new();
    for (backend, ratio) in of.backends() {
        let plain = longer(&plain_pool(&backend.service));
        let pool_name = encode(&plain);
        let markers = path_pool::path_markers(context, of, Some(backend));
        let made = Made { name: pool_name.clone(), plain, label: &label, markers };
        let pool = path_pool::of_backend(context, view, of, backend, made, out);
        if out.add(Object::Pool(pool), &source) {
            let pool_ref = Ref::named(Kind::Pool, pool_name);
            members.push(PoolGroupMember { pool_ref, priority_label: None, ratio });
        }
    }
    let group_name = encode(&longer(&plain_group));
    let map_name = names.encode(&longer(&plain_group));
    let skips_groups = context.config.no_pool_group_for_sni && !context.config.evh && !of.claim.by.is_route();
    let target = match &*members {
        [] => return None,
        [only] if skips_groups => Target::Pool(only.pool_ref.name.as_deref().unwrap_or_default().to_owned()),
        _ => {
            let markers = path_pool::path_markers(context, of, None);
            let group = pool::group(context, &group_name, members, markers, false);
            if !out.add(Object::PoolGroup(group), &source) {
                return None;
            }
            Target::PoolGroup(group_name.clone())
        }
    };
    // Upstream knows no port where a dedicated host has no certificate.
    let is_plain = matches!(of.claim.asked.security, Security::Insecure);
    let anonymous = names.is_dedicated() && !context.config.evh && is_plain;
    let plain_target = match &target {
        Target::Pool(_) => Target::Pool(names.encode(&longer(&plain_pool(&of.path.backends[0].service)))),
        Target::PoolGroup(_) => Target::PoolGroup(map_name.clone()),
    };
    let pattern = pattern.map(|string_group| Pattern { string_group, plain_target });
    let root = root.filter(|_| *of.path.path == *"/");
    Some(Switch {
        path: root.map_or(&of.path.path, |root| &root.path).clone(),
        path_type: of.path.path_type,
        pattern,
        map_name,
        target,
        ingress: of.claim.by.name().name.clone(),
        service_port: if anonymous { 0 } else { service_port(of) },
    })
}

/// The number of the backend's port as upstream's checksum has it: as the Ingress gives it, else
/// 80; as the Route gives it, else none.
fn service_port(of: PathOf<'_>) -> u16 {
    let number = of.path.backends.first().and_then(|backend| backend.port.number());
    number.unwrap_or(if of.claim.by.is_route() { 0 } else { 80 })
}
