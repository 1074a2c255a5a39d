//! HostRule, ako.vmware.com/v1beta1. Source: Custom resources, §3.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ako_core::kinds::host_rule::{self as kept, CertificateSource, FqdnType, Termination};
use ako_core::resource::Published;
use ako_core::{Resource, ResourceId, ResourceKind};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::convert::{Convert, Converted, Stamp};
use crate::metadata;
use crate::rule::{self, AnalyticsPolicy, Checks, HttpPolicy, PORTS, Place, text, texts, words};

/// A HostRule, ako.vmware.com/v1beta1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct HostRule {
    #[serde(default, deserialize_with = "metadata::slim::<HostRule, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<rule::RuleStatus>,
}

/// What the virtual service of a host has.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Spec {
    /// The host, and what its virtual service has.
    #[schemars(required)]
    virtualhost: Option<HostSettings>,
}

const FQDN_TYPES: [(&str, FqdnType); 3] =
    [("Exact", FqdnType::Exact), ("Wildcard", FqdnType::Wildcard), ("Contains", FqdnType::Contains)];
const SOURCES: [(&str, CertificateSource); 2] =
    [("ref", CertificateSource::Ref), ("secret", CertificateSource::Secret)];
const TERMINATIONS: [(&str, Termination); 1] = [("edge", Termination::Edge)];

const ALIASES_NEED_EXACT: &str = "Aliases is supported only when FQDN type is set as Exact";
const ALIASES_UNIQUE: &str = "Aliases must be unique";
const ALIAS_IS_FQDN: &str = "Duplicate entry found. Aliases field has same entry as the FQDN field";
const ALIAS_IS_GSLB: &str = "Aliases must not contain GSLB FQDN";
const GSLB_IS_FQDN: &str = "GSLB FQDN and local FQDN are same";
const ONE_ICAP_PROFILE: &str = "Can only have 1 ICAP profile associated with VS";
const A_LISTENER_WITH_SSL: &str = "Hosting parent virtualservice must have SSL enabled";

/// A host, and what its virtual service has. All profiles and policies are named as they are on
/// the Avi Controller, in the tenant of the namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([
    {"rule": "!has(self.aliases) || size(self.aliases) == 0 || !has(self.fqdnType) || self.fqdnType == 'Exact'",
        "message": ALIASES_NEED_EXACT},
    {"rule": "!has(self.gslb) || !has(self.gslb.fqdn) || self.gslb.fqdn != self.fqdn", "message": GSLB_IS_FQDN},
])))]
struct HostSettings {
    /// The name of the host, a pattern, or the name of a shared virtual service (which has
    /// `Shared-` in it).
    #[schemars(required)]
    fqdn: Option<String>,
    /// How the hosts of Ingresses and Routes are compared with `fqdn`: Exact, they are the same;
    /// Wildcard, the host ends with what stands after the asterisk; Contains, the host contains it.
    #[schemars(extend("enum" = words(&FQDN_TYPES), "default" = "Exact"))]
    fqdn_type: Option<String>,
    /// More names of the host. They are served as the host itself is. Only with fqdnType Exact.
    aliases: Option<Vec<String>>,
    /// Whether the virtual service takes traffic; it does unless this is false.
    enable_virtual_host: Option<bool>,
    /// The application profile.
    application_profile: Option<String>,
    /// The analytics profile.
    analytics_profile: Option<String>,
    /// The error page profile.
    error_page_profile: Option<String>,
    /// The WAF policy.
    waf_policy: Option<String>,
    /// The ICAP profile; one at most.
    icap_profile: Option<Vec<String>>,
    /// DataScript sets, in the order in which they run.
    datascripts: Option<Vec<String>>,
    /// The network security policy. Only for virtual services that have an address of their own.
    network_security_policy: Option<String>,
    /// The name of an L7Rule of the same namespace, with more settings.
    l7_rule: Option<String>,
    /// The path to which requests for `/` are redirected.
    application_root_path: Option<String>,
    /// Whether the paths of Ingresses and Routes are regular expressions.
    use_regex: Option<bool>,
    /// HTTP policy sets.
    http_policy: Option<HttpPolicy>,
    /// The name that the host has in several clusters.
    gslb: Option<Gslb>,
    /// How TLS ends at the host.
    tls: Option<Tls>,
    /// What is recorded of the requests.
    analytics_policy: Option<AnalyticsPolicy>,
    /// The ports and the address. Only for virtual services that have an address of their own.
    tcp_settings: Option<TcpSettings>,
}

/// The name that the host has in several clusters.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Gslb {
    /// The name. Requests for it are served as those for the host are.
    fqdn: Option<String>,
    /// Whether the aliases are served in several clusters, too. It is for who manages the names of
    /// several clusters; the operator passes it over.
    #[schemars(extend("default" = false))]
    include_aliases: Option<bool>,
}

/// How TLS ends at the host.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Tls {
    /// The certificate with its key. It counts before those of Ingresses and Routes.
    #[schemars(required)]
    ssl_key_certificate: Option<SslKeyCertificate>,
    /// The SSL profile.
    ssl_profile: Option<String>,
    /// Where TLS ends: at the virtual service.
    #[schemars(extend("enum" = words(&TERMINATIONS)))]
    termination: Option<String>,
}

/// A certificate with its key.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SslKeyCertificate {
    /// The name of the certificate on the Avi Controller, or of a Secret of the same namespace.
    #[schemars(required)]
    name: Option<String>,
    /// Where it is: ref, on the Avi Controller; secret, in a Secret of type kubernetes.io/tls.
    #[schemars(required, extend("enum" = words(&SOURCES)))]
    #[serde(rename = "type")]
    source: Option<String>,
    /// One more certificate with its key, of another algorithm.
    alternate_certificate: Option<AlternateCertificate>,
}

/// One more certificate with its key.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct AlternateCertificate {
    /// The name of the certificate on the Avi Controller, or of a Secret of the same namespace.
    #[schemars(required)]
    name: Option<String>,
    /// Where it is: ref, on the Avi Controller; secret, in a Secret of type kubernetes.io/tls.
    #[schemars(required, extend("enum" = words(&SOURCES)))]
    #[serde(rename = "type")]
    source: Option<String>,
}

/// The ports and the address.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = json!([
    {"rule": "!has(self.listeners) || size(self.listeners) == 0 || \
              self.listeners.exists(listener, has(listener.enableSSL) && listener.enableSSL)",
        "message": A_LISTENER_WITH_SSL},
])))]
struct TcpSettings {
    /// The address of the virtual service, IPv4 or IPv6.
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Option<String>,
    /// The ports of the virtual service, instead of 80 and 443. One of them has to have TLS.
    listeners: Option<Vec<Listener>>,
}

/// A port of the virtual service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct Listener {
    /// Its number.
    #[schemars(range(min = 1, max = 65535))]
    port: Option<i64>,
    /// Whether it has TLS; it has not unless this is true.
    #[serde(rename = "enableSSL")]
    enable_ssl: Option<bool>,
}

impl Convert for HostRule {
    fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
        rule::status(wanted, current, stamp.now)
    }

    fn convert(self) -> Converted {
        let id = metadata::namespaced_name(&self.metadata);
        let mut checks = Checks::of(ResourceId { kind: ResourceKind::HostRule, name: id.clone() });
        let host = checks.at("spec").required("virtualhost", self.spec.unwrap_or_default().virtualhost);
        let rule = host.map(|host| virtual_host(host, &mut checks)).unwrap_or_default();
        let (invalid, diagnostics) = checks.finish();
        let meta = metadata::kept(&self.metadata);
        let rule = kept::HostRule { id, meta, invalid, published: rule::published(self.status), ..rule };
        Converted { resource: Some(Resource::HostRule(rule)), diagnostics }
    }
}

fn virtual_host(wire: HostSettings, checks: &mut Checks) -> kept::HostRule {
    let at = &mut checks.at("spec.virtualhost");
    let icap_profiles = texts(wire.icap_profile);
    if icap_profiles.len() > 1 {
        at.say(ONE_ICAP_PROFILE);
    }
    let rule = kept::HostRule {
        fqdn: at.required_text("fqdn", wire.fqdn),
        fqdn_type: at.one_of("fqdnType", wire.fqdn_type, &FQDN_TYPES).unwrap_or_default(),
        aliases: texts(wire.aliases),
        enable_virtual_host: wire.enable_virtual_host,
        application_profile: text(wire.application_profile),
        analytics_profile: text(wire.analytics_profile),
        error_page_profile: text(wire.error_page_profile),
        waf_policy: text(wire.waf_policy),
        icap_profile: icap_profiles.into_iter().next(),
        datascripts: texts(wire.datascripts),
        network_security_policy: text(wire.network_security_policy),
        l7_rule: text(wire.l7_rule),
        application_root_path: text(wire.application_root_path),
        use_regex: wire.use_regex.unwrap_or_default(),
        http_policy: wire.http_policy.map(Into::into),
        gslb: wire.gslb.map(|gslb| kept::Gslb {
            fqdn: text(gslb.fqdn),
            include_aliases: gslb.include_aliases.unwrap_or_default(),
        }),
        tls: wire.tls.map(|tls| host_tls(tls, &mut at.at("tls"))),
        analytics_policy: wire.analytics_policy.map(|policy| policy.convert(&mut at.at("analyticsPolicy"))),
        tcp_settings: wire.tcp_settings.map(|settings| tcp_settings(settings, &mut at.at("tcpSettings"))),
        ..kept::HostRule::default()
    };
    check_names(&rule, at);
    rule
}

/// The names of a host have to differ, and a shared virtual service has no paths of its own.
fn check_names(rule: &kept::HostRule, at: &mut Place<'_>) {
    let gslb = rule.gslb.as_ref().and_then(|gslb| gslb.fqdn.as_ref());
    if gslb == Some(&rule.fqdn) {
        at.say(GSLB_IS_FQDN);
    }
    if !rule.aliases.is_empty() && rule.fqdn_type != FqdnType::Exact {
        at.say(ALIASES_NEED_EXACT);
    }
    if rule.aliases.contains(&rule.fqdn) {
        at.say(ALIAS_IS_FQDN);
    }
    if rule.aliases.iter().collect::<BTreeSet<_>>().len() < rule.aliases.len() {
        at.say(ALIASES_UNIQUE);
    }
    if gslb.is_some_and(|gslb| rule.aliases.contains(gslb)) {
        at.say(ALIAS_IS_GSLB);
    }
    let fqdn = &rule.fqdn;
    let cannot =
        |what| format!("hostrule {what} with fqdn {fqdn} cannot be applied to shared virtualservices");
    if rule.is_about_shared() && rule.use_regex {
        at.say(cannot("useRegex"));
    }
    if rule.is_about_shared() && rule.application_root_path.is_some() {
        at.say(cannot("applicationRootPath"));
    }
}

fn host_tls(wire: Tls, at: &mut Place<'_>) -> kept::HostTls {
    let found = at.required("sslKeyCertificate", wire.ssl_key_certificate).unwrap_or_default();
    let of = |name, source, at: &mut Place<'_>| kept::Certificate {
        name: at.required_text("name", name),
        source: at
            .required("type", source)
            .and_then(|word| at.one_of("type", Some(word), &SOURCES))
            .unwrap_or_default(),
    };
    let termination = at.one_of("termination", wire.termination, &TERMINATIONS);
    let at = &mut at.at("sslKeyCertificate");
    kept::HostTls {
        certificate: of(found.name, found.source, at),
        alternate: found
            .alternate_certificate
            .map(|other| of(other.name, other.source, &mut at.at("alternateCertificate"))),
        ssl_profile: text(wire.ssl_profile),
        termination,
    }
}

fn tcp_settings(wire: TcpSettings, at: &mut Place<'_>) -> kept::TcpSettings {
    let load_balancer_ip: Option<Arc<str>> = text(wire.load_balancer_ip);
    if let Some(ip) = load_balancer_ip.as_deref().filter(|ip| ip.parse::<IpAddr>().is_err()) {
        at.say(format!("loadBalancerIP {ip} is not a valid IP"));
    }
    let listeners = at.each("listeners", wire.listeners, |listener, at| kept::HostListener {
        port: at.number("port", listener.port, PORTS),
        enable_ssl: listener.enable_ssl.unwrap_or_default(),
    });
    if !listeners.is_empty() && !listeners.iter().any(|listener| listener.enable_ssl) {
        at.say(A_LISTENER_WITH_SSL);
    }
    kept::TcpSettings { load_balancer_ip, listeners }
}
