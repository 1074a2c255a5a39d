//! What belongs to the administrator and holds a part of ours: the VRF with the
//! static routes, and the SE group with the label of their cluster. Tenants
//! share them with `admin`. Source: Avi REST API contract, §6, §8.10, §8.11.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_avi_types::{ErrorClass, Failure, Kind, ObjectKey, Observed, Ref, Referred, vrf_context};
use futures::future::join_all;
use futures::join;
use serde_json::Value;

use crate::body::{Unreadable, read, tenant_of};
use crate::client::AviClient;

/// The tenant that others share objects with.
pub(crate) const ADMIN: &str = "admin";

/// What is borrowed, and where to look for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Borrowed {
    /// The tenant to look in; if that is denied, `admin`.
    pub tenant: Arc<str>,
    /// The cloud: each has a VRF `global`.
    pub cloud: Arc<str>,
    /// The objects' names; empty if nothing is borrowed.
    pub names: BTreeMap<Kind, Arc<str>>,
    /// Whether there may be a part of ours in each VRF that NSX-T maps to a tier-1 router.
    pub tier1_vrfs: bool,
}

/// An object that was found, or why it cannot be read.
pub(crate) type Found = Result<(ObjectKey, Observed), Unreadable>;

impl AviClient {
    /// Reads what is borrowed. What the account may not read counts as not
    /// there: it is no reason to do nothing at all.
    pub(crate) async fn borrowed(&self, what: &Borrowed) -> Vec<(Kind, Result<Option<Found>, Failure>)> {
        let readings = what.names.iter().map(|(kind, name)| async {
            let body = self.find_borrowed(what, *kind, name).await;
            (*kind, body.map(|body| body.map(|body| read(Some(&what.tenant), *kind, body))))
        });
        let (mut found, mapped) = join!(join_all(readings), self.tier1_vrfs(what));
        let kind = Kind::VrfContext;
        match mapped {
            Ok(mapped) => {
                // The configured one is read by its name, where there are several of it.
                let others = mapped
                    .into_iter()
                    .filter(|vrf| what.names.get(&kind).is_none_or(|name| !is_named(vrf, name)));
                found.extend(others.map(|vrf| (kind, Ok(Some(read(Some(&what.tenant), kind, vrf))))));
            }
            Err(failure) => found.push((kind, Err(failure))),
        }
        found
    }

    /// The VRFs that NSX-T maps to tier-1 routers, if there may be a part of ours in them. What the
    /// account may not read counts as not there.
    async fn tier1_vrfs(&self, what: &Borrowed) -> Result<Vec<Value>, Failure> {
        if !what.tier1_vrfs {
            return Ok(Vec::new());
        }
        let filters = vec![("cloud_ref.name".to_owned(), what.cloud.to_string())];
        let mut found = match self.shared(&what.tenant, Kind::VrfContext, filters).await {
            Err(failure) if failure.class == ErrorClass::Denied => return Ok(Vec::new()),
            found => found?,
        };
        found.retain(|vrf| is_of_cloud(vrf, &what.cloud) && is_mapped(vrf));
        Ok(found)
    }

    /// Reads one object that is borrowed; `None` if it is not there or may not be
    /// read.
    ///
    /// # Errors
    /// If the controller does not answer.
    pub async fn find_borrowed(
        &self,
        what: &Borrowed,
        kind: Kind,
        name: &str,
    ) -> Result<Option<Value>, Failure> {
        let filters =
            vec![("name".to_owned(), name.to_owned()), ("cloud_ref.name".to_owned(), what.cloud.to_string())];
        let mut found = match self.shared(&what.tenant, kind, filters).await {
            Err(failure) if failure.class == ErrorClass::Denied => return Ok(None),
            found => found?,
        };
        found.retain(|body| is_named(body, name) && is_of_cloud(body, &what.cloud));
        // The tenant's own, if it has one.
        found.sort_by_key(|body| tenant_of(body).is_none_or(|tenant| tenant != what.tenant));
        Ok(found.into_iter().next())
    }

    /// The name of the VRF that NSX-T maps to a tier-1 router. Source: L4 and network, B3.
    ///
    /// # Errors
    /// If the controller does not answer.
    pub async fn vrf_of_tier1(&self, what: &Borrowed, router: &str) -> Result<Option<Arc<str>>, Failure> {
        match self.look_up_one(&Referred::vrf_of_tier1(&*what.tenant, router), &what.cloud).await {
            Err(failure) if failure.class == ErrorClass::Denied => Ok(None),
            found => Ok(found?.map(|vrf| vrf.name)),
        }
    }

    /// The tenant of an object that is borrowed; `admin` if it is not there.
    ///
    /// # Errors
    /// If the controller does not answer.
    pub async fn tenant_of_borrowed(
        &self,
        what: &Borrowed,
        kind: Kind,
        name: &str,
    ) -> Result<Arc<str>, Failure> {
        let found = self.find_borrowed(what, kind, name).await?;
        Ok(found.as_ref().and_then(tenant_of).unwrap_or_else(|| ADMIN.into()))
    }
}

/// Whether a write was refused because of the tenant that it was made in.
pub(crate) fn is_others_tenant(key: &ObjectKey, failure: &Failure) -> bool {
    key.kind.is_borrowed() && &*key.tenant != ADMIN && matches!(failure.status, Some(400 | 403))
}

fn is_named(body: &Value, name: &str) -> bool {
    body.get("name").and_then(Value::as_str) == Some(name)
}

/// Whether NSX-T maps a VRF to a tier-1 router.
fn is_mapped(vrf: &Value) -> bool {
    vrf_context::tier1_router(vrf).is_some()
}

/// Whether an object is of a cloud, or of none. A controller ignores parameters that it does not know,
/// so this is checked once more.
pub(crate) fn is_of_cloud(body: &Value, cloud: &str) -> bool {
    let named = body.get("cloud_ref").and_then(Value::as_str).and_then(|cloud| Ref::parse(cloud).name);
    named.is_none_or(|name| &*name == cloud)
}
