//! SNI mode, shared virtual services. Source: L7 objects, §3.1, §3.6.
//!
//! Insecure paths are pools on the parent, which a datascript selects by host
//! and path. A secure host is a child virtual service with its certificate.

use std::sync::Arc;

use ako_avi_types::{Kind, Object, PoolGroupMember, Ref, ServiceMetadata, go_json};
use ako_core::{Reason, name};

use crate::context::Context;
use crate::contribution::{Contribution, Paths};
use crate::front::{FrontKey, FrontKind};
use crate::http::asked::OverHttp;
use crate::http::path_pool::{self, PathOf};
use crate::http::rule_fields::Service;
use crate::http::site::{self, Site};
use crate::http::{certificate, host_paths, over_http};
use crate::output::Output;
use crate::pool::Made;
use crate::view::View;
use crate::virtual_service::{self as vs, Covered};

/// Why a wildcard host is not served without TLS: the datascript selects by the whole host.
const NO_WILDCARD: &str = "a virtual service that hosts share in SNI mode matches whole hosts only, unless they have \
                           TLS: give it TLS, or use enableEVH=true or shardVSSize=DEDICATED";

pub(crate) fn translate(context: &Context, view: &View<'_>, site: &Site<'_>, parent: &str, out: &mut Output) {
    let front = FrontKey::new(context, FrontKind::Sni, parent);
    let vsvip = front.vsvip();
    let is_plain = site.tls().is_none();
    let fqdns = if is_plain { vec![site.host.clone()] } else { site.dns_names() };
    let mut contribution = Contribution { fqdns, ..Contribution::default() };
    let gslb = site.rules.and_then(|rules| rules.host.gslb.as_ref()?.fqdn.clone());
    contribution.rewrites.extend(gslb.filter(|_| is_plain).map(|name| (name, site.host.clone())));
    if let Some(secure) = site.secure()
        && let Some(child) = child(context, view, &secure, parent, out)
    {
        secure.bind_all(&context.key(Kind::VirtualService, child.clone()), &vsvip, out);
        contribution.children.push(child);
        redirect(site, &mut contribution, out);
    }
    for claim in site.claims.iter().filter(|claim| site.over_http(claim) == OverHttp::Served) {
        site::tell_wildcard(&site.host, claim.by, NO_WILDCARD, out);
        for path in &claim.asked.paths {
            insecure_path(context, view, PathOf { claim, host: &site.host, path }, &mut contribution, out);
        }
        if !claim.asks_for_tls() {
            site::bind(claim.by, &site.host, &front.vs(), &vsvip, out);
        }
    }
    out.contributions.push((front, contribution));
}

/// Redirects requests without TLS, but for the paths that are served without it.
fn redirect(site: &Site<'_>, contribution: &mut Contribution, out: &mut Output) {
    let redirected = site.paths(&[OverHttp::Redirected]);
    let (covered, left) = over_http::covering(&redirected, &site.paths(&[OverHttp::Served]));
    over_http::tell(site, &left, "redirected to HTTPS", out);
    for paths in covered {
        match paths {
            Paths::All => contribution.redirects.extend(site.names()),
            paths => {
                let partly = site.names().into_iter().map(|name| (name, paths.clone()));
                contribution.partial_redirects.extend(partly);
            }
        }
    }
}

/// Adds the pools of a path without TLS.
fn insecure_path(
    context: &Context,
    view: &View<'_>,
    of: PathOf<'_>,
    contribution: &mut Contribution,
    out: &mut Output,
) {
    let label = of.label().to_lowercase();
    let id = of.claim.by.id();
    if !name::fits(&label) {
        let message =
            format!("{label:?} is longer than the 255 bytes that Avi takes as a label: shorten the path");
        of.claim.by.refuse(of.host, Reason::NameTooLong, message, out);
        return;
    }
    if contribution.members.iter().any(|member| member.priority_label.as_deref() == Some(&*label)) {
        let message = format!(
            "{}{} cannot be told from another path of the host, which came first: a host without TLS has neither \
             exact paths nor upper case; change the path, or give the host TLS",
            of.host, of.path.path
        );
        of.claim.by.refuse(of.host, Reason::DuplicateHostPath, message, out);
        return;
    }
    for (backend, ratio) in of.backends() {
        let service = Some(backend).filter(|_| of.claim.by.is_route());
        let plain = context.names().insecure_pool(of.name(), service.map(|backend| &*backend.service));
        let is_taken = out.has(context, Kind::Pool, &plain);
        let name = if is_taken { format!("{plain}-{}", of.digest()) } else { plain };
        let markers = path_pool::path_markers(context, of, service);
        let made = Made { name: name.clone(), plain: name.clone(), label: &label, markers };
        let mut pool = path_pool::of_backend(context, view, of, backend, made, out);
        if let Some(metadata) = &mut pool.service_metadata {
            metadata.insecureedgetermallow = of.claim.asks_for_tls();
        }
        if out.add(Object::Pool(pool), &id) {
            let pool_ref = Ref::named(Kind::Pool, name);
            let priority_label = Some(label.as_str().into());
            contribution.members.push(PoolGroupMember { pool_ref, priority_label, ratio });
        }
    }
}

/// Adds the child virtual service of a host with a certificate, and answers its name.
fn child(
    context: &Context,
    view: &View<'_>,
    site: &Site<'_>,
    parent: &str,
    out: &mut Output,
) -> Option<Arc<str>> {
    let tls = site.tls()?;
    let source = site.claims[0].by.id();
    let name: Arc<str> = context.names().child_vs(&site.host).into();
    let certificates = certificate::add(context, site, tls, out);
    let policies = host_paths::path_policies(context, view, site, out);
    let policies: Vec<_> = policies.into_iter().map(|set| set.name).collect();
    if policies.is_empty() || certificates.is_empty() {
        return None;
    }
    let mut contributors: Vec<Arc<str>> =
        site.claims.iter().map(|c| c.by.name().to_string().into()).collect();
    contributors.sort();
    let namespace = site.namespace().clone();
    let metadata = ServiceMetadata {
        namespace_ingress_name: Some(contributors),
        namespace: namespace.clone(),
        hostnames: Some(vec![site.host.clone()]),
        ..ServiceMetadata::default()
    };
    let mut tokens: Vec<_> = policies.iter().map(|p| format!("HttpPolicy{p}")).collect();
    tokens.extend(certificates.tokens());
    tokens.extend(site.names().iter().map(|name| format!("VHDomain{name}")));
    let covered = Covered {
        tokens,
        ports: Covered::http_ports(true),
        references: go_json::marshal(&[&site.host]),
        ..Covered::default()
    };
    let markers = context.markers(vec![("Namespace", vec![namespace]), ("Host", site.names())]);
    let mut draft = vs::Draft::child(context, &name, parent, covered, metadata, markers);
    draft.body.vh_domain_name = site.names();
    draft.body.application_profile_ref = Some(vs::application_profile(vs::SYSTEM_SECURE_HTTP));
    draft.body.ssl_key_and_certificate_refs = certificates.references();
    draft.body.http_policies = vs::http_policies(policies.iter().map(String::as_str));
    if let Some(rules) = &site.rules {
        rules.shape(context, Service::SniChild, &mut draft);
    }
    out.add(Object::VirtualService(draft.finish(context)), &source).then_some(name)
}
