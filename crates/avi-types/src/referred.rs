//! Objects that others refer to and that are not the operator's to make: a WAF policy, a network.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::kind::Kind;
use crate::reference::Ref;
use crate::service_engine_group::Label;
use crate::vrf_context;

/// By what an object is referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// By its name.
    Name,
    /// By its uuid.
    Uuid,
    /// As the VRF that NSX-T maps to a tier-1 router, by the path of that.
    /// Source: L4 and network, B3.
    Tier1Router,
}

impl By {
    /// The field that holds it, if the controller finds objects by that.
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::Name => Some("name"),
            Self::Uuid => Some("uuid"),
            Self::Tier1Router => None,
        }
    }
}

/// An object that is referred to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Referred {
    /// Its kind.
    pub kind: Kind,
    /// By what it is referred to.
    pub by: By,
    /// The tenant that it is referred to in.
    pub tenant: Arc<str>,
    /// Its name, its uuid, or the path of its tier-1 router.
    pub name: Arc<str>,
}

impl Referred {
    /// An object that is referred to by its name.
    pub fn named(kind: Kind, tenant: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind, by: By::Name, tenant: tenant.into(), name: name.into() }
    }

    /// One that is referred to by its uuid.
    pub fn with_uuid(kind: Kind, tenant: impl Into<Arc<str>>, uuid: impl Into<Arc<str>>) -> Self {
        Self { kind, by: By::Uuid, tenant: tenant.into(), name: uuid.into() }
    }

    /// The VRF that NSX-T maps to a tier-1 router, which is given by its path.
    pub fn vrf_of_tier1(tenant: impl Into<Arc<str>>, router: impl Into<Arc<str>>) -> Self {
        Self { kind: Kind::VrfContext, by: By::Tier1Router, tenant: tenant.into(), name: router.into() }
    }

    /// Whether a body is that of such an object. Names are compared to the letter.
    pub fn is(&self, body: &Value) -> bool {
        let found = match self.by.field() {
            Some(field) => body.get(field).and_then(Value::as_str),
            None => vrf_context::tier1_router(body),
        };
        found == Some(&*self.name)
    }
}

impl fmt::Display for Referred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            By::Name | By::Uuid => write!(f, "{} {}/{}", self.kind, self.tenant, self.name),
            By::Tier1Router => write!(f, "{} {} of tier-1 router {}", self.kind, self.tenant, self.name),
        }
    }
}

/// What matters of an object that others refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    /// Its uuid.
    pub uuid: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The tenant that it is in, if the controller tells.
    pub tenant: Option<Arc<str>>,
    /// The attribute `type`, such as `APPLICATION_PROFILE_TYPE_HTTP`; of network profiles that of
    /// `profile`.
    pub object_type: Option<Arc<str>>,
    /// The attribute `created_by`.
    pub created_by: Option<Arc<str>>,
    /// The attribute `labels`.
    pub labels: Vec<Label>,
    /// Whether others in the same cloud have its name, so that this does not tell which is meant.
    pub has_namesakes: bool,
}

impl Brief {
    /// What matters of the first of these bodies, which one reference may mean.
    pub fn of(found: &[Value]) -> Option<Self> {
        let has_namesakes = found.len() > 1;
        found.first().map(|body| Self { has_namesakes, ..Self::read(body) })
    }

    /// What matters of a body. What is not as it should be counts as absent.
    pub fn read(body: &Value) -> Self {
        let text = |field: &str| body.get(field).and_then(Value::as_str).map(Arc::from);
        let labels = body.get("labels").cloned().map(serde_json::from_value);
        Self {
            uuid: text("uuid").unwrap_or_default(),
            name: text("name").unwrap_or_default(),
            tenant: text("tenant_ref").and_then(|tenant| Ref::parse(&tenant).name),
            // Network profiles have it one level below.
            object_type: text("type").or_else(|| body.pointer("/profile/type")?.as_str().map(Arc::from)),
            created_by: text("created_by"),
            labels: labels.and_then(Result::ok).unwrap_or_default(),
            has_namesakes: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_meant_to_the_letter() {
        let referred = Referred::named(Kind::WafPolicy, "admin", "Strict & new");
        assert!(referred.is(&json!({"name": "Strict & new", "uuid": "wafpolicy-1"})));
        assert!(!referred.is(&json!({"name": "strict & new"})));
        assert!(Referred::with_uuid(Kind::Network, "admin", "n-1").is(&json!({"name": "a", "uuid": "n-1"})));
    }

    #[test]
    fn a_body_of_any_form_is_read() {
        let body = json!({"uuid": "u", "type": "T", "created_by": "me", "labels": [{"key": "clustername", "value": "c"}]});
        let brief = Brief::read(&body);
        assert_eq!((&*brief.uuid, brief.object_type.as_deref()), ("u", Some("T")));
        assert_eq!(
            (brief.created_by.as_deref(), &*brief.labels),
            (Some("me"), &[Label::of_cluster("c")][..])
        );
        assert_eq!(Brief::read(&json!({"uuid": 1, "labels": "none"})), Brief::default());
    }
}
