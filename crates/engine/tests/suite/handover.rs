//! Namespaces that change hands between instances.

use std::collections::BTreeSet;
use std::time::Duration;

use ako_avi_types::{Change, ErrorClass, Kind, ObjectKey, Operation};
use ako_core::config::{AutoFqdn, ServiceMode};
use ako_core::handover::Word;
use ako_core::id::NamespacedName;
use ako_core::kinds::host_rule::FqdnType;
use ako_core::resource::{HostRule, ServiceType};
use ako_core::scope::Requirement;
use ako_core::{Claim, Config, Delta, Installation, Resource, ResourceId, ResourceKind, Scope};
use ako_engine::{Effect, Event, Source};

use crate::cluster::{service, slice, translator};
use crate::fake::Fault;
use crate::instances::{objects, serving, two};
use crate::town::{MARGIN, Town, installation, labelled};
use crate::world::ALWAYS;

/// An instance with a namespace `red`, and one that will have it.
pub(crate) fn town() -> Town {
    let mut all = objects();
    all.extend([
        service("web", ServiceType::ClusterIp),
        slice("web", &[1]),
        service("lb", ServiceType::LoadBalancer),
    ]);
    let mut town = Town::new(&two(), all);
    // A process that has just begun does not know what went before.
    town.run(MARGIN);
    town.take_writes();
    town.least_served = usize::MAX;
    town
}

pub(crate) const OWNERS: [&str; 2] = ["ako-c1", "ako-c1-blue"];

fn word_of(town: &Town, i: usize) -> Word {
    let namespace = &town.instances[i].translator.config().operator_namespace;
    let id = Resource::StatefulSet(installation(namespace, Word::default())).id();
    match &town.cluster[&id] {
        Resource::StatefulSet(installation) => installation.word.clone(),
        other => panic!("{other:?}"),
    }
}

/// All is at rest, and the instance has what it needs and nobody anything else.
fn assert_served_by(town: &Town, i: usize) {
    let pools = town.pools();
    assert!(pools.iter().all(|(_, owner)| owner == OWNERS[i]), "{pools:?}");
    assert_eq!((pools.len(), town.served()), (3, 3));
    for (i, instance) in town.instances.iter().enumerate() {
        assert!(instance.engine.is_settled(), "{i}: {:?}", instance.engine.pending(9));
        assert_eq!(instance.engine.held(), None);
        assert_eq!(word_of(town, i), Word::default(), "{i}");
    }
    assert!(town.published("one") > 0 && town.published("two") > 0);
}

#[test]
fn a_namespace_moves_within_two_seconds_and_is_served_all_the_time() {
    let mut town = town();
    let served = town.served();
    town.label("red", "b");
    town.run(Duration::from_secs(1));
    let first = town.take_writes();
    assert!(first.iter().any(|(i, _)| *i == 1), "{first:?}");
    town.run(Duration::from_secs(1));
    assert_served_by(&town, 1);
    assert_eq!(town.least_served, served);
    // The former owner writes again when the new one has everything.
    let writes: Vec<_> = first.into_iter().chain(town.take_writes()).map(|(i, _)| i).collect();
    assert!(writes.is_sorted_by(|a, b| a >= b), "{writes:?}");
    // It stays like that.
    for i in [0, 1] {
        town.observe(i);
        town.run(Duration::from_mins(1));
        town.restart(i);
        town.run(Duration::from_mins(1));
    }
    // Shared virtual services on which there is nobody any more are removed by the next
    // process.
    let writes = town.take_writes();
    assert!(writes.iter().all(|(i, write)| *i == 0 && write.contains("/c1--Shared-")), "{writes:?}");
    assert_served_by(&town, 1);
}

#[test]
fn a_namespace_comes_back_as_it_went() {
    let mut town = town();
    for (team, owner) in [("b", 1), ("a", 0), ("b", 1), ("a", 0)] {
        let served = town.served();
        town.least_served = usize::MAX;
        town.label("red", team);
        town.run(Duration::from_secs(2));
        assert_served_by(&town, owner);
        assert_eq!(town.least_served, served, "to {team}");
    }
}

#[test]
fn a_namespace_that_goes_to_and_fro_in_a_moment_has_one_owner_in_the_end() {
    for pause in [0, 1, 12, 20, 30, 60, 100, 200, 400] {
        let mut town = town();
        for team in ["b", "a", "b", "a", "b"] {
            town.label("red", team);
            town.run(Duration::from_millis(pause));
        }
        town.run(MARGIN * 2);
        assert_served_by(&town, 1);
        assert_eq!(town.least_served, 3, "after {pause} ms each");
    }
}

#[test]
fn nothing_goes_to_an_instance_that_does_not_run_before_somebody_decides() {
    for by_list in [false, true] {
        let mut town = town();
        town.stop(1);
        if by_list {
            let moved = labelled("red", "b");
            town.cluster.insert(moved.id(), moved.clone());
            town.tell(0, Event::Cluster(Delta::Reset(ResourceKind::Namespace, vec![moved])));
        } else {
            town.label("red", "b");
        }
        town.run(MARGIN * 10);
        assert_eq!(town.take_writes(), []);
        assert!(town.published("one") > 0 && town.published("two") > 0);
        // Nor after a new process of it, that saw nothing move.
        town.restart(0);
        town.run(MARGIN * 10);
        assert_eq!(town.take_writes(), []);
        let departures = town.instances[0].engine.departures();
        assert_eq!(departures.len(), 1);
        let held = town.instances[0].engine.held();
        town.tell(0, Event::ReleaseDeletions(held.map(|held| held.digest).unwrap_or_default()));
        town.run(Duration::from_mins(10));
        assert_eq!(town.pools(), []);
    }
}

/// With EVH a certificate tells its host and no namespace.
#[test]
fn the_certificate_of_a_host_is_kept_when_all_else_is_taken_over() {
    let evh = two().map(|config| Config { evh: true, ..config });
    let mut town = Town::new(&evh, objects());
    town.run(MARGIN);
    let is_taken_over = |operation: &Operation| {
        operation.key.kind == Kind::SslKeyAndCertificate && !matches!(operation.change, Change::Delete(_))
    };
    town.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), is_taken_over);
    town.label("red", "b");
    for _ in 0..4 {
        town.run(Duration::from_mins(20));
        town.observe(0);
    }
    assert_eq!(town.fake.names(Kind::SslKeyAndCertificate).len(), 1);
}

/// What was to be removed because nobody had the namespace is its next owner's to take over.
#[test]
fn what_nobody_asked_for_a_moment_ago_waits_for_the_next_owner_as_well() {
    let mut town = town();
    town.stop(1);
    town.tell(0, Event::Writing(false));
    town.label("red", "nobody");
    town.run(Duration::from_secs(1));
    town.label("red", "b");
    town.run(MARGIN * 3);
    town.tell(0, Event::Writing(true));
    for _ in 0..4 {
        town.run(Duration::from_mins(20));
        town.observe(0);
    }
    let writes = town.take_writes();
    let ends_something = |(_, write): &(usize, String)| {
        write.starts_with("delete pool") || write.starts_with("delete virtualservice")
    };
    assert!(!writes.iter().any(ends_something), "{writes:?}");
    assert_eq!((town.pools().len(), town.served()), (3, 3));
}

/// Even by a process that never wanted them itself, as the namespace was not its own when it
/// began.
#[test]
fn the_addresses_of_what_nobody_asks_for_any_more_are_taken_away() {
    let nobody_selects_it = |town: &mut Town| town.label("red", "nobody");
    let the_next_owner_is_gone = |town: &mut Town| {
        let name = NamespacedName::new("blue", Claim::CONFIG_MAP);
        town.delete(&ResourceId { kind: ResourceKind::ConfigMap, name });
    };
    for end in [nobody_selects_it as fn(&mut Town), the_next_owner_is_gone] {
        let mut town = town();
        town.stop(1);
        town.label("red", "b");
        town.run(MARGIN);
        town.restart(0);
        town.run(MARGIN * 2);
        assert!(town.published("one") > 0 && town.published("two") > 0);
        end(&mut town);
        town.run(MARGIN * 10);
        assert_eq!((town.published("one"), town.published("two")), (0, 0));
        assert!(town.instances[0].engine.is_settled(), "{:?}", town.instances[0].engine.pending(9));
    }
}

/// An edit of its ConfigMap that waits for a restart as a whole is not what it acts by.
#[test]
fn what_another_instance_published_is_its_own_to_take_away() {
    let mut town = town();
    town.label("red", "b");
    town.run(MARGIN * 2);
    assert_served_by(&town, 1);
    let blue = town.instances[1].translator.config().clone();
    let edited = Config { scope: serving("nobody"), ..blue };
    let edited = Resource::ConfigMap(Claim::of(&edited, 2));
    town.hidden = Some((1, edited.id()));
    town.apply(edited);
    town.run(MARGIN * 10);
    town.restart(0);
    town.run(MARGIN * 10);
    assert!(town.published("one") > 0 && town.published("two") > 0);
    // Without its virtual services, what it published leads nowhere.
    town.stop(1);
    for kind in [Kind::VirtualService, Kind::VsVip] {
        for name in town.fake.names(kind) {
            town.fake.remove(&ObjectKey::new(kind, "admin", name));
        }
    }
    town.observe(0);
    town.run(MARGIN);
    assert_eq!((town.published("one"), town.published("two")), (0, 0));
}

/// Without a host name, no annotation says whose addresses they are.
#[test]
fn the_addresses_of_a_service_without_a_name_are_taken_away_too() {
    let nameless = two().map(|config| Config { auto_fqdn: AutoFqdn::Disabled, ..config });
    let mut all = objects();
    all.push(service("lb", ServiceType::LoadBalancer));
    let mut town = Town::new(&nameless, all);
    town.run(MARGIN);
    let shown = |town: &Town| {
        let id = ResourceId { kind: ResourceKind::Service, name: NamespacedName::new("red", "lb") };
        match &town.cluster[&id] {
            Resource::Service(service) => service.published.clone(),
            other => panic!("{other:?}"),
        }
    };
    let before = shown(&town);
    assert!(!before.addresses.is_empty() && before.annotations.is_empty(), "{before:?}");
    town.label("red", "nobody");
    town.run(MARGIN);
    assert!(shown(&town).is_empty());
}

#[test]
fn an_instance_that_is_back_takes_over_what_was_kept_for_it() {
    for mut wait in [Duration::from_secs(1), MARGIN, MARGIN * 3, MARGIN * 100] {
        let mut town = town();
        town.stop(1);
        town.label("red", "b");
        town.run(wait);
        town.restart(1);
        // It waits as long as a former owner might write that it does not know of.
        wait = MARGIN * 2;
        town.run(wait);
        assert_served_by(&town, 1);
        assert_eq!(town.least_served, 3);
    }
}

/// After so many writes of either, one of them ends; another process goes on later.
#[test]
fn either_end_may_crash_at_any_write() {
    for victim in [0, 1] {
        for survived in 0.. {
            let mut town = town();
            town.label("red", "b");
            town.stop_after(victim, survived);
            town.run(MARGIN * 3);
            let crashed = !town.runs(victim);
            town.restart(victim);
            town.run(MARGIN * 3);
            assert_served_by(&town, 1);
            assert_eq!(town.least_served, 3, "{victim} crashed after {survived} writes");
            if !crashed {
                break;
            }
        }
    }
}

/// What the new owner cannot program, the former one keeps.
#[test]
fn what_is_refused_to_the_new_owner_stays_with_the_former_one() {
    let mut town = town();
    let is_refused = |operation: &Operation| {
        operation.key.kind == Kind::PoolGroup && operation.key.name.contains("blue-Shared")
    };
    town.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), is_refused);
    town.label("red", "b");
    town.run(MARGIN * 10);
    let writes = town.take_writes();
    assert!(writes.iter().all(|(i, _)| *i == 1), "{writes:?}");
    assert_eq!(town.least_served, 3);
    town.fake.heal();
    town.run(Duration::from_hours(1));
    assert_served_by(&town, 1);
}

/// What a rejected rule gave is on the former owner's objects alone.
#[test]
fn what_a_rejected_rule_gave_stays_with_the_former_owner_until_it_is_right() {
    let rule = |invalid: Option<&str>| {
        Resource::HostRule(HostRule {
            id: NamespacedName::new("red", "r"),
            fqdn: "*".into(),
            fqdn_type: FqdnType::Wildcard,
            invalid: invalid.map(Into::into),
            ..HostRule::default()
        })
    };
    let mut town = town();
    town.apply(rule(Some("a mistake")));
    town.run(MARGIN);
    town.label("red", "b");
    town.run(MARGIN * 10);
    let deletions = |town: &mut Town| {
        let writes = town.take_writes().into_iter();
        writes.filter(|(i, write)| *i == 0 && write.starts_with("delete")).count()
    };
    assert_eq!((deletions(&mut town), town.least_served), (0, 3));
    town.apply(rule(None));
    town.run(MARGIN * 2);
    assert!(deletions(&mut town) > 0);
    assert_served_by(&town, 1);
}

#[test]
fn a_write_under_way_is_waited_for() {
    let mut town = town();
    // The answer comes late: what it did is not known before.
    town.apply(slice("web", &[1, 2]));
    town.run(Duration::from_millis(12));
    town.instances[0].under_way.iter_mut().for_each(|(at, _)| *at = *at + Duration::from_secs(5));
    town.label("red", "b");
    town.run(Duration::from_secs(4));
    assert_eq!(town.take_writes(), []);
    town.run(Duration::from_secs(4));
    assert_served_by(&town, 1);
}

/// What it knows of the controller may have been changed by the former owner.
#[test]
fn nobody_answers_before_it_has_read_the_controller() {
    let mut town = town();
    town.blind = Some(1);
    town.label("red", "b");
    town.run(Duration::from_secs(10));
    assert!(town.pools().iter().all(|(_, owner)| owner == OWNERS[1]), "{:?}", town.pools());
    // Otherwise the former owner would have stopped waiting.
    assert!(!word_of(&town, 0).let_go.is_empty());
    town.blind = None;
    town.observe(1);
    town.run(Duration::from_secs(3));
    assert_served_by(&town, 1);
}

#[test]
fn nothing_is_removed_before_it_was_read_what_the_new_owner_has() {
    let mut town = town();
    let old = town.observation(0);
    town.blind = Some(0);
    town.label("red", "b");
    town.run(Duration::from_secs(10));
    // A reading that began before says nothing.
    town.tell(0, Event::Observed(old));
    town.run(Duration::from_secs(1));
    assert!(town.pools().iter().all(|(_, owner)| owner == OWNERS[1]), "{:?}", town.pools());
    assert!(town.take_writes().iter().all(|(i, _)| *i == 1));
    town.blind = None;
    town.observe(0);
    town.run(Duration::from_secs(3));
    assert_served_by(&town, 1);
}

/// Others go by what stands there.
#[test]
fn nothing_is_written_against_the_own_word() {
    let mut town = town();
    town.label("red", "b");
    for _ in 0..100 {
        if !word_of(&town, 0).let_go.is_empty() {
            break;
        }
        town.run(Duration::from_millis(5));
    }
    assert!(!word_of(&town, 0).let_go.is_empty());
    town.label("red", "a");
    town.apply(slice("web", &[1, 2]));
    town.take_writes();
    // The word is taken back, which takes a while.
    for _ in 0..800 {
        let words = town.instances[0].under_way.iter_mut();
        let words = words.filter(|(_, effect)| matches!(effect, Effect::Say(_)));
        words.for_each(|(at, _)| *at = town.now + Duration::from_secs(1));
        town.run(Duration::from_millis(5));
    }
    assert!(!word_of(&town, 0).let_go.is_empty());
    assert!(town.take_writes().iter().all(|(i, _)| *i == 1));
    town.run(Duration::from_secs(5));
    assert_served_by(&town, 0);
}

/// It takes what it has not heard of for what is not there, and would answer for nothing.
#[test]
fn nobody_answers_by_a_view_that_is_not_proven() {
    let mut town = town();
    let ingresses = town.cluster.values().filter(|object| object.id().kind == ResourceKind::Ingress);
    let ingresses: Vec<_> = ingresses.cloned().collect();
    town.tell(1, Event::Cluster(Delta::Reset(ResourceKind::Ingress, Vec::new())));
    town.label("red", "b");
    town.run(Duration::from_secs(10));
    assert!(!word_of(&town, 0).let_go.is_empty());
    assert_eq!(town.served(), 3);
    town.tell(1, Event::Cluster(Delta::Reset(ResourceKind::Ingress, ingresses)));
    town.tell(1, Event::Proven(Source::Kind(ResourceKind::Ingress), ALWAYS));
    town.run(Duration::from_secs(3));
    assert_served_by(&town, 1);
}

#[test]
fn what_was_not_written_before_a_namespace_left_is_not_written_after_it() {
    let mut town = town();
    town.stop(1);
    town.fake.fail(1, Fault::Refused(ErrorClass::Retry), |operation| operation.key.kind == Kind::Pool);
    town.apply(slice("web", &[1, 2]));
    town.run(Duration::from_millis(100));
    let written = town.take_writes().len();
    town.label("red", "b");
    town.run(MARGIN * 10);
    assert_eq!((written, town.take_writes()), (1, vec![]), "one of two pools is refused");
}

/// A word of an earlier time is not taken for one of now, though the watch shows it.
#[test]
fn a_word_that_was_used_does_not_count_again() {
    let mut town = town();
    town.label("red", "b");
    town.run(Duration::from_millis(40));
    let Some(old) = word_of(&town, 0).let_go.get("red").cloned() else { panic!("{:?}", word_of(&town, 0)) };
    town.run(Duration::from_secs(2));
    // What the new owner sees of the former one stands still meanwhile.
    let mut word = Word::default();
    word.let_go.insert("red".into(), old);
    let namespace = town.instances[0].translator.config().operator_namespace.clone();
    town.freeze_installation(1, installation(&namespace, word));
    town.label("red", "a");
    town.run(MARGIN * 2);
    town.take_writes();
    town.label("red", "b");
    town.run(MARGIN.saturating_sub(Duration::from_millis(100)));
    assert_eq!(town.take_writes(), []);
    town.run(MARGIN);
    assert!(town.take_writes().iter().any(|(i, _)| *i == 1));
}

/// AKO 2.2.1 has no word: it is waited for by time, and what is left for it is held.
#[test]
fn to_and_from_an_instance_without_a_word() {
    let foreign = |town: &Town, i: usize| {
        let namespace = town.instances[i].translator.config().operator_namespace.clone();
        Resource::StatefulSet(Installation { is_ours: false, ..installation(&namespace, Word::default()) })
    };
    let mut town = town();
    // It stops at once, as AKO does, and leaves what it has.
    town.apply(foreign(&town, 0));
    town.stop(0);
    town.take_writes();
    town.label("red", "b");
    town.run(MARGIN.saturating_sub(Duration::from_millis(1)));
    assert_eq!(town.take_writes(), []);
    town.run(MARGIN);
    assert!(town.take_writes().iter().any(|(i, _)| *i == 1));
    let served = town.served();
    town.label("red", "a");
    town.run(MARGIN * 10);
    let writes = town.take_writes();
    assert!(writes.iter().all(|(_, write)| !write.starts_with("delete")), "{writes:?}");
    assert_eq!(town.served(), served);
    assert!(town.instances[1].engine.held().is_some());
}

/// Without a StatefulSet there is nobody to hear, and nothing that could be said.
#[test]
fn without_a_stateful_set_it_is_handed_over_by_time() {
    let mut town = town();
    town.silence(0);
    town.label("red", "b");
    town.run(MARGIN.saturating_sub(Duration::from_millis(1)));
    assert_eq!(town.take_writes(), []);
    town.run(MARGIN * 5);
    assert!(town.take_writes().iter().all(|(i, _)| *i == 1));
    assert_eq!(town.least_served, 3);
    assert_ne!(town.instances[0].engine.held(), None);
}

/// An instance acts by what it has read of its own ConfigMap, and that may be old. The others go by
/// what stands there.
#[test]
fn an_instance_lets_go_what_its_config_map_does_not_select_any_more_before_it_acts_by_that() {
    let [primary, secondary] = two();
    let both = Requirement::In("team".into(), ["a".into(), "b".into()].into());
    let secondary = Config { scope: Scope { requirements: vec![both], ..Scope::default() }, ..secondary };
    let mut town = Town::new(&[primary.clone(), secondary], objects());
    town.run(MARGIN);
    town.take_writes();
    let elsewhere = Config { scope: serving("nobody"), ..primary };
    town.apply(Resource::ConfigMap(Claim::of(&elsewhere, 1)));
    town.run(Duration::from_secs(2));
    let is_moved = |town: &Town| town.pools().iter().all(|(_, owner)| owner == OWNERS[1]);
    assert!(is_moved(&town), "{:?}", town.pools());
    town.take_writes();
    town.run(MARGIN * 4);
    assert!(town.take_writes().iter().all(|(_, write)| write.contains("/c1--Shared-")));
    assert!(is_moved(&town), "{:?}", town.pools());
}

/// Between two selectors less is served than either of them asks for.
#[test]
fn nothing_is_taken_away_before_an_instance_acts_by_what_its_config_map_selects() {
    let [primary, secondary] = two();
    let mut town = Town::new(&[primary.clone(), secondary], objects());
    town.run(MARGIN);
    let pools = town.pools();
    let elsewhere = Config { scope: serving("nobody"), ..primary };
    town.apply(Resource::ConfigMap(Claim::of(&elsewhere, 1)));
    town.run(MARGIN * 2);
    assert_eq!(town.pools(), pools);
    assert!(town.published("one") > 0);
    town.tell(0, Event::Configured(Box::new(translator(elsewhere))));
    town.run(MARGIN * 2);
    assert_eq!(town.pools(), []);
}

/// By its ConfigMap it gets nothing, but its process may go on as it was started.
#[test]
fn an_instance_that_is_to_get_nothing_is_waited_for_like_any_other() {
    for runs in [false, true] {
        let [_, secondary] = two();
        let mut town = town();
        town.label("red", "b");
        town.run(Duration::from_secs(2));
        let barred = Config { service_mode: ServiceMode::NodePort, ..secondary };
        town.apply(Resource::ConfigMap(Claim::of(&barred, 2)));
        town.run(MARGIN * 2);
        if !runs {
            town.stop(1);
        }
        town.take_writes();
        town.label("red", "a");
        town.run(if runs { Duration::from_secs(2) } else { MARGIN.saturating_sub(Duration::from_millis(1)) });
        let writers: BTreeSet<_> = town.take_writes().into_iter().map(|(i, _)| i).collect();
        assert_eq!(writers.contains(&0), runs, "{writers:?}");
        town.run(MARGIN);
        assert!(town.pools().iter().all(|(_, owner)| owner == OWNERS[0]), "{:?}", town.pools());
    }
}

/// A VsVip names no owner, and is as it was when its virtual service is taken over.
#[test]
fn the_vsvip_of_a_service_is_left_alone_while_it_is_not_known_whose_it_is() {
    let mut town = town();
    let Resource::Service(mut balancer) = service("lb", ServiceType::LoadBalancer) else { panic!() };
    balancer.load_balancer_ip = Some("10.9.9.9".into());
    // The former owner does not see that the namespace goes.
    let red = labelled("red", "a");
    town.hidden = Some((0, red.id()));
    town.tell(0, Event::Cluster(Delta::Reset(ResourceKind::Namespace, vec![red])));
    town.label("red", "b");
    town.run(MARGIN * 2);
    assert!(town.pools().iter().all(|(_, owner)| owner == OWNERS[1]), "{:?}", town.pools());
    town.take_writes();
    town.observe(0);
    town.tell(0, Event::Cluster(Delta::Apply(Resource::Service(balancer))));
    town.run(MARGIN * 2);
    let writes = town.take_writes();
    assert!(writes.iter().all(|(i, _)| *i == 1), "{writes:?}");
}

/// The former owner removes nothing of what the new one has taken over by its name.
#[test]
fn what_kept_its_name_is_not_deleted() {
    let mut town = town();
    town.fake.fail(usize::MAX, Fault::Refused(ErrorClass::Rejected), |operation: &Operation| {
        matches!(operation.change, Change::Delete(_)) && !operation.key.name.contains("Shared")
    });
    town.label("red", "b");
    town.run(Duration::from_secs(5));
    assert_served_by(&town, 1);
}

/// The new owner cannot miss what it does not know of.
#[test]
fn what_the_new_owner_does_not_know_of_stays() {
    let mut town = town();
    let late = service("late", ServiceType::LoadBalancer);
    town.hidden = Some((1, late.id()));
    town.apply(late.clone());
    town.run(Duration::from_secs(5));
    let served = town.served();
    assert_eq!(served, 4);
    town.take_writes();
    town.label("red", "b");
    town.run(MARGIN * 10);
    assert_eq!(town.served(), served, "{:?}", town.take_writes());
    town.restart(0);
    town.run(MARGIN * 10);
    assert_eq!((town.served(), town.least_served), (served, 3));
    assert!(town.pools().contains(&("c1--red-late-TCP-80".to_owned(), OWNERS[0].to_owned())));
    town.tell(1, Event::Cluster(Delta::Apply(late)));
    town.run(Duration::from_secs(2));
    town.observe(0);
    town.run(Duration::from_secs(2));
    let pools = town.pools();
    assert!(pools.iter().all(|(_, owner)| owner == OWNERS[1]), "{pools:?}");
    assert_eq!((town.served(), town.instances[0].engine.held()), (served, None));
}

/// A driver sleeps until the engine's deadline: one that is past would keep it busy.
#[test]
fn nothing_is_left_to_wake_up_for_after_a_word() {
    let mut town = town();
    town.label("red", "b");
    town.run(Duration::from_millis(30));
    assert_ne!(word_of(&town, 0), Word::default());
    town.tell(0, Event::Leads(None));
    town.tell(0, Event::Writing(false));
    town.tell(0, Event::Said(Ok(())));
    town.run(MARGIN * 4);
    for instance in &town.instances {
        assert!(
            instance.engine.deadline().is_none_or(|at| at > town.now),
            "{:?}",
            instance.engine.deadline()
        );
    }
}

/// Instances that call the cluster differently have no names in common.
#[test]
fn between_different_cluster_names_everything_is_made_anew() {
    let [primary, secondary] = two();
    let primary = ako_core::Config { cluster_name: "c1-blue".into(), ..primary };
    let mut all = objects();
    all.push(service("lb", ServiceType::LoadBalancer));
    let other = ako_core::Config { operator_namespace: "op1".into(), ..primary.clone() };
    let mut town = Town::new(&[primary, other, secondary], all);
    town.least_served = usize::MAX;
    town.label("red", "b");
    town.run(MARGIN * 2);
    let pools = town.pools();
    assert!(pools.iter().all(|(name, owner)| name.starts_with("c1--") && owner == OWNERS[1]), "{pools:?}");
    assert_eq!((pools.len(), town.least_served, town.instances[0].engine.held()), (3, 3, None));
}

/// What a process said under an earlier leadership, and somebody withdrew since, does not
/// keep it from serving.
#[test]
fn a_word_of_an_earlier_leadership_is_not_kept_to_for_ever() {
    let mut town = town();
    town.stop(1);
    town.label("red", "b");
    town.run(Duration::from_millis(60));
    assert!(word_of(&town, 0).let_go.contains_key("red"));
    town.tell(0, Event::Writing(false));
    town.tell(0, Event::Leads(None));
    let namespace = town.instances[0].translator.config().operator_namespace.clone();
    town.apply(Resource::StatefulSet(installation(&namespace, Word::default())));
    town.label("red", "a");
    town.run(MARGIN * 2);
    town.begin(0);
    town.run(MARGIN);
    assert_eq!(town.instances[0].engine.awaited(), Vec::<std::sync::Arc<str>>::new());
    assert_served_by(&town, 0);
}

/// `deleteConfig` is set, or taken back, as far as an instance knows.
fn delete_config(town: &mut Town, i: usize, delete_config: bool) {
    let config = Config { delete_config, ..town.instances[i].translator.config().clone() };
    town.instances[i].translator = translator(config);
    let translator = town.instances[i].translator.clone();
    town.tell(i, Event::Configured(Box::new(translator)));
}

#[test]
fn delete_config_leaves_a_namespace_to_the_one_that_takes_it_over() {
    for pause in [0, 1, 12, 20, 30, 60, 100, 200, 400] {
        let mut town = town();
        town.label("red", "b");
        town.run(Duration::from_millis(pause));
        delete_config(&mut town, 0, true);
        town.run(MARGIN * 2);
        assert_served_by(&town, 1);
        assert_eq!(town.least_served, 3, "{pause} ms");
        assert_eq!(objects_of(&town, 0), []);
    }
}

#[test]
fn what_delete_config_has_not_removed_when_a_namespace_leaves_is_left_to_its_new_owner() {
    for pause in [0, 1, 5, 10, 12, 15, 20, 30, 60] {
        let mut town = town();
        delete_config(&mut town, 0, true);
        town.run(Duration::from_millis(pause));
        town.label("red", "b");
        town.run(MARGIN * 2);
        assert_served_by(&town, 1);
        assert_eq!(objects_of(&town, 0), []);
        let (mut written, mut deleted) = (BTreeSet::new(), Vec::new());
        for (i, write) in town.take_writes() {
            let (verb, key) = write.split_once(' ').unwrap();
            match i {
                1 => _ = written.insert(key.to_owned()),
                _ if verb == "delete" && written.contains(key) => deleted.push(key.to_owned()),
                _ => {}
            }
        }
        assert_eq!(deleted, Vec::<String>::new(), "{pause} ms");
        assert_eq!(town.fake.premature, Vec::<String>::new(), "{pause} ms");
    }
}

fn objects_of(town: &Town, i: usize) -> Vec<ObjectKey> {
    let is_its = |key: &ObjectKey| town.owner_of(key).as_deref() == Some(OWNERS[i]);
    town.fake.keys().into_iter().filter(is_its).collect()
}

#[test]
fn delete_config_waits_for_an_instance_that_does_not_run() {
    let mut town = town();
    town.stop(1);
    town.label("red", "b");
    town.run(MARGIN);
    delete_config(&mut town, 0, true);
    town.run(MARGIN * 10);
    assert_eq!(town.served(), 3);
    assert_eq!(town.instances[0].engine.departures().len(), 1);
    assert!(!town.instances[0].engine.has_removed_everything());
    // Another process of it never asked for anything.
    town.restart(0);
    town.run(MARGIN * 10);
    assert_eq!(town.pools().len(), 3);
    assert!(town.instances[0].engine.held().is_some());
    // Whoever wants the end of it gives it back.
    town.label("red", "a");
    town.run(MARGIN * 3);
    assert_eq!(objects_of(&town, 0), []);
    assert!(town.instances[0].engine.has_removed_everything());
}

/// Between two leaderships of a process, another replica had the namespace back and gave it
/// away again, to an instance that does not run any more.
#[test]
fn an_answer_of_an_earlier_leadership_does_not_count() {
    // Where names are in common, what bears ours was not taken over, whatever was said.
    let [primary, blue] = two();
    let mut all = objects();
    all.push(service("lb", ServiceType::LoadBalancer));
    let mut town = Town::new(&[Config { cluster_name: "c2".into(), ..primary }, blue], all);
    town.run(MARGIN);
    let before: Vec<_> = town.fake.keys().iter().filter_map(|key| town.fake.get(key).cloned()).collect();
    town.label("red", "b");
    town.run(MARGIN);
    let pools = |town: &Town| town.pools().into_iter().filter(|(_, owner)| owner == "ako-c2").count();
    assert_eq!(pools(&town), 0);
    town.tell(0, Event::Writing(false));
    town.tell(0, Event::Leads(None));
    town.stop(1);
    for object in before {
        town.fake.edit(object);
    }
    town.take_writes();
    town.begin(0);
    town.run(MARGIN * 10);
    assert_eq!(pools(&town), 3, "{:?}", town.take_writes());
    assert!(town.instances[0].engine.held().is_some());
}
