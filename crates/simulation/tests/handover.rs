//! A namespace goes from one instance to the other, without faults. On virtual
//! time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;
use std::time::Duration;

use ako_simulation::borders::MARGIN;
use ako_simulation::judgement::{served_by, unfinished, writes};
use ako_simulation::run::on_virtual_time;
use ako_simulation::script::{Script, Step};
use ako_simulation::setup::{LIVELY, Setup};
use ako_simulation::workload::host;
use ako_simulation::world::World;
use tokio::time::{Instant, sleep};

/// How often it is looked: as often as a write can arrive.
const LOOK: Duration = Duration::from_millis(5);
/// When everything is done: both instances waited, and have written.
const DONE: Duration = Duration::from_secs(35);

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
fn a_namespace_changes_hands_without_a_gap_and_nobody_writes_while_the_other_may() {
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
                    assert!(moved.elapsed() >= MARGIN, "after {:?}: {write:?}", moved.elapsed());
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
            sleep(DONE).await;
            assert_eq!(owners(&world), owner.map(str::to_owned).into_iter().collect());
            assert_eq!(unfinished(&world).unwrap(), None);
        }
        assert_eq!(world.wrong(), Vec::<String>::new());
    }))
    .unwrap();
}
