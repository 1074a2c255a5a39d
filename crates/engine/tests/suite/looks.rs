//! What objects refer to by name on the controller.

use std::collections::BTreeMap;
use std::time::Duration;

use ako_avi_types::{Brief, ErrorClass, Kind, Object, ObjectKey, Referred};
use ako_core::config::VipNetwork;
use ako_core::resource::{AviInfraSetting, InfraNetwork, ObjectMeta, ServiceType, Truth};
use ako_core::{Look, NamespacedName, Reason, Resource, ResourceId, ResourceKind, annotation};
use ako_engine::{Effect, Engine, Event, MOST_LOOKS_AT_A_TIME};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::cluster::{base, config, id, plain_service, slice, translator};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const DEFAULT: &str = "System-L4-Application";

fn profile(name: &str) -> Referred {
    Referred::named(Kind::ApplicationProfile, "admin", name)
}

/// A Service with a VIP, which asks for an application profile.
fn balancer(name: &str, profile: &str) -> Resource {
    let mut service = plain_service(name, ServiceType::LoadBalancer);
    if !profile.is_empty() {
        service.annotations = BTreeMap::from([(annotation::APPLICATION_PROFILE.into(), profile.into())]);
    }
    Resource::Service(service)
}

/// A cluster with such Services.
fn cluster(services: &[(&str, &str)]) -> Vec<Resource> {
    let pairs = services.iter().flat_map(|(name, profile)| [balancer(name, profile), slice(name, &[1])]);
    base().into_iter().chain(pairs).collect()
}

/// A world with these Services, on whose controller these profiles are.
fn world(services: &[(&str, &str)], profiles: &[&str]) -> World {
    let mut world = World::new(config(), cluster(services));
    world.fake.others = profiles.iter().map(|name| (profile(name), Brief::default())).collect();
    world
}

fn at_rest(services: &[(&str, &str)], profiles: &[&str]) -> World {
    let mut world = world(services, profiles);
    world.start();
    world.settle();
    world
}

fn vs(service: &str) -> ObjectKey {
    ObjectKey::new(Kind::VirtualService, "admin", format!("c1--red-{service}"))
}

/// The profile by which a Service goes on the controller, if it is there.
fn goes_by(world: &World, service: &str) -> Option<String> {
    let Object::VirtualService(vs) = world.fake.get(&vs(service))? else { panic!("no virtual service") };
    Some(vs.application_profile_ref.as_ref()?.name.as_deref()?.to_owned())
}

fn translated(world: &mut World) -> u64 {
    world.engine.take_counters().translated
}

#[test]
fn what_a_unit_reads_is_asked_for_before_anything_is_written() {
    let mut world = world(&[("lb", "fast"), ("other", "")], &["fast"]);
    world.start();
    assert!(!world.engine.is_synced() && world.fake.calls == 0, "the answer is on its way");
    let awaited = world.engine.awaited_names(10);
    assert_eq!(
        (&awaited[0].referred, &*awaited[0].by),
        (&profile("fast"), &["service red/lb".to_owned()][..])
    );
    world.settle();
    assert_eq!(world.fake.looked_up, [profile("fast")], "once");
    assert_eq!(
        (goes_by(&world, "lb").as_deref(), goes_by(&world, "other").as_deref()),
        (Some("fast"), Some(DEFAULT))
    );
    assert!(world.fake.writes.iter().all(|write| !write.starts_with("update")), "{:?}", world.fake.writes);
    assert_eq!(world.engine.awaited_names(10), []);
}

#[test]
fn what_is_missing_is_told_and_asked_for_again_until_it_is_there() {
    let mut world = at_rest(&[("lb", "fast"), ("other", "fine")], &["fine"]);
    assert_eq!(goes_by(&world, "lb").as_deref(), Some(DEFAULT));
    let told: Vec<_> =
        world.notices.iter().filter(|n| n.reason == Reason::MissingReference.as_str()).collect();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].message.contains("applicationprofile \"fast\" not found on controller"),
        "{}",
        told[0].message
    );
    world.fake.looked_up.clear();
    // 15 s, then twice as long each time, at most five minutes.
    world.run(SECOND * 1800);
    assert_eq!(world.fake.looked_up, vec![profile("fast"); 9], "what was found is not asked for");
    world.fake.others.insert(profile("fast"), Brief::default());
    translated(&mut world);
    let before = translated(&mut world);
    world.run(SECOND * 301);
    assert_eq!(goes_by(&world, "lb").as_deref(), Some("fast"));
    assert_eq!(translated(&mut world) - before, 1, "only who reads it is translated");
    world.settle();
    assert_eq!(world.desired().diagnostics().count(), 0);
}

#[test]
fn what_was_found_is_asked_for_again_when_the_controller_is_read() {
    let mut world = at_rest(&[("lb", "fast")], &["fast"]);
    world.fake.others.clear();
    world.run(SECOND * 3600);
    assert_eq!(world.fake.looked_up.len(), 1);
    world.observe();
    world.run(SECOND);
    assert_eq!(goes_by(&world, "lb").as_deref(), Some(DEFAULT));
    world.fake.others.insert(profile("fast"), Brief::default());
    world.settle();
    world.run(SECOND * 16);
    assert_eq!(goes_by(&world, "lb").as_deref(), Some("fast"));
    // Readings in a row do not ask each time.
    world.fake.looked_up.clear();
    (0..10).for_each(|_| world.observe());
    world.run(SECOND * 16);
    assert_eq!(world.fake.looked_up.len(), 1);
}

#[test]
fn an_outage_reads_as_nothing() {
    for class in [ErrorClass::Retry, ErrorClass::Unknown, ErrorClass::Session, ErrorClass::Denied] {
        let mut world = at_rest(&[("lb", "fast"), ("other", "gone")], &["fast"]);
        world.fake.looked_up.clear();
        world.fake.look_fault = Some(class);
        world.take_writes();
        for _ in 0..10 {
            world.observe();
            world.run(SECOND * 300);
        }
        assert!(world.fake.looked_up.len() >= 20, "both were asked for");
        assert_eq!(world.take_writes(), Vec::<String>::new(), "{class:?}");
        assert_eq!(goes_by(&world, "lb").as_deref(), Some("fast"));
        world.fake.look_fault = None;
        world.fake.others = BTreeMap::from([(profile("gone"), Brief::default())]);
        world.run(SECOND * 301);
        world.settle();
        let by = ["lb", "other"].map(|service| goes_by(&world, service));
        assert_eq!(by, [Some(DEFAULT.to_owned()), Some("gone".to_owned())]);
    }
}

#[test]
fn who_waits_stays_as_it_was_and_nothing_is_taken_away_meanwhile() {
    let mut world = at_rest(&[("lb", "fast"), ("other", "")], &["fast", "new"]);
    let published = world.status(&id(ResourceKind::Service, "lb"));
    world.fake.look_fault = Some(ErrorClass::Unknown);
    world.apply(balancer("lb", "new"));
    world.delete(&id(ResourceKind::Service, "other"));
    world.apply(balancer("third", ""));
    world.apply(slice("third", &[1]));
    world.run(SECOND * 20);
    assert_eq!(goes_by(&world, "lb").as_deref(), Some("fast"), "it stays");
    assert_eq!(world.status(&id(ResourceKind::Service, "lb")), published);
    assert!(goes_by(&world, "other").is_some(), "what is not wanted stays as well");
    assert!(goes_by(&world, "third").is_some(), "what is added does not wait");
    let unproven = world.engine.unproven(world.now).unwrap();
    let named = "applicationprofile admin/new, which is looked up on the controller";
    assert!(unproven.removals > 0 && unproven.awaited.contains(named), "{unproven:?}");
    assert!(!world.engine.is_settled());
    world.fake.look_fault = None;
    world.run(SECOND * 20);
    world.settle();
    assert_eq!((goes_by(&world, "lb").as_deref(), goes_by(&world, "other")), (Some("new"), None));
}

#[test]
fn a_start_without_answers_keeps_what_may_still_be_wanted_and_serves_the_others() {
    let mut world = at_rest(&[("lb", "fast")], &["fast"]);
    let published = world.status(&id(ResourceKind::Service, "lb"));
    assert_eq!(published.addresses.len(), 1);
    world.stop();
    world.carry_out(|cluster| {
        for object in [balancer("other", ""), slice("other", &[2])] {
            cluster.insert(object.id(), object);
        }
        None
    });
    world.fake.look_fault = Some(ErrorClass::Unknown);
    world.start();
    world.run(SECOND * 2);
    assert!(!world.engine.is_synced(), "a start waits for some answers");
    world.run(SECOND * 600);
    assert!(goes_by(&world, "other").is_some(), "others are served");
    assert_eq!(goes_by(&world, "lb").as_deref(), Some("fast"), "what is there stays");
    assert_eq!(world.status(&id(ResourceKind::Service, "lb")), published);
    assert!(!world.fake.writes.iter().any(|write| write.starts_with("delete")), "{:?}", world.fake.writes);
    world.fake.look_fault = None;
    world.run(SECOND * 301);
    world.take_writes();
    world.settle();
    assert_eq!(world.take_writes(), Vec::<String>::new(), "all of it was as it is wanted");
}

#[test]
fn what_may_not_be_read_is_taken_to_be_there_and_told() {
    let mut world = world(&[("lb", "fast")], &[]);
    world.fake.look_fault = Some(ErrorClass::Denied);
    world.start();
    world.settle();
    assert_eq!(goes_by(&world, "lb").as_deref(), Some("fast"));
    let found = world.engine.findings();
    assert_eq!(found.iter().map(|finding| finding.reason).collect::<Vec<_>>(), [Reason::ReferenceNotRead]);
    assert!(found[0].message.contains("applicationprofile admin/fast"), "{}", found[0].message);
    world.fake.look_fault = None;
    world.run(SECOND * 16);
    world.settle();
    assert_eq!((world.engine.findings(), goes_by(&world, "lb").as_deref()), (vec![], Some(DEFAULT)));
}

#[test]
fn what_nobody_reads_is_forgotten() {
    let mut world = at_rest(&[("lb", "fast"), ("other", "fast"), ("third", "gone")], &["fast"]);
    world.apply(balancer("lb", ""));
    world.delete(&id(ResourceKind::Service, "third"));
    world.run(SECOND);
    let known: Vec<_> = world.engine.snapshot().catalogue().known().map(|(name, _)| name.clone()).collect();
    assert_eq!(known, [profile("fast")]);
    world.apply(balancer("other", ""));
    world.settle();
    world.fake.looked_up.clear();
    world.run(SECOND * 3600);
    world.observe();
    world.run(SECOND * 3600);
    assert_eq!(world.fake.looked_up, []);
    assert_eq!(world.engine.snapshot().catalogue().known().count(), 0);
}

#[test]
fn one_batch_at_a_time_is_under_way() {
    let names: Vec<_> = (0..120).map(|n| (format!("s{n}"), format!("p{n}"))).collect();
    let services: Vec<_> = names.iter().map(|(service, profile)| (&**service, &**profile)).collect();
    let objects = cluster(&services);
    let mut engine = Engine::new(translator(config()));
    let now = ako_elect::Moment::from_millis(1_000);
    let mut asked = Vec::new();
    for kind in ResourceKind::ALL {
        let of_kind = objects.iter().filter(|object| object.id().kind == kind).cloned().collect();
        asked.extend(engine.step(Event::Cluster(ako_core::Delta::Reset(kind, of_kind)), now));
    }
    let mut sizes = Vec::new();
    while let Some(effect) = asked.pop() {
        let Effect::LookUp(names) = effect else { continue };
        sizes.push(names.len());
        assert!(!engine.step(Event::Tick, now).iter().any(|effect| matches!(effect, Effect::LookUp(_))));
        let answers = names.into_iter().map(|name| (name, Ok(None))).collect();
        asked.extend(engine.step(Event::LookedUp(answers), now));
    }
    assert_eq!(sizes, [MOST_LOOKS_AT_A_TIME, MOST_LOOKS_AT_A_TIME, 20]);
}

#[test]
fn a_dry_run_says_what_it_would_have_to_know() {
    let world = at_rest(&[("lb", "fast")], &["fast"]);
    let of = |catalogue: &ako_core::Catalogue| {
        let translator = world.desired().translator().clone();
        ako_engine::dry_run(translator, world.cluster_events(), world.observation(), catalogue)
    };
    let ignorant = of(&ako_core::Catalogue::default());
    assert_eq!(ignorant.unanswered, [profile("fast")].into());
    assert!(ignorant.writes.is_empty() && !ignorant.is_complete);
    let mut catalogue = ako_core::Catalogue::default();
    catalogue.learn(&profile("fast"), Look::Missing);
    let run = of(&catalogue);
    assert!(run.is_complete && run.unanswered.is_empty());
    assert_eq!(run.writes.len(), 1, "{:?}", run.writes);
}

fn setting(generation: i64, group: &str) -> Resource {
    let vip = VipNetwork { name: "vips".into(), ..VipNetwork::default() };
    Resource::AviInfraSetting(AviInfraSetting {
        id: NamespacedName::cluster("blue"),
        meta: ObjectMeta { generation, ..ObjectMeta::default() },
        network: Some(InfraNetwork { vip_networks: vec![vip], ..InfraNetwork::default() }),
        se_group: Some(group.into()),
        ..AviInfraSetting::default()
    })
}

/// What stands on the setting: its status, its error, and its condition with the generation.
fn stands(world: &World) -> Option<(String, String, Truth, i64)> {
    let blue = ResourceId { kind: ResourceKind::AviInfraSetting, name: NamespacedName::cluster("blue") };
    let told = world.status(&blue).told?;
    let field = |name: &str| told.fields.get(name).map(ToString::to_string).unwrap_or_default();
    let condition = told.conditions.values().next()?;
    assert_eq!(*condition.message, *field("error"));
    Some((field("status"), field("error"), condition.status, condition.generation))
}

#[test]
fn a_rule_is_said_to_be_right_as_soon_as_it_is() {
    let group = |name| Referred::named(Kind::ServiceEngineGroup, "admin", name);
    let mut world = World::new(config(), [base(), vec![setting(1, "gold")]].concat());
    world.start();
    world.settle();
    let missing =
        "network \"vips\" not found on controller; serviceenginegroup \"gold\" not found on controller";
    assert_eq!(stands(&world), Some(("Rejected".into(), missing.into(), Truth::False, 1)));
    world.fake.others.insert(Referred::named(Kind::Network, "admin", "vips"), Brief::default());
    world.fake.others.insert(group("gold"), Brief::default());
    world.run(SECOND * 16);
    assert_eq!(stands(&world), Some(("Accepted".into(), String::new(), Truth::True, 1)));
    // Of what is not known nothing is said.
    world.fake.look_fault = Some(ErrorClass::Denied);
    world.apply(setting(2, "silver"));
    world.run(SECOND);
    assert_eq!(stands(&world), Some(("Accepted".into(), String::new(), Truth::True, 1)));
    world.fake.look_fault = None;
    world.run(SECOND * 20);
    let missing = "serviceenginegroup \"silver\" not found on controller";
    assert_eq!(stands(&world), Some(("Rejected".into(), missing.into(), Truth::False, 2)));
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Ask(u8, u8),
    Put(u8),
    Take(u8),
    Break(Option<ErrorClass>),
    Read,
    Restart,
    Wait(u16),
}

fn steps() -> impl Strategy<Value = Step> {
    let classes = vec![ErrorClass::Retry, ErrorClass::Unknown, ErrorClass::Denied, ErrorClass::Busy];
    prop_oneof![
        4 => (0..3u8, 0..4u8).prop_map(|(service, profile)| Step::Ask(service, profile)),
        2 => (1..4u8).prop_map(Step::Put),
        2 => (1..4u8).prop_map(Step::Take),
        2 => proptest::option::of(prop::sample::select(classes)).prop_map(Step::Break),
        2 => Just(Step::Read),
        1 => Just(Step::Restart),
        5 => (0..400u16).prop_map(Step::Wait),
    ]
}

/// The profile of a number; none for zero.
fn named(number: u8) -> String {
    if number == 0 { String::new() } else { format!("p{number}") }
}

const SERVICES: [&str; 3] = ["a", "b", "c"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, in the end each goes by what is there; and what is there of a Service is
    /// never taken away, as none of them ever goes.
    #[test]
    fn in_the_end_everybody_goes_by_what_is_there(steps in vec(steps(), 0..25)) {
        let mut world = at_rest(&SERVICES.map(|name| (name, "")), &["p1"]);
        let mut asked = BTreeMap::from(SERVICES.map(|name| (name, String::new())));
        world.take_writes();
        for step in steps {
            match step {
                Step::Ask(service, number) => {
                    let service = SERVICES[usize::from(service)];
                    asked.insert(service, named(number));
                    let Resource::Service(mut changed) = balancer(service, &named(number)) else { panic!() };
                    changed.published = world.status(&id(ResourceKind::Service, service));
                    world.apply(Resource::Service(changed));
                }
                Step::Put(number) => drop(world.fake.others.insert(profile(&named(number)), Brief::default())),
                Step::Take(number) => drop(world.fake.others.remove(&profile(&named(number)))),
                Step::Break(class) => world.fake.look_fault = class,
                Step::Read => world.observe(),
                Step::Restart => world.restart(),
                Step::Wait(seconds) => world.run(SECOND * u32::from(seconds)),
            }
            for service in SERVICES {
                prop_assert!(goes_by(&world, service).is_some());
                prop_assert_eq!(world.status(&id(ResourceKind::Service, service)).addresses.len(), 1);
            }
        }
        world.fake.look_fault = None;
        world.observe();
        world.run(SECOND * 301);
        world.settle();
        for (service, name) in asked {
            let is_there = world.fake.others.contains_key(&profile(&name));
            let expected = if is_there { name } else { DEFAULT.to_owned() };
            prop_assert_eq!(goes_by(&world, service), Some(expected));
        }
        let gone = world.take_writes().into_iter().find(|write| write.starts_with("delete"));
        prop_assert_eq!(gone, None);
    }
}
