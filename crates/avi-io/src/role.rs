//! What the account needs to be allowed on the controller, and what its roles allow.
//!
//! A role is a list of privileges, each for one type of object, to read it or to write it too; an
//! account has roles in single tenants or in all. Source: Avi's REST API, `User` and `Role`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ako_avi_types::{ErrorClass, Failure, Kind, Ref};
use serde_json::{Value, json};

use crate::borrowed::ADMIN;
use crate::call::Tenant;
use crate::client::AviClient;

/// How many roles of an account are read.
const MOST_ROLES: usize = 100;
/// What the controller itself is guarded by.
const CONTROLLER: &str = "PERMISSION_CONTROLLER";
/// By these two an account may read what it may do.
const OWN_ROLES: [&str; 2] = ["PERMISSION_USER", "PERMISSION_ROLE"];
/// Kinds that rules refer to by name and whose privileges no public list of Avi's has. A role that
/// names a privilege which the controller does not know is refused as a whole, and to look these up
/// is not vital: what may not be read is taken to be there.
const UNNAMED: [Kind; 3] = [Kind::IcapProfile, Kind::SecurityPolicy, Kind::BotDetectionPolicy];

/// How much a privilege allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// To read.
    Read,
    /// To read, create, change and delete.
    Write,
}

impl Access {
    /// As roles spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "READ_ACCESS",
            Self::Write => "WRITE_ACCESS",
        }
    }
}

/// Where a privilege is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In all tenants.
    Everywhere,
    /// In the tenant `admin`, which holds what tenants share.
    Admin,
    /// In the tenant of the configuration, and in each that a namespace asks for.
    Tenant,
}

impl Place {
    /// All of them: there is a role for each.
    pub const ALL: [Self; 3] = [Self::Everywhere, Self::Admin, Self::Tenant];

    /// The name of the role for it.
    pub fn role(self) -> &'static str {
        match self {
            Self::Everywhere => "ako-all-tenants",
            Self::Admin => "ako-admin",
            Self::Tenant => "ako-tenant",
        }
    }
}

/// One thing that an account needs to be allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Privilege {
    /// Where.
    pub place: Place,
    /// As roles spell it, such as `PERMISSION_POOL`.
    pub resource: String,
    /// How much of it.
    pub access: Access,
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.resource, self.access.name())
    }
}

impl Privilege {
    /// The privilege that guards a kind. Source: the type `PermissionType` of Avi's REST API.
    pub fn guarding(kind: Kind) -> String {
        match kind {
            // What runs on the service engines is shown to whoever sees the networks.
            Kind::VimgrNwRuntime => Self::guarding(Kind::Network),
            kind => format!("PERMISSION_{}", kind.segment().to_uppercase()),
        }
    }
}

/// Everything that the account of a program needs that creates and deletes objects of these kinds,
/// sorted; from the table of kinds, so that a kind that is new there cannot be forgotten here.
pub fn needed(written: &[Kind]) -> Vec<Privilege> {
    let is_known = |kind: &&Kind| !UNNAMED.contains(kind);
    let mut all: Vec<_> = Kind::ALL.iter().filter(is_known).map(|kind| needed_for(*kind, written)).collect();
    let more = [CONTROLLER, "PERMISSION_SYSTEMCONFIGURATION"].into_iter().chain(OWN_ROLES);
    all.extend(more.map(|resource| Privilege {
        place: Place::Everywhere,
        resource: resource.to_owned(),
        access: Access::Read,
    }));
    all.sort();
    all.dedup();
    all
}

fn needed_for(kind: Kind, written: &[Kind]) -> Privilege {
    let (place, access) = match kind {
        // The SE group gets a label, the VRF gets routes.
        Kind::ServiceEngineGroup | Kind::VrfContext => (Place::Admin, Access::Write),
        Kind::Tenant => (Place::Everywhere, Access::Read),
        Kind::Cloud | Kind::Network | Kind::VimgrNwRuntime | Kind::IpamDnsProviderProfile => {
            (Place::Admin, Access::Read)
        }
        kind if written.contains(&kind) => (Place::Tenant, Access::Write),
        _ => (Place::Tenant, Access::Read),
    };
    Privilege { place, resource: Privilege::guarding(kind), access }
}

/// The role for a place, as `POST /api/role` takes it. Both programs have one account.
pub fn role(place: Place) -> Value {
    let written = [Kind::WRITTEN, Kind::OF_CUSTOM_RESOURCES].concat();
    let privileges = needed(&written).into_iter().filter(|privilege| privilege.place == place);
    let privileges = privileges
        .map(|privilege| json!({"resource": privilege.resource, "type": privilege.access.name()}))
        .collect::<Vec<_>>();
    json!({"name": place.role(), "privileges": privileges})
}

/// What an account may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Everything.
    Everything,
    /// What its roles say.
    ByRoles(Vec<Grant>),
}

/// A role that an account has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The tenant's name; in all tenants without.
    pub tenant: Option<Arc<str>>,
    privileges: BTreeMap<String, Access>,
}

impl Allowed {
    /// What of that which is needed to write these kinds is not allowed in this tenant.
    pub fn missing(&self, tenant: &str, written: &[Kind]) -> Vec<Privilege> {
        let Self::ByRoles(grants) = self else { return Vec::new() };
        let allows = |privilege: &Privilege| {
            let fits = grants.iter().filter(|grant| match (privilege.place, grant.tenant.as_deref()) {
                (_, None) => true,
                (Place::Everywhere, Some(_)) => false,
                (Place::Admin, Some(name)) => name == ADMIN,
                (Place::Tenant, Some(name)) => name == tenant,
            });
            fits.into_iter().any(|grant| {
                grant.privileges.get(&privilege.resource).is_some_and(|access| *access >= privilege.access)
            })
        };
        needed(written).into_iter().filter(|privilege| !allows(privilege)).collect()
    }
}

impl AviClient {
    /// What the account that is logged in may do.
    ///
    /// # Errors
    /// [`ErrorClass::Denied`] if it may not read its own roles, with a text that names the
    /// privilege; otherwise the failure of the read.
    pub async fn allowed(&self, username: &str) -> Result<Allowed, Failure> {
        let [user, role] = OWN_ROLES;
        let query =
            [("name".to_owned(), username.to_owned()), ("include_name".to_owned(), "true".to_owned())];
        let admin = Tenant::named(ADMIN);
        let list = self.get_json("/api/user", &query, &admin).await.map_err(|f| naming(user, f))?;
        let users = list.get("results").and_then(Value::as_array).into_iter().flatten();
        let found = users.into_iter().find(|user| {
            ["username", "name"].iter().any(|field| user.get(field).and_then(Value::as_str) == Some(username))
        });
        let Some(found) = found else { return Err(unknown(username)) };
        if found.get("is_superuser").and_then(Value::as_bool) == Some(true) {
            return Ok(Allowed::Everything);
        }
        let mut grants = Vec::new();
        for access in found.get("access").and_then(Value::as_array).into_iter().flatten().take(MOST_ROLES) {
            let reference = |field: &str| access.get(field).and_then(Value::as_str);
            let Some(uuid) = reference("role_ref").and_then(role_uuid) else { continue };
            let found = self.get_json(&format!("/api/role/{uuid}"), &[], &admin).await;
            let found = found.map_err(|failure| naming(role, failure))?;
            let everywhere = access.get("all_tenants").and_then(Value::as_bool) == Some(true);
            let tenant =
                reference("tenant_ref").map(Ref::parse).and_then(|tenant| tenant.name.or(tenant.uuid));
            // A role that is for no tenant allows nothing.
            if everywhere || tenant.is_some() {
                let tenant = tenant.filter(|_| !everywhere);
                grants.push(Grant { tenant, privileges: privileges(&found) });
            }
        }
        Ok(Allowed::ByRoles(grants))
    }
}

/// Roles are no objects that we refer to, so they have no kind.
fn role_uuid(reference: &str) -> Option<&str> {
    let (_, rest) = reference.split_once("/api/role/")?;
    rest.split(['#', '?', '/']).next().filter(|uuid| !uuid.is_empty())
}

fn privileges(role: &Value) -> BTreeMap<String, Access> {
    let all = role.get("privileges").and_then(Value::as_array).into_iter().flatten();
    let read = |privilege: &Value| {
        let access = match privilege.get("type")?.as_str()? {
            "READ_ACCESS" => Access::Read,
            "WRITE_ACCESS" => Access::Write,
            _ => return None,
        };
        Some((privilege.get("resource")?.as_str()?.to_owned(), access))
    };
    all.filter_map(read).collect()
}

fn naming(privilege: &str, mut failure: Failure) -> Failure {
    if failure.class == ErrorClass::Denied {
        failure.message = format!("it lacks {privilege} (READ_ACCESS): {}", failure.message);
    }
    failure
}

fn unknown(username: &str) -> Failure {
    Failure {
        class: ErrorClass::Waiting,
        status: None,
        message: format!("the controller does not list the account {username}"),
        retry_after_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(tenant: Option<&str>, place: Place) -> Grant {
        Grant { tenant: tenant.map(Arc::from), privileges: privileges(&role(place)) }
    }

    #[test]
    fn the_roles_together_are_enough_and_none_alone_is() {
        let all = [
            grant(None, Place::Everywhere),
            grant(Some("admin"), Place::Admin),
            grant(Some("blue"), Place::Tenant),
        ];
        assert_eq!(Allowed::ByRoles(all.to_vec()).missing("blue", Kind::WRITTEN), []);
        for left_out in 0..all.len() {
            let mut some = all.to_vec();
            some.remove(left_out);
            let missing = Allowed::ByRoles(some).missing("blue", Kind::WRITTEN);
            assert!(missing.iter().all(|privilege| privilege.place == Place::ALL[left_out]), "{missing:?}");
            assert!(!missing.is_empty());
        }
        assert!(
            !Allowed::ByRoles(all.to_vec()).missing("green", Kind::WRITTEN).is_empty(),
            "of another tenant"
        );
    }

    #[test]
    fn to_read_is_not_enough_to_write() {
        let mut roles = Place::ALL.map(|place| grant(None, place));
        for grant in &mut roles {
            grant.privileges.values_mut().for_each(|access| *access = Access::Read);
        }
        let missing = Allowed::ByRoles(roles.to_vec()).missing("admin", Kind::WRITTEN);
        let written = Kind::WRITTEN.len() + Kind::BORROWED.len();
        assert_eq!(missing.len(), written, "{missing:?}");
        assert!(missing.iter().all(|privilege| privilege.access == Access::Write));
    }

    #[test]
    fn the_roles_are_those_that_are_given_to_administrators() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/avi-roles");
        for place in Place::ALL {
            let path = format!("{folder}/{}.json", place.role());
            let wanted = format!("{:#}\n", role(place));
            if std::env::var_os("AKO_UPDATE_ROLES").is_some() {
                std::fs::create_dir_all(folder).unwrap();
                std::fs::write(&path, &wanted).unwrap();
            }
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(found, wanted, "{path} is out of date: run this test with AKO_UPDATE_ROLES=1");
        }
    }
}
