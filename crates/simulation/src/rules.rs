//! AKO's rules as they are put into the cluster, right and wrong, and what they refer to on
//! the controller.

use ako_harness::cluster;
use serde_json::{Value, json};

use crate::script::Served;
use crate::setup::{LIVELY, Setup};
use crate::workload::{MOST, OTHER_GROUP, host};

/// What is said of a rule where it refers to something that is on no controller.
const NOWHERE: &str = "nowhere";
/// What every object is called that the administrator has on the controller for rules.
const THERE: &str = "custom";

/// How many hosts have rules: the first lively ones, and the one with a certificate.
pub const HOSTS: usize = 5;
/// How many AviInfraSettings there are at most.
pub const SETTINGS: usize = 3;
/// How many Services have L4Rules.
pub const SERVICES: usize = 3;
/// The class whose parameters name an AviInfraSetting.
pub const GOLD: &str = "gold";

/// The kinds of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Rule {
    AviInfraSetting,
    HostRule,
    HttpRule,
    L4Rule,
    L7Rule,
    SsoRule,
}

/// How a rule is from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Right, in one of several ways.
    Right(usize),
    /// It refers to what is not there, or contradicts itself.
    Wrong(usize),
    /// Deleted.
    Gone,
}

impl Form {
    /// What it is called where steps are counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Right(_) => "right",
            Self::Wrong(_) => "wrong",
            Self::Gone => "deleted",
        }
    }
}

/// What names an AviInfraSetting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namer {
    /// The class [`GOLD`].
    Class,
    /// A namespace, in its annotation.
    Namespace(&'static str),
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::AviInfraSetting, Self::HostRule, Self::HttpRule, Self::L4Rule, Self::L7Rule, Self::SsoRule];

    /// Its kind in Kubernetes.
    pub fn kind(self) -> &'static str {
        match self {
            Self::AviInfraSetting => "AviInfraSetting",
            Self::HostRule => "HostRule",
            Self::HttpRule => "HTTPRule",
            Self::L4Rule => "L4Rule",
            Self::L7Rule => "L7Rule",
            Self::SsoRule => "SSORule",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::AviInfraSetting | Self::HostRule | Self::HttpRule => "ako.vmware.com/v1beta1",
            Self::L4Rule | Self::L7Rule | Self::SsoRule => "ako.vmware.com/v1alpha2",
        }
    }

    /// How many objects of it there are at most.
    pub fn most(self) -> usize {
        match self {
            Self::AviInfraSetting => SETTINGS,
            Self::L4Rule => SERVICES,
            _ => HOSTS,
        }
    }

    /// An object of it.
    pub fn object(self, setup: Setup, number: usize, form: Form) -> Value {
        let (namespace, host) = place(setup, number);
        let metadata = match self {
            Self::AviInfraSetting => json!({"name": setting(number)}),
            Self::L4Rule => json!({"name": name(number), "namespace": LIVELY}),
            _ => json!({"name": name(number), "namespace": namespace}),
        };
        let mut object = json!({"apiVersion": self.version(), "kind": self.kind(), "metadata": metadata});
        match form {
            Form::Gone => object["$delete"] = true.into(),
            form => object["spec"] = self.spec(&host, number, form),
        }
        object
    }

    fn spec(self, host: &str, number: usize, form: Form) -> Value {
        match self {
            Self::AviInfraSetting => setting_spec(form),
            Self::HostRule => {
                let mut spec = host_spec(number, form);
                spec["fqdn"] = host.into();
                json!({ "virtualhost": spec })
            }
            Self::HttpRule => json!({"fqdn": host, "paths": [path_spec(form)]}),
            Self::L4Rule => service_spec(form),
            Self::L7Rule => more_spec(form),
            Self::SsoRule => sign_in_spec(host, form),
        }
    }
}

/// The namespace and the host that rules of a number are for.
fn place(setup: Setup, number: usize) -> (&'static str, String) {
    let (namespace, number) =
        if number + 1 == HOSTS { (LIVELY, MOST + 2) } else { (setup.lively(number), number) };
    (namespace, host(namespace, number))
}

/// The name of a rule of that number.
pub fn name(number: usize) -> String {
    format!("rule-{number}")
}

/// The name of an AviInfraSetting.
pub fn setting(number: usize) -> String {
    format!("setting-{number}")
}

/// The class that names a setting, or none.
pub fn class(setting_number: Option<usize>) -> Value {
    let mut class = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": GOLD},
        "spec": {"controller": "ako.vmware.com/avi-lb"},
    });
    if let Some(number) = setting_number {
        class["spec"]["parameters"] =
            json!({"apiGroup": "ako.vmware.com", "kind": "AviInfraSetting", "name": setting(number)});
    }
    class
}

fn setting_spec(form: Form) -> Value {
    let network = |name: &str| json!({"network": {"vipNetworks": [{"networkName": name}]}});
    match form {
        Form::Right(0) => json!({"seGroup": {"name": OTHER_GROUP}}),
        Form::Right(1) => network("other-net"),
        Form::Right(_) => json!({"l7Settings": {"shardSize": "MEDIUM"}, "seGroup": {"name": OTHER_GROUP}}),
        Form::Wrong(0) => network(NOWHERE),
        Form::Wrong(1) => json!({"seGroup": {"name": NOWHERE}}),
        _ => json!({"network": {"bgpPeerLabels": ["peer"]}}),
    }
}

fn host_spec(number: usize, form: Form) -> Value {
    let certificate = |name: &str| json!({"tls": {"sslKeyCertificate": {"name": name, "type": "ref"}}});
    match form {
        Form::Right(0) => json!({"analyticsProfile": THERE, "wafPolicy": THERE}),
        Form::Right(1) => json!({"httpPolicy": {"policySets": [THERE], "overwrite": false}}),
        Form::Right(2) => json!({"l7Rule": name(number), "errorPageProfile": THERE}),
        Form::Right(_) => certificate(THERE),
        Form::Wrong(0) => json!({"analyticsProfile": THERE, "wafPolicy": NOWHERE}),
        Form::Wrong(1) => certificate(NOWHERE),
        _ => json!({"httpPolicy": {"policySets": [NOWHERE], "overwrite": true}}),
    }
}

fn path_spec(form: Form) -> Value {
    let mut spec = match form {
        Form::Right(0) => json!({"loadBalancerPolicy": {"algorithm": "LB_ALGORITHM_LEAST_LOAD"}}),
        Form::Right(1) => json!({"healthMonitors": [THERE], "applicationPersistence": THERE}),
        Form::Right(_) => json!({"tls": {"type": "reencrypt", "sslProfile": THERE}}),
        Form::Wrong(0) => json!({"healthMonitors": [THERE, NOWHERE]}),
        Form::Wrong(1) => json!({"applicationPersistence": NOWHERE}),
        _ => json!({"tls": {"type": "reencrypt", "sslProfile": NOWHERE}}),
    };
    spec["target"] = "/".into();
    spec
}

fn service_spec(form: Form) -> Value {
    let port = |fields: Value| {
        let mut port = fields;
        port["port"] = 80.into();
        port["protocol"] = "TCP".into();
        json!({ "backendProperties": [port] })
    };
    match form {
        Form::Right(0) => json!({"analyticsProfileRef": THERE}),
        Form::Right(1) => port(json!({"healthMonitorRefs": [THERE]})),
        Form::Right(_) => port(json!({"applicationPersistenceProfileRef": THERE})),
        Form::Wrong(0) => json!({"analyticsProfileRef": NOWHERE}),
        Form::Wrong(1) => port(json!({"healthMonitorRefs": [NOWHERE]})),
        // The Service has no such port.
        _ => json!({"listenerProperties": [{"port": 9999, "protocol": "TCP"}]}),
    }
}

fn more_spec(form: Form) -> Value {
    match form {
        Form::Right(0) => json!({"minPoolsUp": 2}),
        Form::Right(_) => json!({"httpPolicy": {"overwrite": false, "policySets": [THERE]}}),
        _ => json!({"httpPolicy": {"overwrite": false, "policySets": [NOWHERE]}}),
    }
}

fn sign_in_spec(host: &str, form: Form) -> Value {
    let policy = if matches!(form, Form::Right(_)) { THERE } else { NOWHERE };
    let url = format!("https://{host}/sso");
    json!({
        "fqdn": host, "ssoPolicyRef": policy,
        "samlSpConfig": {
            "authnReqAcsType": "SAML_AUTHN_REQ_ACS_TYPE_URL", "entityID": host, "singleSignonURL": url,
        },
    })
}

/// The kinds of what rules refer to on the controller, each with one object.
const REFERRED: [&str; 10] = [
    "analyticsprofile",
    "applicationpersistenceprofile",
    "applicationprofile",
    "errorpageprofile",
    "healthmonitor",
    "httppolicyset",
    "sslkeyandcertificate",
    "sslprofile",
    "ssopolicy",
    "wafpolicy",
];

/// What rules refer to on the controller: the administrator's.
pub fn referred() -> Value {
    let of = |kind: &str| {
        let mut object = json!({"name": THERE});
        match kind {
            "healthmonitor" => object["type"] = "HEALTH_MONITOR_TCP".into(),
            "ssopolicy" => object["type"] = "SSO_TYPE_SAML".into(),
            "sslkeyandcertificate" => object["type"] = "SSL_CERTIFICATE_TYPE_VIRTUALSERVICE".into(),
            "applicationprofile" => object["type"] = "APPLICATION_PROFILE_TYPE_HTTP".into(),
            "applicationpersistenceprofile" => {
                object["persistence_type"] = "PERSISTENCE_TYPE_CLIENT_IP_ADDRESS".into();
            }
            _ => {}
        }
        (kind.to_owned(), json!({ format!("admin/{THERE}"): object }))
    };
    Value::Object(REFERRED.into_iter().map(of).collect())
}

/// What the API server has to be told before it serves the kinds: AKO's, and OpenShift's Routes.
pub fn definitions(served: Served) -> Vec<Value> {
    let rules = if served.rules { ako_kube_types::schema::definitions() } else { Vec::new() };
    rules.into_iter().chain(served.routes.then(cluster::definition_of_routes)).collect()
}
