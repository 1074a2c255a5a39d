//! Reads: single objects, and lists that are whole or fail.

use std::collections::HashSet;

use ako_avi_types::{ErrorClass, Failure, Kind};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::answer::unanswered;
use crate::call::{Call, Resource, Tenant, Verb, segment, target};
use crate::client::AviClient;

/// The most pages of one list; a longer one fails.
pub const MAX_PAGES: usize = 1_000;

/// How many objects a page has.
const PAGE_SIZE: usize = 100;

/// How many pages of one list are fetched at a time.
const PAGES_AT_A_TIME: usize = 8;

/// How often a list is begun if it changes while it is read.
const READINGS: usize = 2;

/// What to list.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// The kind of the objects.
    pub kind: Kind,
    /// Where to look.
    pub tenant: Tenant,
    /// Query parameters besides paging, such as `created_by`.
    /// Source: Avi REST API contract, §3.2.
    pub filters: Vec<(String, String)>,
}

/// One page of a list, with what was made of its objects.
struct Page<T> {
    /// How many objects all pages have together.
    count: usize,
    uuids: Vec<String>,
    results: Vec<T>,
    /// Whether there is another page.
    more: bool,
}

impl AviClient {
    /// Reads an object by its uuid, with names in references. An object that
    /// does not exist is a failure of class [`ErrorClass::Gone`].
    pub async fn get_object(&self, kind: Kind, tenant: &Tenant, uuid: &str) -> Result<Value, Failure> {
        let path = format!("{}/{}", Resource::Kind(kind).path(), segment(uuid));
        let names = [("include_name".to_owned(), "true".to_owned())];
        self.get(Resource::Kind(kind), target(&path, &names), tenant).await
    }

    /// Reads an object by its name; `None` if there is none. Several of that
    /// name (in several clouds) are a failure of class
    /// [`ErrorClass::Conflict`]: list them with a filter.
    pub async fn find(&self, kind: Kind, tenant: &Tenant, name: &str) -> Result<Option<Value>, Failure> {
        let filters = vec![("name".to_owned(), name.to_owned())];
        let mut found = self.list(ListQuery { kind, tenant: tenant.clone(), filters }).await?;
        found.retain(|object| object.get("name").and_then(Value::as_str) == Some(name));
        if found.len() > 1 {
            let message = format!("there are {} objects {kind} \"{name}\"", found.len());
            return Err(unanswered(ErrorClass::Conflict, message));
        }
        Ok(found.pop())
    }

    /// Reads something that is no object of a kind, such as `/api/cluster`.
    pub async fn get_json(
        &self,
        path: &str,
        query: &[(String, String)],
        tenant: &Tenant,
    ) -> Result<Value, Failure> {
        self.get(Resource::Controller, target(path, query), tenant).await
    }

    /// Reads all objects that match, with names in references.
    ///
    /// A list that cannot be read to its end, or whose pages do not add up, is
    /// read once more from the start and then is a failure; never a part.
    pub async fn list(&self, query: ListQuery) -> Result<Vec<Value>, Failure> {
        self.list_as(&query, |body| body).await
    }

    /// Reads all objects that match, as [`AviClient::list`] does, and makes
    /// something of each as soon as its page is there: the bodies of a long
    /// list take many times the memory of what is made of them.
    pub async fn list_as<T: Send>(
        &self,
        query: &ListQuery,
        make: impl Fn(Value) -> T + Send + Sync,
    ) -> Result<Vec<T>, Failure> {
        self.list_resource(Resource::Kind(query.kind), &query.tenant, &query.filters, make).await
    }

    pub(crate) async fn list_resource<T: Send>(
        &self,
        resource: Resource,
        tenant: &Tenant,
        filters: &[(String, String)],
        make: impl Fn(Value) -> T + Send + Sync,
    ) -> Result<Vec<T>, Failure> {
        for _ in 0..READINGS {
            if let Some(objects) = self.read_list(resource, tenant, filters, &make).await? {
                return Ok(objects);
            }
        }
        let message =
            format!("the list of {} does not add up: it changes while it is read", resource.label());
        Err(unanswered(ErrorClass::Retry, message))
    }

    /// Reads a list once; `None` if its pages do not add up.
    async fn read_list<T: Send>(
        &self,
        resource: Resource,
        tenant: &Tenant,
        filters: &[(String, String)],
        make: &(impl Fn(Value) -> T + Send + Sync),
    ) -> Result<Option<Vec<T>>, Failure> {
        let first = self.page(resource, tenant, filters, 1, make).await?;
        let Page { count, mut uuids, results: mut objects, more } = first;
        if more && !objects.is_empty() {
            // The controller may use smaller pages than we ask for.
            let pages = count.div_ceil(objects.len());
            if pages > MAX_PAGES {
                let message =
                    format!("the list of {} has {count} objects, more than can be read", resource.label());
                return Err(unanswered(ErrorClass::Rejected, message));
            }
            let numbers = stream::iter(2..=pages);
            let rest: Result<Vec<Page<T>>, Failure> = numbers
                .map(|number| self.page(resource, tenant, filters, number, make))
                .buffered(PAGES_AT_A_TIME)
                .try_collect()
                .await;
            let rest = match rest {
                // The list became shorter.
                Err(failure) if failure.class == ErrorClass::Gone => return Ok(None),
                rest => rest?,
            };
            for (page, number) in rest.into_iter().zip(2..) {
                if page.count != count || page.more != (number < pages) {
                    return Ok(None);
                }
                uuids.extend(page.uuids);
                objects.extend(page.results);
            }
        }
        let mut seen = HashSet::new();
        let twice = uuids.iter().any(|uuid| !seen.insert(uuid));
        Ok((objects.len() == count && !twice).then_some(objects))
    }

    async fn page<T>(
        &self,
        resource: Resource,
        tenant: &Tenant,
        filters: &[(String, String)],
        number: usize,
        make: &(impl Fn(Value) -> T + Send + Sync),
    ) -> Result<Page<T>, Failure> {
        let mut query = filters.to_vec();
        query.push(("include_name".into(), "true".into()));
        query.push(("page_size".into(), PAGE_SIZE.to_string()));
        if number > 1 {
            query.push(("page".into(), number.to_string()));
        }
        let body = self.get(resource, target(&resource.path(), &query), tenant).await?;
        Page::read(body, make).ok_or_else(|| {
            let message = format!("the answer to a list of {} is no list", resource.label());
            unanswered(ErrorClass::Retry, message)
        })
    }

    async fn get(&self, resource: Resource, target: String, tenant: &Tenant) -> Result<Value, Failure> {
        let call = Call { verb: Verb::Get, resource, target, tenant: tenant.clone() };
        self.send(&call).await?.json(ErrorClass::Retry)
    }
}

impl<T> Page<T> {
    /// Source: Avi REST API contract, §3.3.
    fn read(mut body: Value, make: impl Fn(Value) -> T) -> Option<Self> {
        let count = usize::try_from(body.get("count")?.as_u64()?).ok()?;
        let more = body.get("next").and_then(Value::as_str).is_some_and(|next| !next.is_empty());
        let Value::Array(results) = body.get_mut("results")?.take() else { return None };
        let uuid = |object: &Value| object.get("uuid")?.as_str().map(str::to_owned);
        let uuids = results.iter().filter_map(uuid).collect();
        Some(Self { count, uuids, results: results.into_iter().map(make).collect(), more })
    }
}
