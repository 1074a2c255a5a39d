//! A namespace goes from one instance to the other, without faults. On virtual
//! time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;
use std::time::Duration;

use ako_sim_kube::{Action, Fault};
use ako_simulation::judgement::{served_by, unfinished, writes};
use ako_simulation::run::on_virtual_time;
use ako_simulation::script::{Script, Step};
use ako_simulation::setup::{LIVELY, Setup};
use ako_simulation::workload::host;
use ako_simulation::world::World;
use tokio::time::{Instant, sleep};

/// How often it is looked: as often as a write can arrive.
const LOOK: Duration = Duration::from_millis(5);
/// When everything is done between instances that hear each other.
const DONE: Duration = Duration::from_secs(2);
/// When everything is done that waits for nobody's word.
const LATER: Duration = Duration::from_secs(35);

/// Both instances at rest, with two Ingresses in the namespace that is to move.
async fn at_rest(evh: bool) -> World {
    let mut world = World::new(1, &Script { evh, ..Script::empty(Setup::Two) }).await.unwrap();
    for instance in [0, 1] {
        world.scale(instance, 2).await.unwrap();
    }
    for number in [0, 2] {
        world.take(0, &Step::Apply(number, "/shop")).await.unwrap();
    }
    sleep(Duration::from_mins(2)).await;
    assert_eq!(unfinished(&world).unwrap(), None);
    world
}

fn owners(world: &World) -> BTreeSet<String> {
    served_by(&world.avi.dump(), &host(LIVELY, 0))
}

fn last(world: &World) -> u64 {
    world.avi.requests().last().unwrap().seq
}

#[test]
fn a_namespace_changes_hands_within_two_seconds_and_without_a_gap() {
    for evh in [false, true] {
        on_virtual_time(Box::pin(async {
            let mut world = at_rest(evh).await;
            for (team, from, to) in [("b", "ako-c1", "ako-c1-blue"), ("a", "ako-c1-blue", "ako-c1")] {
                assert_eq!(owners(&world), BTreeSet::from([from.to_owned()]));
                let (moved, mut before) = (Instant::now(), last(&world));
                world.take(0, &Step::Label(LIVELY, Some(team))).await.unwrap();
                while moved.elapsed() < DONE {
                    let written = world.avi.requests_since(before);
                    let Some(write) = writes(&written).last() else {
                        sleep(LOOK).await;
                        continue;
                    };
                    before = write.seq;
                    assert!(!owners(&world).is_empty(), "not served after {write:?}");
                }
                assert_eq!(owners(&world), BTreeSet::from([to.to_owned()]), "EVH {evh}");
                assert_eq!(unfinished(&world).unwrap(), None);
                let after = last(&world);
                sleep(Duration::from_mins(6)).await;
                assert_eq!(writes(&world.avi.requests_since(after)).next(), None, "it goes on");
            }
            assert_eq!(world.wrong(), Vec::<String>::new());
        }))
        .unwrap();
    }
}

#[test]
fn what_was_nobodys_for_a_while_is_served_again() {
    on_virtual_time(Box::pin(async {
        let mut world = at_rest(false).await;
        for (team, owner) in
            [(None, None), (Some("b"), Some("ako-c1-blue")), (None, None), (Some("a"), Some("ako-c1"))]
        {
            world.take(0, &Step::Label(LIVELY, team)).await.unwrap();
            sleep(LATER).await;
            assert_eq!(owners(&world), owner.map(str::to_owned).into_iter().collect());
            assert_eq!(unfinished(&world).unwrap(), None);
        }
        assert_eq!(world.wrong(), Vec::<String>::new());
    }))
    .unwrap();
}

/// Nothing is removed for an instance that does not run, and it goes on when it does.
#[test]
fn what_is_given_to_an_instance_that_does_not_run_is_served_until_it_does() {
    on_virtual_time(Box::pin(async {
        let mut world = at_rest(false).await;
        for replica in [0, 1] {
            world.take(1, &Step::Kill(replica)).await.unwrap();
        }
        let before = last(&world);
        world.take(0, &Step::Label(LIVELY, Some("b"))).await.unwrap();
        sleep(Duration::from_mins(10)).await;
        assert_eq!(writes(&world.avi.requests_since(before)).next(), None);
        assert_eq!(owners(&world), BTreeSet::from(["ako-c1".to_owned()]));
        for replica in [0, 1] {
            world.take(1, &Step::Start(replica)).await.unwrap();
        }
        sleep(Duration::from_mins(1)).await;
        assert_eq!(owners(&world), BTreeSet::from(["ako-c1-blue".to_owned()]));
        assert_eq!(unfinished(&world).unwrap(), None);
        assert_eq!(world.wrong(), Vec::<String>::new());
    }))
    .unwrap();
}

/// It sees nothing of the change, and its endpoints go on changing.
#[test]
fn a_former_owner_whose_watch_of_namespaces_is_silent_does_not_fight() {
    on_virtual_time(Box::pin(async {
        let mut world = at_rest(false).await;
        let silent = |client: &str| {
            let silence = Action::Silence { breaks: false };
            Fault::new(silence)
                .verb("watch")
                .resource("namespaces")
                .client(client)
                .lasting(Duration::from_mins(4))
        };
        for pod in ["ako-0", "ako-1"] {
            world.kube.inject(silent(&format!("avi-system/{pod}/cluster")));
        }
        // The faults strike when the watches begin anew.
        sleep(Duration::from_secs(30)).await;
        world.take(0, &Step::Label(LIVELY, Some("b"))).await.unwrap();
        for round in 0..20 {
            sleep(Duration::from_secs(10)).await;
            world.take(0, &Step::Endpoints(0, 1 + round % 3)).await.unwrap();
        }
        sleep(Duration::from_mins(5)).await;
        assert_eq!(owners(&world), BTreeSet::from(["ako-c1-blue".to_owned()]));
        assert_eq!(unfinished(&world).unwrap(), None);
        assert_eq!(world.wrong(), Vec::<String>::new());
    }))
    .unwrap();
}
