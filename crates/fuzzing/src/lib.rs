//! What is fuzzed: everything that makes values of bytes from outside.
//!
//! A target takes any bytes and panics if something does not hold. `cargo xtask fuzz` tries
//! bytes for as long as it is told to, led by what they reach; the tests replay the corpus,
//! which has inputs of each kind and what was found.

#![allow(clippy::panic)] // This is how a target says that something does not hold.

use std::collections::BTreeMap;

use ako_avi_types::{Kind, Object};
use ako_core::secret::Redacted;
use ako_core::{CloudType, Config, Delta, Facts, Snapshot, certificate, hostname};
use ako_engine::{Desired, lint};
use ako_kube_types::convert::from_json;
use ako_translate::Translator;
use serde_json::Value;

/// Tries one input.
pub type Target = fn(&[u8]);

/// Every target with its name, which is that of its folder in the corpus.
pub const TARGETS: [(&str, Target); 6] = [
    ("avi_object", avi_object),
    ("certificate", certificate),
    ("cluster", cluster),
    ("configuration", configuration),
    ("host_name", host_name),
    ("kubernetes_object", kubernetes_object),
];

/// The target of a name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// An object as the API server sends it: what is read has the name and the kind of the object.
fn kubernetes_object(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    let Ok(converted) = from_json(&value) else { return };
    if let Some(resource) = converted.resource {
        let id = resource.id();
        assert!(!id.name.name.is_empty() || id.name.namespace.is_empty(), "{id} has no name");
        assert_eq!(value["kind"], id.kind.as_str());
    }
}

/// An array of objects, all in one cluster: whatever they ask for, the translation comes to an
/// end and contradicts itself nowhere.
fn cluster(data: &[u8]) {
    let Ok(objects) = serde_json::from_slice::<Vec<Value>>(data) else { return };
    for evh in [false, true] {
        let config = Config { cluster_name: "c1".into(), evh, ..Config::default() };
        let translator = Translator::new(config, facts());
        let mut snapshot = Snapshot::default();
        snapshot.act_by(translator.config(), translator.subdomain());
        let resources = objects.iter().filter_map(|object| from_json(object).ok()?.resource);
        for resource in resources {
            snapshot.apply(Delta::Apply(resource));
        }
        let desired = Desired::of(translator, &snapshot);
        assert_eq!(lint(&desired), []);
    }
}

fn facts() -> Facts {
    Facts {
        cluster_uuid: "cluster-1".into(),
        enterprise: true,
        cloud: CloudType::None,
        vrf: "global".into(),
        vrf_tenant: Facts::SHARED_TENANT.into(),
        se_group_tenant: Facts::SHARED_TENANT.into(),
        subdomains: vec!["example.com".into()],
        node_networks: BTreeMap::new(),
        vip_networks: BTreeMap::new(),
        has_foreign_ipam: false,
    }
}

/// An object as the controller sends it, after a letter that says of which kind it is: what is
/// read of it is sent and read again as the same.
fn avi_object(data: &[u8]) {
    let Some((letter, body)) = data.split_first() else { return };
    let kinds: Vec<_> = Kind::WRITTEN.iter().chain(Kind::BORROWED).collect();
    let kind = *kinds[usize::from(letter.wrapping_sub(b'a')) % kinds.len()];
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
    let Ok(mut object) = Object::read(kind, body.clone()) else { return };
    object.normalise();
    if kind.is_borrowed() {
        // Only a part is ours, which is put into what is there.
        let _ = object.lent_to(body);
    } else {
        match Object::read(kind, object.body()) {
            Ok(mut again) => {
                again.normalise();
                assert_eq!(object.differences(&again), []);
            }
            Err(error) => panic!("what is sent cannot be read: {error}"),
        }
    }
    let _ = (object.references().len(), object.markers().len(), object.hostnames().count());
}

/// A certificate and its key, with a byte of zero between them: no key leaves in the place of
/// a certificate.
fn certificate(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (chain, key) = text.split_once('\0').unwrap_or((&text, ""));
    let key = Redacted::new(key);
    let _ = (certificate::check(chain, &key), certificate::only_key(&key));
    let shown = certificate::only_certificates(chain).unwrap_or_else(|| chain.to_owned());
    let begins_else = |line: &str| {
        line.trim().strip_prefix("-----BEGIN ").is_some_and(|label| !label.ends_with("CERTIFICATE-----"))
    };
    assert!(!shown.lines().any(begins_else), "{shown}");
}

/// The data of the ConfigMap as a JSON object.
fn configuration(data: &[u8]) {
    let Ok(data) = serde_json::from_slice::<BTreeMap<String, String>>(data) else { return };
    let (_, issues) = Config::parse("avi-system", &data);
    let _ = issues.iter().map(ToString::to_string).map(|text| text.len()).max();
}

/// A host: what passes as one is short enough for DNS, and in its own domain.
fn host_name(data: &[u8]) {
    let host = String::from_utf8_lossy(data);
    if hostname::is_host(&host) {
        assert!(host.len() <= 253, "{host}");
    }
    if hostname::is_dns_name(&host) {
        assert!(hostname::is_host(&host) && hostname::is_in_domain(&host, &host), "{host}");
    }
    let _ = hostname::is_label_text(&host);
}
