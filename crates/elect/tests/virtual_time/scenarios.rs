//! One scenario for each rule of the protocol.

use std::collections::BTreeMap;
use std::time::Duration;

use ako_elect::{Event, Record};

use crate::cluster::{Cluster, QUIET};

const LEASE: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(2);
const SECOND: Duration = Duration::from_secs(1);

/// So many processes, of which the first leads.
fn led(count: usize) -> Cluster {
    let mut cluster = Cluster::new(QUIET);
    for _ in 0..count {
        cluster.start(1000);
    }
    cluster.until_led_by(&[0], LEASE + SECOND);
    cluster.run(RETRY * 3);
    cluster
}

fn epoch(cluster: &Cluster) -> u64 {
    cluster.record.as_ref().map_or(0, |stored| stored.record.epoch.number())
}

#[test]
fn the_first_start_waits_one_duration() {
    let mut cluster = Cluster::new(QUIET);
    cluster.start(1000);
    let took = cluster.until_led_by(&[0], LEASE + SECOND);
    assert!(took >= LEASE, "absence is never evidence: {took:?}");
    assert_eq!(epoch(&cluster), 1);
}

#[test]
fn a_leader_stays() {
    let mut cluster = led(3);
    for _ in 0..1000 {
        cluster.run(SECOND);
        assert_eq!(cluster.leaders(), [0]);
    }
    assert_eq!(epoch(&cluster), 1);
}

#[test]
fn a_clean_stop_hands_over_in_less_than_a_second() {
    let mut cluster = led(3);
    cluster.tell(0, Event::StopRequested);
    let took = cluster.until_led_by(&[1], SECOND);
    assert!(took < SECOND, "{took:?}");
    assert!(!cluster.nodes[0].up);
    assert_eq!(epoch(&cluster), 2);
}

#[test]
fn a_crash_is_survived_in_one_duration_and_two_periods() {
    let mut cluster = led(3);
    cluster.nodes[0].up = false;
    let took = cluster.until_led_by(&[1, 2], LEASE + RETRY * 2);
    assert!(took + RETRY >= LEASE, "{took:?}");
}

#[test]
fn a_restart_in_the_same_pod_is_no_shortcut() {
    let mut cluster = led(1);
    cluster.restart(0);
    assert!(cluster.until_led_by(&[0], LEASE + RETRY) >= LEASE);
    cluster.tell(0, Event::StopRequested);
    cluster.run(SECOND);
    cluster.restart(0);
    assert!(cluster.until_led_by(&[0], SECOND) < SECOND, "its predecessor released");
}

#[test]
fn a_deleted_record_moves_the_leadership_within_one_duration() {
    let mut cluster = led(2);
    cluster.delete();
    cluster.run(Duration::from_secs(11));
    assert!(cluster.leaders().is_empty(), "nothing extends a permit without its record");
    cluster.until_led_by(&[0, 1], Duration::from_secs(5));
}

#[test]
fn an_emptied_record_is_waited_for_like_any_other() {
    let mut cluster = led(2);
    cluster.put(Record::from_data(&BTreeMap::new()));
    cluster.run(Duration::from_secs(14));
    assert!(cluster.leaders().is_empty());
    cluster.until_led_by(&[0, 1], RETRY);
}

#[test]
fn an_edit_that_leaves_the_contents_alone_changes_nothing() {
    let mut cluster = led(2);
    for _ in 0..60 {
        let record = cluster.record.clone().unwrap().record;
        cluster.put(record);
        cluster.run(SECOND);
        assert_eq!(cluster.leaders(), [0]);
    }
}

#[test]
fn without_the_api_server_the_permit_ends_and_nothing_else_happens() {
    let mut cluster = led(2);
    cluster.outage = true;
    cluster.run(Duration::from_secs(7));
    assert_eq!(cluster.leaders(), [0], "renewDeadline less the last renewal's age");
    cluster.run(Duration::from_secs(4));
    assert!(cluster.leaders().is_empty());
    cluster.run(Duration::from_mins(1));
    cluster.outage = false;
    cluster.until_led_by(&[0, 1], RETRY * 4);
}

#[test]
fn a_short_outage_changes_nothing() {
    let mut cluster = led(2);
    cluster.outage = true;
    cluster.run(Duration::from_millis(1500));
    cluster.outage = false;
    for _ in 0..30 {
        cluster.run(SECOND);
        assert_eq!(cluster.leaders(), [0]);
    }
    assert_eq!(epoch(&cluster), 1);
}

#[test]
fn who_is_not_warm_stands_back_for_one_duration_at_most() {
    let mut cluster = led(3);
    cluster.tell(1, Event::Warm(false));
    assert_eq!(cluster.nodes[1].stand_back, Some(true));
    cluster.tell(0, Event::StopRequested);
    cluster.until_led_by(&[2], SECOND);
    cluster.tell(2, Event::StopRequested);
    let took = cluster.until_led_by(&[1], LEASE + SECOND);
    assert!(took >= LEASE, "{took:?}");
    cluster.tell(1, Event::Warm(true));
    assert_eq!(cluster.nodes[1].stand_back, Some(false));
}

#[test]
fn a_leader_that_loses_the_controller_yields_once_to_a_fit_peer() {
    let mut cluster = led(2);
    cluster.tell(0, Event::ControllerReachable(false));
    cluster.run(LEASE * 4);
    assert_eq!(cluster.leaders(), [0], "there is nobody better");
    cluster.tell(0, Event::FitPeer(true));
    cluster.until_led_by(&[1], RETRY);
    assert_eq!(cluster.nodes[0].stand_back, Some(true));
    cluster.run(LEASE * 4);
    assert_eq!(cluster.leaders(), [1]);
}

#[test]
fn two_replicas_without_progress_do_not_flap() {
    let mut cluster = led(2);
    for node in [0, 1] {
        cluster.tell(node, Event::FitPeer(true));
        cluster.tell(node, Event::Progressing(false));
    }
    let before = epoch(&cluster);
    cluster.run(Duration::from_hours(1));
    let changes = epoch(&cluster) - before;
    assert!((2..=16).contains(&changes), "{changes} changes in an hour");
}

#[test]
fn on_request_another_one_leads() {
    let mut cluster = led(2);
    cluster.tell(0, Event::YieldRequested);
    cluster.until_led_by(&[1], SECOND);
    cluster.run(LEASE * 2);
    assert_eq!(cluster.leaders(), [1]);
}

#[test]
fn while_somebody_else_writes_nobody_leads() {
    let mut cluster = led(2);
    for node in [0, 1] {
        cluster.tell(node, Event::ForeignWriter(true));
    }
    cluster.run(LEASE * 3);
    assert!(cluster.leaders().is_empty());
    for node in [0, 1] {
        cluster.tell(node, Event::ForeignWriter(false));
    }
    cluster.until_led_by(&[0, 1], SECOND);
}

#[test]
fn a_paused_leader_loses_its_permit_before_others_get_one() {
    let mut cluster = led(2);
    cluster.nodes[0].paused = true;
    cluster.until_led_by(&[1], LEASE + RETRY * 2);
    cluster.resume(0);
    cluster.run(LEASE * 2);
    assert_eq!(cluster.leaders(), [1]);
}

#[test]
fn a_leader_does_not_read_its_own_renewals() {
    let mut cluster = led(1);
    let before = cluster.reads;
    cluster.run(Duration::from_mins(10));
    let reads = cluster.reads - before;
    assert!(reads <= 30, "{reads} reads for 300 renewals");
}
