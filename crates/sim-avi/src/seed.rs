//! The objects a Controller holds before anybody configures it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::certificate;
use crate::clock::Clock;
use crate::defaults;
use crate::dump;
use crate::kind;
use crate::reference;
use crate::store::{ADMIN, Fields, Object, Store};
use crate::write::{Configuration, fresh_uuid};

/// A seed that contradicts itself: what was wrong with each object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedError(pub Vec<String>);

impl std::fmt::Display for SeedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the environment is not consistent: {}", self.0.join("; "))
    }
}

impl std::error::Error for SeedError {}

/// Stores the objects of an environment in canonical form; nothing is checked but
/// references. Problems are returned, the rest is stored.
pub(crate) fn plant(configuration: &mut Configuration, environment: &Value, clock: &Clock) -> Vec<String> {
    let mut problems = Vec::new();
    for path in environment.as_object().into_iter().flat_map(|types| types.keys()) {
        if kind::find(path).is_none() {
            problems.push(format!("unknown type {path}"));
        }
    }
    let provider = json!({ "tenant": { "admin/admin": { "name": "admin" } } });
    let planted: Vec<Arc<Object>> = dump::entries(&provider)
        .chain(dump::entries(environment))
        .filter_map(|(kind, tenant, fields)| {
            let planted = name_object(configuration, kind, tenant, fields, clock);
            planted.map_err(|problem| problems.push(problem)).ok().flatten()
        })
        .collect();
    for object in planted {
        if let Err(problem) = fill_object(configuration, &object, clock) {
            problems.push(format!("{} {}: {problem}", object.kind.model, object.name));
        }
    }
    let vsvips: Vec<_> =
        kind::find("vsvip").into_iter().flat_map(|kind| configuration.store.of_kind(kind).cloned()).collect();
    for vsvip in &vsvips {
        configuration.ipam.adopt(&configuration.store, vsvip);
    }
    problems
}

/// Stores an object by name, its fields unread, so that references lead somewhere.
fn name_object(
    configuration: &mut Configuration,
    kind: &'static kind::Kind,
    tenant: &str,
    fields: &Fields,
    clock: &Clock,
) -> Result<Option<Arc<Object>>, String> {
    let store = &mut configuration.store;
    let name =
        fields.get("name").and_then(Value::as_str).ok_or_else(|| format!("{} without a name", kind.model))?;
    let provider = kind.path == "tenant" && name == ADMIN;
    if provider && store.get(ADMIN).is_some() {
        return Ok(None);
    }
    let owner: Arc<str> = if kind.path == "tenant" || tenant == ADMIN {
        ADMIN.into()
    } else {
        let tenants = kind::find("tenant").ok_or("no tenants")?;
        let owner = store.named(tenants, tenant).next();
        owner.ok_or_else(|| format!("{} {name}: tenant {tenant} does not exist", kind.model))?.uuid.clone()
    };
    let uuid =
        if provider { ADMIN.into() } else { given_uuid(store, fields).unwrap_or_else(|| fresh_uuid(kind)) };
    let (position, modified) = (store.next_position(), store.stamp(clock.micros()));
    let object = Object {
        kind,
        uuid,
        name: name.into(),
        tenant: owner,
        cloud: None,
        position,
        modified,
        version: 1,
        sent: fields.clone(),
        full: fields.clone(),
    };
    Ok(Some(store.put(object)))
}

/// The uuid that an environment gives an object, if no other one has it.
fn given_uuid(store: &Store, fields: &Fields) -> Option<Arc<str>> {
    let given = fields.get("uuid").and_then(Value::as_str);
    given.filter(|uuid| store.get(uuid).is_none()).map(Arc::from)
}

fn fill_object(configuration: &mut Configuration, object: &Arc<Object>, clock: &Clock) -> Result<(), String> {
    let store = &configuration.store;
    let kind = object.kind;
    let mut sent = object.sent.clone();
    sent.remove("url");
    let problems = configuration.resolve_known(&mut sent, &object.tenant, None);
    let cloud: Option<Arc<str>> = if kind.in_cloud {
        let clouds = kind::find("cloud").ok_or("no clouds")?;
        let default = || store.meant(clouds, ADMIN, None, "Default-Cloud").map(|cloud| cloud.uuid.clone());
        reference::field(&sent, "cloud_ref").map(Arc::from).or_else(default)
    } else {
        None
    };
    let mut full = sent.clone();
    for (key, path, uuid) in
        [("tenant_ref", "tenant", Some(&object.tenant)), ("cloud_ref", "cloud", cloud.as_ref())]
    {
        if let (Some(uuid), Some(target), true) = (uuid, kind::find(path), kind.path != path) {
            full.insert(key.to_owned(), reference::internal(target, uuid).into());
        }
    }
    if kind.path == "tenant" {
        full.remove("tenant_ref");
    }
    defaults::apply(store, kind, &object.tenant, cloud.as_deref(), &mut full);
    if kind.path == "sslkeyandcertificate" {
        // A shipped certificate may be a mere placeholder: it stays undescribed.
        let _ = certificate::import(&mut full, clock.now());
    }
    configuration.store.put(Object { cloud, sent, full, ..Object::clone(object) });
    if problems.is_empty() { Ok(()) } else { Err(problems.join(", ")) }
}

/// A fresh Controller with a network to allocate from and a domain, in canonical
/// form (Avi REST API contract, §11).
pub(crate) fn fresh() -> Value {
    let mut environment = json!({});
    for (path, names) in SHIPPED {
        for name in *names {
            environment[*path][format!("admin/{name}")] = json!({ "name": name });
        }
    }
    for (path, name, fields) in typed() {
        environment[path][format!("admin/{name}")] = fields;
        environment[path][format!("admin/{name}")]["name"] = name.into();
    }
    environment
}

const SHIPPED: &[(&str, &[&str])] = &[
    ("tenant", &["admin"]),
    ("sslprofile", &["System-Standard", "System-Standard-PFS", "System-Standard-Portal"]),
    ("analyticsprofile", &["System-Analytics-Profile"]),
    ("wafpolicy", &["System-WAF-Policy"]),
    ("wafprofile", &["System-WAF-Profile"]),
    ("protocolparser", &["Default-TLS"]),
    ("role", &["System-Admin", "Tenant-Admin", "Application-Admin"]),
];

/// Objects with fields that somebody reads.
fn typed() -> Vec<(&'static str, &'static str, Value)> {
    let mut objects = vec![
        ("user", "admin", json!({ "username": "admin" })),
        (
            "ipamdnsproviderprofile",
            "ipam",
            json!({
                "type": "IPAMDNS_TYPE_INTERNAL",
                "internal_profile": { "usable_networks": [{ "nw_ref": "/api/network?name=vip-net" }] },
            }),
        ),
        (
            "ipamdnsproviderprofile",
            "dns",
            json!({
                "type": "IPAMDNS_TYPE_INTERNAL_DNS",
                "internal_profile": { "dns_service_domain": [{ "domain_name": "avi.internal" }] },
            }),
        ),
        (
            "cloud",
            "Default-Cloud",
            json!({
                "vtype": "CLOUD_NONE",
                "ipam_provider_ref": "/api/ipamdnsproviderprofile?name=ipam",
                "dns_provider_ref": "/api/ipamdnsproviderprofile?name=dns",
            }),
        ),
        (
            "network",
            "vip-net",
            json!({
                "cloud_ref": "/api/cloud?name=Default-Cloud",
                "vrf_context_ref": "/api/vrfcontext?name=global",
                "configured_subnets": [{
                    "prefix": { "ip_addr": { "addr": "100.64.0.0", "type": "V4" }, "mask": 16 },
                    "static_ip_ranges": [{
                        "type": "STATIC_IPS_FOR_VIP_AND_SE",
                        "range": {
                            "begin": { "addr": "100.64.0.10", "type": "V4" },
                            "end": { "addr": "100.64.255.246", "type": "V4" },
                        },
                    }],
                }],
            }),
        ),
    ];
    for (path, name) in
        [("serviceenginegroup", "Default-Group"), ("vrfcontext", "global"), ("vrfcontext", "management")]
    {
        let mut fields = json!({ "cloud_ref": "/api/cloud?name=Default-Cloud" });
        if path == "vrfcontext" {
            fields["system_default"] = true.into();
        }
        objects.push((path, name, fields));
    }
    objects.extend(PROFILES.iter().map(|(path, name, key, value)| {
        let fields = match key.split_once('.') {
            Some((outer, inner)) => json!({ outer: { inner: value } }),
            None => json!({ *key: value }),
        };
        (*path, *name, fields)
    }));
    objects
}

const PROFILES: &[(&str, &str, &str, &str)] = &[
    ("applicationprofile", "System-HTTP", "type", "APPLICATION_PROFILE_TYPE_HTTP"),
    ("applicationprofile", "System-Secure-HTTP", "type", "APPLICATION_PROFILE_TYPE_HTTP"),
    ("applicationprofile", "System-L4-Application", "type", "APPLICATION_PROFILE_TYPE_L4"),
    ("applicationprofile", "System-SSL-Application", "type", "APPLICATION_PROFILE_TYPE_SSL"),
    ("applicationprofile", "System-DNS", "type", "APPLICATION_PROFILE_TYPE_DNS"),
    ("applicationprofile", "System-Syslog", "type", "APPLICATION_PROFILE_TYPE_SYSLOG"),
    ("networkprofile", "System-TCP-Proxy", "profile.type", "PROTOCOL_TYPE_TCP_PROXY"),
    ("networkprofile", "System-TCP-Fast-Path", "profile.type", "PROTOCOL_TYPE_TCP_FAST_PATH"),
    ("networkprofile", "System-UDP-Fast-Path", "profile.type", "PROTOCOL_TYPE_UDP_FAST_PATH"),
    ("networkprofile", "System-UDP-Per-Pkt", "profile.type", "PROTOCOL_TYPE_UDP_FAST_PATH"),
    ("networkprofile", "System-UDP-No-SNAT", "profile.type", "PROTOCOL_TYPE_UDP_FAST_PATH"),
    ("networkprofile", "System-SCTP-Proxy", "profile.type", "PROTOCOL_TYPE_SCTP_PROXY"),
    ("healthmonitor", "System-TCP", "type", "HEALTH_MONITOR_TCP"),
    ("healthmonitor", "System-UDP", "type", "HEALTH_MONITOR_UDP"),
    ("healthmonitor", "System-SCTP", "type", "HEALTH_MONITOR_SCTP"),
    ("healthmonitor", "System-HTTP", "type", "HEALTH_MONITOR_HTTP"),
    ("healthmonitor", "System-HTTPS", "type", "HEALTH_MONITOR_HTTPS"),
    ("healthmonitor", "System-Ping", "type", "HEALTH_MONITOR_PING"),
    ("healthmonitor", "System-DNS", "type", "HEALTH_MONITOR_DNS"),
    ("healthmonitor", "System-GSLB-HTTP", "type", "HEALTH_MONITOR_HTTP"),
    ("healthmonitor", "System-GSLB-TCP", "type", "HEALTH_MONITOR_TCP"),
    ("sslkeyandcertificate", "System-Default-Cert", "certificate.certificate", "SYSTEM"),
    ("sslkeyandcertificate", "System-Default-Cert-EC", "certificate.certificate", "SYSTEM"),
    ("sslkeyandcertificate", "System-Default-Portal-Cert", "certificate.certificate", "SYSTEM"),
    ("sslkeyandcertificate", "System-Default-Portal-Cert-EC256", "certificate.certificate", "SYSTEM"),
    (
        "applicationpersistenceprofile",
        "System-Persistence-Client-IP",
        "persistence_type",
        "PERSISTENCE_TYPE_CLIENT_IP_ADDRESS",
    ),
    (
        "applicationpersistenceprofile",
        "System-Persistence-Http-Cookie",
        "persistence_type",
        "PERSISTENCE_TYPE_HTTP_COOKIE",
    ),
    ("applicationpersistenceprofile", "System-Persistence-TLS", "persistence_type", "PERSISTENCE_TYPE_TLS"),
    (
        "applicationpersistenceprofile",
        "System-Persistence-App-Cookie",
        "persistence_type",
        "PERSISTENCE_TYPE_APP_COOKIE",
    ),
    (
        "applicationpersistenceprofile",
        "System-Persistence-Custom-Http-Header",
        "persistence_type",
        "PERSISTENCE_TYPE_CUSTOM_HTTP_HEADER",
    ),
    ("stringgroup", "System-Compressible-Content-Types", "type", "SG_TYPE_STRING"),
    ("stringgroup", "System-Cacheable-Resource-Types", "type", "SG_TYPE_STRING"),
    ("stringgroup", "System-Devices-Mobile", "type", "SG_TYPE_STRING"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fresh_controller_is_consistent() {
        let mut configuration = Configuration::default();
        assert_eq!(plant(&mut configuration, &fresh(), &Clock::start()), Vec::<String>::new());
        assert!(configuration.store.get(ADMIN).is_some());
    }
}
