//! What is served by a rule that is rejected later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ako_avi_types::{Brief, Kind, Object, Referred, VirtualService};
use ako_core::kinds::sso_rule::{AcsType, Saml, SignIn};
use ako_core::resource::{L4Rule, Protocol, ServiceType, SsoRule};
use ako_core::{Config, NamespacedName, Resource, ResourceId, ResourceKind, annotation};

use crate::cluster::{base, config, host, ingress, plain_service, port, slice};
use crate::world::World;

/// A world on whose controller policy `strict` is.
fn at_rest(config: Config, objects: impl IntoIterator<Item = Resource>) -> World {
    let mut world = World::new(config, base().into_iter().chain(objects).collect());
    let strict = [Kind::SecurityPolicy, Kind::SsoPolicy].map(|kind| Referred::named(kind, "admin", "strict"));
    world.fake.others = strict.into_iter().map(|name| (name, Brief::default())).collect();
    world.start();
    world.settle();
    world.take_writes();
    world
}

/// The virtual service that has a name with this in it.
fn service(world: &World, part: &str) -> VirtualService {
    match world.fake.get(&world.fake.find(Kind::VirtualService, part)) {
        Some(Object::VirtualService(service)) => service.clone(),
        other => panic!("{other:?}"),
    }
}

fn rule(kind: ResourceKind) -> ResourceId {
    ResourceId { kind, name: NamespacedName::new("red", "r") }
}

fn l4_rule(policy: &str) -> Resource {
    Resource::L4Rule(L4Rule {
        id: rule(ResourceKind::L4Rule).name,
        security_policy: Some(policy.into()),
        ..L4Rule::default()
    })
}

#[test]
fn the_virtual_service_of_an_l4_rule_stays_and_its_pools_follow_the_pods() {
    let balancer = |ports: &[u16]| {
        let mut balancer = plain_service("lb", ServiceType::LoadBalancer);
        balancer.annotations = BTreeMap::from([(annotation::L4_RULE.into(), "r".into())]);
        balancer.ports = ports.iter().map(|n| port(&format!("p{n}"), *n, Protocol::Tcp)).collect();
        balancer.ports[0].name = "http".into();
        Resource::Service(balancer)
    };
    let objects = [l4_rule("strict"), balancer(&[80]), slice("lb", &[1])];
    let mut world = at_rest(config(), objects);
    let policy =
        |world: &World| service(world, "red-lb").shaped.and_then(|shaped| shaped.security_policy_ref);
    assert!(policy(&world).is_some());
    world.apply(l4_rule("missing"));
    world.run(Duration::from_mins(10));
    world.restart();
    world.run(Duration::from_mins(10));
    assert_eq!((world.take_writes(), policy(&world).is_some()), (Vec::new(), true));
    world.apply(slice("lb", &[1, 2]));
    world.run(Duration::from_mins(10));
    assert_eq!(world.take_writes(), ["update pool admin/c1--red-lb-TCP-80"]);
    // Ports, policy and pools go together: none of them changes alone.
    for ports in [vec![80, 81], vec![81], vec![80]] {
        world.apply(balancer(&ports));
        world.run(Duration::from_mins(10));
        let changed = world.take_writes().into_iter().filter(|write| !write.contains(" pool "));
        assert_eq!(changed.collect::<Vec<_>>(), Vec::<String>::new());
        assert!(world.has(Kind::Pool, "red-lb-TCP-80") && world.engine.is_settled());
    }
    world.apply(balancer(&[81]));
    world.restart();
    world.run(Duration::from_mins(10));
    assert!(world.has(Kind::Pool, "red-lb-TCP-80") && world.engine.is_settled());
    // Who deletes it wants it to have no effect.
    world.delete(&rule(ResourceKind::L4Rule));
    world.run(Duration::from_mins(10));
    assert!(policy(&world).is_none());
    let pools: Vec<_> = world.fake.names(Kind::Pool).into_iter().filter(|name| name.contains("lb")).collect();
    assert_eq!(pools, ["c1--red-lb-TCP-81"]);
    world.check_rest();
}

fn sso_rule(policy: &str) -> Resource {
    Resource::SSORule(SsoRule {
        id: rule(ResourceKind::SSORule).name,
        fqdn: host(1),
        sso_policy: policy.into(),
        sign_in: Some(SignIn::Saml(Saml {
            acs: AcsType::Url,
            acs_index: None,
            entity_id: "e".into(),
            single_sign_on_url: "https://sso".into(),
            cookie_name: None,
            cookie_timeout: 60,
            signing_certificate: None,
            use_idp_session_timeout: None,
        })),
        ..SsoRule::default()
    })
}

/// Nobody gets in without signing in who could not before.
#[test]
fn a_host_goes_on_asking_people_to_sign_in() {
    let config = Config { evh: true, ..config() };
    let mut world = at_rest(config, [sso_rule("strict"), ingress("a", &[host(1)]), slice("web", &[1])]);
    let child = |world: &World| -> Arc<str> {
        let children = world.fake.names(Kind::VirtualService).into_iter();
        children.filter(|name| !name.contains("Shared")).map(Into::into).next().unwrap()
    };
    let signs_in = |world: &World| {
        service(world, &child(world)).shaped.is_some_and(|shaped| shaped.saml_sp_config.is_some())
    };
    assert!(signs_in(&world));
    world.apply(sso_rule("missing"));
    world.run(Duration::from_mins(10));
    world.restart();
    world.run(Duration::from_mins(10));
    assert_eq!((world.take_writes(), signs_in(&world)), (Vec::new(), true));
    // Nor where the virtual service is not there any more, or has to be made by another name.
    let key = world.fake.find(Kind::VirtualService, &child(&world));
    world.fake.remove(&key);
    world.observe();
    world.run(Duration::from_mins(10));
    assert!(world.fake.get(&key).is_none() && world.engine.is_settled());
    let told = world.desired().diagnostics().filter(|d| d.reason.as_str() == "RuleNotApplied");
    assert_eq!(told.count(), 1);
    world.apply(sso_rule("strict"));
    world.run(Duration::from_mins(10));
    assert!(signs_in(&world));
    world.delete(&rule(ResourceKind::SSORule));
    world.run(Duration::from_mins(10));
    assert!(!signs_in(&world));
}
