//! Looking up what objects of the cluster refer to on the controller.

use std::collections::BTreeSet;

use ako_avi_types::{Brief, By, ErrorClass, Failure, Kind, Referred};
use futures::stream::{self, StreamExt as _};

use crate::body::tenant_of;
use crate::borrowed;
use crate::client::AviClient;

/// How many objects are looked up at a time; the client's own limits hold beside this.
const AT_A_TIME: usize = 8;

/// What is read of an object: what matters of it, and what tells it from others of its name.
const FIELDS: &str = "name,type,profile,labels,created_by,uuid,tenant_ref,cloud_ref,attrs";

impl AviClient {
    /// Looks up objects of a cloud by what they are referred to. One that fails costs no other.
    pub async fn look_up(
        &self,
        names: BTreeSet<Referred>,
        cloud: &str,
    ) -> Vec<(Referred, Result<Option<Brief>, Failure>)> {
        let looks = names.into_iter().map(async |name| {
            let found = self.look_up_one(&name, cloud).await;
            (name, found)
        });
        stream::iter(looks).buffer_unordered(AT_A_TIME).collect().await
    }

    /// Looks up one object; `None` if it is not there.
    pub(crate) async fn look_up_one(
        &self,
        referred: &Referred,
        cloud: &str,
    ) -> Result<Option<Brief>, Failure> {
        let Referred { kind, by, tenant, name } = referred;
        let mut filters = vec![("fields".to_owned(), FIELDS.to_owned())];
        filters.extend(by.field().map(|field| (field.to_owned(), name.to_string())));
        let is_of_cloud = has_cloud(*kind) && *by != By::Uuid;
        if is_of_cloud {
            filters.push(("cloud_ref.name".to_owned(), cloud.to_owned()));
        }
        let mut found = match self.shared(tenant, *kind, filters).await {
            // A controller that does not know the kind has no object of it.
            Err(failure) if failure.class == ErrorClass::Gone => return Ok(None),
            found => found?,
        };
        // A controller ignores parameters that it does not know, so this is checked once more.
        found.retain(|body| referred.is(body) && (!is_of_cloud || borrowed::is_of_cloud(body, cloud)));
        // The tenant's own goes before one that it shares with others.
        found.sort_by_key(|body| tenant_of(body).is_none_or(|owner| *owner != **tenant));
        // A tenant may have an object of the same name as one that it shares.
        found.truncate(if *kind == Kind::Network { 2 } else { 1 });
        Ok(Brief::of(&found))
    }
}

/// Whether there may be one of a name in each cloud.
fn has_cloud(kind: Kind) -> bool {
    kind == Kind::Network || kind.has_cloud()
}
