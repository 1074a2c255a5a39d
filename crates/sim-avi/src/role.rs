//! What the account may do: the roles that it has (Avi REST API contract, §6), which
//! `/api/user` and `/api/role` show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::kind;
use crate::refusal::{Granted, Refusal};
use crate::store::Store;
use crate::write::Scope;

/// A role that the account has.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// The tenant, by name, in which the account has it; in all of them without.
    pub tenant: Option<String>,
    /// Its privileges, such as `PERMISSION_POOL`, and whether each allows writing, too.
    pub privileges: BTreeMap<String, bool>,
}

impl Role {
    /// A role as the Controller's API has it: `{name, privileges: [{resource, type}]}`. What is
    /// `NO_ACCESS` is left out. `None` if it is nothing like that.
    pub fn read(role: &Value, tenant: Option<&str>) -> Option<Self> {
        let mut privileges = BTreeMap::new();
        for privilege in role["privileges"].as_array()? {
            let resource = privilege["resource"].as_str()?.to_owned();
            match privilege["type"].as_str()? {
                "WRITE_ACCESS" => privileges.insert(resource, true),
                "READ_ACCESS" => privileges.insert(resource, false),
                "NO_ACCESS" => None,
                _ => return None,
            };
        }
        Some(Self { name: role["name"].as_str()?.to_owned(), tenant: tenant.map(str::to_owned), privileges })
    }

    fn allows(&self, privilege: &str, writes: bool) -> bool {
        self.privileges.get(privilege).is_some_and(|may_write| *may_write || !writes)
    }

    fn uuid(&self) -> String {
        format!("role-{}", self.name)
    }
}

/// What guards a path below `/api`; nothing guards what the account does with itself.
fn privilege(path: &[&str]) -> Option<String> {
    let first = path.first()?.trim_end_matches("-inventory");
    Some(match first {
        "user-token" => return None,
        "cluster" => "PERMISSION_CONTROLLER".to_owned(),
        "ipamdnsproviderprofiledomainlist" => "PERMISSION_IPAMDNSPROVIDERPROFILE".to_owned(),
        "vimgrnwruntime" => "PERMISSION_NETWORK".to_owned(),
        other => format!("PERMISSION_{}", other.to_uppercase()),
    })
}

/// Narrows what a call is about to what the roles allow, or refuses it. What is not read is not
/// there in a list of all tenants.
pub(crate) fn permit(roles: &[Role], store: &Store, call: &Call, scope: Scope) -> Granted<Scope> {
    let path = call.path();
    let Some(privilege) = path.strip_prefix(&["api"]).and_then(privilege) else { return Ok(scope) };
    let writes = call.method != Method::GET;
    let fit: Vec<_> = roles.iter().filter(|role| role.allows(&privilege, writes)).collect();
    let refused = || {
        let access = if writes { "write" } else { "read" };
        Refusal::forbidden(format!("User does not have {access} permission: {privilege}"))
    };
    if fit.is_empty() {
        return Err(refused());
    }
    if fit.iter().any(|role| role.tenant.is_none()) {
        return Ok(scope);
    }
    let tenants = fit.iter().filter_map(|role| role.tenant.as_deref());
    let named = |name| kind::find("tenant").and_then(|kind| store.named(kind, name).next());
    let tenants: BTreeSet<Arc<str>> = tenants.filter_map(named).map(|tenant| tenant.uuid.clone()).collect();
    match scope {
        Scope::All => Ok(Scope::Some(tenants)),
        Scope::Tenant(tenant) if tenants.contains(&tenant) => Ok(Scope::Tenant(tenant)),
        Scope::Tenant(_) | Scope::Some(_) => Err(refused()),
    }
}

/// `/api/user` and `/api/role/<uuid>`, which nobody changes through this API.
pub(crate) fn show(roles: Option<&[Role]>, username: &str, call: &Call, path: &[&str]) -> Granted<Reply> {
    if call.method != Method::GET {
        return Err(Refusal::method_not_allowed(&call.method));
    }
    let origin = &call.origin;
    Ok(Reply::json(&match path {
        ["user"] => {
            let access = roles.unwrap_or_default().iter().map(|role| {
                let mut access = json!({
                    "role_ref": format!("{origin}/api/role/{}#{}", role.uuid(), role.name),
                    "all_tenants": role.tenant.is_none(),
                });
                if let Some(tenant) = &role.tenant {
                    access["tenant_ref"] = format!("{origin}/api/tenant/{tenant}#{tenant}").into();
                }
                access
            });
            let user = json!({
                "uuid": "user-1", "username": username, "name": username, "local": true,
                "is_superuser": roles.is_none(), "access": access.collect::<Vec<_>>(),
            });
            json!({ "count": 1, "results": [user] })
        }
        ["role", uuid] => {
            let role = roles.unwrap_or_default().iter().find(|role| role.uuid() == *uuid);
            let role = role.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "Role object not found!"))?;
            let privileges = role.privileges.iter().map(|(resource, may_write)| {
                json!({ "resource": resource, "type": if *may_write { "WRITE_ACCESS" } else { "READ_ACCESS" } })
            });
            json!({ "uuid": uuid, "name": role.name, "privileges": privileges.collect::<Vec<_>>() })
        }
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, "Not found")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_as_the_api_has_it() {
        let privileges = json!([
            {"resource": "PERMISSION_POOL", "type": "WRITE_ACCESS"},
            {"resource": "PERMISSION_CLOUD", "type": "READ_ACCESS"},
            {"resource": "PERMISSION_USER", "type": "NO_ACCESS"},
        ]);
        let role = Role::read(&json!({"name": "r", "privileges": privileges}), None).unwrap();
        let may = |name, writes| role.allows(name, writes);
        assert!(may("PERMISSION_POOL", true) && may("PERMISSION_POOL", false));
        assert!(may("PERMISSION_CLOUD", false) && !may("PERMISSION_CLOUD", true));
        assert!(!may("PERMISSION_USER", false));
        let unknown = json!([{"resource": "PERMISSION_POOL", "type": "ALL"}]);
        assert!(Role::read(&json!({"name": "r", "privileges": unknown}), None).is_none());
    }
}
