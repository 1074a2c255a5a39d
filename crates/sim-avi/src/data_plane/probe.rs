//! TCP health monitors: a server is up if it accepts a connection.

use std::sync::Arc;

use futures::StreamExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::limits::{CONNECT, MOST_PROBES, PROBE_EVERY};
use super::plan::Plan;

/// Probes the enabled servers of monitored pools again and again.
pub(super) async fn run(plan: watch::Receiver<Arc<Plan>>) {
    let mut ticks = interval(PROBE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let plan = plan.borrow().clone();
        let pools = plan.pools.values().filter(|pool| pool.probed && pool.enabled);
        let servers: Vec<_> = pools
            .flat_map(|pool| pool.servers.iter().filter(|server| server.enabled))
            .map(|server| (server.address, server.state.clone()))
            .collect();
        futures::stream::iter(servers)
            .for_each_concurrent(MOST_PROBES, |(address, state)| async move {
                let outcome = timeout(CONNECT, TcpStream::connect(address)).await;
                state.probed(matches!(outcome, Ok(Ok(_))));
            })
            .await;
    }
}
