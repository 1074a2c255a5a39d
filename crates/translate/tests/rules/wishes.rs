//! What an Ingress asks for is done, or told.

use ako_avi_types::{Kind, Object};
use ako_core::config::ShardSize;
use ako_core::resource::{Ingress, IngressClass, IngressTls, PathType};
use ako_core::{Config, Facts, Reason, Resource};

use crate::cluster::{
    Translated, class, config, evh, facts, ingress, path, rule, secret, secure, translate, translate_with,
};

fn modes() -> [Config; 4] {
    let dedicated = |config: Config| Config { shard_size: ShardSize::Dedicated, ..config };
    [config(), evh(), dedicated(config()), dedicated(evh())]
}

fn entry(hosts: &[&str]) -> IngressTls {
    let hosts = hosts.iter().map(|host| (*host).into()).collect();
    IngressTls { hosts, has_bad_hosts: false, secret: "cert".into() }
}

/// An Ingress with these entries, and the Secret that they name.
fn with_tls(config: Config, host: &str, tls: Vec<IngressTls>) -> Translated {
    let asking = Ingress { tls, ..ingress("red", "i", 1, host) };
    translate(config, vec![Resource::Ingress(asking), Resource::Secret(secret("red", "cert"))])
}

/// Every kind of entry, every kind of host, every mode: a host is served by TLS, or not at
/// all and told, or no entry covers it.
#[test]
fn a_wish_for_tls_never_becomes_plain_http() {
    let bad = IngressTls { has_bad_hosts: true, ..entry(&[]) };
    let entries = [
        vec![],
        vec![entry(&[])],
        vec![entry(&["a.example.com"])],
        vec![entry(&["*.example.com"])],
        vec![entry(&["other.example.com"])],
        vec![bad.clone()],
        vec![bad, entry(&["a.example.com"])],
        vec![entry(&["b.example.com"]), entry(&[])],
    ];
    for config in modes() {
        for tls in &entries {
            for host in ["a.example.com", "a.b.example.com", "*.example.com"] {
                let all = with_tls(config.clone(), host, tls.clone());
                let has =
                    |name: &str| tls.iter().any(|entry| entry.hosts.iter().any(|known| **known == *name));
                let is_covered = has(host)
                    || host == "a.example.com" && has("*.example.com")
                    || tls.iter().any(|entry| entry.hosts.is_empty());
                let by_tls = all.names(Kind::SslKeyAndCertificate).len() == 1
                    && all.rules().any(|rule| rule.redirect_action.is_some());
                let refused =
                    all.names(Kind::Pool).is_empty() && all.is_told(Reason::InvalidRule, "Ingress red/i");
                let plain =
                    all.names(Kind::SslKeyAndCertificate).is_empty() && !all.names(Kind::Pool).is_empty();
                assert!(by_tls || refused || plain && !is_covered, "{host} {tls:?}: {:?}", all.told);
            }
        }
    }
}

#[test]
fn an_entry_for_no_host_of_the_ingress_is_told_once() {
    let mut asking =
        Ingress { tls: vec![entry(&["typo.example.com"])], ..ingress("red", "i", 1, "a.example.com") };
    asking.rules.push(rule("b.example.com", vec![path("/", "web")]));
    let all = translate(config(), vec![Resource::Ingress(asking)]);
    assert_eq!(all.told.iter().filter(|told| *told == "InvalidRule Ingress red/i").count(), 1);
    // More names than there are rules are no mistake.
    let all = with_tls(config(), "a.example.com", vec![entry(&["a.example.com", "www.a.example.com"])]);
    assert!(!all.is_told(Reason::InvalidRule, "Ingress red/i"), "{:?}", all.told);
}

#[test]
fn an_ingress_that_serves_nothing_is_told_why() {
    let empty = Ingress { rules: Vec::new(), ..ingress("red", "i", 1, "x") };
    let alone = Ingress { has_default_backend: true, ..empty.clone() };
    let without_host = Ingress { rules: vec![rule("x", Vec::new())], ..empty.clone() };
    let without_host = {
        let mut ingress = without_host;
        ingress.rules[0].host = None;
        ingress
    };
    let no_domain = || Facts { subdomains: Vec::new(), ..facts() };
    for (asking, reason) in [
        (empty, Reason::InvalidRule),
        (alone.clone(), Reason::DefaultBackendIgnored),
        (without_host, Reason::InvalidRule),
    ] {
        let ours = translate_with(config(), no_domain(), vec![Resource::Ingress(asking.clone())]);
        assert_eq!(ours.told.len(), 1, "{:?}", ours.told);
        assert!(ours.is_told(reason, "Ingress red/i"), "{:?}", ours.told);
        // What is somebody else's is somebody else's.
        let theirs = Ingress { class: Some("nginx".into()), ..asking };
        let theirs = translate_with(config(), no_domain(), vec![Resource::Ingress(theirs)]);
        assert_eq!(theirs.told, Vec::<String>::new());
    }
    // With hosts, it is told once, by the first of them.
    let mut several = Ingress { has_default_backend: true, ..ingress("red", "i", 1, "a.example.com") };
    several.rules.push(rule("b.example.com", vec![path("/", "web")]));
    let all = translate(config(), vec![Resource::Ingress(several)]);
    let told = all.told.iter().filter(|told| told.starts_with("DefaultBackendIgnored"));
    assert_eq!(told.count(), 1);
}

/// The class of an Ingress by its name in the spec or in the annotation, beside a default
/// class of ours or without one.
#[test]
fn whose_an_ingress_is() {
    for (name, is_default, is_ours) in [
        (None, true, true),
        (None, false, false),
        (Some("avi"), true, true),
        (Some("avi"), false, true),
        (Some("nginx"), true, false),
        (Some("nginx"), false, false),
    ] {
        let asking = Ingress { class: name.map(Into::into), ..ingress("red", "i", 1, "a.example.com") };
        let Resource::IngressClass(avi) = class() else { panic!("no class") };
        let avi = Resource::IngressClass(IngressClass { is_default, ..avi });
        let all = translate(config(), vec![avi, Resource::Ingress(asking)]);
        assert_eq!(!all.names(Kind::Pool).is_empty(), is_ours, "{name:?} {is_default}");
    }
}

#[test]
fn a_wildcard_host_is_redirected_as_any_other() {
    for config in modes() {
        let mut objects = vec![
            Resource::Ingress(secure("red", "wild", 1, "*.example.com")),
            Resource::Ingress(secure("red", "one", 2, "one.example.org")),
            Resource::Secret(secret("red", "cert")),
        ];
        let one_front = |config: &Config| match config.shard_size {
            ShardSize::Shared(_) => Config { shard_size: ShardSize::Shared(1), ..config.clone() },
            ShardSize::Dedicated => config.clone(),
        };
        let no_domains = || Facts { subdomains: Vec::new(), ..facts() };
        let redirects = |all: &Translated| {
            let redirects = all.rules().filter(|rule| rule.redirect_action.is_some());
            let matched = |rule: &ako_avi_types::http_policy::HttpRequestRule| {
                rule.matches
                    .host_hdr
                    .as_ref()
                    .map(|hosts| (hosts.match_criteria.to_string(), hosts.value.clone()))
            };
            redirects.map(matched).collect::<Vec<_>>()
        };
        let all = redirects(&translate_with(one_front(&config), no_domains(), objects.clone()));
        let is_matched = |hosts: &Option<(String, Vec<std::sync::Arc<str>>)>| match hosts {
            None => true,
            Some((criteria, value)) => criteria == "HDR_ENDS_WITH" && *value[0] == *".example.com",
        };
        assert!(all.iter().any(is_matched), "{all:?}");
        assert!(
            !all.iter().flatten().any(|(_, hosts)| hosts.iter().any(|host| host.starts_with('*'))),
            "{all:?}"
        );
        // A plain host under the wildcard is not redirected.
        objects.push(Resource::Ingress(ingress("red", "plain", 3, "plain.example.com")));
        let all = redirects(&translate_with(one_front(&config), no_domains(), objects));
        assert!(!all.iter().flatten().any(|(criteria, _)| criteria == "HDR_ENDS_WITH"), "{all:?}");
    }
}

#[test]
fn a_wildcard_host_that_nothing_matches_is_told() {
    let plain = vec![Resource::Ingress(ingress("red", "i", 1, "*.example.com"))];
    for config in modes() {
        let is_told =
            translate(config.clone(), plain.clone()).is_told(Reason::WildcardNotServed, "Ingress red/i");
        assert_eq!(is_told, !config.evh && config.shard_size != ShardSize::Dedicated);
    }
    let passed = Ingress { passthrough: true, ..ingress("red", "i", 1, "*.example.com") };
    let all = translate(config(), vec![Resource::Ingress(passed)]);
    assert!(all.is_told(Reason::WildcardNotServed, "Ingress red/i"));
}

/// Paths of one Ingress that lead to one name, or are equal but for their type.
#[test]
fn paths_that_differ_are_served_by_their_own_pools() {
    for config in modes() {
        for (first, second) in [("/v1/users", "/v1_users"), ("/a", "/a")] {
            let mut asking = secure("red", "i", 1, "a.example.com");
            let mut paths = vec![path(first, "one"), path(second, "two")];
            if first == second {
                paths[1].path_type = PathType::Exact;
            }
            asking.rules = vec![rule("a.example.com", paths)];
            let objects = vec![Resource::Ingress(asking), Resource::Secret(secret("red", "cert"))];
            let all = translate(config.clone(), objects);
            assert_eq!(all.names(Kind::Pool).len(), 2, "{first} {second}: {:?}", all.told);
            let switches: Vec<_> = all.rules().filter(|rule| rule.switching_action.is_some()).collect();
            assert_eq!(switches.len(), 2);
            assert_ne!(switches[0].switching_action, switches[1].switching_action);
            let criteria =
                |at: usize| switches[at].matches.path.as_ref().map(|path| path.match_criteria.to_string());
            if first == second {
                assert_eq!(
                    (criteria(0).as_deref(), criteria(1).as_deref()),
                    (Some("EQUALS"), Some("BEGINS_WITH"))
                );
            }
            assert!(!all.is_told(Reason::DuplicateHostPath, "Ingress red/i"), "{:?}", all.told);
        }
    }
}

/// On a shared virtual service without TLS a datascript selects by host and path, in lower
/// case.
#[test]
fn of_paths_that_a_datascript_cannot_tell_apart_the_later_one_is_told() {
    let served = |first: &str, second: &str, exact: bool| {
        let mut asking = ingress("red", "i", 1, "a.example.com");
        let mut paths = vec![path(first, "one"), path(second, "two")];
        if exact {
            paths[1].path_type = PathType::Exact;
        }
        asking.rules = vec![rule("a.example.com", paths)];
        let all = translate(config(), vec![Resource::Ingress(asking)]);
        let group = all.objects.values().find_map(|object| match &**object {
            Object::PoolGroup(group) => Some(group.members.len()),
            _ => None,
        });
        (group.unwrap_or(0), all.is_told(Reason::DuplicateHostPath, "Ingress red/i"))
    };
    assert_eq!(served("/a/b", "/a_b", false), (2, false));
    assert_eq!(served("/a", "/A", false), (1, true));
    assert_eq!(served("/a", "/a", true), (1, true));
}

#[test]
fn a_host_that_only_ends_like_a_domain_is_outside() {
    let all = translate(config(), vec![Resource::Ingress(ingress("red", "i", 1, "www.notexample.com"))]);
    assert!(all.is_told(Reason::HostOutsideSubdomain, "Ingress red/i"));
    assert!(all.names(Kind::Pool).is_empty());
}
