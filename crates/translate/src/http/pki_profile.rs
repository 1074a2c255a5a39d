//! TLS to the pods: how their certificates are verified. Source: L7 objects, §3.2.

use std::sync::Arc;

use ako_avi_types::pki_profile::CaCert;
use ako_avi_types::{Kind, Object, PkiProfile, Ref};
use ako_core::ResourceId;

use crate::context::Context;
use crate::output::Output;
use crate::pool::{Made, PkiProfileOf, TlsToServers};

/// The SSL profile that pods are spoken to with.
const SYSTEM_STANDARD: &str = "System-Standard";

/// How the servers of a pool are spoken to in TLS. Adds the profile that their certificates are
/// verified with, where there is something to verify them with.
pub(crate) fn tls_to_servers(
    context: &Context,
    destination_ca: Option<&Arc<str>>,
    ssl_profile: Option<&Arc<str>>,
    pool: &Made<'_>,
    source: &ResourceId,
    out: &mut Output,
) -> TlsToServers {
    let ssl_profile_ref = Ref::named(Kind::SslProfile, ssl_profile.map_or(SYSTEM_STANDARD, |name| &**name));
    let profile = destination_ca.map(|ca| {
        let name = context.names().encode(&format!("{}-pkiprofile", pool.plain));
        let checksum = context.checksum().text(&format!("{name}{ca}")).markers(&pool.markers);
        let profile = PkiProfile {
            name: name.as_str().into(),
            created_by: Some(context.owner.clone()),
            tenant_ref: Some(context.placement.tenant_ref.clone()),
            crl_check: false,
            ca_certs: vec![CaCert { certificate: ca.clone() }],
            markers: pool.markers.clone(),
        };
        (profile, checksum.value())
    });
    let Some((profile, checksum)) = profile else {
        return TlsToServers { ssl_profile_ref, pki_profile: None };
    };
    let pki_profile_ref = Ref::named(Kind::PkiProfile, profile.name.clone());
    let is_added = out.add(Object::PkiProfile(profile), source);
    TlsToServers {
        ssl_profile_ref,
        pki_profile: is_added.then_some(PkiProfileOf::Pool(pki_profile_ref, checksum)),
    }
}
