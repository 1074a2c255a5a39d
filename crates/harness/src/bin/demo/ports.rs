//! The ports of a demo.

use std::net::Ipv4Addr;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;

/// Where demos begin that were not told where.
const FIRST: u16 = 8800;
/// From one demo to the next: the largest one has 3 instances of 9 replicas.
const STEP: u16 = 50;
/// So many demos find ports of their own.
const MOST_DEMOS: u16 = 20;

/// Ports in a row. The first is held, and nobody is served there: it tells other
/// demos that the following ones are in use.
pub(crate) struct Ports {
    base: u16,
    _held: TcpListener,
}

impl Ports {
    /// Takes those from `base` on, or some that no other demo has.
    pub(crate) async fn take(base: Option<u16>) -> anyhow::Result<Self> {
        if let Some(base) = base {
            let why =
                || format!("port {base} is taken: end the demo that has it, or choose another --port-base");
            return Self::hold(base).await.with_context(why);
        }
        for number in 0..MOST_DEMOS {
            if let Ok(taken) = Self::hold(FIRST + number * STEP).await {
                return Ok(taken);
            }
        }
        let last = FIRST + (MOST_DEMOS - 1) * STEP;
        bail!("the ports {FIRST} to {last} in steps of {STEP} are taken: choose another --port-base")
    }

    async fn hold(base: u16) -> std::io::Result<Self> {
        Ok(Self { base, _held: TcpListener::bind((Ipv4Addr::LOCALHOST, base)).await? })
    }

    pub(crate) fn controller(&self) -> u16 {
        self.base + 1
    }

    pub(crate) fn kubernetes(&self) -> u16 {
        self.base + 2
    }

    /// The first of the operator's pages.
    pub(crate) fn pages(&self) -> u16 {
        self.base + 3
    }
}
