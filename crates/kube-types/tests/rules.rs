//! AKO's rules: every field of their schemas is read and counts, and what is wrong with one in
//! itself is said.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end at any surprise, in its helpers too")]

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_core::kinds::host_rule::{CertificateSource, FqdnType};
use ako_core::kinds::rule::Throttle;
use ako_core::kinds::sso_rule::{AccessToken, SignIn};
use ako_core::resource::{AviInfraSetting, HostRule, HttpRule, L4Rule, L7Rule, Published, Resource, SsoRule};
use ako_core::{ResourceKind, Stored};
use ako_kube_types::Stamp;
use ako_kube_types::convert::{from_json, status_patch};
use ako_kube_types::schema::definitions;
use serde_json::{Value, json};

const NOW: Stamp<'static> = Stamp { owner: "ako-c1", now: "2026-01-02T03:04:05Z" };

fn documents() -> Vec<Value> {
    let text = include_str!("../testdata/rules.yaml");
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

fn named(name: &str) -> Value {
    documents().into_iter().find(|object| object["metadata"]["name"] == name).unwrap()
}

fn converted(object: &Value) -> Resource {
    from_json(object).unwrap().resource.unwrap()
}

/// The fields that have no fields of their own, as `a.b[].c`.
fn fields(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        properties.iter().for_each(|(name, field)| fields(field, &format!("{at}.{name}"), found));
    } else if schema.get("items").is_some() {
        fields(&schema["items"], &format!("{at}[]"), found);
    } else {
        found.insert(at.to_owned());
    }
}

/// The leaves of a value, by their pointers, each with the field that it is of.
fn leaves(value: &Value, pointer: &str, field: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(inner) => inner.iter().for_each(|(name, value)| {
            leaves(value, &format!("{pointer}/{name}"), &format!("{field}.{name}"), found);
        }),
        Value::Array(inner) => inner.iter().enumerate().for_each(|(index, value)| {
            leaves(value, &format!("{pointer}/{index}"), &format!("{field}[]"), found);
        }),
        _ => found.push((pointer.to_owned(), field.to_owned())),
    }
}

/// The object without what is at a pointer.
fn without(object: &Value, pointer: &str) -> Value {
    let mut object = object.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match object.pointer_mut(parent).unwrap() {
        Value::Object(fields) => {
            fields.remove(name).unwrap();
        }
        Value::Array(entries) => {
            entries.remove(name.parse().unwrap());
        }
        other => panic!("{parent} is {other}"),
    }
    object
}

#[test]
fn every_field_of_the_schemas_is_read_and_makes_a_difference() {
    for definition in definitions() {
        let kind = &definition["spec"]["names"]["kind"];
        let versions = definition["spec"]["versions"].as_array().unwrap();
        let stored = versions.iter().find(|version| version["storage"] == true).unwrap();
        let mut expected = BTreeSet::new();
        fields(&stored["schema"]["openAPIV3Schema"]["properties"]["spec"], "spec", &mut expected);
        let mut seen = BTreeSet::new();
        for object in documents().iter().filter(|object| object["kind"] == *kind) {
            let whole = from_json(object).unwrap();
            assert!(whole.diagnostics.is_empty(), "{object}: {:?}", whole.diagnostics);
            if !object["metadata"]["name"].as_str().unwrap().ends_with("-with-everything") {
                continue;
            }
            let mut all = Vec::new();
            leaves(&object["spec"], "/spec", "spec", &mut all);
            for (pointer, field) in all {
                seen.insert(field);
                // What is given by default is the same as nothing.
                if pointer == "/spec/virtualhost/fqdnType" || pointer.ends_with("/kind") {
                    continue;
                }
                // Extensions are validated; of what they say nothing is made.
                if kind == "RouteBackendExtension" && !pointer.ends_with("/name") {
                    continue;
                }
                let less = from_json(&without(object, &pointer)).unwrap();
                assert_ne!(less.resource, whole.resource, "{kind}: without {pointer}");
            }
        }
        assert_eq!(seen, expected, "{kind}");
    }
}

fn text(text: Option<&Arc<str>>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

#[test]
fn every_field_of_a_host_comes_to_its_place() {
    let Resource::HostRule(rule) = converted(&named("host-with-everything")) else { panic!() };
    for (found, expected) in [
        (text(rule.application_profile.as_ref()), "the-application-profile"),
        (text(rule.analytics_profile.as_ref()), "the-analytics-profile"),
        (text(rule.error_page_profile.as_ref()), "the-error-page-profile"),
        (text(rule.waf_policy.as_ref()), "the-waf-policy"),
        (text(rule.icap_profile.as_ref()), "the-icap-profile"),
        (text(rule.network_security_policy.as_ref()), "the-network-security-policy"),
        (text(rule.l7_rule.as_ref()), "the-l7-rule"),
        (text(rule.application_root_path.as_ref()), "/home"),
    ] {
        assert_eq!(found, expected);
    }
    let tls = rule.tls.unwrap();
    assert_eq!(
        (&*tls.certificate.name, tls.certificate.source),
        ("the-certificate", CertificateSource::Secret)
    );
    assert_eq!(&*tls.alternate.unwrap().name, "the-other-certificate");
    assert_eq!(rule.analytics_policy.unwrap().full_client_logs.unwrap().throttle, Throttle::Disabled);
}

#[test]
fn every_field_of_pools_comes_to_its_place() {
    let Resource::HTTPRule(rule) = converted(&named("http-with-everything")) else { panic!() };
    let tls = rule.paths[0].tls.as_ref().unwrap();
    assert_eq!(
        (text(tls.ssl_profile.as_ref()), text(tls.pki_profile.as_ref())),
        ("the-ssl-profile".into(), "the-pki-profile".into())
    );

    let Resource::L4Rule(rule) = converted(&named("l4-with-everything")) else { panic!() };
    for (found, expected) in [
        (text(rule.analytics_profile.as_ref()), "the-analytics-profile"),
        (text(rule.application_profile.as_ref()), "the-application-profile"),
        (text(rule.network_profile.as_ref()), "the-network-profile"),
        (text(rule.network_security_policy.as_ref()), "the-network-security-policy"),
        (text(rule.security_policy.as_ref()), "the-security-policy"),
        (text(rule.ssl_profile.as_ref()), "the-ssl-profile"),
        (text(rule.backends[0].application_persistence.as_ref()), "the-persistence"),
        (text(rule.backends[0].pki_profile.as_ref()), "the-pki-profile"),
        (text(rule.backends[0].certificate.as_ref()), "the-certificate"),
        (text(rule.backends[0].ssl_profile.as_ref()), "the-ssl-profile-of-the-pool"),
        (text(rule.backends[0].lb_algorithm_header.as_ref()), "the-header"),
    ] {
        assert_eq!(found, expected);
    }
    let logs = rule.analytics_policy.unwrap().full_client_logs.unwrap();
    assert_eq!((logs.duration, logs.throttle), (31, 11));
    assert_eq!(rule.performance_limits.unwrap().max_throughput, Some(200));
}

#[test]
fn every_field_of_l7_and_sso_rules_comes_to_its_place() {
    let Resource::L7Rule(rule) = converted(&named("l7-with-everything")) else { panic!() };
    for (found, expected) in [
        (text(rule.bot_policy.as_ref()), "the-bot-policy"),
        (text(rule.host_name_xlate.as_ref()), "inner.local"),
        (text(rule.security_policy.as_ref()), "the-security-policy"),
        (text(rule.traffic_clone_profile.as_ref()), "the-traffic-clone-profile"),
        (text(rule.analytics_profile.as_ref()), "the-analytics-profile"),
        (text(rule.application_profile.as_ref()), "the-application-profile"),
        (text(rule.waf_policy.as_ref()), "the-waf-policy"),
        (text(rule.icap_profile.as_ref()), "the-icap-profile"),
        (text(rule.error_page_profile.as_ref()), "the-error-page-profile"),
    ] {
        assert_eq!(found, expected);
    }

    let Resource::SSORule(rule) = converted(&named("oauth-with-everything")) else { panic!() };
    let Some(SignIn::Oauth(oauth)) = rule.sign_in else { panic!() };
    assert_eq!(text(oauth.logout_uri.as_ref()), "https://foo.avi.internal/out");
    assert_eq!(text(oauth.post_logout_redirect_uri.as_ref()), "https://foo.avi.internal/bye");
    let AccessToken::Opaque { server_id, server_secret } =
        &oauth.settings[1].resource_server.as_ref().unwrap().access
    else {
        panic!()
    };
    assert_eq!((&**server_id, &**server_secret), ("the-server", "the-secret-of-the-server"));
    let Resource::SSORule(rule) = converted(&named("saml-with-everything")) else { panic!() };
    let Some(SignIn::Saml(saml)) = rule.sign_in else { panic!() };
    assert_eq!((&*saml.entity_id, &*saml.single_sign_on_url), ("the-entity", "https://foo.avi.internal/sso"));
}

#[test]
fn what_is_wrong_makes_the_whole_rule_invalid_and_names_the_place() {
    let text = include_str!("../testdata/invalid-rules.yaml");
    for case in serde_saphyr::from_str::<Vec<Value>>(text).unwrap() {
        let (kind, expected) = (case["kind"].as_str().unwrap(), case["says"].as_str().unwrap());
        let version = if ["L4Rule", "L7Rule", "SSORule"].contains(&kind) { "v1alpha2" } else { "v1beta1" };
        let object = json!({"apiVersion": format!("ako.vmware.com/{version}"), "kind": kind,
            "metadata": {"name": "r"}, "spec": case["spec"]});
        let found = from_json(&object).unwrap();
        let messages: Vec<_> =
            found.diagnostics.iter().map(|diagnostic| diagnostic.message.to_string()).collect();
        assert_eq!(messages, [expected], "{object}");
        assert_eq!(invalid(found.resource.as_ref().unwrap()), Some(expected), "{object}");
    }
}

fn invalid(resource: &Resource) -> Option<&str> {
    match resource {
        Resource::AviInfraSetting(AviInfraSetting { invalid, .. })
        | Resource::HostRule(HostRule { invalid, .. })
        | Resource::HTTPRule(HttpRule { invalid, .. })
        | Resource::L4Rule(L4Rule { invalid, .. })
        | Resource::L7Rule(L7Rule { invalid, .. })
        | Resource::SSORule(SsoRule { invalid, .. }) => invalid.as_deref(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pattern_and_a_host_without_a_type_are_told_apart() {
    let Resource::HostRule(rule) = converted(&named("pattern")) else { panic!() };
    assert_eq!(rule.fqdn_type, FqdnType::Wildcard);
    let Resource::HostRule(rule) = converted(&named("hr1")) else { panic!() };
    assert_eq!(rule.fqdn_type, FqdnType::Exact);
}

fn published<T: Stored>(object: &Value, take: impl Fn(Resource) -> Option<T>) -> Published {
    take(converted(object)).unwrap().published().unwrap().clone()
}

#[test]
fn a_status_is_read_as_it_was_written() {
    let mut object = named("hr1");
    let take = |resource| match resource {
        Resource::HostRule(rule) => Some(rule),
        _ => None,
    };
    assert_eq!(published(&object, take), Published::default());
    let status = json!({"status": "Rejected", "error": "wafpolicy \"nope\" not found on controller",
        "conditions": [{"type": "Accepted", "status": "False", "reason": "NotFound", "message": "m",
            "observedGeneration": 2, "lastTransitionTime": NOW.now}]});
    object["status"] = status.clone();
    let wanted = published(&object, take);
    let patch = status_patch(ResourceKind::HostRule, &wanted, &Published::default(), &NOW);
    assert_eq!(patch["status"], status);
    // What nobody says any more goes.
    let patch = status_patch(ResourceKind::HostRule, &Published::default(), &wanted, &NOW);
    assert_eq!(patch["status"], json!({"status": null, "error": null, "conditions": []}));
}
