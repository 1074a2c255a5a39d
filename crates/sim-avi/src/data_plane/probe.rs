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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_plane::pool::{Pool, Server, ServerState};
    use crate::data_plane::tasks::Task;
    use std::net::SocketAddr;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_accepts_nothing_goes_down() {
        let state: Arc<ServerState> = Arc::default();
        let address = SocketAddr::from(([127, 99, 0, 1], 1));
        let server = Server { label: String::new(), address, enabled: true, state: state.clone() };
        let (label, turn) = ("pool".into(), Arc::default());
        let servers = vec![server];
        let pool = Arc::new(Pool { label, enabled: true, servers, probed: true, tls: None, turn });
        assert!(pool.is_up());
        let plan = Plan { pools: [("uuid".into(), pool.clone())].into(), ..Plan::default() };
        let (_sender, plan) = watch::channel(Arc::new(plan));
        let _probing = Task::spawn(run(plan));
        let down = async {
            while !state.is_down() {
                tokio::time::sleep(CONNECT).await;
            }
        };
        timeout(PROBE_EVERY * 5, down).await.expect("two probes failed");
        assert!(!pool.is_up());
    }
}
