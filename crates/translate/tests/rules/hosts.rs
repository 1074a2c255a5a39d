//! Hosts, who may use them, and their certificates.

use std::collections::BTreeSet;

use ako_avi_types::{Kind, Object};
use ako_core::config::{FqdnReuse, ShardSize};
use ako_core::resource::{Ingress, IngressRule, Secret};
use ako_core::secret::Redacted;
use ako_core::{Config, Reason, Resource, Snapshot};

use crate::cluster::{
    CERTIFICATE, KEY, Translated, config, evh, ingress, path, rule, secret, secure, translate,
};

fn modes() -> [Config; 4] {
    let dedicated = |config: Config| Config { shard_size: ShardSize::Dedicated, ..config };
    [config(), evh(), dedicated(config()), dedicated(evh())]
}

fn ingresses(list: impl IntoIterator<Item = Ingress>) -> Vec<Resource> {
    list.into_iter().map(Resource::Ingress).collect()
}

#[test]
fn the_oldest_ingress_wins_a_path_whatever_the_order() {
    for config in modes() {
        let pair =
            [ingress("red", "young", 2, "foo.example.com"), ingress("red", "old", 1, "foo.example.com")];
        let forth = translate(config.clone(), ingresses(pair.clone()));
        let back = translate(config, ingresses(pair.into_iter().rev()));
        assert_eq!(forth.objects, back.objects);
        assert_eq!(forth.told, back.told);
        assert_eq!(forth.names(Kind::Pool).len(), 1);
        assert!(forth.is_told(Reason::DuplicateHostPath, "Ingress red/young"), "{:?}", forth.told);
        assert!(!forth.is_told(Reason::DuplicateHostPath, "Ingress red/old"));
        assert!(forth.bindings.iter().all(|binding| binding.starts_with("red/old ")));
    }
}

#[test]
fn of_two_that_are_equally_old_the_first_name_wins() {
    let pair = [ingress("red", "b", 1, "foo.example.com"), ingress("red", "a", 1, "foo.example.com")];
    let all = translate(config(), ingresses(pair));
    assert!(all.is_told(Reason::DuplicateHostPath, "Ingress red/b"));
}

#[test]
fn other_paths_of_the_loser_are_served() {
    let mut young = ingress("red", "young", 2, "foo.example.com");
    young.rules = vec![rule("foo.example.com", vec![path("/", "web"), path("/x", "web")])];
    for config in modes() {
        let all = translate(config, ingresses([young.clone(), ingress("red", "old", 1, "foo.example.com")]));
        assert_eq!(all.names(Kind::Pool).len(), 2);
        assert_eq!(all.bindings.len(), 2);
    }
}

#[test]
fn a_host_of_its_own_has_the_paths_of_all_namespaces() {
    for config in modes().into_iter().filter(|config| config.shard_size == ShardSize::Dedicated) {
        let of = |namespace: &str, at: &str| Ingress {
            rules: vec![rule("foo.example.com", vec![path(at, "web")])],
            ..ingress(namespace, "i", 1, "foo.example.com")
        };
        let both = translate(config.clone(), ingresses([of("red", "/a"), of("blue", "/b")]));
        assert_eq!(both.names(Kind::VirtualService).len(), 1);
        assert_eq!((both.names(Kind::Pool).len(), both.bindings.len()), (2, 2), "{:?}", both.bindings);
        let left = translate(config, ingresses([of("blue", "/b")]));
        assert_eq!(left.names(Kind::VirtualService), both.names(Kind::VirtualService));
        assert_eq!(left.names(Kind::Pool).len(), 1);
        assert!(left.bindings.len() == 1 && left.bindings[0].contains("blue/i"), "{:?}", left.bindings);
    }
}

#[test]
fn a_path_that_makes_too_long_a_name_costs_only_itself() {
    let mut long = ingress("red", "i", 1, "foo.example.com");
    let deep = format!("/{}", "x".repeat(300));
    long.rules = vec![rule("foo.example.com", vec![path(&deep, "web"), path("/", "web")])];
    let dedicated = Config { shard_size: ShardSize::Dedicated, ..config() };
    for config in [config(), dedicated] {
        let all = translate(config, ingresses([long.clone()]));
        assert!(all.is_told(Reason::NameTooLong, "Ingress red/i"), "{:?}", all.told);
        assert_eq!(all.names(Kind::Pool).len(), 1);
        assert_eq!(all.bindings.len(), 1);
    }
    // Hashed names fit.
    assert_eq!(translate(evh(), ingresses([long])).names(Kind::Pool).len(), 2);
}

#[test]
fn a_cluster_with_too_long_a_name_is_told_and_not_served() {
    let long = Config { cluster_name: "c".repeat(240).into(), ..config() };
    let all = translate(long, ingresses([ingress("red", "i", 1, "foo.example.com")]));
    assert!(all.is_told(Reason::NameTooLong, "Ingress red/i"));
    assert!(all.objects.is_empty());
}

#[test]
fn a_resource_backend_is_left_out() {
    let mut mixed = ingress("red", "i", 1, "foo.example.com");
    let mut unsupported = path("/r", "web");
    unsupported.backend = None;
    mixed.rules = vec![rule("foo.example.com", vec![unsupported, path("/", "web")])];
    for config in modes() {
        let all = translate(config, ingresses([mixed.clone()]));
        assert!(all.is_told(Reason::UnsupportedBackend, "Ingress red/i"));
        assert_eq!(all.names(Kind::Pool).len(), 1);
    }
}

#[test]
fn a_rule_without_http_costs_only_its_host() {
    let mut half = ingress("red", "i", 1, "foo.example.com");
    half.rules.push(IngressRule { host: Some("bar.example.com".into()), paths: None });
    for config in modes() {
        let all = translate(config, ingresses([half.clone()]));
        assert!(all.is_told(Reason::InvalidRule, "Ingress red/i"));
        assert_eq!(all.names(Kind::Pool).len(), 1);
    }
}

#[test]
fn a_rule_without_a_host_gets_one_under_the_subdomain() {
    let mut nameless = ingress("red", "i", 1, "foo.example.com");
    nameless.rules[0].host = None;
    let all = translate(config(), ingresses([nameless]));
    assert!(all.bindings[0].starts_with("red/i i.red.example.com "), "{:?}", all.bindings);
}

#[test]
fn a_host_outside_the_subdomains_is_told() {
    let all = translate(config(), ingresses([ingress("red", "i", 1, "foo.org")]));
    assert!(all.is_told(Reason::HostOutsideSubdomain, "Ingress red/i"));
    assert!(all.objects.is_empty());
}

#[test]
fn hosts_with_enable_tls_share_the_default_certificate() {
    let enabled = |name: &str, host: &str| Ingress { enable_tls: true, ..ingress("red", name, 1, host) };
    let mut default = secret("avi-system", "router-certs-default");
    default.alternate_certificate = Some(CERTIFICATE.into());
    default.alternate_key = Redacted::new(KEY);
    for config in modes() {
        let mut objects = ingresses([enabled("a", "a.example.com"), enabled("b", "b.example.com")]);
        objects.push(Resource::Secret(default.clone()));
        let all = translate(config, objects);
        assert_eq!(all.names(Kind::SslKeyAndCertificate).len(), 2, "the pair and its alternate");
        assert_eq!(all.bindings.len(), 2);
    }
}

fn with_secret(config: Config, secret: Secret) -> Translated {
    let mut objects =
        ingresses([secure("red", "i", 1, "foo.example.com"), ingress("red", "other", 1, "bar.example.com")]);
    objects.push(Resource::Secret(secret));
    translate(config, objects)
}

#[test]
fn an_alternate_certificate_is_the_second_one() {
    let mut both = secret("red", "cert");
    both.alternate_certificate = Some(CERTIFICATE.into());
    both.alternate_key = Redacted::new(KEY);
    let all = with_secret(config(), both.clone());
    let names = ["c1--foo.example.com", "c1--foo.example.com-alt"];
    assert_eq!(all.names(Kind::SslKeyAndCertificate), names);
    assert_eq!(all.vs("c1--foo.example.com").ssl_key_and_certificate_refs.len(), 2);
    both.alternate_key = Redacted::new("junk");
    let all = with_secret(config(), both);
    assert_eq!(all.names(Kind::SslKeyAndCertificate), names[..1]);
    assert!(all.is_told(Reason::InvalidSecret, "Ingress red/i"));
}

#[test]
fn a_secret_that_cannot_be_used_costs_its_host_and_no_other() {
    let good = secret("red", "cert");
    let bad = [
        (Secret { certificate: None, ..good.clone() }, Reason::InvalidSecret),
        (Secret { certificate: Some("junk".into()), ..good.clone() }, Reason::InvalidSecret),
        (Secret { certificate: Some(KEY.into()), ..good.clone() }, Reason::InvalidSecret),
        (Secret { key: Redacted::default(), ..good.clone() }, Reason::InvalidSecret),
        (Secret { key: Redacted::new(CERTIFICATE), ..good.clone() }, Reason::InvalidSecret),
        (secret("blue", "cert"), Reason::MissingSecret),
    ];
    for config in modes() {
        for (secret, reason) in &bad {
            let all = with_secret(config.clone(), secret.clone());
            assert!(all.is_told(*reason, "Ingress red/i"), "{:?}", all.told);
            assert!(all.names(Kind::SslKeyAndCertificate).is_empty());
            assert_eq!(all.bindings.len(), 1, "{:?}", all.bindings);
        }
        assert_eq!(with_secret(config, good.clone()).bindings.len(), 2);
    }
}

#[test]
fn with_the_strict_policy_a_taken_host_costs_the_whole_ingress() {
    let strict = Config { fqdn_reuse: FqdnReuse::Strict, ..evh() };
    let mut greedy = ingress("blue", "greedy", 2, "foo.example.com");
    greedy.rules.push(rule("bar.example.com", vec![path("/", "web")]));
    let owner = ingress("red", "owner", 1, "foo.example.com");
    let all = translate(strict.clone(), ingresses([owner.clone(), greedy.clone()]));
    assert!(all.is_told(Reason::HostAlreadyClaimed, "Ingress blue/greedy"));
    assert_eq!(all.bindings.len(), 1);
    assert!(all.bindings[0].starts_with("red/owner foo"));
    // Without the owner all of it is served.
    assert_eq!(translate(strict, ingresses([greedy.clone()])).bindings.len(), 2);
    // And without the policy they share the host.
    let mut elsewhere = owner;
    elsewhere.rules = vec![rule("foo.example.com", vec![path("/x", "web")])];
    assert_eq!(translate(evh(), ingresses([elsewhere, greedy])).bindings.len(), 3);
}

#[test]
fn with_a_vip_for_each_namespace_a_host_belongs_to_one() {
    let by_namespace = Config { vip_per_namespace: true, ..evh() };
    let mut second = ingress("blue", "b", 2, "foo.example.com");
    second.rules = vec![
        rule("foo.example.com", vec![path("/x", "web")]),
        rule("bar.example.com", vec![path("/", "web")]),
    ];
    let all = translate(by_namespace, ingresses([ingress("red", "a", 1, "foo.example.com"), second]));
    assert!(all.is_told(Reason::DuplicateHost, "Ingress blue/b"));
    assert_eq!(all.fqdns("c1--Shared-L7-EVH-NS-red"), ["foo.example.com"]);
    assert_eq!(all.fqdns("c1--Shared-L7-EVH-NS-blue"), ["bar.example.com"]);
}

#[test]
fn all_paths_of_a_host_with_a_certificate_are_served_by_tls() {
    for config in modes() {
        // The certificate comes later, and from elsewhere.
        let mut solver = ingress("red", "solver", 1, "foo.example.com");
        solver.rules = vec![rule("foo.example.com", vec![path("/.well-known/x", "solver")])];
        let mut objects = ingresses([secure("blue", "site", 2, "foo.example.com"), solver]);
        objects.push(Resource::Secret(secret("blue", "cert")));
        let all = translate(config, objects);
        assert_eq!(all.names(Kind::SslKeyAndCertificate).len(), 1);
        let paths: Vec<_> = all.rules().filter(|rule| rule.switching_action.is_some()).collect();
        assert_eq!(paths.len(), 2, "{paths:?}");
        let services: BTreeSet<_> = all.bindings.iter().filter_map(|b| b.split(' ').nth(2)).collect();
        assert_eq!((all.bindings.len(), services.len()), (2, 1), "{:?}", all.bindings);
        let members = all.objects.values().filter_map(|object| match &**object {
            Object::PoolGroup(group) => {
                Some(group.members.iter().filter(|m| m.priority_label.is_some()).count())
            }
            _ => None,
        });
        assert_eq!(members.sum::<usize>(), 0);
    }
}

#[test]
fn passthrough_hosts_share_a_front_until_the_last_one_goes() {
    let passed = |name: &str, host: &str| Ingress { passthrough: true, ..ingress("red", name, 1, host) };
    let front = "c1--Shared-Passthrough-0";
    for config in modes() {
        let two = [passed("a", "a.example.com"), passed("b", "b.example.com")];
        let all = translate(config.clone(), ingresses(two));
        let Object::VsDataScriptSet(set) = all.object(Kind::VsDataScriptSet, front) else {
            panic!("no script")
        };
        assert_eq!(set.pool_group_refs.len(), 2);
        assert_eq!(all.fqdns(front), ["a.example.com", "b.example.com"]);
        let insecure = format!("{front}-insecure");
        assert_eq!(all.vs(&insecure).http_policies.len(), 1);
        let Object::HttpPolicySet(set) = all.object(Kind::HttpPolicySet, &insecure) else { panic!("no set") };
        let hosts = &set.http_request_policy.rules[0].matches.host_hdr.as_ref().unwrap().value;
        assert_eq!(hosts.len(), 2);
        let one = translate(config.clone(), ingresses([passed("a", "a.example.com")]));
        assert_eq!(one.fqdns(front), ["a.example.com"]);
        assert!(translate(config, Vec::new()).objects.is_empty());
    }
}

#[test]
fn an_empty_passthrough_front_is_whole() {
    let translator = ako_translate::Translator::new(config(), crate::cluster::facts());
    let key = ako_translate::FrontKey {
        kind: ako_translate::FrontKind::Passthrough,
        tenant: "admin".into(),
        name: "c1--Shared-Passthrough-0".into(),
    };
    let objects = translator.front(&Snapshot::default(), &key, None, []).objects;
    assert_eq!(objects.len(), 4, "no redirect is left, its virtual service is");
    for object in &objects {
        for reference in object.references() {
            let there = objects
                .iter()
                .any(|o| Some(o.kind()) == reference.kind && Some(o.name()) == reference.name.as_ref());
            assert!(there, "{} refers to {reference}", object.name());
        }
    }
}
