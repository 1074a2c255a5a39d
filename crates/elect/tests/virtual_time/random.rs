//! Random faults: never two permits at once, and a leader when they stop.

use std::collections::BTreeMap;
use std::time::Duration;

use ako_elect::{Event, Holder, Record};
use proptest::prelude::*;

use crate::cluster::{Cluster, Network};

#[derive(Clone, Copy, Debug)]
enum Fault {
    Delete,
    Clear,
    Forge,
    Touch,
    Outage(bool),
    Pause(usize),
    Resume(usize),
    Crash(usize),
    Stop(usize),
    Restart(usize),
    Yield(usize),
    Unreachable(usize, bool),
    FitPeer(usize, bool),
}

fn fault() -> impl Strategy<Value = Fault> {
    let node = 0..4usize;
    prop_oneof![
        Just(Fault::Delete),
        Just(Fault::Clear),
        Just(Fault::Forge),
        Just(Fault::Touch),
        any::<bool>().prop_map(Fault::Outage),
        node.clone().prop_map(Fault::Pause),
        node.clone().prop_map(Fault::Resume),
        node.clone().prop_map(Fault::Crash),
        node.clone().prop_map(Fault::Stop),
        node.clone().prop_map(Fault::Restart),
        node.clone().prop_map(Fault::Yield),
        (node.clone(), any::<bool>()).prop_map(|(node, bad)| Fault::Unreachable(node, bad)),
        (node, any::<bool>()).prop_map(|(node, fit)| Fault::FitPeer(node, fit)),
    ]
}

fn inflict(cluster: &mut Cluster, fault: Fault) {
    let count = cluster.nodes.len();
    match fault {
        Fault::Delete => cluster.delete(),
        Fault::Clear => drop(cluster.put(Record::from_data(&BTreeMap::new()))),
        Fault::Forge | Fault::Touch => {
            let Some(stored) = cluster.record.clone() else { return };
            let holder =
                Holder::new(if matches!(fault, Fault::Forge) { "x" } else { stored.record.holder.as_str() });
            cluster.put(Record { holder, ..stored.record });
        }
        Fault::Outage(outage) => cluster.outage = outage,
        Fault::Pause(node) => cluster.nodes[node % count].paused = true,
        Fault::Resume(node) => cluster.resume(node % count),
        Fault::Crash(node) => cluster.nodes[node % count].up = false,
        Fault::Stop(node) => cluster.tell(node % count, Event::StopRequested),
        Fault::Restart(node) => {
            if !cluster.nodes[node % count].up {
                cluster.restart(node % count);
            }
        }
        Fault::Yield(node) => cluster.tell(node % count, Event::YieldRequested),
        Fault::Unreachable(node, bad) => cluster.tell(node % count, Event::ControllerReachable(!bad)),
        Fault::FitPeer(node, fit) => cluster.tell(node % count, Event::FitPeer(fit)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_two_permits_overlap(
        rates in prop::collection::vec(990u64..=1010, 2..=4),
        network in (1u64..4000, 0u64..40, 0u64..100, any::<u64>()),
        script in prop::collection::vec((fault(), 0u64..12_000), 0..60),
    ) {
        let (delay, lost_percent, late_percent, seed) = network;
        let mut cluster = Cluster::new(Network { delay, lost_percent, late_percent, seed });
        for rate in rates {
            cluster.start(rate);
        }
        cluster.run(Duration::from_secs(20));
        for (fault, wait) in script {
            inflict(&mut cluster, fault);
            cluster.run(Duration::from_millis(wait));
        }
        // Once nothing goes wrong any more, somebody leads: requests that are
        // late still come for 20 s, and each may cost one duration.
        cluster.outage = false;
        cluster.network = Network { delay: 5, lost_percent: 0, late_percent: 0, seed };
        for node in 0..cluster.nodes.len() {
            cluster.resume(node);
            if !cluster.nodes[node].up {
                cluster.restart(node);
            }
            cluster.tell(node, Event::ControllerReachable(true));
        }
        let everyone: Vec<usize> = (0..cluster.nodes.len()).collect();
        cluster.run(Duration::from_secs(25));
        // One that was told to end while it was paused has ended only now.
        for node in 0..cluster.nodes.len() {
            if !cluster.nodes[node].up {
                cluster.restart(node);
            }
        }
        cluster.until_led_by(&everyone, Duration::from_secs(25));
    }
}
