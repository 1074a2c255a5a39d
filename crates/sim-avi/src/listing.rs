//! Lists: filters, order, pages (Avi REST API contract, §3.2 and §3.3).

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::defaults::elements;
use crate::kind::{self, Kind};
use crate::reference;
use crate::refusal::{Granted, Refusal};
use crate::store::{ADMIN, Object, Store};
use crate::view::View;
use crate::write::Scope;

/// Decoded query parameters in the order they were sent.
pub(crate) type Query = Vec<(String, String)>;

/// The page size of a query that names none (an assumption).
const PAGE_SIZE: usize = 25;
/// The largest page; more is cut to this.
const MAX_PAGE_SIZE: usize = 200;
/// How many matched lists are remembered for their next pages.
const REMEMBERED: usize = 64;

/// Top-level scalars that can be filtered on besides `created_by`. Other unknown
/// parameters are ignored.
const SCALARS: &[&str] = &[
    "cloud_config_cksum",
    "description",
    "enabled",
    "persistence_type",
    "system_default",
    "type",
    "vh_type",
    "vsvip_cloud_config_cksum",
    "vtype",
];

/// A condition on an object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Filter {
    NameIn(Vec<String>),
    UuidIn(Vec<String>),
    NameContains(String),
    NameContainsAnyCase(String),
    Scalar(String, String),
    /// The field refers to one of these uuids.
    Refers(String, Vec<Arc<str>>),
    Marker(Option<String>, Option<String>),
    RefersTo(String),
    ReferredBy(String),
}

impl Filter {
    fn admits(&self, store: &Store, object: &Object) -> bool {
        match self {
            Self::NameIn(names) => names.iter().any(|name| **name == *object.name),
            Self::UuidIn(uuids) => uuids.iter().any(|uuid| **uuid == *object.uuid),
            Self::NameContains(part) => object.name.contains(part),
            Self::NameContainsAnyCase(part) => object.name.to_lowercase().contains(&part.to_lowercase()),
            Self::Scalar(key, wanted) => match object.full.get(key) {
                Some(Value::String(text)) => text == wanted,
                Some(Value::Bool(flag)) => flag.to_string().eq_ignore_ascii_case(wanted),
                Some(Value::Number(number)) => number.to_string() == *wanted,
                _ => false,
            },
            Self::Refers(key, targets) => reference::field(&object.full, key)
                .is_some_and(|target| targets.iter().any(|uuid| &**uuid == target)),
            Self::Marker(key, value) => elements(&object.full, "markers").any(|marker| {
                let values = marker["values"].as_array().map_or(&[][..], Vec::as_slice);
                key.as_ref().is_none_or(|key| marker["key"] == **key)
                    && value.as_ref().is_none_or(|value| values.iter().any(|held| held == value))
            }),
            Self::RefersTo(uuid) => store.referrers(uuid).any(|referrer| referrer.uuid == object.uuid),
            Self::ReferredBy(uuid) => store.referrers(&object.uuid).any(|referrer| *referrer.uuid == **uuid),
        }
    }
}

/// A list that was matched before: pages of it cost only what they show.
#[derive(Debug)]
struct Remembered {
    kind: &'static str,
    scope: Scope,
    filters: Vec<Filter>,
    sort: Option<String>,
    generation: u64,
    matches: Arc<Vec<Arc<Object>>>,
}

/// Matched lists, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    remembered: VecDeque<Remembered>,
}

impl Lists {
    /// The envelope of one page, of `most` objects if that is less than was asked for.
    pub(crate) fn page(
        &mut self,
        store: &Store,
        kind: &'static Kind,
        scope: &Scope,
        query: &Query,
        view: &View,
        most: Option<usize>,
    ) -> Granted<Value> {
        let matches = self.matches(store, kind, scope, query);
        let page = number(query, "page")?.unwrap_or(1).max(1);
        let size = number(query, "page_size")?.unwrap_or(PAGE_SIZE).clamp(1, MAX_PAGE_SIZE);
        let size = most.map_or(size, |most| size.min(most.max(1)));
        let skipped = (page - 1).saturating_mul(size);
        let results: Vec<Value> =
            matches.iter().skip(skipped).take(size).map(|object| view.show(store, object)).collect();
        let more = skipped.saturating_add(results.len()) < matches.len() && !results.is_empty();
        let mut envelope = json!({ "count": matches.len(), "results": results });
        if more {
            envelope["next"] = next(kind, query, view, page + 1).into();
        }
        Ok(envelope)
    }

    fn matches(
        &mut self,
        store: &Store,
        kind: &'static Kind,
        scope: &Scope,
        query: &Query,
    ) -> Arc<Vec<Arc<Object>>> {
        let filters = filters(store, kind, query);
        let sort = value(query, "sort").map(str::to_owned);
        let generation = store.generation(kind);
        let cacheable = !filters.iter().any(|f| matches!(f, Filter::RefersTo(_) | Filter::ReferredBy(_)));
        let known = self.remembered.iter().find(|list| {
            list.kind == kind.path
                && list.generation == generation
                && list.scope == *scope
                && list.sort == sort
                && list.filters == filters
        });
        if let Some(known) = known.filter(|_| cacheable) {
            return known.matches.clone();
        }
        let matches = Arc::new(search(store, kind, scope, &filters, sort.as_deref()));
        if cacheable && matches.len() > PAGE_SIZE {
            self.remembered.retain(|list| list.kind != kind.path || list.generation == generation);
            if self.remembered.len() >= REMEMBERED {
                self.remembered.pop_front();
            }
            let (kind, scope) = (kind.path, scope.clone());
            let matches = matches.clone();
            self.remembered.push_back(Remembered { kind, scope, filters, sort, generation, matches });
        }
        matches
    }

    /// Forgets everything, when the objects are exchanged as a whole.
    pub(crate) fn forget(&mut self) {
        self.remembered.clear();
    }
}

fn search(
    store: &Store,
    kind: &'static Kind,
    scope: &Scope,
    filters: &[Filter],
    sort: Option<&str>,
) -> Vec<Arc<Object>> {
    let admitted = |object: &&Arc<Object>| {
        object.kind == kind
            && (kind.path == "tenant" || scope.sees(object))
            && filters.iter().all(|filter| filter.admits(store, object))
    };
    let by_key = filters.iter().find_map(|filter| match filter {
        Filter::UuidIn(uuids) => Some(uuids.iter().filter_map(|uuid| store.get(uuid)).collect::<Vec<_>>()),
        Filter::NameIn(names) => Some(names.iter().flat_map(|name| store.named(kind, name)).collect()),
        Filter::RefersTo(uuid) => Some(store.referrers(uuid).collect()),
        _ => None,
    });
    let mut found: Vec<Arc<Object>> = match by_key {
        Some(objects) => objects.into_iter().filter(admitted).cloned().collect(),
        None => store.of_kind(kind).filter(admitted).cloned().collect(),
    };
    found.sort_by_key(|object| object.position);
    found.dedup_by_key(|object| object.position);
    match sort {
        Some("name") => found.sort_by(|a, b| a.name.cmp(&b.name)),
        Some("-name") => found.sort_by(|a, b| b.name.cmp(&a.name)),
        _ => {}
    }
    found
}

/// The conditions of a query; parameters that are none are skipped.
fn filters(store: &Store, kind: &'static Kind, query: &Query) -> Vec<Filter> {
    let split = |list: &str| list.split(',').map(str::to_owned).collect();
    let mut filters = Vec::new();
    for (key, text) in query {
        let tail = |list: &str| list.split_once(':').map_or(list, |(_, uuid)| uuid).to_owned();
        filters.push(match key.as_str() {
            "name" => Filter::NameIn(vec![text.clone()]),
            "uuid" => Filter::UuidIn(vec![text.clone()]),
            "name.in" => Filter::NameIn(split(text)),
            "uuid.in" => Filter::UuidIn(split(text)),
            "name.contains" | "search" => Filter::NameContains(text.clone()),
            "name.icontains" | "isearch" => Filter::NameContainsAnyCase(text.clone()),
            "cloud_uuid" if kind.in_cloud => {
                Filter::Refers("cloud_ref".to_owned(), vec![text.as_str().into()])
            }
            "refers_to" => Filter::RefersTo(tail(text)),
            "referred_by" => Filter::ReferredBy(tail(text)),
            "created_by" if kind.has_creator => Filter::Scalar(key.clone(), text.clone()),
            scalar if SCALARS.contains(&scalar) => Filter::Scalar(key.clone(), text.clone()),
            other => match reference_filter(store, other, text) {
                Some(filter) => filter,
                None => continue,
            },
        });
    }
    let label = (value(query, "label_key"), value(query, "label_value"));
    if label != (None, None) {
        filters.push(Filter::Marker(label.0.map(str::to_owned), label.1.map(str::to_owned)));
    }
    filters
}

/// `<x>_ref.name=` and `<x>_ref.uuid=`.
fn reference_filter(store: &Store, key: &str, text: &str) -> Option<Filter> {
    let (field, attribute) = key.split_once('.')?;
    let target = reference::target_kind(field)?;
    let uuids = match attribute {
        "name" => store.named(target, text).map(|object| object.uuid.clone()).collect(),
        "uuid" => vec![text.into()],
        _ => return None,
    };
    Some(Filter::Refers(field.to_owned(), uuids))
}

/// The first value of a parameter.
pub(crate) fn value<'a>(query: &'a Query, key: &str) -> Option<&'a str> {
    query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

/// The parts of a comma-separated parameter.
pub(crate) fn values(query: &Query, key: &str) -> Vec<String> {
    value(query, key).into_iter().flat_map(|list| list.split(',')).map(str::to_owned).collect()
}

fn number(query: &Query, key: &str) -> Granted<Option<usize>> {
    let invalid = |text: &str| Refusal::invalid(format!("Invalid value '{text}' for {key}"));
    value(query, key).map(|text| text.parse().map_err(|_| invalid(text))).transpose()
}

/// The address of the next page: `/api/<type>` occurs in it exactly once.
fn next(kind: &Kind, query: &Query, view: &View, page: usize) -> String {
    let mut parameters: Vec<(&str, &str)> = query
        .iter()
        .filter(|(key, _)| key != "page")
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let page = page.to_string();
    parameters.push(("page", &page));
    parameters.sort_unstable();
    let encoded: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{}/api/{}?{encoded}", view.origin, kind.path)
}

/// The domains of the cloud's DNS profile (`ipamdnsproviderprofiledomainlist`).
pub(crate) fn domains(store: &Store, query: &Query) -> Value {
    let cloud = match (value(query, "cloud_uuid"), kind::find("cloud")) {
        (Some(uuid), _) => store.get(uuid),
        (None, Some(clouds)) => store.meant(clouds, ADMIN, None, "Default-Cloud"),
        (None, None) => None,
    };
    let profile = cloud
        .and_then(|cloud| reference::field(&cloud.full, "dns_provider_ref"))
        .and_then(|uuid| store.get(uuid));
    let names: Vec<&Value> = profile
        .and_then(|profile| profile.full.get("internal_profile"))
        .and_then(|internal| internal["dns_service_domain"].as_array())
        .into_iter()
        .flatten()
        .filter_map(|domain| domain.get("domain_name"))
        .collect();
    json!({ "domains": names })
}
