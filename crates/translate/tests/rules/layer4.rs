//! Services of type LoadBalancer.

use std::collections::{BTreeMap, BTreeSet};

use ako_avi_types::{Kind, Object};
use ako_core::config::AutoFqdn;
use ako_core::resource::{Namespace, ObjectMeta, Protocol, Service, ServiceType, UnusedField};
use ako_core::{
    Claim, CloudType, Config, Facts, Installation, Reason, Resource, Scope, ServiceRule, annotation,
};

use crate::cluster::{Translated, config, facts, port, service, translate, translate_with};

fn balancer(name: &str, ports: &[(u16, Protocol)]) -> Service {
    let ports =
        ports.iter().map(|(number, protocol)| port(&format!("p{number}"), *number, *protocol)).collect();
    service("red", name, ServiceType::LoadBalancer, ports)
}

fn sharing(name: &str, created: i64, ports: &[(u16, Protocol)]) -> Service {
    let annotations = BTreeMap::from([(annotation::SHARED_VIP.into(), "key".into())]);
    Service { meta: ObjectMeta::created(created), annotations, ..balancer(name, ports) }
}

fn all(services: impl IntoIterator<Item = Service>) -> Translated {
    translate(config(), services.into_iter().map(Resource::Service).collect())
}

/// The network profile of the virtual service, and those of its listeners.
fn profiles(enterprise: bool, ports: &[(u16, Protocol)]) -> (String, Vec<Option<String>>) {
    let facts = Facts { enterprise, ..facts() };
    let all = translate_with(config(), facts, vec![Resource::Service(balancer("lb", ports))]);
    let vs = all.vs("c1--red-lb");
    let name = |reference: &ako_avi_types::Ref| reference.name.as_deref().unwrap_or_default().to_owned();
    let own = vs.services.iter().map(|l| l.override_network_profile_ref.as_ref().map(name)).collect();
    (name(vs.network_profile_ref.as_ref().unwrap()), own)
}

#[test]
fn the_network_profile_follows_protocols_and_licence() {
    use Protocol::{Sctp, Tcp, Udp};
    let named = |name: &str| Some(name.to_owned());
    let fast = "System-TCP-Fast-Path".to_owned();
    let proxy = "System-TCP-Proxy".to_owned();
    let udp = "System-UDP-Fast-Path".to_owned();
    assert_eq!(profiles(true, &[(80, Tcp)]), (proxy.clone(), vec![None]));
    assert_eq!(profiles(false, &[(80, Tcp)]), (fast, vec![None]));
    assert_eq!(profiles(true, &[(53, Udp)]), (udp.clone(), vec![None]));
    let mixed = profiles(true, &[(53, Tcp), (54, Udp)]);
    assert_eq!(mixed, (proxy, vec![None, named("System-UDP-Fast-Path")]));
    let mixed = profiles(true, &[(53, Udp), (54, Sctp)]);
    assert_eq!(mixed, (udp, vec![named("System-UDP-Fast-Path"), named("System-SCTP-Proxy")]));
    assert_eq!(profiles(true, &[(54, Sctp)]).0, "System-SCTP-Proxy");
}

#[test]
fn each_port_has_its_pool_and_rule() {
    let all = all([balancer("lb", &[(53, Protocol::Tcp), (53, Protocol::Udp)])]);
    assert_eq!(all.names(Kind::Pool), ["c1--red-lb-TCP-53", "c1--red-lb-UDP-53"]);
    let Object::L4PolicySet(set) = all.object(Kind::L4PolicySet, "c1--red-lb") else { panic!("no set") };
    assert_eq!(set.l4_connection_policy.rules.len(), 2);
}

#[test]
fn a_service_without_ports_is_nothing() {
    assert!(all([balancer("lb", &[])]).objects.is_empty());
}

#[test]
fn a_wanted_address_has_to_be_one() {
    let mut wish = balancer("lb", &[(80, Protocol::Tcp)]);
    wish.load_balancer_ip = Some("10.1.1".into());
    let refused = all([wish.clone()]);
    assert!(refused.is_told(Reason::InvalidAddress, "Service red/lb"));
    assert!(refused.objects.is_empty());
    wish.load_balancer_ip = Some("10.1.1.1".into());
    let granted = all([wish]);
    let Object::VsVip(vip) = granted.object(Kind::VsVip, "c1--red-lb") else { panic!("no VsVip") };
    assert_eq!(vip.vip[0].ip_address.as_ref().map(|ip| &*ip.addr), Some("10.1.1.1"));
}

#[test]
fn a_wanted_address_that_the_cloud_does_not_give_is_told() {
    let mut wish = balancer("lb", &[(80, Protocol::Tcp)]);
    wish.load_balancer_ip = Some("10.1.1.1".into());
    for (cloud, is_told) in [
        (CloudType::Aws, true),
        (CloudType::Azure, true),
        (CloudType::OpenStack, true),
        (CloudType::Gcp, false),
        (CloudType::VCenter, false),
    ] {
        let facts = Facts { cloud, ..facts() };
        let all = translate_with(config(), facts, vec![Resource::Service(wish.clone())]);
        assert_eq!(all.is_told(Reason::UnsupportedField, "Service red/lb"), is_told, "{cloud:?}");
        assert_eq!(all.names(Kind::VirtualService), ["c1--red-lb"]);
    }
}

#[test]
fn services_share_a_vip() {
    let all = all([sharing("a", 1, &[(80, Protocol::Tcp)]), sharing("b", 2, &[(81, Protocol::Udp)])]);
    assert_eq!(all.names(Kind::VirtualService), ["c1--red-key"]);
    assert_eq!(all.vs("c1--red-key").services.len(), 2);
    assert_eq!(all.bindings.len(), 2);
}

#[test]
fn a_port_of_a_shared_vip_belongs_to_the_oldest() {
    let young = sharing("a", 2, &[(80, Protocol::Tcp), (81, Protocol::Tcp)]);
    let all = all([young, sharing("b", 1, &[(80, Protocol::Tcp)])]);
    assert!(all.is_told(Reason::PortConflict, "Service red/a"));
    assert_eq!(all.names(Kind::Pool), ["c1--red-b-key-TCP-80"]);
    assert_eq!(all.bindings.len(), 1);
}

#[test]
fn the_same_port_of_another_protocol_is_another_port() {
    let all = all([sharing("a", 2, &[(53, Protocol::Udp)]), sharing("b", 1, &[(53, Protocol::Tcp)])]);
    assert_eq!(all.told, Vec::<String>::new());
    assert_eq!(all.names(Kind::Pool).len(), 2);
}

#[test]
fn the_address_of_a_shared_vip_is_the_oldest_ones() {
    let with =
        |service: Service, address: &str| Service { load_balancer_ip: Some(address.into()), ..service };
    let old = with(sharing("old", 1, &[(80, Protocol::Tcp)]), "10.1.1.1");
    let other = with(sharing("other", 2, &[(81, Protocol::Tcp)]), "10.1.1.2");
    let same = with(sharing("same", 3, &[(82, Protocol::Tcp)]), "10.1.1.1");
    let none = sharing("none", 4, &[(83, Protocol::Tcp)]);
    let all = all([other, none, same, old]);
    assert_eq!(all.told, ["SharedVipConflict Service red/other"]);
    assert_eq!(all.bindings.len(), 3);
}

#[test]
fn names_are_dotted_flat_or_absent() {
    let fqdns = |auto_fqdn| {
        let config = Config { auto_fqdn, ..config() };
        let all = translate(config, vec![Resource::Service(balancer("lb", &[(80, Protocol::Tcp)]))]);
        all.fqdns("c1--red-lb").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(fqdns(AutoFqdn::Default), ["lb.red.example.com"]);
    assert_eq!(fqdns(AutoFqdn::Flat), ["lb-red.example.com"]);
    assert_eq!(fqdns(AutoFqdn::Disabled), Vec::<String>::new());
}

#[test]
fn the_names_that_a_service_asks_for_are_names() {
    let named = |names: &str| {
        let mut service = balancer("lb", &[(80, Protocol::Tcp)]);
        service.annotations.insert(annotation::EXTERNAL_DNS.into(), names.into());
        all([service])
    };
    for (names, expected, is_told) in [
        ("a.example.com", vec!["a.example.com"], false),
        ("a.example.com,b.example.com", vec!["a.example.com", "b.example.com"], false),
        (" b.example.com. , A.Example.com, ,b.example.com", vec!["a.example.com", "b.example.com"], false),
        ("*.example.com,a.example.com", vec!["a.example.com"], true),
        ("a_b.example.com", vec!["lb.red.example.com"], true),
        ("a b", vec!["lb.red.example.com"], true),
        (" , ", vec!["lb.red.example.com"], false),
        ("", vec!["lb.red.example.com"], false),
    ] {
        let all = named(names);
        assert_eq!(all.fqdns("c1--red-lb"), expected, "{names:?}");
        assert_eq!(all.is_told(Reason::InvalidRule, "Service red/lb"), is_told, "{names:?}: {:?}", all.told);
        let bound: BTreeSet<_> =
            all.bindings.iter().filter_map(|binding| binding.split(' ').nth(1)).collect();
        assert!(bound.into_iter().eq(expected), "{names:?}: {:?}", all.bindings);
    }
}

#[test]
fn what_a_service_asks_for_in_vain_is_told() {
    for field in [UnusedField::SourceRanges, UnusedField::SessionAffinity] {
        let asking = |service: Service| Service { unused: vec![field.clone()], ..service };
        for service in [balancer("lb", &[(80, Protocol::Tcp)]), sharing("lb", 1, &[(80, Protocol::Tcp)])] {
            assert!(all([asking(service)]).is_told(Reason::UnsupportedField, "Service red/lb"), "{field:?}");
        }
        // What is no load balancer of ours asks for nothing.
        let theirs = Service { class: Some("other".into()), ..balancer("lb", &[(80, Protocol::Tcp)]) };
        assert_eq!(all([asking(theirs)]).told, Vec::<String>::new());
    }
}

#[test]
fn classes_and_types_decide_whose_a_service_is() {
    let mut foreign = balancer("lb", &[(80, Protocol::Tcp)]);
    foreign.class = Some("other".into());
    assert!(all([foreign]).objects.is_empty());
    let ours = Resource::Service(balancer("lb", &[(80, Protocol::Tcp)]));
    let layer7 = Config { layer7_only: true, ..config() };
    assert!(translate(layer7, vec![ours.clone()]).objects.is_empty());
    let not_default = Config { default_lb_controller: false, ..config() };
    assert!(translate(not_default, vec![ours]).objects.is_empty());
}

fn at(namespace: &str, name: &str, created: i64) -> Service {
    Service {
        meta: ObjectMeta::created(created),
        ..service(namespace, name, ServiceType::LoadBalancer, vec![port("p", 80, Protocol::Tcp)])
    }
}

#[test]
fn of_two_services_with_one_avi_name_the_older_has_it() {
    for (old, young) in [(("a-b", "c"), ("a", "b-c")), (("a", "b-c"), ("a-b", "c"))] {
        let all = all([at(young.0, young.1, 2), at(old.0, old.1, 1), at("a", "b", 3), at("a-b-c", "d", 4)]);
        assert_eq!(all.told, [format!("NameTaken Service {}/{}", young.0, young.1)]);
        assert_eq!(all.names(Kind::VirtualService), ["c1--a-b", "c1--a-b-c", "c1--a-b-c-d"]);
        assert_eq!(all.bindings.iter().filter(|b| b.contains("c1--a-b-c ")).count(), 0);
        assert_eq!(all.bindings.len(), 3);
    }
}

#[test]
fn who_is_no_load_balancer_of_ours_takes_no_name() {
    let mut internal = at("a", "b-c", 1);
    internal.service_type = ServiceType::ClusterIp;
    let foreign = Service { class: Some("other".into()), ..at("a", "b-c", 1) };
    for other in [internal, foreign] {
        assert_eq!(all([other, at("a-b", "c", 2)]).told, Vec::<String>::new());
    }
}

#[test]
fn in_another_tenant_there_is_another_name() {
    let namespace = Namespace { name: "a".into(), tenant: Some("theirs".into()), ..Namespace::default() };
    let services = [at("a", "b-c", 1), at("a-b", "c", 2)].map(Resource::Service);
    let all = translate(config(), services.into_iter().chain([Resource::Namespace(namespace)]).collect());
    assert_eq!(all.told, Vec::<String>::new());
}

#[test]
fn the_key_of_a_shared_vip_is_a_name_too() {
    let named = at("red", "key", 2);
    let told = |created| all([named.clone(), sharing("a", created, &[(81, Protocol::Tcp)])]).told;
    assert_eq!(told(1), ["NameTaken Service red/key"]);
    assert_eq!(told(3), ["NameTaken Service red/a"]);
}

/// The verdict on Service `a-b`/`c` beside `a`/`b-c` of another instance.
fn beside(other: Claim, is_ours: bool, created: i64) -> Vec<String> {
    let own = Config { operator_namespace: "own".into(), primary: false, ..config() };
    let own_claim = Claim::of(&own, 2);
    let installation = Installation { is_ours, ..Installation::new(other.namespace.clone()) };
    let services = [at("a", "b-c", created), at("a-b", "c", 2)].map(Resource::Service);
    let instances =
        [Resource::ConfigMap(own_claim), Resource::ConfigMap(other), Resource::StatefulSet(installation)];
    translate(own, services.into_iter().chain(instances).collect()).told
}

#[test]
fn the_service_of_another_instance_takes_a_name_too() {
    let scope = Scope { blocked: BTreeSet::from(["a-b".into()]), ..Scope::default() };
    let other = Claim { scope, ..Claim::of(&Config { operator_namespace: "other".into(), ..config() }, 1) };
    assert_eq!(beside(other.clone(), true, 1), ["NameTaken Service a-b/c"]);
    assert_eq!(beside(other.clone(), true, 3), Vec::<String>::new());
    // AKO cannot give way.
    assert_eq!(beside(other.clone(), false, 3), ["NameTaken Service a-b/c"]);
    // What it calls the cluster is in front of its names.
    assert_eq!(beside(Claim { cluster: "c2".into(), ..other.clone() }, true, 1), Vec::<String>::new());
    // Its controller may be this one under another name.
    let elsewhere = Claim { controller: "other".into(), ..other.clone() };
    assert_eq!(beside(elsewhere, true, 1), ["NameTaken Service a-b/c"]);
    // It is judged by its own configuration.
    let serving = |services| Claim { services, ..other.clone() };
    let rule = other.services.clone();
    for rule in [
        ServiceRule { none: true, ..rule.clone() },
        ServiceRule { without_class: false, ..rule.clone() },
        ServiceRule { tenant: "theirs".into(), ..rule },
    ] {
        assert_eq!(beside(serving(rule), true, 1), Vec::<String>::new());
    }
}

/// The pools of a Service that shares a VIP are called by both its name and the key.
#[test]
fn a_service_and_the_key_of_its_shared_vip_can_be_the_name_of_another_service() {
    let under = |name: &str, created, ports: &[(u16, Protocol)], key: &str| {
        let mut service = sharing(name, created, ports);
        service.annotations.insert(annotation::SHARED_VIP.into(), key.into());
        service
    };
    let tcp80 = [(80, Protocol::Tcp)];
    let told = |created| all([under("web", created, &tcp80, "vip"), at("red", "web-vip", 2)]).told;
    assert_eq!(told(1), ["NameTaken Service red/web-vip"]);
    assert_eq!(told(3), ["NameTaken Service red/web"]);
    let others =
        all([under("web", 1, &[(81, Protocol::Tcp), (80, Protocol::Udp)], "vip"), at("red", "web-vip", 2)]);
    assert_eq!(others.told, Vec::<String>::new(), "no pool of the same name");
    let both = all([under("web", 1, &tcp80, "a-b"), under("web-a", 2, &tcp80, "b")]);
    assert_eq!(both.told, ["NameTaken Service red/web-a"]);
}
