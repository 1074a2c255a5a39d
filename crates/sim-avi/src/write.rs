//! Writing objects: create, replace, patch, delete (Avi REST API contract, §4).

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use crate::clock::Clock;
use crate::defaults;
use crate::ipam::{Applicant, Ipam};
use crate::kind::{self, Kind};
use crate::reference::{self, Target};
use crate::refusal::{Granted, Refusal};
use crate::sent::{READ_ONLY, is_read_back, own_words};
use crate::store::{ADMIN, Fields, Object, Store};
use crate::{certificate, validation, virtual_service};

/// How strict the Controller is, and how much it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) strict: bool,
    pub(crate) unique_fqdn: bool,
    pub(crate) most_objects: usize,
}

/// Whose objects a request is about (§6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// `X-Avi-Tenant: *`
    All,
    /// The same for an account that may not see all tenants; their uuids.
    Some(BTreeSet<Arc<str>>),
    /// The uuid of one tenant.
    Tenant(Arc<str>),
}

impl Scope {
    pub(crate) fn sees(&self, object: &Object) -> bool {
        match self {
            Self::All => true,
            Self::Some(tenants) => tenants.contains(&object.tenant),
            Self::Tenant(tenant) => object.visible_to(tenant),
        }
    }
}

/// The configuration of the Controller: the objects and the addresses they hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) store: Store,
    pub(crate) ipam: Ipam,
}

/// A body with its references resolved.
struct Draft {
    tenant: Arc<str>,
    cloud: Option<Arc<str>>,
    name: String,
    body: Fields,
}

impl Configuration {
    /// POST. `slug` is the uuid the client wants the object to have.
    pub(crate) fn create(
        &mut self,
        kind: &'static Kind,
        scope: &Scope,
        body: Fields,
        slug: Option<&str>,
        rules: Rules,
        clock: &Clock,
    ) -> Granted<Arc<Object>> {
        if self.store.len() >= rules.most_objects {
            return Err(Refusal::forbidden(format!("Limit of {} objects reached", rules.most_objects)));
        }
        let draft = self.draft(kind, scope, body, None)?;
        self.require_unique(kind, &draft, None)?;
        let uuid: Arc<str> = match slug {
            Some(slug) if self.store.get(slug).is_some() => {
                let error = format!("{} with this Uuid already exists.", kind.sentence_name());
                return Err(Refusal::new(StatusCode::CONFLICT, error));
            }
            Some(slug) => slug.into(),
            None => fresh_uuid(kind),
        };
        let full = self.complete(kind, &draft, &uuid, None, rules, clock)?;
        let position = self.store.next_position();
        let modified = self.store.stamp(clock.micros());
        let Draft { tenant, cloud, name, body: sent } = draft;
        let name = name.into();
        let object = Object { kind, uuid, name, tenant, cloud, position, modified, version: 1, sent, full };
        Ok(self.store.put(object))
    }

    /// PUT: a full replacement; what is left out returns to its default.
    pub(crate) fn replace(
        &mut self,
        old: &Arc<Object>,
        body: Fields,
        rules: Rules,
        clock: &Clock,
    ) -> Granted<Arc<Object>> {
        require_current(old, &body)?;
        let kind = old.kind;
        let mut body = body;
        let echoes = is_read_back(&body, &old.sent, &old.full);
        if kind.path == "sslkeyandcertificate" && body.get("key").is_some_and(|key| key == "<sensitive>") {
            let key = old.full.get("key").cloned().unwrap_or_default();
            body.insert("key".to_owned(), key);
        }
        let draft = self.draft(kind, &Scope::Tenant(old.tenant.clone()), body, Some(old))?;
        if draft.tenant != old.tenant || draft.cloud != old.cloud {
            let error = format!("{}: tenant_ref and cloud_ref cannot be changed", kind.model);
            return Err(Refusal::invalid(error).about(&old.name));
        }
        self.require_unique(kind, &draft, Some(old))?;
        let full = self.complete(kind, &draft, &old.uuid, Some(old), rules, clock)?;
        self.ipam.settle(&old.uuid, Some(&full));
        let sent = if echoes { own_words(&draft.body, &old.sent, &old.full) } else { draft.body };
        let modified = self.store.stamp(clock.micros());
        let name = draft.name.into();
        let object = Object { name, modified, version: old.version + 1, sent, full, ..Object::clone(old) };
        Ok(self.store.put(object))
    }

    /// PATCH: `{"add": …}`, `{"replace": …}`, `{"delete": …}` on top-level fields.
    pub(crate) fn patch(
        &mut self,
        old: &Arc<Object>,
        changes: &Fields,
        rules: Rules,
        clock: &Clock,
    ) -> Granted<Arc<Object>> {
        let mut body = old.sent.clone();
        for (verb, fields) in changes {
            let Value::Object(fields) = fields else {
                return Err(Refusal::invalid(format!("PATCH: {verb} must be an object")));
            };
            let mut fields = fields.clone();
            self.resolve(&mut fields, &old.tenant, old.cloud.as_deref())?;
            match verb.as_str() {
                "add" => fields.into_iter().for_each(|(key, value)| add(&mut body, key, value)),
                "replace" => body.extend(fields),
                "delete" => fields.iter().for_each(|(key, value)| take_away(&mut body, key, value)),
                _ => return Err(Refusal::invalid(format!("PATCH: unknown operation {verb}"))),
            }
        }
        self.replace(old, body, rules, clock)
    }

    /// DELETE; refused while anything refers to the object.
    pub(crate) fn delete(&mut self, object: &Arc<Object>, rules: Rules) -> Granted<()> {
        const NAMED_AT_MOST: usize = 20;
        if rules.strict && object.is_system() {
            let error = format!(
                "{} {} is a system default object and cannot be deleted",
                object.kind.model, object.name
            );
            return Err(Refusal::forbidden(error));
        }
        let referrers = self.store.referrers(&object.uuid).filter(|other| other.uuid != object.uuid);
        let named: Vec<_> =
            referrers.take(NAMED_AT_MOST).map(|other| (other.kind.model, other.name.clone())).collect();
        if !named.is_empty() {
            let cloud = object.kind.path == "cloud";
            let quote = if cloud { "" } else { "'" };
            let list: Vec<_> =
                named.iter().map(|(model, name)| format!("{quote}{model} {name}{quote}")).collect();
            let error = format!("Cannot delete, object is referred by: [{}]", list.join(", "));
            let status = if cloud { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
            return Err(Refusal::new(status, error));
        }
        self.store.remove(&object.uuid);
        self.ipam.settle(&object.uuid, None);
        Ok(())
    }

    /// Reads a body: drops what only the Controller sets, finds owner and cloud,
    /// resolves all references.
    fn draft(
        &self,
        kind: &'static Kind,
        scope: &Scope,
        mut body: Fields,
        old: Option<&Object>,
    ) -> Granted<Draft> {
        for key in READ_ONLY {
            body.remove(*key);
        }
        if !kind.has_creator {
            body.remove("created_by");
        }
        let name = validation::name(kind, &body)?;
        let working: Arc<str> = match scope {
            Scope::Tenant(tenant) => tenant.clone(),
            Scope::All | Scope::Some(_) => ADMIN.into(),
        };
        let tenant = match self.single(&body, "tenant_ref", &working, None)? {
            _ if kind.path == "tenant" => ADMIN.into(),
            Some(tenant) => tenant,
            None if matches!(scope, Scope::All | Scope::Some(_)) => {
                return Err(Refusal::invalid(format!("{}: tenant_ref is required for tenant *", kind.model)));
            }
            None => working,
        };
        let mut cloud = None;
        if kind.in_cloud {
            cloud = self.single(&body, "cloud_ref", &tenant, None)?;
            if cloud.is_none() {
                cloud = match (old, kind::find("cloud")) {
                    (Some(old), _) => old.cloud.clone(),
                    (None, Some(clouds)) => {
                        self.store.meant(clouds, ADMIN, None, "Default-Cloud").map(|c| c.uuid.clone())
                    }
                    (None, None) => None,
                };
            }
        }
        self.resolve(&mut body, &tenant, cloud.as_deref())?;
        Ok(Draft { tenant, cloud, name, body })
    }

    /// Adds defaults, checks the result and allocates what is to be allocated.
    fn complete(
        &mut self,
        kind: &'static Kind,
        draft: &Draft,
        uuid: &Arc<str>,
        old: Option<&Object>,
        rules: Rules,
        clock: &Clock,
    ) -> Granted<Fields> {
        let mut full = draft.body.clone();
        if kind.path != "tenant"
            && let Some(tenants) = kind::find("tenant")
        {
            full.insert("tenant_ref".to_owned(), reference::internal(tenants, &draft.tenant).into());
        }
        if let (Some(cloud), Some(clouds)) = (&draft.cloud, kind::find("cloud")) {
            full.insert("cloud_ref".to_owned(), reference::internal(clouds, cloud).into());
        }
        defaults::apply(&self.store, kind, &draft.tenant, draft.cloud.as_deref(), &mut full);
        let about = |refusal: Refusal| refusal.about(&draft.name);
        if rules.strict {
            validation::check(kind, &full).map_err(about)?;
            if kind.path == "virtualservice" {
                virtual_service::check(&self.store, old.map(|old| &*old.uuid), &full).map_err(about)?;
            }
        }
        match kind.path {
            "sslkeyandcertificate" => certificate::import(&mut full, clock.now()).map_err(about)?,
            "vsvip" => {
                if rules.unique_fqdn {
                    self.require_own_names(kind, uuid, &full)?;
                }
                let previous = old.map(|old| &old.full);
                let applicant = Applicant { uuid, cloud: draft.cloud.as_deref(), previous };
                self.ipam.allocate(&self.store, &mut full, &applicant).map_err(about)?;
            }
            _ => {}
        }
        Ok(full)
    }

    fn require_unique(&self, kind: &'static Kind, draft: &Draft, old: Option<&Object>) -> Granted<()> {
        let mut namesakes = self.store.named(kind, &draft.name);
        let taken = namesakes.any(|other| {
            other.tenant == draft.tenant
                && other.cloud == draft.cloud
                && old.is_none_or(|old| old.uuid != other.uuid)
        });
        if !taken {
            return Ok(());
        }
        let scope = if kind.in_cloud { "Name, Tenant ref and Cloud ref" } else { "Name and Tenant ref" };
        let error = format!("{} with this {scope} already exists.", kind.sentence_name());
        Err(Refusal::new(StatusCode::CONFLICT, error).about(&draft.name))
    }

    /// A host name belongs to one VsVip only (an assumption, off by default).
    fn require_own_names(&self, kind: &'static Kind, uuid: &str, full: &Fields) -> Granted<()> {
        let names = |object: &Fields| -> Vec<String> {
            let fqdn = |entry: &Value| entry["fqdn"].as_str().map(str::to_ascii_lowercase);
            defaults::elements(object, "dns_info").filter_map(fqdn).collect()
        };
        let own = names(full);
        for other in self.store.of_kind(kind).filter(|other| &*other.uuid != uuid) {
            if let Some(name) = names(&other.full).iter().find(|name| own.contains(name)) {
                return Err(Refusal::invalid(format!("FQDN {name} is already used by VsVip {}", other.name)));
            }
        }
        Ok(())
    }

    fn single(
        &self,
        body: &Fields,
        key: &str,
        tenant: &str,
        cloud: Option<&str>,
    ) -> Granted<Option<Arc<str>>> {
        match body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()) {
            Some(text) => Ok(self.lookup(key, text, tenant, cloud)?.map(|object| object.uuid.clone())),
            None => Ok(None),
        }
    }

    /// Brings all references of a body into inner form; empty ones are unset.
    pub(crate) fn resolve(&self, body: &mut Fields, tenant: &str, cloud: Option<&str>) -> Granted<()> {
        reference::rewrite_fields(body, &mut |key, text| {
            if text.is_empty() {
                return Ok(None);
            }
            let found = self.lookup(key, text, tenant, cloud)?;
            Ok(Some(
                found
                    .map_or_else(|| text.to_owned(), |object| reference::internal(object.kind, &object.uuid)),
            ))
        })
    }

    /// [`Self::resolve`] for seeds and edits: what leads nowhere stays as written, and
    /// is returned.
    pub(crate) fn resolve_known(&self, body: &mut Fields, tenant: &str, cloud: Option<&str>) -> Vec<String> {
        let mut dangling = Vec::new();
        let Ok(()) = reference::rewrite_fields::<Infallible>(body, &mut |key, text| {
            if text.is_empty() {
                return Ok(None);
            }
            let found = self.lookup(key, text, tenant, cloud).unwrap_or_else(|_| {
                dangling.push(format!("{key} {text} leads nowhere"));
                None
            });
            Ok(Some(
                found
                    .map_or_else(|| text.to_owned(), |object| reference::internal(object.kind, &object.uuid)),
            ))
        });
        dangling
    }

    /// The object a reference means; `None` for types the simulator does not hold.
    fn lookup(
        &self,
        key: &str,
        text: &str,
        tenant: &str,
        cloud: Option<&str>,
    ) -> Granted<Option<&Arc<Object>>> {
        let Some(expected) = reference::target_kind(key) else { return Ok(None) };
        let invalid = || Refusal::invalid(format!("Invalid reference '{text}' in {key}"));
        let (segment, target) = reference::parse(text).ok_or_else(invalid)?;
        if kind::find(segment).is_some_and(|kind| kind != expected) {
            return Err(invalid());
        }
        let found = match target {
            Target::Uuid(uuid) => {
                self.store.get(uuid).filter(|object| object.kind == expected && object.visible_to(tenant))
            }
            Target::Name(name) => self.store.meant(expected, tenant, cloud, name).or_else(|| {
                let plain = name.split('&').next().unwrap_or(name).split('#').next().unwrap_or(name);
                let unescaped = unescape(plain);
                self.store.meant(expected, tenant, cloud, &unescaped)
            }),
        };
        found.map(Some).ok_or_else(|| Refusal::dangling(expected))
    }
}

/// Query-unescaping, which clients apply to tenant names (§3.4).
fn unescape(text: &str) -> String {
    let pair = format!("n={text}");
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// `<type>-<uuid4>`.
pub(crate) fn fresh_uuid(kind: &Kind) -> Arc<str> {
    format!("{}-{}", kind.path, uuid::Uuid::new_v4()).into()
}

/// A body with a stale `_last_modified` is refused; one without overwrites.
fn require_current(old: &Object, body: &Fields) -> Granted<()> {
    let sent = match body.get("_last_modified") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if sent == old.modified.to_string() {
        return Ok(());
    }
    let error =
        format!("Concurrent Update Error: Need to reload object data {} {}", old.kind.model, old.name);
    Err(Refusal::new(StatusCode::PRECONDITION_FAILED, error))
}

/// PATCH add: lists grow, everything else is replaced.
fn add(body: &mut Fields, key: String, value: Value) {
    match (body.get_mut(&key), value) {
        (Some(Value::Array(held)), Value::Array(new)) => held.extend(new),
        (_, value) => {
            body.insert(key, value);
        }
    }
}

/// PATCH delete: lists lose the entries that have all the given fields, everything
/// else returns to its default.
fn take_away(body: &mut Fields, key: &str, value: &Value) {
    match (body.get_mut(key), value) {
        (Some(Value::Array(held)), Value::Array(gone)) => {
            held.retain(|entry| !gone.iter().any(|pattern| covers(entry, pattern)));
        }
        _ => {
            body.remove(key);
        }
    }
}

fn covers(entry: &Value, pattern: &Value) -> bool {
    match (entry, pattern) {
        (Value::Object(entry), Value::Object(pattern)) => {
            pattern.iter().all(|(key, wanted)| entry.get(key).is_some_and(|held| covers(held, wanted)))
        }
        _ => entry == pattern,
    }
}
