//! What is told of an object: what comes of it, by which rules, and what is wrong.

use ako_core::kinds::http_rule::HttpRulePath;
use ako_core::resource::{HostRule, HttpRule, ObjectMeta};
use ako_core::{Config, NamespacedName, Resource, ResourceId, ResourceKind};
use ako_engine::{Explanation, Subject};

use crate::cluster::{base, config, host, id, ingress};
use crate::world::World;

fn http_rule(name: &str, number: u8, invalid: Option<&str>) -> Resource {
    Resource::HTTPRule(HttpRule {
        id: NamespacedName::new("red", name),
        meta: ObjectMeta::created(1),
        fqdn: host(number),
        paths: vec![HttpRulePath { target: "/".into(), ..HttpRulePath::default() }],
        invalid: invalid.map(Into::into),
        ..HttpRule::default()
    })
}

fn world() -> World {
    let pattern = Resource::HostRule(HostRule {
        id: NamespacedName::new("red", "elsewhere"),
        fqdn: "*.elsewhere.com".into(),
        fqdn_type: ako_core::kinds::host_rule::FqdnType::Wildcard,
        ..HostRule::default()
    });
    let objects = [
        ingress("a", &[host(1)]),
        ingress("b", &[host(2)]),
        http_rule("right", 1, None),
        http_rule("wrong", 2, Some("it is wrong")),
        pattern,
    ];
    World::at_rest(Config { evh: true, ..config() }, base().into_iter().chain(objects).collect())
}

fn explained(world: &World, id: ResourceId) -> Explanation {
    world.engine.explain(Subject::Resource(id))
}

fn rules(explanation: &Explanation) -> Vec<String> {
    let rules = explanation.parts.iter().flat_map(|part| &part.rules);
    rules.map(|rule| format!("{} {:?}", rule.rule, rule.status.as_deref().unwrap_or("-"))).collect()
}

#[test]
fn an_ingress_leads_to_its_host_and_the_rules_that_act_there() {
    let world = world();
    let right = explained(&world, id(ResourceKind::Ingress, "a"));
    assert!(right.is_there && right.is_right(), "{right:?}");
    let what: Vec<_> = right.parts.iter().map(|part| &*part.what).collect();
    assert_eq!(what[0], format!("host {}", host(1)));
    assert!(what[1].starts_with("shared virtual service "), "{what:?}");
    // Not the pattern that does not fit, though it was looked at.
    assert_eq!(rules(&right), ["HTTPRule red/right \"Accepted\""]);
    assert!(right.parts[0].objects.iter().all(|object| object.uuid.is_some()));
    assert!(right.parts[1].objects.iter().any(|object| !object.addresses.is_empty()));

    let wrong = explained(&world, id(ResourceKind::Ingress, "b"));
    assert_eq!(rules(&wrong), ["HTTPRule red/wrong \"Rejected\""]);
    assert!(!wrong.is_right());
    assert_eq!(wrong.findings[0].object, id(ResourceKind::Ingress, "b"));
}

#[test]
fn a_rule_leads_to_what_goes_by_it_alone() {
    let world = world();
    let right = explained(&world, id(ResourceKind::HTTPRule, "right"));
    assert_eq!(right.parts[0].what, format!("host {}", host(1)));
    assert_eq!(right.verdict.map(|verdict| verdict.status), Some(Some("Accepted".into())));
    let unused = explained(&world, id(ResourceKind::HostRule, "elsewhere"));
    assert!(unused.is_there && unused.parts.is_empty(), "{unused:?}");
}

#[test]
fn what_many_read_is_told_with_a_limit() {
    let many = (10..90).map(|number| ingress(&format!("i{number}"), &[host(number)]));
    let objects = base().into_iter().chain(many).collect();
    let world = World::at_rest(config(), objects);
    let service = explained(&world, id(ResourceKind::Service, "web"));
    assert_eq!(service.parts.len(), 50);
    assert!(service.more >= 30, "{}", service.more);
    let gone = explained(&world, id(ResourceKind::Service, "gone"));
    assert!(!gone.is_there && gone.parts.is_empty());
}
