//! Custom resources of the CRD operator as they are put into the cluster, right and wrong, the Secrets
//! that they name, and what is made of them on the controller.

use ako_core::name::Names;
use ako_core::{Config, Program, ResourceKind};
use serde_json::{Value, json};

use crate::rules::Form;
use crate::setup::{LIVELY, RENTED, STILL};
use crate::workload::CLUSTER;

/// How many custom resources of a kind come, change and go at most.
pub const MOST: usize = 4;
/// The namespaces that they are in.
pub const NAMESPACES: [&str; 2] = [LIVELY, RENTED];
/// A tenant of the controller that namespaces may be of instead of the usual one.
pub const OTHER_TENANT: &str = "other";
/// The start of the names of all that the CRD operator makes.
pub const PREFIX: &str = "ako-crd-operator-";
/// What somebody's objects are called on the controller that refer to those.
pub const REFERRER: &str = "by-hand";

/// The Secret that a health monitor signs in with.
const SIGN_IN: &str = "sign-in";
/// One that is never there.
const NOWHERE: &str = "nowhere";
/// Passwords in base 64: one, two, three, four.
const PASSWORDS: [&str; 4] = ["b25l", "dHdv", "dGhyZWU=", "Zm91cg=="];

/// The kinds of custom resources of which an object of the controller is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Profile {
    HealthMonitor,
    ApplicationProfile,
    PkiProfile,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::HealthMonitor, Self::ApplicationProfile, Self::PkiProfile];

    /// The one of a kind.
    pub fn of(kind: ResourceKind) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.kind() == kind)
    }

    /// Its kind in Kubernetes.
    pub fn kind(self) -> ResourceKind {
        match self {
            Self::HealthMonitor => ResourceKind::HealthMonitor,
            Self::ApplicationProfile => ResourceKind::ApplicationProfile,
            Self::PkiProfile => ResourceKind::PKIProfile,
        }
    }

    /// Its type on the controller.
    pub fn segment(self) -> &'static str {
        match self {
            Self::HealthMonitor => "healthmonitor",
            Self::ApplicationProfile => "applicationprofile",
            Self::PkiProfile => "pkiprofile",
        }
    }

    /// A custom resource of it.
    pub fn object(self, namespace: &str, number: usize, form: Form) -> Value {
        let mut object = json!({
            "apiVersion": self.kind().spec().api_version(), "kind": self.kind().as_str(),
            "metadata": {"name": name(number), "namespace": namespace},
        });
        match (self, form) {
            (_, Form::Gone) => object["$delete"] = true.into(),
            (Self::HealthMonitor, form) => object["spec"] = monitor(form),
            (Self::ApplicationProfile, Form::Right(way) | Form::Wrong(way)) => {
                object["spec"] = application(way);
            }
            (Self::PkiProfile, Form::Right(way) | Form::Wrong(way)) => object["spec"] = authorities(way),
        }
        object
    }

    /// An object of somebody on the controller that refers to what is called so, with its type.
    pub fn referrer(self, name: &str) -> (&'static str, Value) {
        let reference = format!("/api/{}?name={name}", self.segment());
        let (kind, field, value) = match self {
            Self::HealthMonitor => ("pool", "health_monitor_refs", json!([reference])),
            Self::ApplicationProfile => ("virtualservice", "application_profile_ref", reference.into()),
            Self::PkiProfile => ("pool", "pki_profile_ref", reference.into()),
        };
        let referrer = format!("{REFERRER}-{}-{name}", self.segment());
        (kind, json!({"name": referrer, "created_by": "somebody", field: value}))
    }
}

/// The name of a custom resource of that number.
pub fn name(number: usize) -> String {
    format!("profile-{number}")
}

/// The namespace of a lively one of that number.
pub fn namespace(number: usize) -> &'static str {
    NAMESPACES[number % NAMESPACES.len()]
}

/// The name of what is made of a custom resource.
pub fn name_of_made(namespace: &str, name: &str) -> String {
    let config = Config { program: Program::CrdOperator, cluster_name: CLUSTER.into(), ..Config::default() };
    Names::new(&config).of_custom_resource(namespace, name)
}

/// A health monitor that is wrong names a Secret that is not there, or is such that the controller
/// refuses it.
fn monitor(form: Form) -> Value {
    let monitor = |interval: usize, http: Value| {
        let mut http = http;
        http["http_request"] = "GET /".into();
        json!({"type": "HEALTH_MONITOR_HTTP", "send_interval": interval, "http_monitor": http})
    };
    let signing_in = |interval: usize, secret: &str| {
        let mut monitor = monitor(interval, json!({"auth_type": "AUTH_BASIC"}));
        monitor["authentication"] = json!({"secret_ref": secret});
        monitor
    };
    match form {
        Form::Right(0) => monitor(10, json!({})),
        Form::Right(1) => monitor(20, json!({"http_response_code": ["HTTP_2XX", "HTTP_3XX"]})),
        Form::Right(way) => signing_in(10 * way, SIGN_IN),
        Form::Wrong(0 | 1) => signing_in(10, NOWHERE),
        _ => {
            let mut monitor = monitor(5, json!({}));
            monitor["receive_timeout"] = 9.into();
            monitor
        }
    }
}

/// Whether a custom resource is one that the controller refuses.
pub fn is_refused(object: &Value) -> bool {
    object["spec"]["receive_timeout"] == 9
}

fn application(way: usize) -> Value {
    let profile = match way {
        0 => json!({"xff_enabled": true}),
        1 => json!({"keepalive_header": true, "keepalive_timeout": 20_000}),
        _ => json!({
            "use_true_client_ip": true,
            "true_client_ip": {"headers": [format!("X-Client-{way}")], "direction": "LEFT"},
        }),
    };
    json!({"type": "APPLICATION_PROFILE_TYPE_HTTP", "http_profile": profile})
}

fn authorities(way: usize) -> Value {
    let certificate = |number: usize| json!({"certificate": format!("-----BEGIN CERTIFICATE-----\n{number}\n-----END CERTIFICATE-----\n")});
    json!({"ca_certs": (way..=2 * way).map(certificate).collect::<Vec<_>>()})
}

/// The Secret that the health monitors of a namespace sign in with. One that is wrong has no password.
pub fn sign_in(namespace: &str, form: Form) -> Value {
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "ako.vmware.com/basic-auth",
        "metadata": {"name": SIGN_IN, "namespace": namespace}, "data": {"username": "cHJvYmU="},
    });
    match form {
        Form::Right(way) => secret["data"]["password"] = PASSWORDS[way % PASSWORDS.len()].into(),
        Form::Wrong(_) => {}
        Form::Gone => secret["$delete"] = true.into(),
    }
    secret
}

/// What is there in the beginning: Secrets, and in the namespace whose objects never change a custom
/// resource of each kind.
pub fn beginning() -> Vec<Value> {
    let secrets = [STILL].into_iter().chain(NAMESPACES).map(|name| sign_in(name, Form::Right(0)));
    let still = Profile::ALL.into_iter().map(|profile| profile.object(STILL, 0, Form::Right(2)));
    secrets.chain(still).collect()
}

/// The definitions of the custom resources.
pub fn definitions() -> Vec<Value> {
    let is_ours = |definition: &Value| {
        let kind = definition["spec"]["names"]["kind"].as_str();
        ResourceKind::ALL
            .into_iter()
            .any(|it| it.is_published_by(Program::CrdOperator) && Some(it.as_str()) == kind)
    };
    ako_kube_types::schema::definitions().into_iter().filter(is_ours).collect()
}

/// What is on the controller beside the usual: another tenant.
pub fn premises() -> Value {
    json!({"tenant": {format!("admin/{OTHER_TENANT}"): {"name": OTHER_TENANT}}})
}
