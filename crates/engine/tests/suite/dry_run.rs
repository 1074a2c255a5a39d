//! What a process would write, without a cluster and a controller to write to.

use std::time::Duration;

use ako_avi_types::Kind;
use ako_core::config::{ServiceMode, ShardSize};
use ako_core::{Catalogue, Claim, Config, Contest, Delta, Resource, ResourceKind, Scope};
use ako_engine::{Action, DryRun, Event, dry_run};

use crate::cluster::{base, config, host, id, ingress, translator};
use crate::instances::{objects, serving, two};
use crate::town::{MARGIN, Town};
use crate::world::World;

/// Two instances whose objects bear the same owner's name; the second one is the younger.
fn two_with_one_owner() -> [Config; 2] {
    let [primary, _] = two();
    let younger =
        Config { operator_namespace: "younger".into(), scope: serving("nobody"), ..primary.clone() };
    [primary, younger]
}

fn deletions(run: &DryRun) -> usize {
    run.writes.iter().filter(|write| write.action == Action::Delete).count()
}

#[test]
fn an_instance_that_is_barred_plans_no_write_and_says_why() {
    let town = Town::new(&two_with_one_owner(), objects());
    let run = town.dry_run(1);
    assert!(run.is_complete && !run.pending.is_empty());
    assert_eq!(run.writes, []);
    assert_eq!(run.barred, Some(("avi-system".into(), Contest::Owner)));
    assert!(run.conflicts.iter().any(|conflict| conflict.contest == Contest::Owner), "{:?}", run.conflicts);
    // The older one goes on.
    let older = town.dry_run(0);
    assert_eq!((older.barred, older.writes), (None, vec![]));
}

#[test]
fn what_is_barred_by_the_way_to_the_pods_may_remove_itself() {
    let [primary, secondary] = two();
    let other_way = Config { service_mode: ServiceMode::NodePort, ..secondary.clone() };
    let mut all = objects();
    all[1] = crate::town::labelled("red", "b");
    let mut town = Town::new(&[primary, secondary], all);
    town.restart_as(1, &other_way);
    let run = town.dry_run(1);
    assert_eq!((run.barred, run.writes), (Some(("avi-system".into(), Contest::ServiceType)), vec![]));
    town.restart_as(1, &Config { delete_config: true, ..other_way });
    let run = town.dry_run(1);
    assert_eq!(run.barred, None);
    town.take_writes();
    town.run(Duration::from_secs(10));
    let written = town.take_writes();
    assert!(run.writes.len() > 5);
    assert_eq!(run.writes.len(), written.len(), "{written:?}");
}

#[test]
fn deletions_that_the_guard_holds_are_not_planned() {
    let ingresses = (0..30_u8).map(|n| ingress(&format!("i{n}"), &[host(n)]));
    let mut world = World::at_rest(config(), base().into_iter().chain(ingresses).collect());
    world.stop();
    world.forget(ResourceKind::Ingress);
    let run = world.dry_run();
    assert_eq!(run.writes, []);
    let held = run.held.unwrap();
    assert!(held.count >= 30, "{held:?}");
    assert!(run.pending.iter().any(|pending| pending.state == "held by the deletion guard"));
    world.start();
    world.run(Duration::from_secs(10));
    assert_eq!((world.engine.held(), world.take_writes()), (Some(held), vec![]));
}

#[test]
fn a_few_deletions_are_planned_with_what_leads_to_them() {
    let ingresses = (0..3_u8).map(|n| ingress(&format!("i{n}"), &[host(n)]));
    let mut world = World::at_rest(config(), base().into_iter().chain(ingresses).collect());
    world.stop();
    world.carry_out(|cluster| {
        cluster.remove(&id(ResourceKind::Ingress, "i1"));
        None
    });
    let run = world.dry_run();
    assert_eq!((run.held.clone(), run.pending.len()), (None, 0));
    assert!(deletions(&run) > 0, "{:?}", run.writes);
    world.start();
    world.settle();
    let written = world.take_writes();
    assert_eq!(run.writes.len(), written.len(), "{written:?}");
}

#[test]
fn a_removal_of_everything_is_planned_however_much_it_is() {
    let ingresses = (0..30_u8).map(|n| ingress(&format!("i{n}"), &[host(n)]));
    let mut world = World::at_rest(config(), base().into_iter().chain(ingresses).collect());
    let all = world.fake.keys().len();
    world.restart_as(Config { delete_config: true, ..config() });
    let run = world.dry_run();
    assert_eq!((run.held.clone(), deletions(&run), run.writes.len()), (None, all, all));
}

/// The younger instance serves the namespace; then the older one claims it.
#[test]
fn nothing_is_planned_in_a_contested_namespace() {
    let [primary, secondary] = two();
    let mut all = objects();
    all[1] = crate::town::labelled("red", "b");
    let mut town = Town::new(&[primary.clone(), secondary], all);
    let greedy = Config { scope: Scope::default(), ..primary };
    town.instances[0].translator = translator(greedy.clone());
    town.apply(Resource::ConfigMap(Claim::of(&greedy, 1)));
    let run = town.dry_run(1);
    assert_eq!(run.writes, []);
    let conflict = run.conflicts.iter().find(|conflict| conflict.contest == Contest::Namespaces).unwrap();
    assert_eq!(conflict.namespaces, ["red".into()]);
    assert!(run.held.is_some_and(|held| held.count > 5), "{:?}", run.pending);
}

/// Somebody removed a pool by hand.
#[test]
fn a_reference_that_leads_nowhere_is_made_good_or_taken_out() {
    let ingresses = [ingress("a", &[host(1)]), ingress("b", &[host(17)])];
    let config = Config { shard_size: ShardSize::Shared(1), ..config() };
    let mut world = World::at_rest(config, base().into_iter().chain(ingresses).collect());
    let pool = world.fake.find(Kind::Pool, "h1.");
    world.stop();
    world.fake.remove(&pool);
    let plan = |world: &World| world.dry_run().writes.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(plan(&world), [format!("+ create {pool}  (host h1.example.com)")]);
    // Nor does anybody ask for it any more.
    world.carry_out(|cluster| {
        cluster.remove(&id(ResourceKind::Ingress, "a"));
        None
    });
    let plan = plan(&world);
    assert!(plan.iter().all(|write| !write.contains(&format!("create {pool}"))), "{plan:#?}");
    assert!(plan.iter().any(|write| write.starts_with("~ update poolgroup")), "{plan:#?}");
    world.broken = true;
    world.start();
    world.settle();
    assert_eq!(world.take_writes().len(), plan.len());
}

#[test]
fn what_a_new_owner_has_to_take_over_is_not_planned_to_go() {
    let mut town = Town::new(&two(), objects());
    town.stop(1);
    town.label("red", "b");
    let run = town.dry_run(0);
    assert_eq!((deletions(&run), run.departures), (0, vec![("red".into(), "blue".into())]));
    assert!(run.held.is_some());
}

/// It let the namespace go and gets it back before the other one has begun.
#[test]
fn a_namespace_that_is_awaited_is_told() {
    let mut town = Town::new(&two(), objects());
    town.stop(1);
    town.label("red", "b");
    town.run(MARGIN);
    town.stop(0);
    town.label("red", "a");
    let run = town.dry_run(0);
    assert_eq!((run.writes, run.awaited), (vec![], vec!["red".into()]));
    assert!(run.unproven.is_some_and(|unproven| unproven.removals > 0));
}

#[test]
fn nothing_is_said_before_every_kind_is_known() {
    let world = World::new(config(), base().into_iter().chain([ingress("a", &[host(1)])]).collect());
    let is_ingress = |event: &Event| matches!(event, Event::Cluster(Delta::Reset(ResourceKind::Ingress, _)));
    let mut cluster = world.cluster_events();
    cluster.retain(|event| !is_ingress(event));
    let run = dry_run(world.translator.clone(), cluster, world.observation(), &Catalogue::default());
    assert_eq!((run.is_complete, run.writes), (false, vec![]));
}
