//! SNI mode, shared virtual services. Source: L7 objects, §3.1, §3.6.
//!
//! Insecure paths are pools on the parent, which a datascript selects by host
//! and path. A secure host is a child virtual service with its certificate.

use std::sync::Arc;

use ako_avi_types::{Kind, Object, PoolGroupMember, Ref, ServiceMetadata, go_json};
use ako_core::{Reason, name};

use crate::context::Context;
use crate::contribution::Contribution;
use crate::front::{FrontKey, FrontKind};
use crate::http::path_pool::{self, INGRESS_RATIO, PathOf};
use crate::http::site::{self, Site};
use crate::http::{certificate, host_paths};
use crate::output::Output;
use crate::unit::ingress_id;
use crate::view::View;
use crate::virtual_service::{self as vs, Covered};

/// Why a wildcard host is not served without TLS: the datascript selects by the whole host.
const NO_WILDCARD: &str = "a virtual service that hosts share in SNI mode matches whole hosts only, unless they have \
                           TLS: give it TLS, or use enableEVH=true or shardVSSize=DEDICATED";

pub(crate) fn translate(context: &Context, view: &View<'_>, site: &Site<'_>, parent: &str, out: &mut Output) {
    let front = FrontKey::new(context, FrontKind::Sni, parent);
    let vsvip = front.vsvip();
    let mut contribution = Contribution { fqdns: vec![site.host.clone()], ..Contribution::default() };
    // A host with a certificate is redirected to HTTPS as a whole, so all its paths are there.
    if let Some(child) = child(context, view, site, parent, out) {
        site.bind_all(&context.key(Kind::VirtualService, child.clone()), &vsvip, out);
        contribution.children.push(child);
        contribution.redirects.push(site.host.clone());
    } else if site.tls().is_none() {
        for claim in &site.claims {
            site::tell_wildcard(&site.host, claim.ingress, NO_WILDCARD, out);
            for path in &claim.paths {
                let of = PathOf { ingress: claim.ingress, host: &site.host, path };
                let member = insecure_path(context, view, of, &contribution.members, out);
                contribution.members.extend(member);
            }
            site::bind(claim.ingress, &site.host, &front.vs(), &vsvip, out);
        }
    }
    out.contributions.push((front, contribution));
}

fn insecure_path(
    context: &Context,
    view: &View<'_>,
    of: PathOf<'_>,
    members: &[PoolGroupMember],
    out: &mut Output,
) -> Option<PoolGroupMember> {
    let plain =
        context.names().insecure_pool(of.host, &of.path.path, &of.ingress.id.namespace, &of.ingress.id.name);
    let name = if out.has(context, Kind::Pool, &plain) { format!("{plain}-{}", of.digest()) } else { plain };
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
    let markers = path_pool::path_markers(context, of, false);
    let pool = path_pool::of_path(context, view, of, name.clone(), &label, markers, out);
    out.add(Object::Pool(pool), &id).then(|| PoolGroupMember {
        pool_ref: Ref::named(Kind::Pool, name),
        priority_label: Some(label.into()),
        ratio: INGRESS_RATIO,
    })
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
    let source = ingress_id(&site.claims[0].ingress.id);
    let name: Arc<str> = context.names().child_vs(&site.host).into();
    let certificates = certificate::add(context, site, tls, out);
    let policies = host_paths::path_policies(context, view, site, out);
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
    let markers = context.markers(vec![("Namespace", vec![namespace]), ("Host", vec![site.host.clone()])]);
    let mut draft = vs::Draft::new(context, &name, covered, metadata, markers);
    draft.body.vs_type = Some("VS_TYPE_VH_CHILD".into());
    draft.body.vh_parent_vs_ref = Some(Ref::named(Kind::VirtualService, parent));
    draft.body.vh_domain_name = vec![site.host.clone()];
    draft.body.application_profile_ref = Some(vs::application_profile(vs::SYSTEM_SECURE_HTTP));
    draft.body.network_profile_ref = Some(vs::network_profile(vs::SYSTEM_TCP_PROXY));
    draft.body.ssl_key_and_certificate_refs = vs::certificate_refs(&certificates);
    draft.body.http_policies = vs::http_policies(policies.iter().map(String::as_str));
    draft.body.east_west_placement = Some(false);
    draft.body.ign_pool_net_reach = Some(false);
    draft.body.vrf_context_ref = Some(context.placement.child_vrf_ref.clone());
    out.add(Object::VirtualService(draft.finish(context)), &source).then_some(name)
}
