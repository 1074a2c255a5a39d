//! What the controller holds of ours.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_avi_types::{Failure, Kind, ObjectKey, Observed, Ref};
use futures::future::join_all;
use futures::join;
use serde_json::Value;

use crate::body::{Unreadable, read, text};
use crate::borrowed::Borrowed;
use crate::call::Tenant;
use crate::client::AviClient;
use crate::reading::ListQuery;

/// Whose objects to observe.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The kinds that are made.
    pub kinds: &'static [Kind],
    /// The values of `created_by`: `ako-<cluster>`, and that of a former role.
    pub owners: Vec<Arc<str>>,
    /// The value of the marker `clustername`.
    pub cluster_name: Arc<str>,
    /// The start of all names, `<cluster>--`.
    pub name_prefix: Arc<str>,
    /// The cloud's name.
    pub cloud: Arc<str>,
    /// Where to look.
    pub tenant: ScopeTenant,
    /// What is borrowed.
    pub borrowed: Borrowed,
}

/// Where to look for objects of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeTenant {
    /// In one tenant, for accounts that see no other.
    Own(Arc<str>),
    /// In all tenants.
    All,
}

/// What the controller held at the time of reading.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The objects, in no order.
    pub objects: Vec<(ObjectKey, Observed)>,
    /// Objects of ours that are there but cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Kinds that could not be listed, and why.
    pub failed: Vec<(Kind, Failure)>,
    /// Whether all kinds were listed. If not, that an object is missing here
    /// does not say that it does not exist.
    pub complete: bool,
}

/// Reads what is ours. Source: Avi REST API contract, §9.
#[derive(Clone, Debug)]
pub struct Observer {
    client: AviClient,
}

impl Observer {
    /// An observer that reads through a client.
    pub fn new(client: AviClient) -> Self {
        Self { client }
    }

    /// Lists all kinds that are made, and reads what we borrow, at the same time.
    /// Fails only if no kind could be listed.
    pub async fn observe(&self, scope: &Scope) -> Result<Observation, Failure> {
        let (made, borrowed) = join!(self.observe_made(scope), self.client.borrowed(&scope.borrowed));
        let mut observation = made?;
        for (kind, read) in borrowed {
            match read {
                Ok(read) => read.into_iter().for_each(|read| observation.add(read)),
                Err(failure) => observation.failed.push((kind, failure)),
            }
        }
        observation.complete = observation.failed.is_empty();
        Ok(observation)
    }

    async fn observe_made(&self, scope: &Scope) -> Result<Observation, Failure> {
        let queries = scope.kinds.iter().flat_map(|kind| scope.queries(*kind));
        let lists = queries.map(|query| async move {
            let kind = query.kind;
            (kind, self.client.list_as(&query, |body| scope.take(kind, body)).await)
        });
        let mut observation = Observation::default();
        for (kind, list) in join_all(lists).await {
            match list {
                Ok(read) => read.into_iter().flatten().for_each(|read| observation.add(read)),
                Err(failure) => observation.failed.push((kind, failure)),
            }
        }
        let all: BTreeSet<_> = observation.failed.iter().map(|(kind, _)| *kind).collect();
        if all.len() == scope.kinds.len()
            && let Some((_, failure)) = observation.failed.pop()
        {
            return Err(failure);
        }
        Ok(observation)
    }
}

impl Scope {
    fn header(&self) -> Tenant {
        match &self.tenant {
            ScopeTenant::Own(name) => Tenant::Named(name.clone()),
            ScopeTenant::All => Tenant::All,
        }
    }

    /// What is asked for of a kind: one list for each owner, where an object has one.
    fn queries(&self, kind: Kind) -> Vec<ListQuery> {
        let owners = if kind.has_created_by() { &*self.owners } else { &[Arc::from("")] };
        let query = |owner| ListQuery { kind, tenant: self.header(), filters: self.filters(kind, owner) };
        owners.iter().map(query).collect()
    }

    /// What the controller filters by.
    fn filters(&self, kind: Kind, owner: &Arc<str>) -> Vec<(String, String)> {
        let mut filters = Vec::new();
        let mut add = |key: &str, value: &str| filters.push((key.to_owned(), value.to_owned()));
        if kind.has_cloud() {
            add("cloud_ref.name", &self.cloud);
        }
        if kind.has_created_by() {
            add("created_by", owner);
        } else {
            add("label_key", "clustername");
            add("label_value", &self.cluster_name);
        }
        filters
    }

    /// Whether an object is ours: it bears our cluster's marker and name, and,
    /// if it can, our owner's. None of them is enough: `ako-a-b` is the owner's
    /// name of cluster `a-b` and of an instance of cluster `a`.
    ///
    /// The filters are checked here once more: a controller ignores parameters
    /// that it does not know, and what counts as ours may be deleted.
    fn owns(&self, kind: Kind, body: &Value) -> bool {
        let cloud = || body.get("cloud_ref").and_then(Value::as_str).and_then(|r| Ref::parse(r).name);
        if kind.has_cloud() && cloud().is_some_and(|name| name != self.cloud) {
            return false;
        }
        let name = text(body, "name").unwrap_or_default();
        if kind == Kind::StringGroup {
            // Called after its owner, whom a marker names: that of another instance may begin alike.
            let owner = self.owners.iter().find(|owner| {
                name.strip_prefix(&***owner).is_some_and(|rest| rest.starts_with('-'))
                    && marker(body, "created_by").is_some_and(|values| values.contains(&&***owner))
            });
            return owner.is_some() && self.is_marked(body) == Some(true);
        }
        let named = name.starts_with(&*self.name_prefix);
        let marked = self.is_marked(body);
        if kind.has_created_by() {
            return named && marked != Some(false) && self.is_owner(text(body, "created_by"));
        }
        named && marked == Some(true)
    }

    fn is_owner(&self, owner: Option<&str>) -> bool {
        owner.is_some_and(|owner| self.owners.iter().any(|ours| **ours == *owner))
    }

    /// Whether the marker names our cluster, if there is one.
    fn is_marked(&self, body: &Value) -> Option<bool> {
        marker(body, "clustername").map(|values| values.contains(&&*self.cluster_name))
    }

    /// Reads an object if it is ours.
    fn take(&self, kind: Kind, body: Value) -> Option<Result<(ObjectKey, Observed), Unreadable>> {
        // Without a name in its reference, the only tenant that we look at.
        let tenant = match &self.tenant {
            ScopeTenant::Own(name) => Some(name),
            ScopeTenant::All => None,
        };
        self.owns(kind, &body).then(|| read(tenant, kind, body))
    }
}

/// The values of a marker of a body, if it has that.
fn marker<'a>(body: &'a Value, key: &str) -> Option<Vec<&'a str>> {
    let mut markers = body.get("markers").and_then(Value::as_array).into_iter().flatten();
    let marker = markers.find(|marker| text(marker, "key") == Some(key))?;
    let values = marker.get("values").and_then(Value::as_array).into_iter().flatten();
    Some(values.filter_map(Value::as_str).collect())
}

impl Observation {
    fn add(&mut self, read: Result<(ObjectKey, Observed), Unreadable>) {
        match read {
            Ok(object) => self.objects.push(object),
            Err(unreadable) => self.unreadable.push(unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::body::tenant_of;

    fn scope(owner: &str, cluster: &str) -> Scope {
        Scope {
            kinds: Kind::WRITTEN,
            owners: vec![owner.into()],
            cluster_name: cluster.into(),
            name_prefix: format!("{cluster}--").into(),
            cloud: "Default-Cloud".into(),
            tenant: ScopeTenant::All,
            borrowed: Borrowed::default(),
        }
    }

    #[test]
    fn two_owners_of_one_name_are_told_apart() {
        let secondary = scope("ako-prod-blue", "prod");
        let primary = scope("ako-prod-blue", "prod-blue");
        let object = |name: &str, cluster: &str| {
            json!({"name": name, "created_by": "ako-prod-blue",
                "markers": [{"key": "clustername", "values": [cluster]}]})
        };
        let of_secondary = object("prod--blue-Shared-L7-0", "prod");
        let of_primary = object("prod-blue--Shared-L7-0", "prod-blue");
        for kind in [Kind::Pool, Kind::VirtualService, Kind::VsVip] {
            assert!(secondary.owns(kind, &of_secondary) && !secondary.owns(kind, &of_primary), "{kind}");
            assert!(primary.owns(kind, &of_primary) && !primary.owns(kind, &of_secondary), "{kind}");
        }
        // A cluster whose name goes on as names do.
        assert!(!secondary.owns(Kind::Pool, &object("prod--x--Shared-L7-0", "prod--x")));
    }

    #[test]
    fn an_object_that_cannot_be_named_is_unreadable() {
        let whole = json!({"name": "p", "uuid": "pool-1", "tenant_ref": "/api/tenant/admin"});
        assert!(read(None, Kind::Pool, whole.clone()).is_ok());
        for field in ["name", "uuid", "tenant_ref"] {
            let mut body = whole.clone();
            body[field] = Value::Null;
            let why = read(None, Kind::Pool, body).map(|(key, _)| key).map_err(|u| u.message);
            assert!(why.is_err_and(|why| why.contains("lacks")), "{field}");
        }
        let mut body = whole;
        body["tenant_ref"] = Value::Null;
        assert!(read(Some(&"t".into()), Kind::Pool, body).is_ok(), "it lies in the tenant that was asked");
    }

    #[test]
    fn a_tenant_without_a_name_is_known_only_if_it_is_admin() {
        let of = |tenant: &str| tenant_of(&json!({ "tenant_ref": tenant }));
        assert_eq!(of("https://avi/api/tenant/tenant-1#blue").as_deref(), Some("blue"));
        assert_eq!(of("https://avi/api/tenant/admin").as_deref(), Some("admin"));
        assert_eq!(of("https://avi/api/tenant/tenant-1"), None);
    }
}
