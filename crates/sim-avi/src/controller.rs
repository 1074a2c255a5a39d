//! The Controller: answers API calls, one at a time, and never waits.

use std::sync::{Arc, Weak};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::data_plane;
use crate::fault::{Faults, Meter, Weather};
use crate::journal::Journal;
use crate::kind::{self, Kind};
use crate::listing::{self, Lists};
use crate::refusal::{Granted, Refusal};
use crate::role;
use crate::session::Gate;
use crate::store::{ADMIN, Object};
use crate::view::View;
use crate::write::{Configuration, Rules, Scope};

/// Everything a simulated Controller knows.
#[derive(Debug)]
pub(crate) struct Controller {
    pub(crate) configuration: Configuration,
    pub(crate) saved: Option<Configuration>,
    pub(crate) lists: Lists,
    pub(crate) gate: Gate,
    pub(crate) cluster: Cluster,
    pub(crate) rules: Rules,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) weather: Weather,
    pub(crate) meter: Meter,
    pub(crate) journal: Journal,
    /// The data plane, if there is one.
    pub(crate) data_plane: Weak<data_plane::Shared>,
}

impl Controller {
    /// Answers a call, refusals included.
    pub(crate) fn answer(&mut self, call: &Call) -> Reply {
        if let Some(limit) = self.weather.rate_limit
            && !self.meter.admit(limit)
        {
            let refusal =
                Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Request was throttled: too many requests");
            return Reply { retry_after: Some(1), ..refusal.into() };
        }
        match (&call.method, call.path().as_slice()) {
            (&Method::POST, ["login"]) => self.login(call).unwrap_or_else(Reply::from),
            (&Method::GET, ["api", "initial-data"]) => Reply::json(&self.cluster.initial_data()),
            _ => self.answer_member(call),
        }
    }

    fn login(&mut self, call: &Call) -> Granted<Reply> {
        let pass = self.gate.login(&call.credentials(), &self.clock)?;
        let welcome = self.cluster.welcome(self.gate.username(), &call.origin);
        Ok(Reply { cookies: pass.cookies(true, call.secure), ..Reply::json(&welcome) })
    }

    /// Answers a call that needs a session, and extends the session.
    fn answer_member(&mut self, call: &Call) -> Reply {
        let pass = match self.gate.admit(&call.method, &call.headers) {
            Ok(pass) => pass,
            Err(refusal) => return refusal.into(),
        };
        if call.path() == ["logout"] {
            self.gate.end(&pass.id);
            return Reply::json(&json!({}));
        }
        let mut reply = self.route(call).unwrap_or_else(Reply::from);
        reply.cookies = pass.cookies(false, call.secure);
        reply
    }

    fn route(&mut self, call: &Call) -> Granted<Reply> {
        let path = call.path();
        let Some(path) = path.strip_prefix(&["api"]) else {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "Not found"));
        };
        match path {
            ["user-token", rest @ ..] => return self.user_tokens(call, rest),
            ["user" | "role", ..] => {
                self.scope(call)?;
                return role::show(self.gate.roles(), self.gate.username(), call, path);
            }
            [path] if let Some(kind) = kind::find(path) => return self.collection(call, kind),
            [path, uuid] if let Some(kind) = kind::find(path) => return self.member(call, kind, uuid),
            _ if call.method != Method::GET => return Err(Refusal::method_not_allowed(&call.method)),
            _ => {}
        }
        self.scope(call)?;
        let view = reading(call);
        let store = &self.configuration.store;
        Ok(Reply::json(&match path {
            ["cluster"] => self.cluster.identity(),
            ["cluster", "runtime"] => self.cluster.runtime(),
            ["cluster", "version"] => self.cluster.version(),
            ["cluster", "status"] => self.cluster.status(),
            ["systemconfiguration"] => self.cluster.system_configuration(&call.origin),
            ["ipamdnsproviderprofiledomainlist"] => listing::domains(store, &call.query),
            ["virtualservice-inventory" | "pool-inventory", ..]
            | ["virtualservice" | "pool", _, "runtime", ..] => self.inventory(call, path, &view)?,
            _ => return Err(Refusal::new(StatusCode::NOT_FOUND, "Not found")),
        }))
    }

    fn user_tokens(&mut self, call: &Call, path: &[&str]) -> Granted<Reply> {
        match (&call.method, path) {
            (&Method::GET, []) => Ok(Reply::json(&self.gate.tokens())),
            (&Method::POST, []) => {
                let token = self.gate.create_token(&call.fields()?, &self.clock)?;
                Ok(Reply { status: StatusCode::CREATED, ..Reply::json(&token) })
            }
            (&Method::DELETE, [uuid]) => self.gate.delete_token(uuid).map(|()| Reply::empty()),
            _ => Err(Refusal::method_not_allowed(&call.method)),
        }
    }

    /// `/api/<type>`
    fn collection(&mut self, call: &Call, kind: &'static Kind) -> Granted<Reply> {
        let scope = self.scope(call)?;
        match call.method {
            Method::GET => {
                let store = &self.configuration.store;
                let most = self.weather.page_size;
                let page = self.lists.page(store, kind, &scope, &call.query, &reading(call), most)?;
                Ok(Reply::json(&page))
            }
            Method::POST => {
                self.require_writable()?;
                let slug = call.header("slug");
                let body = call.fields()?;
                let object = self.configuration.create(kind, &scope, body, slug, self.rules, &self.clock)?;
                let view = View::of_write(&call.origin);
                let location = Some(view.url(&object));
                let shown = view.show(&self.configuration.store, &object);
                Ok(Reply { status: StatusCode::CREATED, location, ..Reply::json(&shown) }.committed())
            }
            _ => Err(Refusal::method_not_allowed(&call.method)),
        }
    }

    /// `/api/<type>/<uuid>`
    fn member(&mut self, call: &Call, kind: &'static Kind, uuid: &str) -> Granted<Reply> {
        let scope = self.scope(call)?;
        let found = self.configuration.store.member(kind, uuid);
        let object = found.filter(|object| kind.path == "tenant" || scope.sees(object));
        let object = object.cloned().ok_or_else(|| Refusal::absent(kind))?;
        if call.method == Method::GET {
            return Ok(Reply::json(&reading(call).show(&self.configuration.store, &object)));
        }
        self.require_writable()?;
        require_owner(&scope, &object)?;
        let written = match call.method {
            Method::PUT => self.configuration.replace(&object, call.fields()?, self.rules, &self.clock)?,
            Method::PATCH => self.configuration.patch(&object, &call.fields()?, self.rules, &self.clock)?,
            Method::DELETE => {
                self.configuration.delete(&object, self.rules)?;
                return Ok(Reply::empty().committed());
            }
            _ => return Err(Refusal::method_not_allowed(&call.method)),
        };
        let shown = View::of_write(&call.origin).show(&self.configuration.store, &written);
        Ok(Reply::json(&shown).committed())
    }

    fn require_writable(&self) -> Granted<()> {
        if self.weather.upgrading {
            return Err(Refusal::forbidden("Configuration is disallowed during upgrade"));
        }
        Ok(())
    }

    /// Whose objects a call is about, of those that the account may work with.
    fn scope(&self, call: &Call) -> Granted<Scope> {
        let scope = self.tenant(call)?;
        match self.gate.roles() {
            Some(roles) => role::permit(roles, &self.configuration.store, call, scope),
            None => Ok(scope),
        }
    }

    /// The tenant a call works in: by name, by uuid, or `admin`.
    fn tenant(&self, call: &Call) -> Granted<Scope> {
        let store = &self.configuration.store;
        if let Some(uuid) = call.header("x-avi-tenant-uuid") {
            let tenant = store.get(uuid).filter(|object| object.kind.path == "tenant");
            let tenant = tenant.ok_or_else(|| Refusal::unknown_tenant(uuid))?;
            return Ok(Scope::Tenant(tenant.uuid.clone()));
        }
        let name = match call.header("x-avi-tenant") {
            Some("*") => return Ok(Scope::All),
            Some(name) if !name.is_empty() => name,
            _ => return Ok(Scope::Tenant(ADMIN.into())),
        };
        let tenant = kind::find("tenant").and_then(|tenants| store.named(tenants, name).next());
        let tenant = tenant.ok_or_else(|| Refusal::unknown_tenant(name))?;
        Ok(Scope::Tenant(tenant.uuid.clone()))
    }

    /// Operational state (§9): that of the data plane, and always up without one.
    fn inventory(&mut self, call: &Call, path: &[&str], view: &View) -> Granted<Value> {
        let scope = self.scope(call)?;
        let (name, uuid, runtime_only) = match path {
            [name] => (*name, None, false),
            [name, uuid] => (*name, Some(*uuid), false),
            [name, uuid, ..] => (*name, Some(*uuid), true),
            [] => ("", None, false),
        };
        let kind = kind::find(name.trim_end_matches("-inventory"));
        let kind = kind.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "Not found"))?;
        let store = &self.configuration.store;
        let Some(uuid) = uuid else {
            let most = self.weather.page_size;
            let mut page = self.lists.page(store, kind, &scope, &call.query, view, most)?;
            if let Some(results) = page["results"].as_array_mut() {
                for object in results {
                    *object = operational(object, self.oper_state(object["uuid"].as_str()));
                }
            }
            if let Some(next) = page["next"].as_str() {
                let (plain, listed) = (format!("/api/{}?", kind.path), format!("/api/{name}?"));
                page["next"] = next.replacen(&plain, &listed, 1).into();
            }
            return Ok(page);
        };
        let object = store.get(uuid).filter(|object| object.kind == kind && scope.sees(object));
        let object = object.ok_or_else(|| Refusal::absent(kind))?;
        let state = operational(&view.show(store, object), self.oper_state(Some(&object.uuid)));
        Ok(if runtime_only { state["runtime"].clone() } else { state })
    }

    fn oper_state(&self, uuid: Option<&str>) -> &'static str {
        let data_plane = self.data_plane.upgrade();
        uuid.zip(data_plane).and_then(|(uuid, plane)| plane.oper_state(uuid)).unwrap_or("OPER_UP")
    }
}

fn operational(object: &Value, state: &str) -> Value {
    let status = json!({ "state": state, "reason": [], "last_changed_time": { "secs": 0, "usecs": 0 } });
    json!({
        "uuid": object["uuid"],
        "url": object["url"],
        "runtime": { "oper_status": status, "percent_ses_up": 100, "vip_summary": [] },
        "health_score": { "health_score": 100 },
        "config": object,
    })
}

/// How a GET wants to see objects.
fn reading(call: &Call) -> View {
    let names = match listing::value(&call.query, "include_name") {
        None => false,
        Some(flag) => flag.is_empty() || flag.eq_ignore_ascii_case("true"),
    };
    View {
        origin: call.origin.clone(),
        names,
        written: false,
        only: listing::values(&call.query, "fields"),
        without: listing::values(&call.query, "exclude"),
    }
}

/// Shared objects of `admin` are seen everywhere but changed only there (§5, §6).
fn require_owner(scope: &Scope, object: &Arc<Object>) -> Granted<()> {
    match scope {
        Scope::Tenant(tenant) if *tenant != object.tenant => Err(match object.kind.path {
            "vrfcontext" | "serviceenginegroup" => {
                Refusal::invalid(format!("Cannot modify {} {}", object.kind.model, object.name))
            }
            _ => Refusal::forbidden(format!("User does not have permission to modify {}", object.kind.model)),
        }),
        _ => Ok(()),
    }
}
